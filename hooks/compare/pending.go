package compare

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// Bounds of the requests that wait. Netstack answers an echo before it takes
// the next packet, so what piles up here is mostly what it discards.
const (
	maxPending      = 1 << 16
	maxPendingBytes = 64 << 20
	// crowd is how many may wait for errors that netstack keeps back.
	crowd = 1 << 12
	// maxSpare bounds what is kept to be used again.
	maxSpare = 256
)

// A request is a packet that a reply is due to, or must not come to, and whose
// fate is not settled.
type request struct {
	data     dataKey
	seen     trace.Packet
	due      due
	freedoms Freedoms
	// excuses is how many such replies netstack had kept back when the request
	// came.
	excuses uint64
	// late says that the request is a first fragment whose datagram did not
	// become whole: its own fate was settled when it came.
	late bool
	// other says that another than the responder is to answer; left, that the
	// responder is done with it; resolved, that its fate is settled.
	other, left, resolved bool
	// begun says that the first fragment of a reply has come, and untaken what the
	// link had not taken then.
	begun   bool
	untaken uint64
	// bytes is a copy of the request, if the tracer wants it.
	bytes    []byte
	deadline time.Time
	// in holds its place in each queue that it stands in.
	in [queueKinds]place
}

// A due is what a prediction says, without the packet that it is about: many
// wait at a time.
type due struct {
	expect      byhand.Expectation
	form        byhand.Form
	requirement byhand.Requirement
	reason, rfc string
	doubt       bool
	reply       []byte
}

func dueOf(pr *byhand.Prediction) due {
	return due{pr.Expect, pr.Form, pr.Requirement, pr.Reason, pr.RFC, pr.Doubt, pr.Reply}
}

// fate is that of a request without a reply: what an error would have told of
// is dropped, with or without one.
func (r *request) fate() hooks.Fate {
	if r.due.reason != "" {
		return hooks.Dropped
	}
	return hooks.Delivered
}

// cost is what a request keeps in memory beside itself, in bytes.
func (r *request) cost() int {
	return len(r.due.reply) + len(r.bytes) + len(r.seen.Packet.Bytes)
}

// pending holds the open requests. Nothing it does takes longer for a crowd,
// and what is settled is not kept.
type pending struct {
	byAge  queue
	byKey  map[key]*queue
	byData map[dataKey]*queue
	seed   maphash.Seed
	open   int
	// most is how many were open at a time: the maps keep the room for all.
	most  int
	bytes int
	// due counts the open requests that a reply is due to.
	due int
	// spare are queues to be used again.
	spare []*queue
}

func newPending() pending {
	return pending{
		byAge: queue{kind: byAge}, byKey: map[key]*queue{}, byData: map[dataKey]*queue{},
		seed: maphash.MakeSeed(),
	}
}

// add opens a request for what is predicted.
func (p *pending) add(r *request, prediction *byhand.Prediction) {
	expected := prediction.Reply
	if expected == nil {
		expected = prediction.Forbidden
	}
	r.due = dueOf(prediction)
	r.data = asked(prediction.Form, &prediction.Request, expected, p.seed)
	r.data.replied = prediction.Reply != nil
	p.byAge.push(r)
	push(p, p.byKey, r.data.key, byKey, r)
	push(p, p.byData, r.data, byData, r)
	p.open++
	p.most = max(p.most, p.open)
	if r.due.expect == byhand.MustReply {
		p.due++
	}
	p.bytes += r.cost()
}

// full reports whether the bounds are exceeded.
func (p *pending) full() bool { return p.open > maxPending || p.bytes > maxPendingBytes }

// oldest returns the oldest open request, or nil.
func (p *pending) oldest() *request { return p.byAge.first }

// match returns the open request that a reply of a form belongs to, or nil. Of
// an error, quote is what it quotes.
func (p *pending) match(reply, quote *wire.Packet, form byhand.Form) *request {
	switch form {
	case byhand.EchoReply:
		k := asked(form, reply, nil, p.seed)
		// With a source route the requester is where the route ends.
		k.peer = reply.FinalDst()
		return p.find(k)
	case byhand.ICMPError:
		k := asked(form, quote, nil, p.seed)
		r := p.find(k)
		if isEcho(quote) && (r == nil || r.data.sum != k.sum) {
			if echo := p.find(asked(byhand.EchoReply, quote, nil, p.seed)); echo != nil {
				return echo
			}
		}
		if r != nil {
			return p.quotedBy(reply, r)
		}
	case byhand.Reset, byhand.SynAck:
		return p.findSegment(segment(form, reply))
	case byhand.Advertisement:
		return p.find(dataKey{key: key{form: form, peer: reply.Dst, local: byhand.NeighbourTarget(reply)}})
	}
	return nil
}

// mostAlike is how many requests with the same key are looked through for the one
// that is quoted: more than a super-datagram makes.
const mostAlike = 256

