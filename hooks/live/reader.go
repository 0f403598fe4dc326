package live

import (
	"sync"
	"sync/atomic"

	"netstackd/hooks/trace"
)

// A Sink takes the events of a reader: a recorder, whose ring never makes them
// wait.
type Sink interface {
	trace.Tracer
	// Lost is how many events it has lost so far.
	Lost() uint64
}

// recent is of how many packets, the last ones, a comparison still comes through
// once there are enough.
const recent = 16

// A Reader is one who follows.
type Reader struct {
	match func(packet []byte) bool
	sink  Sink
	count uint64
	full  chan struct{}

	// packets is written under mu.
	packets atomic.Uint64

	mu sync.Mutex // guards what follows, and orders what is handed over
	// over says that nothing is handed over any more.
	over bool
	// seqs are the numbers of the last packets.
	seqs [recent]uint64
}

// NewReader returns one that hands to the sink the packets that match matches, nil
// for all, with the comparisons that they are part of; of packets the first so
// many, if count is not 0. match is called from many goroutines at once.
func NewReader(match func(packet []byte) bool, count uint64, to Sink) *Reader {
	return &Reader{match: match, sink: to, count: count, full: make(chan struct{})}
}

// Full is closed once the reader has as many packets as it wants.
func (r *Reader) Full() <-chan struct{} { return r.full }

// Packets is how many packets were handed over, and not how many were written.
func (r *Reader) Packets() uint64 { return r.packets.Load() }

// packet hands a packet over, without its bytes if they are not wanted.
func (r *Reader) packet(p *trace.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.packets.Load()
	if r.over || r.count != 0 && n >= r.count {
		return
	}
	r.packets.Store(n + 1)
	r.seqs[n%recent] = p.Seq
	if all := p.Packet.Bytes; all != nil && !r.sink.WantsBytes() {
		p.Packet.Bytes = nil
		defer func() { p.Packet.Bytes = all }()
	}
	r.sink.Packet(p)
	if n+1 == r.count {
		close(r.full)
	}
}

// compare hands a comparison over.
func (r *Reader) compare(c *trace.Comparison) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.count != 0 && r.packets.Load() >= r.count && !r.took(c.Request) && !r.took(c.Reply) {
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
