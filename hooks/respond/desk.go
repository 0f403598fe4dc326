package respond

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// The bounds of what waits at a Desk. What was answered or dropped is remembered
// within them too, apart.
const (
	maxWaiting      = 1024
	maxWaitingBytes = 16 << 20
)

// lateAfter is how old a request is when its reply counts as late: ping waits no
// longer than 10 seconds for the last one. It is sent all the same.
const lateAfter = 10 * time.Second

// MaxPacket is the length of the longest IP packet that is no jumbogram, in
// bytes: IPv6 does not count its header (RFC 8200 §3). Over IPv4 it is 65,535.
const MaxPacket = 40 + 65535

// DeskConfig says what a Desk works with. Nothing is required but Send, if replies
// are to leave.
type DeskConfig struct {
	// Name is that of the answerer, with what tells it from others: "fifo:/tmp".
	// What comes before the colon stands in traces.
	Name string
	// SendBadReplies sends what was judged wrong too, if it can be decoded.
	SendBadReplies bool
	// Send sends a whole reply, which it borrows; nil sends nothing.
	Send func(reply []byte, a hooks.Answer) error
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A Desk is where the echo requests wait that an external answerer is to answer,
// and where its replies are judged. It is safe for concurrent use, and none of its
// methods waits for anything but Next. Make one with [NewDesk].
type Desk struct {
	cfg   DeskConfig
	kind  string // the name, up to the colon
	score *score
	// sendBad is SendBadReplies, which may change.
	sendBad atomic.Bool

	// mu guards all below. It is held for moments only: the packets' way waits
	// for it.
	mu     sync.Mutex
	closed bool
	last   uint64 // the ID given last
	// waiting are the requests without a reply, oldest first; byKey finds them.
	waiting []*request
	bytes   int
	byKey   map[key][]*request
	// past are requests that wait no longer, oldest first; pastByKey finds them.
	past      []*request
	pastBytes int
	pastByKey map[key][]*request
	// changed is closed, and made anew, when there is something to be given.
	changed chan struct{}
	drops   map[string]uint64
}

// NewDesk returns a Desk where nothing waits.
func NewDesk(c DeskConfig) *Desk {
	if c.Now == nil {
		c.Now = time.Now
	}
	kind, _, _ := strings.Cut(c.Name, ":")
	d := &Desk{
		cfg: c, kind: kind, score: newScore(c.Name), byKey: map[key][]*request{}, pastByKey: map[key][]*request{},
		changed: make(chan struct{}), drops: map[string]uint64{},
	}
	d.sendBad.Store(c.SendBadReplies)
	return d
}

// SetSendBadReplies changes SendBadReplies.
func (d *Desk) SetSendBadReplies(on bool) { d.sendBad.Store(on) }

// Name returns the answerer's name.
func (d *Desk) Name() string { return d.cfg.Name }

// Scorecard returns how the answerer has done so far.
func (d *Desk) Scorecard() Scorecard { return d.score.card() }

// Drops returns how many requests were lost, by reason.
func (d *Desk) Drops() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := map[string]uint64{}
	for reason, n := range d.drops {
		m[reason] = n
	}
	return m
}

// Ask puts a request to the Desk, behind all others. It never waits: past the
// bounds the oldest is dropped. A closed Desk takes none, and counts it.
func (d *Desk) Ask(q Question) {
	var hand wire.Packet
	hand.Decode(q.Hand)
	k, ok := keyOf(&hand)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		d.drops[ReasonEnded]++
		return
	}
	d.last++
	r := &request{Question: q, id: d.last, key: k}
	d.waiting = append(d.waiting, r)
	d.bytes += r.cost()
	d.byKey[k] = append(d.byKey[k], r)
	d.score.asked()
	for len(d.waiting) > maxWaiting || d.bytes > maxWaitingBytes && len(d.waiting) > 1 {
		oldest := d.waiting[0]
		oldest.dropped = true
		d.drops[ReasonQueueFull]++
		d.retire(oldest)
	}
	d.wake()
}

// wake wakes those who wait in Next. It is called with mu held.
func (d *Desk) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// retire moves a request from those that wait to the past. It is called with mu
// held.
func (d *Desk) retire(r *request) {
	i := slices.Index(d.waiting, r)
	d.waiting = slices.Delete(d.waiting, i, i+1)
	d.bytes -= r.cost()
	forget(d.byKey, r)
	d.past = append(d.past, r)
	d.pastBytes += r.cost()
	d.pastByKey[r.key] = append(d.pastByKey[r.key], r)
	for len(d.past) > maxWaiting || d.pastBytes > maxWaitingBytes {
		oldest := d.past[0]
		d.past = slices.Delete(d.past, 0, 1)
		d.pastBytes -= oldest.cost()
		forget(d.pastByKey, oldest)
	}
}

func forget(m map[key][]*request, r *request) {
	l := m[r.key]
	if i := slices.Index(l, r); i >= 0 {
		l = slices.Delete(l, i, i+1)
	}
	if len(l) == 0 {
		delete(m, r.key)
		return
	}
	m[r.key] = l
}

// Next waits for the oldest request that nobody has been given yet, and gives it.
// It returns ctx.Err(), or os.ErrClosed once the Desk is closed.
func (d *Desk) Next(ctx context.Context) (Request, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Request{}, err
		}
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			return Request{}, os.ErrClosed
		}
		for _, r := range d.waiting {
			if !r.given {
				r.given = true
				public := r.public()
				d.mu.Unlock()
				return public, nil
			}
		}
		changed := d.changed
		d.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Return takes back a request that was given and did not arrive, so that Next
