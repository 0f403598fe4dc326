package guard

import (
	"hash/maphash"
	"sync"
	"time"

	"netstackd/hooks/wire"
)

// maxDatagram is the length in bytes of the longest IPv4 datagram, header
// included (RFC 791 §3.1, total length).
const maxDatagram = 65535

const (
	// minHeader and maxOptions are the lengths in bytes of an IPv4 header without
	// options, and of the options that it has room for.
	minHeader, maxOptions = 20, 40
	// surelyFits is where a message may end whatever the options of its reply, and
	// neverFits the end past which it may not without any.
	surelyFits, neverFits = maxDatagram - minHeader - maxOptions, maxDatagram - minHeader
)

// replies keeps netstack from an echo request in fragments whose reply would be
// longer than an IPv4 datagram can be. Netstack takes messages of up to 65,536
// bytes together (header.IPv4MaximumPayloadSize), puts a header with those of the
// options of the first fragment before the reply that it returns, and panics when
// it reads the length of that, which has overflowed, back (ipv4/icmp.go,
// sendICMPEchoReply).
//
// Whether it overflows is known when two things are: where the message ends, from
// its last fragment, and what options the reply has, from its first. Only an end in
// the last 40 bytes before the limit hangs on the options at all. Of each datagram
// with such an end, or with options that come back, the one is remembered until the
// other comes, and the second to come is dropped if the two are too much: netstack
// never gets all of such a datagram, in whatever order it comes.
//
// Its memory is bounded by a table of fixed size. What does not fit into it is not
// forgotten but merged with others, into what is the worst of all: so nothing gets
// through that way, and what may be dropped without need is only a fragment in the
// last 40 bytes before the limit. To merge much takes a flood: more such datagrams
// in a row of the table than it has places, and which row one is in nobody outside
// can know.
//
// The zero value is not ready: begin it.
type replies struct {
	seed maphash.Seed

	// mu guards all below.
	mu sync.Mutex
	// rows is nil until there is something to remember.
	rows *[rowCount]row
	// era counts stretches of time, and eraBegan is when this one did.
	era      uint32
	eraBegan time.Time
}

// How long a fragment is remembered: longer than netstack, which forgets what
// has not become whole after 30 s. An era ends when the first fragment comes after
// it has lasted that long. Eras are counted, not the time that has passed, so that
// a process that stood still, and netstack's timers with it, has forgotten no more
// than one era.
const (
	eraLasts = 12 * time.Second
	lives    = 4
)

// The table: 2 MiB, of which the system gives memory for the parts in use.
const (
	rowCount = 1 << 16
	places   = 4
)

type row [places]entry

// An entry is what is remembered of a datagram.
type entry struct {
	// tag tells it from the others in its row.
	tag uint32
	// era is when it was last written, counted from 1; 0 is an entry that is free.
	era uint16
	// options is the length of the reply's, and end is that of the message past
	// surelyFits, both in bytes.
	options, end uint8
}

// merged is the tag of an entry that stands for more than one datagram. The tags
// of others are not 0.
const merged = 0

func (r *replies) begin() { r.seed = maphash.MakeSeed() }

// judge returns the reason to drop a fragment of an ICMPv4 message that came at
// now, or "".
func (r *replies) judge(p *wire.Packet, now time.Time) string {
	if p.DataLen() == 0 {
		return "" // netstack discards it
	}
	end, options := p.Fragment.Offset+p.DataLen(), 0
	if end > neverFits {
		return ReasonFragmentTooLong
	}
	if p.Fragment.Offset == 0 && p.Data()[0] == wire.ICMPv4EchoRequest {
		options = returned(p)
	}
	if end <= surelyFits && options == 0 {
		return ""
	}
	return r.check(p, entry{options: uint8(options), end: uint8(max(end-surelyFits, 0))}, now)
}

// returned returns the length in bytes of the options that netstack returns with
// its reply to an echo request: record route, timestamp and router alert, and what
// stands between, filled up to whole words (ipv4.go, processIPOptions).
func returned(p *wire.Packet) (n int) {
	for at := minHeader; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok {
			n += p.IPv4.HeaderLen - at // netstack discards it
			break
		}
		switch o.Type {
		case wire.OptionNop, wire.OptionEnd, wire.OptionRecordRoute, wire.OptionTimestamp, wire.OptionRouterAlert:
			n += o.Len
		}
		if o.Type == wire.OptionEnd {
			break
		}
		at += o.Len
	}
	return (n + 3) &^ 3
}

// tooLong reports whether the reply to a datagram would be.
func (e entry) tooLong() bool { return e.end > 0 && int(e.options)+int(e.end) > maxOptions }

// add returns an entry that is as bad as both together.
func (e entry) add(f entry) entry {
	e.options, e.end = max(e.options, f.options), max(e.end, f.end)
	return e
}

// check holds a fragment against what is remembered of its datagram, and of those
// that it cannot be told from, and remembers it.
func (r *replies) check(p *wire.Packet, f entry, now time.Time) string {
	if f.tooLong() {
		return ReasonReplyTooLong // it is the first and the last
	}
	where := r.hash(p)
	f.tag = uint32(where>>32) | 1 // so that it is not merged

	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.eraBegan) >= eraLasts {
		r.era, r.eraBegan = r.era+1, now
	}
	if r.rows == nil {
		r.rows = new([rowCount]row)
	}
	row := &r.rows[where%rowCount]
	f.era = r.stamp()
	own, doubt := f, f
	place := -1
	for i := range row {
		e := &row[i]
		switch {
		case !r.lives(*e):
			*e = entry{}
			if place < 0 {
				place = i
			}
		case e.tag == f.tag:
			own, place = own.add(*e), i
		case e.tag == merged:
			doubt = doubt.add(*e)
		}
	}
	switch {
	case own.tooLong():
		return ReasonReplyTooLong
	case own.add(doubt).tooLong():
		return ReasonFragmentInDoubt
	}
	if place < 0 {
		// A row that is full: one of its entries stands for this one too.
		place = r.oldest(row)
		own = own.add(row[place])
		own.tag = merged
	}
	row[place] = own
	return ""
}

// hash tells datagrams apart as netstack does (RFC 791 §2.3).
func (r *replies) hash(p *wire.Packet) uint64 {
	return maphash.Comparable(r.seed, datagram{p.Src.As4(), p.Dst.As4(), p.IPv4.ID})
}

type datagram struct {
	src, dst [4]byte
	id       uint16
}

// stamp is the era in an entry: 1 to 65,535, over and over.
func (r *replies) stamp() uint16 { return uint16(r.era%65535) + 1 }

// lives reports whether an entry is to be remembered.
func (r *replies) lives(e entry) bool { return e.era != 0 && r.age(e) <= lives }

// age is how many eras ago an entry was written.
func (r *replies) age(e entry) int { return (int(r.stamp()) - int(e.era) + 65535) % 65535 }

// oldest returns the place of the entry that is to stand for more than one: one
// that does already, if there is one.
func (r *replies) oldest(row *row) (place int) {
	for i, e := range row {
		if e.tag == merged {
			return i
		}
		if r.age(e) > r.age(row[place]) {
			place = i
		}
	}
	return place
}
