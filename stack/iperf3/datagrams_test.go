package iperf3

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// datagram hands one to the server.
func (r *rig) datagram(from netip.AddrPort, b []byte) Verdict {
	return r.server.Datagram(serverAddr, from, b[:min(len(b), HeadSize)], len(b))
}

// numbered is a datagram of 100 bytes that has been sent now.
func numbered(number uint64, wide bool) []byte {
	b := make([]byte, 100)
	now := time.Now()
	binary.BigEndian.PutUint32(b, uint32(now.Unix()))
	binary.BigEndian.PutUint32(b[4:], uint32(now.Nanosecond()/1000))
	if wide {
		binary.BigEndian.PutUint64(b[8:], number)
	} else {
		binary.BigEndian.PutUint32(b[8:], uint32(number))
	}
	return b
}

func TestDatagramsToServer(t *testing.T) {
	for _, wide := range []bool{false, true} {
		bubble(t, func(r *rig) {
			parameters := `{"udp":true,"time":1,"omit":1,"len":100,"parallel":2}`
			if wide {
				parameters = `{"udp":true,"time":1,"omit":1,"len":100,"parallel":2,"udp_counters_64bit":1}`
			}
			one, two := netip.AddrPortFrom(clientAddr, 50001), netip.AddrPortFrom(clientAddr, 50002)
			foreign := netip.MustParseAddrPort("172.16.0.99:50001")
			verdict := func(what string, from netip.AddrPort, b []byte, want Verdict) {
				t.Helper()
				if got := r.datagram(from, b); got != want {
					t.Errorf("%s: verdict %d, want %d", what, got, want)
				}
			}
			verdict("before all", one, []byte("9876"), NoStream)
			control := r.begin("a", parameters)
			r.hear(control, createStreams)
			verdict("foreign", foreign, []byte("9876"), NoStream)
			verdict("no greeting", one, []byte("hello"), NoStream)
			verdict("other greeting", one, []byte("hell"), NoStream)
			verdict("empty", one, nil, NoStream)
			verdict("data too early", one, numbered(1, wide), NoStream)
			r.wire.fail = errors.New("no route")
			verdict("unanswerable", one, []byte("9876"), Failed)
			r.wire.fail = nil
			verdict("one", one, []byte("9876"), Answered)
			verdict("one again", one, []byte("9876"), Answered)
			verdict("two", two, []byte{0x15, 0xcd, 0x5b, 0x07}, Answered)
			r.hear(control, testStart, testRunning)
			if diff := cmp.Diff([][]byte{[]byte("6789"), []byte("6789"), {0xb1, 0x68, 0xde, 0x3a}}, r.wire.take()); diff != "" {
				t.Error(diff)
			}
			verdict("a third", netip.AddrPortFrom(clientAddr, 50003), []byte("9876"), NoStream)
			verdict("omitted", one, numbered(3, wide), Counted) // 1 and 2 lost
			time.Sleep(1500 * time.Millisecond)
			for _, number := range []uint64{4, 7, 6, 9, 10} { // 5 and 8 lost
				verdict("data", one, numbered(number, wide), Counted)
				time.Sleep(time.Millisecond)
			}
			verdict("short", one, make([]byte, 11), TooShort)
			verdict("short for 64 bits", two, numbered(1, wide)[:15], map[bool]Verdict{true: TooShort, false: Counted}[wide])
			time.Sleep(495 * time.Millisecond)
			got := r.end(control)
			verdict("after all", one, numbered(11, wide), NoStream)
			want := results{HasRetransmits: -1, Streams: []streamResult{
				{ID: 1, Bytes: 500, Retransmits: -1, Errors: 4, OmittedErrors: 2, Packets: 10, OmittedPackets: 3, End: 1},
				{ID: 3, Bytes: 15, Retransmits: -1, Packets: 1, End: 1},
			}}
			if wide {
				want.Streams[1] = streamResult{ID: 3, Retransmits: -1, End: 1}
			}
			if diff := cmp.Diff(want, got, sansCPU, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
				t.Errorf("64 bits %v: %s", wide, diff)
			}
		})
	}
}

