package iperf3

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// flow is a UDP stream by its two ends.
type flow struct{ local, remote netip.AddrPort }

// HeadSize is how much of a datagram the server looks at, in bytes: seconds and
// microseconds of its sending, 4 each, and its number, 4 or 8, all big endian.
const HeadSize = 16

// Verdict says what became of a datagram.
type Verdict int

const (
	Counted  Verdict = iota // part of a test
	Answered                // opened a stream of a test
	NoStream                // belongs to no stream of a test that runs: ignored
	TooShort                // belongs to a stream, but has no whole head: ignored
	Failed                  // should have opened a stream, but the answer could not be sent
)

// greetings are the 4 bytes that open a UDP stream, as they are on the wire, and
// the answer to each. iperf3 writes them as integers in the byte order of the
// machine: the first two since 3.11, the others before.
var greetings = map[[4]byte][4]byte{
	{'9', '8', '7', '6'}:     {'6', '7', '8', '9'},
	{'6', '7', '8', '9'}:     {'9', '8', '7', '6'},
	{0x15, 0xcd, 0x5b, 0x07}: {0xb1, 0x68, 0xde, 0x3a},
	{0x07, 0x5b, 0xcd, 0x15}: {0x3a, 0xde, 0x68, 0xb1},
}

// Datagram takes one datagram of size bytes that came from remote to local. head
// is its beginning, HeadSize bytes unless it is shorter, and is not kept. It
// does not wait, and is safe for concurrent use; datagrams of one stream should
// come one after the other, or they are counted as out of order.
//
// A stream can only be opened from the address of the control connection, so
// that nobody has the server send to somebody else.
func (s *Server) Datagram(local, remote netip.AddrPort, head []byte, size int) Verdict {
	t := s.running()
	if t == nil {
		return NoStream
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.flows[flow{local, remote}]
	switch {
	case one == nil && (!t.joining || !t.params.udp || size != 4):
		return NoStream
	case one == nil || t.joining && size == 4:
		// The client that asks twice has not seen the answer.
		return t.greet(local, remote, [4]byte(head))
	case !t.live || one.sender:
		return NoStream
	}
	least := 12
	if t.params.wideCounters {
		least = HeadSize
	}
	if size < least {
		return TooShort
	}
	number := uint64(binary.BigEndian.Uint32(head[8:]))
	if t.params.wideCounters {
		number = binary.BigEndian.Uint64(head[8:])
	}
	sent := time.Unix(int64(binary.BigEndian.Uint32(head)), 1000*int64(binary.BigEndian.Uint32(head[4:])))
	one.bytes.Add(uint64(size))
	one.arrivals.take(number, time.Since(sent).Seconds())
	return Counted
}

// greet opens a stream. It is called with mu held.
func (t *session) greet(local, remote netip.AddrPort, greeting [4]byte) Verdict {
	answer, ok := greetings[greeting]
	ends := flow{local, remote}
	known := t.flows[ends] != nil
	if !ok || !known && (len(t.streams) == t.params.total() || remote.Addr() != t.control.Remote().Addr()) {
		return NoStream
	}
	if err := t.server.config.Datagrams.Send(local, remote, answer[:]); err != nil {
		return Failed
	}
	if known {
		return Answered
	}
	one := t.newStream(len(t.streams), nil)
	one.flow = ends
	t.flows[ends] = one
	t.streams = append(t.streams, one)
	if len(t.streams) == t.params.total() {
		t.control.Interrupt()
	}
	return Answered
}

// arrivals counts the datagrams of one stream as iperf3 does (iperf_udp_recv).
type arrivals struct {
	highest   uint64 // number seen
	lost      uint64 // numbers left out and not seen since
	reordered uint64
	jitter    float64 // seconds, RFC 1889 section 6.3.1
	transit   float64 // seconds of the last one, by two clocks
	any       bool    // transit is of a datagram that counts
}

// highestNumber bounds what a client may say: larger numbers are of no stream,
// and the sum of what they leave out would not fit.
const highestNumber = math.MaxInt64

// take counts a datagram that was under way for so many seconds, by the two
// clocks.
func (a *arrivals) take(number uint64, transit float64) {
	switch {
	case number > highestNumber:
	case number > a.highest:
		a.lost += number - 1 - a.highest
		a.highest = number
	default:
		a.reordered++
		a.lost -= min(a.lost, 1)
	}
	if a.any {
		a.jitter += (math.Abs(transit-a.transit) - a.jitter) / 16
	}
	a.transit, a.any = transit, true
}

// omit forgets the jitter, and the gap before the test proper.
func (a *arrivals) omit() { a.jitter, a.any = 0, false }

// A datagramSender is the server's end of a UDP stream that it sends over.
type datagramSender struct {
	*stream
	path Path
}

// openDatagrams prepares for sending.
func (s *stream) openDatagrams() (*datagramSender, error) {
	p := s.session.params
	path, err := s.session.server.config.Datagrams.Open(s.flow.local, s.flow.remote,
		filler[:p.block-s.headSize()], PathOptions{TOS: p.tos, DontFragment: p.dontFragment})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s, err)
	}
	return &datagramSender{stream: s, path: path}, nil
}

// headSize is what of a datagram of the stream is not filler.
func (s *stream) headSize() int {
	if s.session.params.wideCounters {
		return 16
	}
	return 12
}

// filler ends the datagrams. It is read by every stream and written by none.
var filler = make([]byte, maxDatagram)

// refusedPause is how long a stream rests when the network takes no more.
const refusedPause = time.Millisecond

// send sends as fast as the client wishes, or as the network takes it.
func (d *datagramSender) send(begin time.Time) {
	defer d.path.Close()
	t := d.session
	pace := newPace(t.params, begin, t.stop)
	defer pace.close()
	head := make([]byte, d.headSize())
	for number := uint64(1); !t.halted(); {
		now := time.Now()
		binary.BigEndian.PutUint32(head, uint32(now.Unix()))
		binary.BigEndian.PutUint32(head[4:], uint32(now.Nanosecond()/1000))
		if t.params.wideCounters {
			binary.BigEndian.PutUint64(head[8:], number)
		} else {
			binary.BigEndian.PutUint32(head[8:], uint32(number))
		}
		if err := d.path.Send(head); err != nil {
			if !pace.wait(refusedPause) {
				return
			}
			continue
		}
		d.sent.Store(number)
		d.bytes.Add(uint64(t.params.block))
		number++
		if !pace.next(t.params.block) {
			return
		}
	}
}
