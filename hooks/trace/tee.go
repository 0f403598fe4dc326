package trace

// A Tee hands each event to several tracers, but for those that are not to be
// traced. It is safe for concurrent use.
type Tee struct {
	tracers []Tracer
	bytes   bool
}

var _ Tracer = (*Tee)(nil)

// NewTee returns a tracer that hands events to all of tracers.
func NewTee(tracers ...Tracer) *Tee {
	t := &Tee{tracers: tracers}
	for _, each := range tracers {
		t.bytes = t.bytes || each.WantsBytes()
	}
	return t
}

// WantsBytes implements Tracer: one that does is enough.
func (t *Tee) WantsBytes() bool { return t.bytes }

// Packet implements Tracer. Who does not want the bytes does not get them.
func (t *Tee) Packet(p Packet) {
	if p.Untraced {
		return
	}
	for _, each := range t.tracers {
		own := p
		if !each.WantsBytes() {
			own.Packet.Bytes = nil
		}
		each.Packet(own)
	}
}

// Compare implements Tracer.
func (t *Tee) Compare(c Comparison) {
	if c.Untraced {
		return
	}
	for _, each := range t.tracers {
		own := c
		if !each.WantsBytes() {
			own.RequestBytes, own.ReplyByHand = nil, nil
		}
		each.Compare(own)
	}
}
