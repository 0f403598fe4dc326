package byhand

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"netstackd/hooks/wire"
)

// An Outcome is what came of one fragment.
type Outcome uint8

const (
	// Incomplete: it was kept, or was there already.
	Incomplete Outcome = iota
	// Complete: the datagram is whole.
	Complete
	// Overlap: it overlaps another, or contradicts the end; all is discarded.
	Overlap
	// TooLong: the datagram would exceed 65,535 bytes; all is discarded.
	TooLong
	// Empty: a fragment without data.
	Empty
)

// Bounds of a Reassembler. A host may choose them (RFC 1122 §3.3.2); these are
// generous, so that the reference host forgets later than the one it judges.
const (
	reassemblyTimeout = 60 * time.Second // RFC 8200 §4.5; RFC 1122 §3.3.2
	maxFragmentBytes  = 16 << 20
	maxDatagrams      = 8192
	// pressure is the amount held from which on the judged host may have
	// discarded what this one still holds.
	pressure = 2 << 20
	// pressureLasts is how long that stays true: what was lost then is not
	// back before its senders try again.
	pressureLasts = reassemblyTimeout
	// fragmentCost is what a fragment takes beside its data.
	fragmentCost = 64
)

// A Reassembler puts fragments together again, in bounded memory and time. Its
// zero value is ready. It is not safe for concurrent use.
type Reassembler struct {
	pending map[datagramKey]*datagram
	// order lists the pending datagrams, oldest first; finished ones stay
	// until they come to the front.
	order []*datagram
	// held is what the pending fragments take, in bytes.
	held int
	// pressed is when held last was over pressure.
	pressed time.Time
}

// A datagramKey tells the datagrams of fragments apart: protocol counts over
// IPv4 only (RFC 791 §3.2, RFC 8200 §4.5).
type datagramKey struct {
	src, dst netip.Addr
	id       uint32
	protocol uint8
}

type datagram struct {
	key   datagramKey
	since time.Time
	done  bool
	// parts are in order of their offset and do not overlap.
	parts []part
	// size is that of all data, known once the last fragment is there, else -1.
	size int
	// have counts the bytes in parts, cost what they take.
	have, cost int
	// header is what comes before the data: the first fragment's headers,
	// without any fragment header.
	header []byte
}

type part struct {
	offset int
	data   []byte
}

// Add takes a fragment, whose bytes it copies, and returns the whole datagram
// as one packet, which is the caller's, if that completes it.
func (r *Reassembler) Add(p *wire.Packet, now time.Time) ([]byte, Outcome) {
	r.expire(now)
	key := datagramKey{src: p.Src, dst: p.Dst, id: p.Fragment.ID}
	header, data, ok := split(p)
	if !ok || len(data) == 0 {
		return nil, Empty
	}
	if p.Version == 4 {
		key.protocol = p.Protocol
	}
	d := r.pending[key]
	if d == nil {
		d = r.begin(key, now)
	}
	before := d.cost
	outcome := d.add(p.Fragment, header, data)
	r.held += d.cost - before
	switch outcome {
	case Incomplete:
		if d.size >= 0 && d.have == d.size && d.header != nil {
			r.forget(d)
			if whole := d.join(p.Version); whole != nil {
				return whole, Complete
			}
			return nil, TooLong
		}
		r.makeRoom(d, now)
	default:
		r.forget(d)
	}
	return nil, outcome
}

// Pressed reports whether so much was held lately that a host with smaller
// buffers may have discarded fragments.
func (r *Reassembler) Pressed(now time.Time) bool {
	return !r.pressed.IsZero() && now.Sub(r.pressed) < pressureLasts
}

func (r *Reassembler) begin(key datagramKey, now time.Time) *datagram {
	if r.pending == nil {
		r.pending = map[datagramKey]*datagram{}
	}
	d := &datagram{key: key, since: now, size: -1}
	r.pending[key] = d
	r.order = append(r.order, d)
	return d
}

// makeRoom forgets datagrams, oldest first but never the newest, until what is
// held is within bounds.
func (r *Reassembler) makeRoom(newest *datagram, now time.Time) {
	if r.held > pressure || len(r.pending) > maxDatagrams/2 {
		r.pressed = now
	}
	for (r.held > maxFragmentBytes || len(r.pending) > maxDatagrams) && r.order[0] != newest {
		r.forget(r.order[0])
		r.order[0] = nil
		r.order = r.order[1:]
	}
}

// forget drops a datagram from the pending ones.
func (r *Reassembler) forget(d *datagram) {
	if d.done {
		return
	}
	d.done = true
	delete(r.pending, d.key)
	r.held -= d.cost
}

// expire forgets what has waited too long, and shortens the order.
func (r *Reassembler) expire(now time.Time) {
	for len(r.order) > 0 && (r.order[0].done || now.Sub(r.order[0].since) >= reassemblyTimeout) {
		r.forget(r.order[0])
		r.order[0] = nil
		r.order = r.order[1:]
	}
}

// add files one fragment.
func (d *datagram) add(f wire.Fragment, header, data []byte) Outcome {
	end := f.Offset + len(data)
	if end > 65535 {
		return TooLong
	}
	if d.size >= 0 && (end > d.size || !f.More && end != d.size) {
		return Overlap
	}
	i, found := slices.BinarySearchFunc(d.parts, f.Offset, func(p part, offset int) int { return p.offset - offset })
	if found && len(d.parts[i].data) == len(data) {
		return Incomplete // an exact duplicate (RFC 8200 §4.5)
	}
	if found || i > 0 && d.parts[i-1].offset+len(d.parts[i-1].data) > f.Offset ||
		i < len(d.parts) && end > d.parts[i].offset {
		return Overlap
	}
	if !f.More {
		if i < len(d.parts) {
			return Overlap // something lies behind the end
		}
		d.size = end
	}
	d.parts = slices.Insert(d.parts, i, part{offset: f.Offset, data: slices.Clone(data)})
	d.have += len(data)
	d.cost += len(data) + fragmentCost
	if f.Offset == 0 {
		d.header = slices.Clone(header)
	}
	return Incomplete
}

// join makes one packet of the parts, or nil if it would be too long.
func (d *datagram) join(version uint8) []byte {
	total := len(d.header) + d.size
	if version == 4 && total > 65535 || version == 6 && total-40 > 65535 {
		return nil
	}
	b := make([]byte, 0, total)
	b = append(b, d.header...)
	for _, p := range d.parts {
		b = append(b, p.data...)
	}
	if version == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(total))
		// DF and MF go; the reserved bit is not ours to clear.
		b[6], b[7] = b[6]&0x80, 0
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:len(d.header)]))
		return b
	}
	binary.BigEndian.PutUint16(b[4:], uint16(total-40))
	return b
}

// split parts a fragment into the headers that the whole datagram will have
// and the fragment's data. Over IPv6 the fragment header is cut out, and the
// header before it is told what follows (RFC 8200 §4.5).
func split(p *wire.Packet) (header, data []byte, ok bool) {
	if p.Version == 4 {
		return p.Bytes[:p.IPv4.HeaderLen], p.Bytes[p.IPv4.HeaderLen:], true
	}
	previous := 6 // where the IPv6 header names its successor
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol == wire.ProtocolFragment {
			header = slices.Clone(p.Bytes[:e.Offset])
			header[previous] = p.Bytes[e.Offset]
			return header, p.Bytes[e.Offset+e.Len:], true
		}
		previous = e.Offset
	}
	return nil, nil, false
}
