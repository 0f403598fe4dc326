package live

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"netstackd/hooks"
	"netstackd/hooks/trace"
)

// A Sink takes the events of a reader: a recorder, whose ring never makes them
// wait.
type Sink interface {
	trace.Tracer
	// Room reports whether it would not lose now an event that carries so many bytes.
	Room(bytes int) bool
	// Lose counts an event as lost that it is not given.
	Lose()
	// Lost is how many events it has lost so far.
	Lost() uint64
}

// A Wish is what a reader follows: the zero Wish, all.
type Wish struct {
	// Match matches the packets that are wanted, with the comparisons that they are
	// part of; nil is all.
	Match hooks.Matcher
	// Count is of how many packets it is enough; 0 is never.
	Count uint64
	// Snap is how many bytes of a packet are wanted, if the sink wants any; 0 is all.
	Snap int
}

// recent is of how many packets, the last ones, a comparison still comes through
// once there are enough.
const recent = 16

// A Reader is one who follows.
type Reader struct {
	wish Wish
	sink Sink
	full chan struct{}
	// share is what it may take.
	share share

	// packets is written under mu.
	packets atomic.Uint64

	mu sync.Mutex // guards what follows, and orders what is handed over
	// over says that nothing is handed over any more.
	over bool
	// seqs are the numbers of the last packets.
	seqs [recent]uint64
}

// NewReader returns one that hands to the sink what the wish asks for.
func NewReader(w Wish, to Sink) *Reader {
	if w.Snap == 0 {
		w.Snap = math.MaxInt
	}
	return &Reader{wish: w, sink: to, full: make(chan struct{})}
}

// Full is closed once the reader has as many packets as it wants.
func (r *Reader) Full() <-chan struct{} { return r.full }

// Packets is how many packets were handed over, and not how many were written.
func (r *Reader) Packets() uint64 { return r.packets.Load() }

// snap is how many bytes of a packet are wanted.
func (r *Reader) snap() int {
	if r.sink.WantsBytes() {
		return r.wish.Snap
	}
	return 0
}

// wants reports whether the packet is to be handed over, and by that uses up some of
// its share, one of so many. What there is no room for is lost here, before anybody
// copies it.
func (r *Reader) wants(p *hooks.Packet, readers int) bool {
	if r.wish.Match != nil && !p.Match(r.wish.Match) || r.wish.Count != 0 && r.packets.Load() >= r.wish.Count {
		return false
	}
	n := min(r.snap(), p.Len)
	if r.sink.Room(n) && r.share.take(p.Time, n, readers) {
		return true
	}
	r.sink.Lose()
	return false
}

// packet hands a packet over, with no more of its bytes than are wanted.
func (r *Reader) packet(p *trace.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.packets.Load()
	if r.over || r.wish.Count != 0 && n >= r.wish.Count {
		return
	}
	r.packets.Store(n + 1)
	r.seqs[n%recent] = p.Seq
	if all := p.Packet.Bytes; len(all) > r.snap() {
		// A copy, or the ring would hold more than it knows of.
		p.Packet.Bytes = slices.Clone(all[:r.snap()])
		defer func() { p.Packet.Bytes = all }()
	}
	r.sink.Packet(p)
	if n+1 == r.wish.Count {
		close(r.full)
	}
}

// compare hands a comparison over.
func (r *Reader) compare(c *trace.Comparison) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.wish.Count != 0 && r.packets.Load() >= r.wish.Count && !r.took(c.Request) && !r.took(c.Reply) {
		return
	}
	r.sink.Compare(c)
}

// took reports whether the packet of a number is one of the last. r.mu is held.
func (r *Reader) took(seq uint64) bool {
	for _, each := range r.seqs {
		if seq != 0 && each == seq {
			return true
		}
	}
	return false
}

// end ends what is handed over.
func (r *Reader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}