// gives it again.
func (d *Desk) Return(id uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.waiting {
		if r.id == id && r.given {
			r.given = false
			d.wake()
		}
	}
}

// ReturnAll takes back all requests that were given: whoever had them is gone.
func (d *Desk) ReturnAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.waiting {
		r.given = false
	}
	d.wake()
}

// Pending lists what has not been answered, oldest first.
func (d *Desk) Pending() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Request, len(d.waiting))
	for i, r := range d.waiting {
		list[i] = r.public()
	}
	return list
}

// Close ends the Desk: who waits in Next gets os.ErrClosed, and what comes is
// refused. The requests that wait are counted, by ReasonEnded.
func (d *Desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.drops[ReasonEnded] += uint64(len(d.waiting))
		d.wake()
	}
}

// A Verdict is what was found about a reply.
type Verdict struct {
	// Request is the ID of the request that it was judged against; 0 if there
	// is none.
	Request uint64
	// Match says that it is right, but for what the RFCs leave free.
	Match bool
	// Sent says that it has left.
	Sent bool
	// Late says that the request was more than 10 seconds old, or dropped.
	Late bool
	// Latency is how old the request was.
	Latency time.Duration
	// Faults are the fields in which it is wrong.
	Faults []Fault
}

// Reply judges one whole IP packet, which it borrows. It finds the request that
// the packet answers itself, whichever was given. A right reply is sent, or, with
// SendBadReplies, any that can be decoded and answers a request that waits. The
// error is one sentence that says what is wrong, seen against right, and where it
// is written; it is nil only if the reply is right and was sent. After a refusal
// the request waits on.
func (d *Desk) Reply(packet []byte) (Verdict, error) {
	if len(packet) > MaxPacket {
		d.score.unasked()
		return Verdict{}, fmt.Errorf("the reply has %d bytes, and the longest packet %d (RFC 8200 §3)", len(packet), MaxPacket)
	}
	now := d.cfg.Now()
	var reply wire.Packet
	reply.Decode(packet)
	r, err := d.find(&reply)
	if err != nil {
		d.score.unasked()
		return Verdict{}, err
	}
	v := Verdict{Request: r.id, Latency: now.Sub(r.Received), Faults: grade(packet, &reply, &r.Question)}
	v.Match = len(v.Faults) == 0
	v.Late = v.Latency > lateAfter
	// What cannot be decoded cannot be sent.
	send := v.Match || d.sendBad.Load() && sendable(packet, &reply)
	if err := d.take(r, &v, send); err != nil {
		return v, err
	}
	if !send {
		return v, refusal(v.Faults)
	}
	if err := d.send(packet, r); err != nil {
		return v, fmt.Errorf("send reply: %w", err)
	}
	v.Sent = true
	if !v.Match {
		return v, fmt.Errorf("%w; sent all the same, as -send-bad-replies says", refusal(v.Faults))
	}
	return v, nil
}

// find returns the request that a reply was meant for: the one that it answers,
// else one that is past, else the one that it comes nearest to.
func (d *Desk) find(reply *wire.Packet) (*request, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("the host goes down: %w", os.ErrClosed)
	}
	k, ok := keyOf(reply)
	if ok {
		if r := best(d.byKey[k], reply); r != nil {
			return r, nil
		}
		if r := best(d.pastByKey[k], reply); r != nil {
			return r, nil
		}
	}
	if r := d.nearest(reply); r != nil {
		return r, nil
	}
	return nil, errors.New("no echo request waits for a reply")
}

// best returns the oldest of some requests with the same key, one with the
// reply's data if there is one.
func best(of []*request, reply *wire.Packet) *request {
	for _, r := range of {
		if d := reply.Data(); len(d) >= 8 && string(d[8:]) == string(r.data()) {
			return r
		}
	}
	if len(of) == 0 {
		return nil
	}
	return of[0]
}

// near is how many requests a reply that answers none is held against.
const near = 32

// nearest returns the request that a reply comes nearest to, of the oldest that
// were given, or if none was of the oldest.
func (d *Desk) nearest(reply *wire.Packet) (found *request) {
	given := slices.ContainsFunc(d.waiting, func(r *request) bool { return r.given })
	most, seen := -1, 0
	for _, r := range d.waiting {
		if given && !r.given {
			continue
		}
		if n := r.likeness(reply); n > most {
			found, most = r, n
		}
		if seen++; seen == near {
			break
		}
	}
	return found
}

// take counts a judgement, and takes the request out if its reply is to be sent.
// The error says why none may be.
func (d *Desk) take(r *request, v *Verdict, send bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := name(&r.Question)
	switch {
	case d.closed:
		return fmt.Errorf("the host goes down: %w", os.ErrClosed)
	case r.answered:
		d.score.repeated()
		return fmt.Errorf("the %s was answered already", what)
	case r.dropped:
		v.Late = true
		d.score.judged(v, r.tries == 0, false)
		r.tries++
		if v.Match {
			return fmt.Errorf("right, but too late: the %s was dropped, for too many waited behind it", what)
		}
		return fmt.Errorf("too late, the %s was dropped, for too many waited behind it; and %w", what, refusal(v.Faults))
	}
	d.score.judged(v, r.tries == 0, send)
	r.tries++
	if send {
		r.answered = true
		d.retire(r)
	}
	return nil
}

// send sends a reply.
func (d *Desk) send(packet []byte, r *request) error {
	if d.cfg.Send == nil {
		return nil
	}
	return d.cfg.Send(packet, hooks.Answer{
		By: d.kind, Request: r.Seq, Received: r.Received,
		Asked: r.Packet, Hand: r.Hand, Reply: packet,
		AnySource: r.AnySource, Optional: r.Optional, RFC: r.RFC,
	})
}