// TestDatagramsFromServer: the rate is kept, numbers go up from 1, time goes on.
func TestDatagramsFromServer(t *testing.T) {
	for _, wide := range []bool{false, true} {
		bubble(t, func(r *rig) {
			parameters := `{"udp":true,"bidirectional":true,"time":2,"len":1000,"bandwidth":8000000}`
			if wide {
				parameters = `{"udp":true,"bidirectional":true,"time":2,"len":1000,"bandwidth":8000000,"udp_counters_64bit":1}`
			}
			control := r.begin("a", parameters)
			r.hear(control, createStreams)
			to, from := netip.AddrPortFrom(clientAddr, 50001), netip.AddrPortFrom(clientAddr, 50002)
			if a, b := r.datagram(to, []byte("6789")), r.datagram(from, []byte("9876")); a != Answered || b != Answered {
				t.Fatalf("verdicts %d and %d", a, b)
			}
			r.wire.take()
			r.hear(control, testStart, testRunning)
			begin := time.Now()
			r.wire.mu.Lock()
			r.wire.fail = errors.New("link is full")
			r.wire.mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			r.wire.mu.Lock()
			r.wire.fail = nil
			r.wire.mu.Unlock()
			time.Sleep(1900 * time.Millisecond)
			if v := r.datagram(from, numbered(1, wide)); v != NoStream {
				t.Errorf("a datagram against the stream: verdict %d", v)
			}
			got := r.end(control)
			sent := r.wire.take()
			if n := len(sent); n < 1990 || n > 2001 {
				t.Errorf("%d datagrams of 1 KB in 2 s, want 1 MB/s", n)
			}
			last := begin
			for i, b := range sent {
				number := uint64(binary.BigEndian.Uint32(b[8:]))
				if wide {
					number = binary.BigEndian.Uint64(b[8:])
				}
				at := time.Unix(int64(binary.BigEndian.Uint32(b)), 1000*int64(binary.BigEndian.Uint32(b[4:])))
				if number != uint64(i+1) || len(b) != 1000 || at.Before(last.Truncate(time.Microsecond)) {
					t.Fatalf("datagram %d has number %d, %d bytes, and is of %v", i+1, number, len(b), at)
				}
				last = at
			}
			want := results{Streams: []streamResult{
				{ID: 1, Retransmits: -1, End: 2},
				{ID: 3, Retransmits: -1, Bytes: 1000 * uint64(len(sent)), Packets: uint64(len(sent)), End: 2},
			}}
			if diff := cmp.Diff(want, got, sansCPU); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestArrivals(t *testing.T) {
	for _, test := range []struct {
		name    string
		numbers []uint64
		want    arrivals
	}{
		{"in order", []uint64{1, 2, 3}, arrivals{highest: 3}},
		{"gap", []uint64{1, 2, 6}, arrivals{highest: 6, lost: 3}},
		{"the first are lost", []uint64{4}, arrivals{highest: 4, lost: 3}},
		{"late", []uint64{1, 3, 2, 4}, arrivals{highest: 4, reordered: 1}},
		{"backwards", []uint64{3, 2, 1}, arrivals{highest: 3, reordered: 2}},
		{"twice", []uint64{1, 1, 2}, arrivals{highest: 2, reordered: 1}},
		{"zero", []uint64{0}, arrivals{reordered: 1}},
		{"as far as it goes", []uint64{1, math.MaxInt64}, arrivals{highest: math.MaxInt64, lost: math.MaxInt64 - 2}},
		{"further", []uint64{1, math.MaxUint64, math.MaxInt64 + 1, 2}, arrivals{highest: 2}},
	} {
		var got arrivals
		for _, n := range test.numbers {
			got.take(n, 0)
		}
		got.any = false
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(arrivals{})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestJitter is the example by hand: J += (|D| - J) / 16.
func TestJitter(t *testing.T) {
	var a arrivals
	for i, transit := range []float64{5, 5.016, 5, 5} {
		a.take(uint64(i+1), transit)
	}
	j := 0.016 / 16
	j += (0.016 - j) / 16
	j += (0 - j) / 16
	if math.Abs(a.jitter-j) > 1e-12 {
		t.Errorf("jitter %v, want %v", a.jitter, j)
	}
}

// FuzzDatagrams: a stream of datagrams of any content is counted as by hand, and
// nothing that comes grows beyond its bounds.
func FuzzDatagrams(f *testing.F) {
	f.Fuzz(func(t *testing.T, input []byte) {
		var a arrivals
		seen, highest := map[uint64]bool{}, uint64(0)
		for i := 0; i+2 <= len(input); i += 2 {
			number := uint64(binary.BigEndian.Uint16(input[i:]))
			if number == 0 || seen[number] {
				// iperf3 itself counts a duplicate against a loss; without them
				// what is lost is what has not been seen.
				continue
			}
			seen[number] = true
			highest = max(highest, number)
			a.take(number, float64(int(input[i])-int(input[i+1])))
		}
		if a.highest != highest || a.lost != highest-uint64(len(seen)) {
			t.Errorf("highest %d and lost %d, by hand %d and %d", a.highest, a.lost, highest, highest-uint64(len(seen)))
		}
		if a.jitter < 0 || a.jitter > 510 {
			t.Errorf("jitter %v", a.jitter)
		}
		// The same bytes as heads of 64 bits, where anything goes.
		var b arrivals
		for i := 0; i+HeadSize <= len(input); i += HeadSize {
			b.take(binary.BigEndian.Uint64(input[i+8:]), float64(binary.BigEndian.Uint64(input[i:])))
		}
		if b.lost > b.highest || b.highest > highestNumber || math.IsNaN(b.jitter) || math.IsInf(b.jitter, 0) {
			t.Errorf("%+v", b)
		}
	})
}

// FuzzGreeting: whatever comes while streams are opened, an answer is never
// longer than what it answers and goes to the client alone.
func FuzzGreeting(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, host uint8) {
		w := &wire{}
		s := NewServer(Config{Datagrams: w})
		client, control := newPipe(netip.AddrPortFrom(clientAddr, 40000), serverAddr, nil)
		defer client.Close()
		s.current = &session{server: s, control: control, joining: true, flows: map[flow]*stream{}, params: &parameters{udp: true, streams: 3}}
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, 0, host}), 50000)
		verdict := s.Datagram(serverAddr, from, payload[:min(len(payload), HeadSize)], len(payload))
		sent := w.take()
		switch {
		case len(sent) > 1, len(sent) == 1 && (len(sent[0]) > len(payload) || from.Addr() != clientAddr):
			t.Errorf("%q from %v drew %q", payload, from, sent)
		case (verdict == Answered) != (len(sent) == 1):
			t.Errorf("verdict %d, and %d answers", verdict, len(sent))
		}
	})
}