// quotedBy returns of requests with one key, of which r is the first choice, the one
// that an error quotes the data of, too, or else one whose packet was like that, or
// over IPv4, of whose header netstack may quote another form than came, r if at least
// the header's length is the same: while errors are limited the oldest need not be the
// one that is reported. Nil if it is another that is reported, which nothing was due to.
func (p *pending) quotedBy(reply *wire.Packet, r *request) *request {
	data := reply.Data()[8:]
	if isQuoted(data, r) {
		return r
	}
	var like *request
	if isLike(data, r) {
		like = r
	}
	for n, at := 0, p.byKey[r.data.key].first; at != nil && n < mostAlike; n, at = n+1, at.in[byKey].next {
		if isQuoted(data, at) {
			return at
		}
		if like == nil && isLike(data, at) {
			like = at
		}
	}
	if b := quoteOf(r); like == nil && reply.Version == 4 && len(b) > 0 && len(data) > 0 && b[0] == data[0] {
		return r
	}
	return like
}

// isLike reports whether what an error quotes has, as the packet of a request, this
// length, identification, place and protocol over IPv4, or this length, next header and
// hop limit over IPv6. Of a datagram in fragments it may quote one of those.
func isLike(data []byte, r *request) bool {
	b := quoteOf(r)
	switch {
	case len(data) < 10:
		return false
	case len(b) == 0:
		return isHeaderOf(data, &r.seen.Packet)
	case len(b) < 10:
		return false
	case r.freedoms.AnyQuote:
		return true
	case b[0]>>4 == 4:
		return bytes.Equal(b[2:8], data[2:8]) && b[9] == data[9]
	}
	return bytes.Equal(b[4:8], data[4:8])
}

// isHeaderOf reports the same of data and a packet that nothing is due to. Of a fragment
// it does, for another, or all, of its datagram may be quoted.
func isHeaderOf(data []byte, p *wire.Packet) bool {
	switch {
	case p.Fragment.IsFragment():
		return true
	case p.Version == 4:
		return int(binary.BigEndian.Uint16(data[2:])) == p.IPv4.TotalLen && binary.BigEndian.Uint16(data[4:]) == p.IPv4.ID && data[9] == p.IPv4.Protocol
	}
	return int(binary.BigEndian.Uint16(data[4:])) == p.IPv6.PayloadLen && data[6] == p.IPv6.NextHeader && data[7] == p.IPv6.HopLimit
}

// isQuoted reports whether an error quotes the data that the error due to a request
// does, as far as both go.
func isQuoted(data []byte, r *request) bool {
	b := quoteOf(r)
	n := min(len(b), len(data))
	return n > 0 && bytes.Equal(b[:n], data[:n])
}

// quoteOf returns what the error that is due to a request quotes, if one is.
func quoteOf(r *request) []byte {
	var hand wire.Packet
	if r.due.form != byhand.ICMPError || !hand.Decode(r.due.reply) || len(hand.Data()) < 8 {
		return nil
	}
	return hand.Data()[8:]
}

// find returns the open request of a key: one with the same sum if there is
// one, else any; either way one that a reply is predicted to, if there is one;
// among equals the oldest.
func (p *pending) find(k dataKey) *request {
	due, silent := k, k
	due.replied, silent.replied = true, false
	for _, k := range [...]dataKey{due, silent} {
		if q := p.byData[k]; q != nil {
			return q.first
		}
	}
	for _, k := range [...]dataKey{due, silent} {
		if q := p.byKey[k.key]; q != nil {
			return q.first
		}
	}
	return nil
}

// findSegment is find for segments: where silence is due, others on the same
// ports may well bring a segment, so there the numbers must be the same too.
func (p *pending) findSegment(k dataKey) *request {
	due, silent := k, k
	due.replied, silent.replied = true, false
	for _, k := range [...]dataKey{due, silent} {
		if q := p.byData[k]; q != nil {
			return q.first
		}
	}
	if q := p.byKey[due.key]; q != nil {
		return q.first
	}
	return nil
}

// newest returns the newest open request of a key, or nil.
func (p *pending) newest(k dataKey) *request {
	if q := p.byData[k]; q != nil {
		return q.last
	}
	return nil
}

// relax has a reply to a request be allowed that was due.
func (p *pending) relax(r *request) {
	if r.due.expect == byhand.MustReply {
		r.due.expect, r.due.requirement = byhand.MayReply, byhand.May
		p.due--
	}
}

// settle takes a request out.
func (p *pending) settle(r *request) {
	p.byAge.remove(r)
	remove(p, p.byKey, r.data.key, r)
	remove(p, p.byData, r.data, r)
	p.open--
	if r.due.expect == byhand.MustReply {
		p.due--
	}
	p.bytes -= r.cost()
	if p.open == 0 && p.most > crowd {
		p.byKey, p.byData, p.most = map[key]*queue{}, map[dataKey]*queue{}, 0
	}
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

func push[K comparable](p *pending, m map[K]*queue, k K, kind int, r *request) {
	q := m[k]
	if q == nil {
		if last := len(p.spare) - 1; last >= 0 {
			q, p.spare = p.spare[last], p.spare[:last]
		} else {
			q = new(queue)
		}
		q.kind = kind
		m[k] = q
	}
	q.push(r)
}

func remove[K comparable](p *pending, m map[K]*queue, k K, r *request) {
	q := m[k]
	q.remove(r)
	if q.first == nil {
		delete(m, k)
		if len(p.spare) < maxSpare {
			p.spare = append(p.spare, q)
		}
	}
}
