package iperf3

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// reported is the text of a test of two streams each way, or of one, with
// figures made up.
func reported(p parameters) string {
	_, control := newPipe(netip.AddrPortFrom(clientAddr, 40000), serverAddr, nil)
	t := &session{params: &p, control: control}
	for i := range p.total() {
		var conn Conn
		if !p.udp {
			_, conn = newPipe(netip.AddrPortFrom(clientAddr, uint16(40001+i)), serverAddr, nil)
		}
		s := t.newStream(i, conn)
		s.flow = flow{serverAddr, netip.AddrPortFrom(clientAddr, uint16(40001+i))}
		t.streams = append(t.streams, s)
	}
	t.omitting.Store(p.omit > 0)
	r := newReport(t)
	now := time.Now()
	r.reset(now)
	t.begin = now
	act := func(k uint64) {
		for i, s := range t.streams {
			n := k * uint64(i+1)
			s.bytes.Add(n * 1_000_003)
			s.sent.Add(n)
			s.arrivals.highest += n * 10
			s.arrivals.lost += n
			s.arrivals.reordered += k % 2
			s.arrivals.jitter = 0.000_123 * float64(i+1)
			if s.conn != nil {
				s.conn.(*end).retransmits += int64(n)
			}
		}
	}
	if p.omit > 0 {
		act(500)
		now = now.Add(time.Second)
		r.interval(now)
		t.omitting.Store(false)
		t.begin = now
		for _, s := range t.streams {
			s.omit()
		}
		r.reset(now)
	}
	act(1)
	r.interval(now.Add(time.Second))
	act(3000)
	r.interval(now.Add(2 * time.Second))
	r.interval(now.Add(2*time.Second + time.Millisecond)) // short, and nothing in it
	return r.finish(t.results(now.Add(2*time.Second + time.Millisecond)))
}

func TestReport(t *testing.T) {
	var all strings.Builder
	for _, test := range []struct {
		name string
		p    parameters
	}{
		{"TCP to the server", parameters{streams: 1}},
		{"TCP from the server, omitting", parameters{streams: 2, reverse: true, omit: time.Second}},
		{"TCP both ways", parameters{streams: 2, bidirectional: true}},
		{"UDP to the server, omitting", parameters{udp: true, streams: 1, omit: time.Second}},
		{"UDP from the server", parameters{udp: true, streams: 2, reverse: true}},
		{"UDP both ways", parameters{udp: true, streams: 1, bidirectional: true}},
	} {
		all.WriteString("==== " + test.name + "\n" + reported(test.p) + "\n")
	}
	golden(t, "report.golden", all.String())
}

// TestReportIsBounded: the longest test does not fill the memory, and its
// summary is there.
func TestReportIsBounded(t *testing.T) {
	s := &session{params: &parameters{streams: 128, bidirectional: true}}
	_, s.control = newPipe(netip.AddrPortFrom(clientAddr, 40000), serverAddr, nil)
	for i := range 256 {
		_, conn := newPipe(netip.AddrPortFrom(clientAddr, 40001), serverAddr, nil)
		s.streams = append(s.streams, s.newStream(i, conn))
	}
	r := newReport(s)
	now := time.Now()
	r.reset(now)
	s.begin = now
	for range 600 {
		now = now.Add(time.Second)
		r.interval(now)
	}
	text := r.finish(s.results(now))
	if len(text) > maxReport+64<<10 || !strings.Contains(text, "more intervals than fit") || strings.Count(text, "receiver\n") != 128 {
		t.Errorf("%d bytes, ending in\n%s", len(text), text[max(0, len(text)-500):])
	}
}

func TestUnits(t *testing.T) {
	for _, test := range []struct {
		bytes        float64
		amount, rate string
	}{
		{0, "0.00 Bytes", "0.00 bits/sec"},
		{1, "1.00 Bytes", "8.00 bits/sec"},
		{1023, "1023 Bytes", "8.18 Kbits/sec"},
		{1024, "1.00 KBytes", "8.19 Kbits/sec"},
		{10 << 20, "10.0 MBytes", "83.9 Mbits/sec"},
		{100 << 20, " 100 MBytes", " 839 Mbits/sec"},
		{2.5e9, "2.33 GBytes", "20.0 Gbits/sec"},
		{1e16, "9095 TBytes", "80000 Tbits/sec"},
	} {
		if a, r := amount(test.bytes), bitrate(test.bytes); a != test.amount || r != test.rate {
			t.Errorf("%v bytes: %q and %q, want %q and %q", test.bytes, a, r, test.amount, test.rate)
		}
	}
}
