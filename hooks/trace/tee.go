package trace

// A Tee hands each event to several tracers, but for those that are not to be
// traced. It is safe for concurrent use.
type Tee struct {
	tracers        []Tracer
	bytes, working bool
}

var _ Tracer = (*Tee)(nil)

// NewTee returns a tracer that hands events to all of tracers.
func NewTee(tracers ...Tracer) *Tee {
	t := &Tee{tracers: tracers}
	for _, each := range tracers {
		t.bytes = t.bytes || each.WantsBytes()
		t.working = t.working || each.WantsWorking()
	}
	return t
}

// WantsBytes implements Tracer: one that does is enough.
func (t *Tee) WantsBytes() bool { return t.bytes }

// WantsWorking implements Tracer: one that does is enough.
func (t *Tee) WantsWorking() bool { return t.working }

// Packet implements Tracer. Who does not want the bytes does not get them.
func (t *Tee) Packet(p *Packet) {
	if p.Untraced {
		return
	}
	all := p.Packet.Bytes
	for _, each := range t.tracers {
		p.Packet.Bytes = nil
		if each.WantsBytes() {
			p.Packet.Bytes = all
		}
		each.Packet(p)
	}
	p.Packet.Bytes = all
}

// Compare implements Tracer. Who does not want the working does not get it.
func (t *Tee) Compare(c *Comparison) {
	if c.Untraced {
		return
	}
	request, reply := c.RequestBytes, c.ReplyByHand
	for _, each := range t.tracers {
		c.RequestBytes, c.ReplyByHand = nil, nil
		if each.WantsWorking() {
			c.RequestBytes, c.ReplyByHand = request, reply
		}
		each.Compare(c)
	}
	c.RequestBytes, c.ReplyByHand = request, reply
}
