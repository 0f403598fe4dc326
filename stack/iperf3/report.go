package iperf3

import (
	"fmt"
	"strings"
	"time"
)

// maxReport bounds the text that a test collects for its client, in bytes. The
// longest test has 86,400 intervals of 256 streams.
const maxReport = 256 << 10

// A report is what an iperf3 server would have printed of the test, for a client
// that asks for it (--get-server-output). It belongs to the control goroutine.
type report struct {
	session *session
	text    strings.Builder
	cut     bool
	begin   time.Time // of what counts
	last    time.Time // end of the last interval
	headed  bool
}

func newReport(t *session) *report {
	r := &report{session: t}
	r.line("-----------------------------------------------------------\n")
	r.line("netstack's own iperf3 server, listening on %d\n", Port)
	r.line("-----------------------------------------------------------\n")
	r.line("Accepted connection from %s, port %d\n", t.control.Remote().Addr(), t.control.Remote().Port())
	for _, s := range t.streams {
		local, remote := s.flow.local, s.flow.remote
		if s.conn != nil {
			local, remote = s.conn.Local(), s.conn.Remote()
		}
		r.line("[%3d] local %s port %d connected to %s port %d\n", s.id, local.Addr(), local.Port(), remote.Addr(), remote.Port())
	}
	r.reset(time.Now())
	return r
}

// reset begins anew: nothing that was counted before counts.
func (r *report) reset(now time.Time) { r.begin, r.last = now, now }

func (r *report) line(format string, args ...any) {
	if r.text.Len() > maxReport {
		if !r.cut {
			r.cut = true
			r.text.WriteString("(more intervals than fit in here)\n")
		}
		return
	}
	fmt.Fprintf(&r.text, format, args...)
}

// interval reports what has happened since the last one. One that is short and
// has seen nothing is left out.
func (r *report) interval(now time.Time) {
	t := r.session
	from, to := r.last.Sub(r.begin).Seconds(), now.Sub(r.begin).Seconds()
	changes := make([]tally, len(t.streams))
	var moved uint64
	for i, s := range t.streams {
		total := s.tally()
		changes[i] = total.since(s.before)
		s.before = total
		moved += changes[i].bytes
	}
	r.last = now
	if moved == 0 && to-from < tick.Seconds()/10 {
		return
	}
	if !r.headed {
		r.head()
		r.headed = true
	} else if t.params.total() > 1 {
		r.line("%s", separator)
	}
	mark := ""
	if t.omitting.Load() {
		mark = "(omitted)"
	}
	for i, s := range t.streams {
		r.stream(s, fmt.Sprintf("%3d", s.id), from, to, changes[i], s.jitter(), mark)
	}
	r.sums(from, to, changes, mark)
}

const separator = "- - - - - - - - - - - - - - - - - - - - - - - - -\n"

func (r *report) head() {
	p := r.session.params
	role, last := "", ""
	if p.bidirectional {
		role = "[Role]"
	}
	switch {
	case p.udp && p.receives():
		last = "  Jitter    Lost/Total Datagrams"
	case p.udp:
		last = "  Total Datagrams"
	case p.sends():
		last = "  Retr"
	}
	r.line("%s\n", strings.TrimRight(fmt.Sprintf("[ ID]%s Interval           Transfer     Bitrate       %s", role, last), " "))
}

// stream is the line of a stream, or of all that go one way.
func (r *report) stream(s *stream, name string, from, to float64, c tally, jitter float64, mark string) {
	role := ""
	if r.session.params.bidirectional {
		if role = "[RX-S]"; s.sender {
			role = "[TX-S]"
		}
	}
	rate := 0.0
	if to > from {
		rate = float64(c.bytes) / (to - from)
	}
	line := fmt.Sprintf("[%s]%s %6.2f-%-6.2f sec  %s  %s", name, role, from, to, amount(float64(c.bytes)), bitrate(rate))
	switch {
	case s.conn == nil && s.sender:
		line += fmt.Sprintf("  %d", c.packets)
	case s.conn == nil:
		percent := 0.0
		if c.packets > 0 {
			percent = 100 * float64(c.lost) / float64(c.packets)
		}
		line += fmt.Sprintf("  %5.3f ms  %d/%d (%.2g%%)", 1000*jitter, c.lost, c.packets, percent)
	case s.sender && c.retransmits >= 0:
		line += fmt.Sprintf("  %4d", c.retransmits)
	}
	r.line("%s\n", strings.TrimRight(line+"  "+mark, " "))
}

// sums are the lines of all streams of one direction, if there are several.
func (r *report) sums(from, to float64, changes []tally, mark string) {
	t := r.session
	if t.params.streams == 1 {
		return
	}
	for _, sender := range []bool{false, true} {
		var sum tally
		var of *stream
		var jitter float64
		for i, s := range t.streams {
			if s.sender == sender {
				of = s
				sum = sum.plus(changes[i])
				jitter += s.jitter() / float64(t.params.streams)
			}
		}
		if of != nil {
			r.stream(of, "SUM", from, to, sum, jitter, mark)
		}
	}
}

// finish adds the summary, which always fits, and returns all of it.
func (r *report) finish(of *results) string {
	t := r.session
	text := r.text.String()
	r.text.Reset()
	r.line("%s", separator)
	r.head()
	totals := make([]tally, len(t.streams))
	for i, s := range t.streams {
		one := of.Streams[i]
		totals[i] = tally{
			bytes: one.Bytes, retransmits: one.Retransmits,
			packets: one.Packets - min(one.Packets, one.OmittedPackets),
			lost:    one.Errors - min(one.Errors, one.OmittedErrors),
		}
		r.stream(s, fmt.Sprintf("%3d", s.id), 0, of.seconds, totals[i], one.Jitter, s.role())
		if reordered := s.before.reordered - s.omitted.reordered; reordered > 0 {
			r.line("[%3d] %d datagrams received out-of-order\n", s.id, reordered)
		}
	}
	r.sums(0, of.seconds, totals, "")
	return text + r.text.String()
}

func (s *stream) role() string {
	if s.sender {
		return "sender"
	}
	return "receiver"
}

// jitter is that of the datagrams so far, in seconds.
func (s *stream) jitter() float64 {
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	return s.arrivals.jitter
}

// since is what has been counted since an earlier tally. What a late datagram
// takes back of an earlier loss is not shown.
func (c tally) since(before tally) tally {
	d := tally{
		bytes:       c.bytes - before.bytes,
		retransmits: c.retransmits,
		packets:     c.packets - before.packets,
		lost:        c.lost - min(c.lost, before.lost),
		reordered:   c.reordered - before.reordered,
	}
	if c.retransmits >= 0 {
		d.retransmits -= max(before.retransmits, 0)
	}
	return d
}

func (c tally) plus(d tally) tally {
	return tally{c.bytes + d.bytes, c.retransmits + d.retransmits, c.packets + d.packets, c.lost + d.lost, c.reordered + d.reordered}
}

// amount writes bytes in units of 1024, as iperf3 does.
func amount(bytes float64) string { return scaled(bytes, 1024, "Bytes") }

// bitrate writes bytes a second as bits a second, in units of 1000.
func bitrate(bytes float64) string { return scaled(8*bytes, 1000, "bits/sec") }

func scaled(value, unit float64, of string) string {
	prefixes := []string{"", "K", "M", "G", "T"}
	i := 0
	for ; value >= unit && i < len(prefixes)-1; i++ {
		value /= unit
	}
	digits := 0
	switch {
	case value < 9.995:
		digits = 2
	case value < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%4.*f %s%s", digits, value, prefixes[i], of)
}
