package suite

import (
	"bytes"
	"fmt"
	"slices"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// A Stream is what the host sends on the connection whose SYN was its first reply:
// in segments of a size and number that are its own affair, again if it will, but
// without a gap, and never another byte in a place where one came.
type Stream struct {
	// Data are all bytes there are to come from At on, which counts from the
	// first. If Any is set there is at least one, and they do not matter.
	Data []byte
	At   int
	Any  bool
	// Fin says that a FIN comes behind them.
	Fin bool
	// Most is how many bytes of data a segment has at most; if it is not 0, one
	// has just so many.
	Most int
}

// Want wants the stream.
func (s Stream) Want() Want {
	text := fmt.Sprintf("%d bytes of the stream from %d", len(s.Data), s.At)
	if s.Any {
		text = "data of the stream"
	}
	if s.Fin {
		text += ", and FIN"
	}
	if s.Most > 0 {
		text += fmt.Sprintf(", in segments of up to %d bytes", s.Most)
	}
	return Want{Text: text, repeats: true, judge: s.judge}
}

func (s Stream) judge(x *Exchange, got []*wire.Packet) string {
	var have []byte
	end, longest := -1, 0
	for _, p := range got {
		data, why := streamed(x, p)
		if why != "" {
			return why + ": " + Describe(p)
		}
		longest = max(longest, len(data))
		at := int(int32(p.TCP.Seq-x.Got[0].TCP.Seq-1)) - s.At
		if at < 0 {
			// Again, from before.
			data, at = data[min(-at, len(data)):], 0
		}
		fin := p.TCP.Flags&wire.TCPFin != 0
		switch {
		case (len(data) > 0 || fin) && at > len(have):
			return fmt.Sprintf("data are left out from byte %d on: %s", s.At+len(have), Describe(p))
		case len(data) > 0 && !bytes.HasPrefix(data, have[at:min(at+len(data), len(have))]):
			return fmt.Sprintf("byte %d or one behind it is another than before", s.At+at)
		}
		if len(data) > 0 && at+len(data) > len(have) {
			have = append(have[:at], data...)
		}
		if fin {
			end = at + len(data)
		}
		if end >= 0 && len(have) > end {
			return fmt.Sprintf("data come behind the FIN at byte %d", s.At+end)
		}
	}
	switch {
	case s.Any && len(have) == 0:
		return "silence, or nothing but acknowledgements"
	case !s.Any && len(have) < len(s.Data) && bytes.HasPrefix(s.Data, have):
		return fmt.Sprintf("no more than %d bytes came", len(have))
	case !s.Any && !bytes.Equal(have, s.Data):
		return fmt.Sprintf("%d bytes came, and others", len(have))
	case s.Fin != (end >= 0):
		return fmt.Sprintf("whether a FIN came: %v", end >= 0)
	case s.Most > 0 && longest != s.Most:
		return fmt.Sprintf("the longest segment has %d bytes of data", longest)
	}
	return ""
}

// streamed returns the data of a segment of the connection, which acknowledges and
// neither begins nor resets.
func streamed(x *Exchange, p *wire.Packet) (data []byte, why string) {
	if why := sound(p); why != "" {
		return nil, why
	}
	plain := Segment(byhandtest.Ack).Check(x, p)
	if plain != "" {
		if Segment(byhandtest.Fin|byhandtest.Ack).Check(x, p) != "" {
			return nil, plain
		}
	}
	return p.Data()[p.TCP.DataOffset:], ""
}

// Acks wants acknowledgements alone, as many as the host likes, the last of which
// is of n.
func Acks(n uint32) Want {
	return Want{Text: fmt.Sprintf("acknowledgements up to %d", n), judge: func(x *Exchange, got []*wire.Packet) string {
		last := "silence"
		for _, p := range got {
			data, why := streamed(x, p)
			switch {
			case why == "" && (len(data) > 0 || p.TCP.Flags&wire.TCPFin != 0):
				why = "data came"
			case why == "":
				last = AckNumber(n).Check(x, p)
			}
			if why != "" {
				return why + ": " + Describe(p)
			}
		}
		return last
	}}
}

// Each wants one reply at least, and each to fit.
func Each(name string, m Match) Want {
	return Want{Text: name + " with " + m.Text, judge: func(x *Exchange, got []*wire.Packet) string {
		if len(got) == 0 {
			return "silence"
		}
		for _, p := range got {
			why := sound(p)
			if why == "" {
				why = m.Check(x, p)
			}
			if why != "" {
				return why + ": " + Describe(p)
			}
		}
		return ""
	}}
}

// Some wants one reply at least that fits, whatever comes besides.
func Some(name string, m Match) Want {
	return Want{Text: name + " with " + m.Text, repeats: true, judge: func(x *Exchange, got []*wire.Packet) string {
		last := "silence"
		for _, p := range got {
			why := sound(p)
			if why == "" {
				why = m.Check(x, p)
			}
			if why == "" {
				return ""
			}
			last = why + ": " + Describe(p)
		}
		return last
	}}
}

// Amid wants what w does of all that comes, but for segments which come again: a
// host that waits for an acknowledgement sends them when it will.
func Amid(w Want) Want {
	return Want{Text: w.Text + ", retransmissions aside", silent: w.silent, repeats: true, judge: func(x *Exchange, got []*wire.Packet) string {
		return w.judge(x, slices.DeleteFunc(slices.Clone(got), x.again))
	}}
}

// again reports whether a segment brings nothing but data or FIN that came in an
// earlier step.
func (x *Exchange) again(p *wire.Packet) bool {
	if p.Upper != wire.LayerTCP || !p.Problem.IsZero() || !occupies(p) {
		return false
	}
	return slices.ContainsFunc(x.Got, func(q *wire.Packet) bool {
		return q.Upper == wire.LayerTCP && occupies(q) && int32(Behind(p)-Behind(q)) <= 0
	})
}

func occupies(p *wire.Packet) bool { return Behind(p) != p.TCP.Seq }

// DataLen is how many bytes of data a segment has.
func DataLen(p *wire.Packet) int {
	if p.Upper != wire.LayerTCP || !p.Problem.IsZero() {
		return 0
	}
	return len(p.Data()) - p.TCP.DataOffset
}

// Behind is the sequence number behind all that a segment occupies.
func Behind(p *wire.Packet) uint32 {
	n := uint32(len(p.Data()) - p.TCP.DataOffset)
	for _, f := range []uint16{wire.TCPSyn, wire.TCPFin} {
		if p.TCP.Flags&f != 0 {
			n++
		}
	}
	return p.TCP.Seq + n
}
