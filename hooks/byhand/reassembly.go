package byhand

import (
	"container/list"
	"encoding/binary"
	"net/netip"
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
	// CompleteInDoubt: the datagram is whole here, but a host with other
	// bounds, or of another mind where the RFCs leave it one, may have
	// discarded some of it, or hold other bytes.
	CompleteInDoubt
	// CompleteCongested: the datagram is whole, and says what a fragment that is
	// not the first has said, that congestion was experienced (RFC 3168 §5.3).
	CompleteCongested
	// CompleteMarked: the datagram is whole, and to be dropped: a router marked
	// one of its fragments with congestion experienced, and another says that
	// its sender knows nothing of that (RFC 3168 §5.3).
	CompleteMarked
	// CompleteCut: the datagram is whole here, but its first fragment lacks a
	// part of the headers, and should have been discarded (RFC 8200 §4.5).
	CompleteCut
	// CompleteMarkedInDoubt is CompleteMarked where another host may hold other
	// fragments.
	CompleteMarkedInDoubt
	// Overlap: it overlaps another, or contradicts the end; all that was
	// received is discarded.
	Overlap
	// OverlapDuplicate: Overlap by a fragment with the place of another, and other data,
	// which a host that does not look at them takes for a duplicate.
	OverlapDuplicate
	// TooLong: it would make the datagram longer than 65,535 bytes, and is
	// discarded.
	TooLong
	// Empty: a fragment without data, discarded.
	Empty
)

// How long fragments wait for the rest. Over IPv4 RFC 791 §3.2 starts at 15 s
// and RFC 1122 §3.3.2 would have 60 s to 120 s; hosts take 30 s, and so does
// this one: to forget later than the host it judges would be as wrong as to
// forget earlier. Over IPv6 RFC 8200 §4.5 leaves no choice.
const (
	timeout4 = 30 * time.Second
	timeout6 = 60 * time.Second
	// timeoutSlack is how far two hosts may be apart on what is past its time.
	timeoutSlack = time.Second
)

// Bounds of a Reassembler. A host may choose them (RFC 1122 §3.3.2).
const (
	maxFragmentBytes = 16 << 20
	maxDatagrams     = 8192
	// usualDatagrams is how many datagrams at a time are no flood.
	usualDatagrams = 64
	// pressure is the amount held from which on the judged host may have
	// discarded what this one still holds.
	pressure = 2 << 20
	// doubtLasts is how long after such a time the two may hold different
	// fragments: until all of that time are past theirs.
	doubtLasts = timeout6 + timeoutSlack
	// fragmentCost is what a fragment counts for beside its bytes, and a
	// datagram beside its fragments: more than here, so that the measure is no
	// smaller than that of hosts which keep whole packets.
	fragmentCost = 512
)

// A Reassembler puts fragments together again, in bounded memory and time. Its
// zero value is ready. It is not safe for concurrent use.
type Reassembler struct {
	pending map[datagramKey]*datagram
	// most is how many pending had at a time: a map keeps the room for all of them.
	most int
	// order lists the *datagram of pending, oldest first.
	order list.List
	// held is what the pending datagrams count for, in bytes.
	held int
	// doubtful is until when another host may hold other fragments.
	doubtful time.Time
	// mark is the number of the packet that comes next.
	mark uint64
}

// A datagramKey tells the datagrams of fragments apart: protocol counts over
// IPv4 only (RFC 791 §3.2, RFC 8200 §4.5).
type datagramKey struct {
	src, dst netip.Addr
	id       uint32
	protocol uint8
}

// Add takes a fragment, whose bytes it copies, and returns the whole datagram
// as one packet, which is the caller's, if that completes it.
func (r *Reassembler) Add(p *wire.Packet, now time.Time) ([]byte, Outcome) {
	r.Expire(now)
	f, ok := dissect(p)
	f.raw, f.mark, f.ecn = p.Bytes, r.mark, codepointOf(p)
	if !ok || len(f.data) == 0 {
		return nil, Empty
	}
	d := r.find(keyOf(p), p.Version, now)
	before := d.cost
	outcome := d.add(f)
	r.held += d.cost - before
	if outcome == Incomplete && d.whole() {
		return r.complete(d, now)
	}
	r.makeRoom(d, now)
	return nil, outcome
}

// complete takes a datagram that is whole out.
func (r *Reassembler) complete(d *datagram, now time.Time) ([]byte, Outcome) {
	r.forget(d)
	whole := d.join()
	switch {
	case whole == nil:
		return nil, TooLong
	case d.doubt:
		// So is what comes under the same key next.
		r.begin(d.key, d.version, now).doubt = true
	}
	doubt := d.doubt || r.Doubtful(now)
	switch {
	case d.cut:
		return whole, CompleteCut
	case d.mustDrop() && doubt:
		return whole, CompleteMarkedInDoubt
	case d.mustDrop():
		return whole, CompleteMarked
	case doubt:
		return whole, CompleteInDoubt
	case d.ecn.has(congestionExperienced) && codepointOfHeader(d.header) != congestionExperienced:
		return whole, CompleteCongested
	}
	return whole, Complete
}

// Restart forgets what is held of the datagram that p is a fragment of.
func (r *Reassembler) Restart(p *wire.Packet) {
	if d := r.pending[keyOf(p)]; d != nil {
		r.forget(d)
	}
}

