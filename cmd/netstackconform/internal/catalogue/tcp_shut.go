package catalogue

import (
	"fmt"
	"slices"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// flight is the window of who fills the host's: of the echo no more comes, and that
// stays without an acknowledgement.
const flight = 1000

// come is the number behind all data that have come.
func come(x *suite.Exchange) uint32 {
	next := x.Got[0].TCP.Seq + 1
	for _, p := range x.Got {
		if end := suite.Behind(p); p.Upper == wire.LayerTCP && int32(end-next) > 0 {
			next = end
		}
	}
	return next
}

// told is what the host has acknowledged last, and its window with that in bytes;
// edge is the end of all windows that it has told of.
func told(x *suite.Exchange) (ack uint32, window int, edge uint32) {
	shift := 0
	if o, ok := byhand.TCPOption(x.Got[0], byhand.TCPOptionWindowScale); ok && len(o) == 1 {
		shift = int(o[0])
	}
	for i, p := range x.Got {
		if p.Upper != wire.LayerTCP || i > 0 && int32(p.TCP.Ack-ack) < 0 {
			continue
		}
		ack, window = p.TCP.Ack, int(p.TCP.Window)
		if i > 0 { // that of a SYN is not scaled (RFC 7323 §2.2)
			window <<= shift
		}
		if end := ack + uint32(window); i == 0 || int32(end-edge) > 0 {
			edge = end
		}
	}
	return ack, window, edge
}

// fill sends as much as the host has a window for, but for a byte, and not all at once,
// up to so many bytes in all.
func fill(x *suite.Exchange) (all [][]byte) {
	const segment, most, total = 1400, 100 * 1400, 4_000_000
	next, n, _ := told(x)
	switch n--; {
	case next-isn > total:
		return nil
	case n > 2*most:
		n = most
	case n > most:
		n /= 2 // and leave no little
	}
	for n > 0 {
		length := min(n, segment)
		all = append(all, x.TCP4(shutting(x, next, x.Got[0].TCP.Seq+1, length)))
		next, n = next+uint32(length), n-length
	}
	return all
}

// shutting is a segment of n bytes at a place in sequence.
func shutting(x *suite.Exchange, seq, acked uint32, n int) byhandtest.TCP {
	s := to(suite.EchoPort, ack, seq, acked)
	s.Window, s.Data = flight, make([]byte, n)
	return s
}

// tcpShut has the case of a host that does not read any more, since nobody reads what
// it would write.
func tcpShut() []suite.Case {
	steps := []suite.Step{{
		Send: window(flight, segment4(byhandtest.TCP{DstPort: suite.EchoPort, Flags: syn, Seq: isn,
			Options: []byte{byhand.TCPOptionMSS, 4, 5, 0xb4, byhand.TCPOptionWindowScale, 3, 0, 1}})),
		Want: synAck(),
	}}
	// Netstack's buffers are of some million bytes, and echo reads on a few times when
	// it is stuck. The kernel's, out of memory, would move their window back, too: it
	// has more than all this.
	filled := slices.Repeat([]suite.Step{{Send: fill, Bulk: true, Want: suite.Anything()}}, 6)
	again := append([]suite.Step{{Wait: 150 * time.Millisecond, Want: suite.Anything()}}, filled...)
	steps = append(steps, slices.Repeat(filled, 5)...)
	// Twice, if the first time the host was not done with reading.
	for range 2 {
		steps = append(append(steps, slices.Repeat(again, 10)...), suite.Step{
			Send: one(func(x *suite.Exchange) []byte {
				next, _, edge := told(x)
				return x.TCP4(shutting(x, next, come(x), int(min(edge-next, 1))))
			}),
			Want: suite.Some("a segment", suite.That("data behind what has come", func(x *suite.Exchange, p *wire.Packet) string {
				if next := come(x); int32(suite.Behind(p)-next) <= 0 {
					return fmt.Sprintf("nothing behind %d", next)
				}
				return ""
			})),
		})
	}
	return []suite.Case{
		{
			// "The receiver MUST honor, as in window, any segment that would have
			// been in window for any <ACK> sent by the receiver." Where nothing is
			// left of that an acknowledgement alone is acceptable still (RFC 9293
			// §3.10.7.4).
			ID: "tcp-window-moved-back", Title: "a segment counts that is within a window which has been told, though it has moved back since",
			Requirement: suite.Must, RFC: "RFC 7323 §2.4", Slow: true,
			Place: "transport/tcp/rcv.go acceptable",
			Steps: steps,
		},
	}
}
