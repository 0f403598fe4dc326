package live

import (
	"netstackd/hooks"
	"netstackd/hooks/trace"
)

// A Tracer hands the events of packets that are followed to those who follow them,
// and every event to another tracer. It is safe for concurrent use.
type Tracer struct{ trace.Tracer }

var _ trace.Tracer = Tracer{}

// Packet implements trace.Tracer.
func (t Tracer) Packet(p *trace.Packet) {
	hand(p)
	// The bytes may be there for a reader alone.
	if all := p.Packet.Bytes; all != nil && !t.WantsBytes() {
		p.Packet.Bytes = nil
		defer func() { p.Packet.Bytes = all }()
	}
	t.Tracer.Packet(p)
}

// hand hands a packet to those who follow it.
func hand(p *trace.Packet) {
	if l, ok := p.Followers.Of.(*list); ok {
		for each := range l.each(p.Followers.Mask) {
			each.packet(p)
		}
	}
}

// Compare implements trace.Tracer. Who follows both packets gets it once, and
// nobody the working.
func (t Tracer) Compare(c *trace.Comparison) {
	if c.Followers != [2]hooks.Followers{} {
		plain := *c
		plain.RequestBytes, plain.ReplyByHand = nil, nil
		var had *list
		for i, f := range c.Followers {
			l, ok := f.Of.(*list)
			if !ok {
				continue
			}
			for each := range l.each(f.Mask) {
				if i == 0 || had == nil || !had.holds(c.Followers[0].Mask, each) {
					each.compare(&plain)
				}
			}
			had = l
		}
	}
	t.Tracer.Compare(c)
}

// holds reports whether a reader is one of those of a mask.
func (l *list) holds(mask uint64, reader *Reader) bool {
	for each := range l.each(mask) {
		if each == reader {
			return true
		}
	}
	return false
}
