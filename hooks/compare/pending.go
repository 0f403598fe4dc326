package compare

import (
	"bytes"
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
	seen trace.Packet
	// prediction's Request is cleared: its bytes are not ours.
	prediction byhand.Prediction
	anySource  bool
	// bytes is a copy of the request, if the tracer wants it.
	bytes    []byte
	deadline time.Time
	done     bool
	// next is the next request with the same key.
	next *request
}

// A key is what an echo reply shares with its request: the requester,
// identifier and sequence number.
type key struct {
	peer    netip.Addr
	id, seq uint16
}

// cost is what a request keeps in memory beside itself, in bytes.
func (r *request) cost() int {
	return len(r.prediction.Reply) + len(r.bytes) + len(r.seen.Packet.Bytes)
}

// pending holds the open requests, by key and by age. Its zero value is ready.
type pending struct {
	byKey map[key]*request
	// order lists them oldest first; done ones stay until they reach the front.
	order []*request
	open  int
	bytes int
}

func (p *pending) add(r *request) {
	if p.byKey == nil {
		p.byKey = map[key]*request{}
	}
	if last := p.byKey[r.key]; last == nil {
		p.byKey[r.key] = r
	} else {
		for last.next != nil {
			last = last.next
		}
		last.next = r
	}
	p.order = append(p.order, r)
	p.open++
	p.bytes += r.cost()
}

// full reports whether the bounds are exceeded.
func (p *pending) full() bool { return p.open > maxPending || p.bytes > maxPendingBytes }

// oldest returns the oldest open request, or nil.
func (p *pending) oldest() *request {
	for len(p.order) > 0 && p.order[0].done {
		p.order[0] = nil
		p.order = p.order[1:]
	}
	if len(p.order) == 0 {
		p.order = nil
		return nil
	}
	return p.order[0]
}

// match returns the open request that a reply belongs to: of those with its
// key, one whose reply by hand carries the same data if there is one, else one
// that is to be answered, else any.
func (p *pending) match(reply *wire.Packet) *request {
	var best *request
	score := -1
	for r := p.byKey[key{reply.Dst, reply.ICMP.ID, reply.ICMP.Seq}]; r != nil; r = r.next {
		s := 0
		if hand := r.prediction.Reply; hand != nil {
			s = 1
			if data := reply.Data(); len(hand) > len(data) && bytes.Equal(hand[len(hand)-len(data)+8:], data[8:]) {
				s = 2
			}
		}
		if s > score {
			best, score = r, s
		}
	}
	return best
}

// settle takes a request out.
func (p *pending) settle(r *request) {
	r.done = true
	p.open--
	p.bytes -= r.cost()
	first := p.byKey[r.key]
	if first == r {
		if r.next == nil {
			delete(p.byKey, r.key)
		} else {
			p.byKey[r.key] = r.next
		}
		return
	}
	for ; first != nil; first = first.next {
		if first.next == r {
			first.next = r.next
			return
		}
	}
}
