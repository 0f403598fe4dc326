package hooks

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks/wire"
)

// A Packet is one packet on its way through the chain. The embedded decoding
// and its bytes are valid only during the hook's call.
type Packet struct {
	wire.Packet

	Direction Direction
	// Time is when the chain saw the packet.
	Time time.Time
	// Len is the length received or made, in bytes, before anything was cut.
	Len int

	// Fate and Reason are the packet's as far as it is known: Delivered or
	// Sent until a hook says otherwise.
	Fate   Fate
	Reason string

	// Untraced says that the packet is to be counted and judged, but not
	// written down.
	Untraced bool

	checks  [2]wire.Check
	nchecks int
	stopped bool
	held    bool

	// scratch joins the bytes of a packet that lies in several views.
	scratch []byte
}

// Checks returns the packet's checksums, as judged by hand.
func (p *Packet) Checks() []wire.Check { return p.checks[:p.nchecks] }

// Drop ends the packet's way: it will not be forwarded. The first drop counts.
func (p *Packet) Drop(fate Fate, reason string) {
	if !p.stopped {
		p.Fate, p.Reason, p.stopped = fate, reason, true
	}
}

// Stopped reports whether a hook has dropped the packet.
func (p *Packet) Stopped() bool { return p.stopped }

// Expect notes the fate that the packet will meet further on: netstack will
// discard it, say. It is forwarded all the same.
func (p *Packet) Expect(fate Fate, reason string) {
	if !p.stopped {
		p.Fate, p.Reason = fate, reason
	}
}

// Hold says that the hook which calls it will settle the packet's fate in the
// ledger itself, once it is known. The packet is forwarded all the same. The
// hook stands behind every one that may drop, for it would not learn of that.
func (p *Packet) Hold() { p.held = true }

// Set makes p the packet in b, which it borrows: decoded, its checksums
// judged, not yet seen by any hook.
func (p *Packet) Set(d Direction, b []byte, now time.Time) {
	p.Decode(b)
	p.Direction, p.Time, p.Len = d, now, len(b)
	p.Fate, p.Reason, p.Untraced, p.stopped, p.held = Delivered, "", false, false, false
	if d == Outbound {
		p.Fate = Sent
	}
	p.nchecks = len(p.Checksums(p.checks[:0]))
}

// contiguous returns the packet's bytes in one piece: the packet's own if they
// lie in one view, as they do inbound, else a copy in p.scratch.
func (p *Packet) contiguous(pkt *stack.PacketBuffer) []byte {
	views, offset := pkt.AsViewList()
	p.scratch = p.scratch[:0]
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if offset >= len(b) {
			offset -= len(b)
			continue
		}
		b = b[offset:]
		offset = 0
		if len(p.scratch) == 0 && v.Next() == nil {
			return b
		}
		p.scratch = append(p.scratch, b...)
	}
	return p.scratch
}
