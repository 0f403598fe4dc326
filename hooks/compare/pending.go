package compare

import (
	"hash/maphash"
	"net/netip"
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// Bounds of the requests that wait. Netstack answers an echo before it takes
// the next packet, so what piles up here is what it discards.
const (
	maxPending      = 1 << 16
	maxPendingBytes = 64 << 20
)

// A request is an echo request whose fate is not settled.
type request struct {
	key  key
	data dataKey
	seen trace.Packet
	// prediction's Request is cleared: its bytes are not ours.
	prediction byhand.Prediction
	anySource  bool
	// bytes is a copy of the request, if the tracer wants it.
	bytes    []byte
	deadline time.Time
	// in holds its place in each queue that it stands in.
	in [queueKinds]place
}

// A key is what an echo reply shares with its request: the requester,
// identifier and sequence number; and whether a reply is predicted.
type key struct {
	peer    netip.Addr
	id, seq uint16
	replied bool
}

// A dataKey is a key with the hash of the data that comes back.
type dataKey struct {
	key
	sum uint64
}

// cost is what a request keeps in memory beside itself, in bytes.
func (r *request) cost() int {
	return len(r.prediction.Reply) + len(r.bytes) + len(r.seen.Packet.Bytes)
}

// pending holds the open requests. Nothing it does takes longer for a crowd,
// and what is settled is not kept.
type pending struct {
	byAge  queue
	byKey  map[key]*queue
	byData map[dataKey]*queue
	seed   maphash.Seed
	open   int
	bytes  int
}

func newPending() pending {
	return pending{
		byAge: queue{kind: byAge}, byKey: map[key]*queue{}, byData: map[dataKey]*queue{},
		seed: maphash.MakeSeed(),
	}
}

// add opens a request with the key of whole, the datagram that it is.
func (p *pending) add(r *request, whole *wire.Packet) {
	r.key = key{whole.Src, whole.ICMP.ID, whole.ICMP.Seq, r.prediction.Reply != nil}
	p.byAge.push(r)
	push(p.byKey, r.key, byKey, r)
	r.data = dataKey{r.key, p.hash(whole)}
	push(p.byData, r.data, byData, r)
	p.open++
	p.bytes += r.cost()
}

// hash is that of an echo message's data.
func (p *pending) hash(echo *wire.Packet) uint64 { return maphash.Bytes(p.seed, echo.Data()[8:]) }

// full reports whether the bounds are exceeded.
func (p *pending) full() bool { return p.open > maxPending || p.bytes > maxPendingBytes }

// oldest returns the oldest open request, or nil.
func (p *pending) oldest() *request { return p.byAge.first }

// match returns the open request that a reply belongs to: of those with its
// requester, identifier and sequence number, one with the same data if there
// is one, else any; either way one that a reply is predicted to, if there is
// one; among equals the oldest.
func (p *pending) match(reply *wire.Packet) *request {
	// With a source route the requester is where the route ends.
	due := key{reply.FinalDst(), reply.ICMP.ID, reply.ICMP.Seq, true}
	silent := due
	silent.replied = false
	sum := p.hash(reply)
	for _, k := range []key{due, silent} {
		if q := p.byData[dataKey{k, sum}]; q != nil {
			return q.first
		}
	}
	for _, k := range []key{due, silent} {
		if q := p.byKey[k]; q != nil {
			return q.first
		}
	}
	return nil
}

// settle takes a request out.
func (p *pending) settle(r *request) {
	p.byAge.remove(r)
	remove(p.byKey, r.key, r)
	remove(p.byData, r.data, r)
	p.open--
	p.bytes -= r.cost()
}

// The kinds of queues.
const (
	byAge = iota
	byKey
	byData
	queueKinds
)

// A place is that of a request in one queue.
type place struct{ prev, next *request }

// A queue lists requests, oldest first.
type queue struct {
	kind        int
	first, last *request
}

func (q *queue) push(r *request) {
	if q.last == nil {
		q.first = r
	} else {
		q.last.in[q.kind].next = r
	}
	r.in[q.kind].prev = q.last
	q.last = r
}

func (q *queue) remove(r *request) {
	at := &r.in[q.kind]
	if at.prev == nil {
		q.first = at.next
	} else {
		at.prev.in[q.kind].next = at.next
	}
	if at.next == nil {
		q.last = at.prev
	} else {
		at.next.in[q.kind].prev = at.prev
	}
	*at = place{}
}

func push[K comparable](m map[K]*queue, k K, kind int, r *request) {
	q := m[k]
	if q == nil {
		q = &queue{kind: kind}
		m[k] = q
	}
	q.push(r)
}

func remove[K comparable](m map[K]*queue, k K, r *request) {
	q := m[k]
	q.remove(r)
	if q.first == nil {
		delete(m, k)
	}
}