// suspect notes that another host may hold a fragment that is not taken here.
func (r *Reassembler) suspect(p *wire.Packet, now time.Time) {
	r.Expire(now)
	d := r.find(keyOf(p), p.Version, now)
	d.doubt = true
	r.makeRoom(d, now)
}

// Doubtful reports whether another host that got the same fragments may hold
// others of them at now: so much was held lately that one with smaller buffers
// may have discarded some, or one came when its datagram's time was just over,
// or just not.
func (r *Reassembler) Doubtful(now time.Time) bool {
	return now.Before(r.doubtful)
}

// doubt begins a doubt, or makes it last longer.
func (r *Reassembler) doubt(until time.Time) {
	if until.After(r.doubtful) {
		r.doubtful = until
	}
}

func keyOf(p *wire.Packet) datagramKey {
	key := datagramKey{src: p.Src, dst: p.Dst, id: p.Fragment.ID}
	if p.Version == 4 {
		key.protocol = p.Protocol
	}
	return key
}

// find returns the pending datagram of a key, or begins one.
func (r *Reassembler) find(key datagramKey, version uint8, now time.Time) *datagram {
	timeout := timeout4
	if version == 6 {
		timeout = timeout6
	}
	d := r.pending[key]
	if d != nil {
		switch age := now.Sub(d.since); {
		case len(d.parts) == 0:
			// It was abandoned: this is a new beginning.
			d.since = now
			r.order.MoveToBack(d.place)
			return d
		case age >= timeout+timeoutSlack:
			r.forget(d)
		case age >= timeout-timeoutSlack:
			d.doubt = true
			r.doubt(now.Add(doubtLasts))
			return d
		default:
			return d
		}
	}
	return r.begin(key, version, now)
}

func (r *Reassembler) begin(key datagramKey, version uint8, now time.Time) *datagram {
	if r.pending == nil {
		r.pending = map[datagramKey]*datagram{}
	}
	d := newDatagram(key, version, now)
	d.place = r.order.PushBack(d)
	r.pending[key] = d
	r.most = max(r.most, len(r.pending))
	r.held += d.cost
	return d
}

// makeRoom forgets datagrams, oldest first but never current, until what is
// held is within bounds.
func (r *Reassembler) makeRoom(current *datagram, now time.Time) {
	if r.held > pressure || len(r.pending) > maxDatagrams/2 {
		r.doubt(now.Add(doubtLasts))
	}
	for r.held > maxFragmentBytes || len(r.pending) > maxDatagrams {
		e := r.order.Front()
		if e.Value == current {
			e = e.Next()
		}
		r.forget(e.Value.(*datagram))
	}
}

// forget drops a datagram from the pending ones.
func (r *Reassembler) forget(d *datagram) {
	delete(r.pending, d.key)
	r.order.Remove(d.place)
	r.held -= d.cost
}

// Expire forgets what has waited too long at now, whatever its version. Add does so
// first, too: it is for who gets no more fragments.
func (r *Reassembler) Expire(now time.Time) {
	for e := r.order.Front(); e != nil; e = r.order.Front() {
		d := e.Value.(*datagram)
		if now.Sub(d.since) < timeout6+timeoutSlack {
			return
		}
		r.forget(d)
	}
	if r.most > usualDatagrams {
		r.pending, r.most = nil, 0
	}
}

// A piece is a fragment, taken apart.
type piece struct {
	wire.Fragment
	// header is what the whole datagram has before its data, if this is the
	// first fragment, but for what names the data's protocol, next, at the
	// offset nextAt, which is 0 over IPv4.
	header []byte
	next   byte
	nextAt int
	data   []byte
	ecn    codepoint
	// raw is the whole packet, and mark its number.
	raw  []byte
	mark uint64
	// open says that a host is free to discard the fragment: it is not the
	// first and has IPv4 options, which may be checked, or it is cut.
	open bool
	// cut says that it is the first, and does not reach to the end of the upper
	// layer's header.
	cut bool
}

// dissect takes a fragment apart. Over IPv6 the fragment header is cut out,
// and the header before it is told what follows (RFC 8200 §4.5).
func dissect(p *wire.Packet) (f piece, ok bool) {
	f.Fragment = p.Fragment
	if p.Version == 4 {
		f.header, f.data = p.Bytes[:p.IPv4.HeaderLen], p.Bytes[p.IPv4.HeaderLen:]
		f.open = p.Fragment.Offset != 0 && p.IPv4.HasOptions()
		return f, true
	}
	f.cut = chainCut(p)
	f.open = f.cut
	previous := 6 // where the IPv6 header names its successor
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol == wire.ProtocolFragment {
			f.header, f.data = p.Bytes[:e.Offset], p.Bytes[e.Offset+e.Len:]
			f.next, f.nextAt = p.Bytes[e.Offset], previous
			return f, true
		}
		previous = int(e.Offset)
	}
	return f, false
}

// setLength writes the header's length fields, and over IPv4 what depends on
// them, into a whole datagram with a header of headerLen bytes.
func setLength(b []byte, headerLen int) {
	if b[0]>>4 == 6 {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		return
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	// DF and MF go; the reserved bit is not ours to clear.
	b[6], b[7] = b[6]&0x80, 0
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:headerLen]))
}
