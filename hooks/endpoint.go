package hooks

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// An Endpoint is a link endpoint around another, with a chain of hooks between
// them. Netstack's NIC takes it for the link; the link delivers to it as if it
// were the NIC. Everything that is not a packet goes to the endpoint inside.
//
// It is safe for concurrent use. It starts no goroutine and owns none: hooks
// run on the goroutines that carry the packets.
type Endpoint struct {
	stack.LinkEndpoint // the child

	hooks   []Hook
	ledger  *Ledger
	options Options

	// attached is netstack's side; nil while detached.
	attached atomic.Pointer[attachment]
	// packets recycles *Packet, with its scratch.
	packets sync.Pool
}

var (
	_ stack.LinkEndpoint      = (*Endpoint)(nil)
	_ stack.GSOEndpoint       = (*Endpoint)(nil)
	_ stack.NetworkDispatcher = (*Endpoint)(nil)
)

// An attachment is netstack's side, from one Attach to the next: who does not come
// back from a netstack that panicked holds no lock of the one that follows.
type attachment struct {
	stack.NetworkDispatcher

	// delivering is held, for reading, while a packet is delivered whose sums
	// are verified, and alone while one is whose are not, if there is receive
	// offload. It guards what Capabilities says of that.
	delivering sync.RWMutex
	// unverified says that what is being delivered is not verified. It is
	// written under delivering.
	unverified atomic.Bool
}

// Options of an Endpoint.
type Options struct {
	// ReceiveOffload advertises stack.CapabilityRXChecksumOffload: netstack then
	// verifies no IPv4, TCP or UDP checksum of the packets that the chain has
	// verified. It is for a child that delivers packets with partial checksums,
	// and what it says of a packet in RXChecksumValidated and GSOOptions counts
	// then; without, what comes in is judged as it stands. [hooks/verify] is to
	// be in the chain, which drops by name what is wrong.
	ReceiveOffload bool
}

// New wraps child in a chain of hooks, which see each packet in the order
// given, in both directions, and counts in ledger.
func New(child stack.LinkEndpoint, ledger *Ledger, o Options, chain ...Hook) *Endpoint {
	return &Endpoint{
		LinkEndpoint: child,
		hooks:        chain,
		ledger:       ledger,
		options:      o,
		packets:      sync.Pool{New: func() any { return new(Packet) }},
	}
}

// Attach implements stack.LinkEndpoint: it attaches the child to the chain and
// the chain to dispatcher, or detaches both if dispatcher is nil.
func (e *Endpoint) Attach(dispatcher stack.NetworkDispatcher) {
	if dispatcher == nil {
		e.LinkEndpoint.Attach(nil)
		e.attached.Store(nil)
		return
	}
	// Before the child, which may deliver at once.
	e.attached.Store(&attachment{NetworkDispatcher: dispatcher})
	e.LinkEndpoint.Attach(e)
}

// IsAttached implements stack.LinkEndpoint.
func (e *Endpoint) IsAttached() bool { return e.attached.Load() != nil }

// DeliverNetworkPacket implements stack.NetworkDispatcher: an inbound packet
// passes the chain and goes on to netstack.
func (e *Endpoint) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	a := e.attached.Load()
	w := e.pass(Inbound, pkt, a != nil, nil)
	if w.within != nil {
		defer w.within.Add(-1)
	}
	if w.ahead != nil {
		// Made here, and so nobody has verified it.
		e.deliver(a, protocol, w.ahead, false)
		w.ahead.DecRef()
	}
	if w.instead != nil {
		defer w.instead.DecRef()
		pkt = w.instead
	}
	if w.forward {
		e.deliver(a, protocol, pkt, w.vouched)
	}
}

// deliver delivers a packet to netstack, which is told whether its sums are verified
// if there is receive offload.
func (e *Endpoint) deliver(a *attachment, protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer, vouched bool) {
	switch {
	case !e.options.ReceiveOffload:
		a.DeliverNetworkPacket(protocol, pkt)
	case vouched:
		a.delivering.RLock()
		defer a.delivering.RUnlock()
		a.DeliverNetworkPacket(protocol, pkt)
	default:
		a.deliverUnverified(protocol, pkt)
	}
}

// deliverUnverified delivers a packet of which the chain could not verify every
// sum, a fragment say: netstack has to. Its NIC asks for the capabilities once
// for each packet, while that is delivered, and takes the packet, with all that
// is reassembled of it, for verified or not by the answer.
func (a *attachment) deliverUnverified(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	a.delivering.Lock()
	defer a.delivering.Unlock()
	a.unverified.Store(true)
	defer a.unverified.Store(false)
	a.DeliverNetworkPacket(protocol, pkt)
}

// Capabilities implements stack.LinkEndpoint with the child's answer, and
// receive offload as the options say, but for the packet that is being
// delivered unverified.
func (e *Endpoint) Capabilities() stack.LinkEndpointCapabilities {
	c := e.LinkEndpoint.Capabilities()
	a := e.attached.Load()
	if e.options.ReceiveOffload && (a == nil || !a.unverified.Load()) {
		return c | stack.CapabilityRXChecksumOffload
	}
	return c &^ stack.CapabilityRXChecksumOffload
}

// DeliverLinkPacket implements stack.NetworkDispatcher. A TUN has no link
// layer, so there is nothing for packet sockets to see.
func (e *Endpoint) DeliverLinkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if a := e.attached.Load(); a != nil {
		a.DeliverLinkPacket(protocol, pkt)
	}
}

// WritePackets implements stack.LinkWriter: outbound packets pass the chain
// and go on to the child. A packet that a hook drops counts as written.
func (e *Endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	dropped := 0
	var kept stack.PacketBufferList // in use once altered
	altered := false
	all := pkts.AsSlice()
	for i, pkt := range all {
		w := e.pass(Outbound, pkt, true, nil)
		if !altered && (!w.forward || w.instead != nil) {
			altered = true
			for _, earlier := range all[:i] {
				kept.PushBack(earlier)
			}
		}
		switch {
		case w.instead != nil:
			defer w.instead.DecRef()
			kept.PushBack(w.instead)
		case !w.forward:
			dropped++
		case altered:
			kept.PushBack(pkt)
		}
	}
	if !altered {
		kept = pkts
	} else if kept.Len() == 0 {
		return dropped, nil
	}
	n, err := e.LinkEndpoint.WritePackets(kept)
	if err != nil {
		e.ledger.untaken.Add(1)
	}
	return n + dropped, err
}

// A way is how a packet leaves the chain.
type way struct {
	// forward says that it is to be forwarded, and vouched that its sums are verified.
	forward, vouched bool
	// instead is what is forwarded in its place, and ahead what is delivered before
	// it, or nil. The caller releases both.
	instead, ahead *stack.PacketBuffer
	// within counts the packet until it is delivered, or is nil.
	within *atomic.Int64
}

// pass shows a packet to the ledger and the chain. answer is nil unless another than
// netstack has made it.
func (e *Endpoint) pass(d Direction, pkt *stack.PacketBuffer, attached bool, answer *Answer) (w way) {
	p := e.packets.Get().(*Packet)
	p.decodeBuffer(d, pkt, d == Outbound || e.options.ReceiveOffload, time.Now())
	p.delivered = d == Inbound
	if p.Answer = answer; answer != nil && answer.Alone {
		p.noteMend(answer.Mend)
	}
	p.judge()
	e.ledger.see(p)
	if !attached {
		p.Drop(Dropped, ReasonDetached)
	}
	for _, h := range e.hooks {
		if d == Inbound {
			h.Inbound(p)
		} else {
			h.Outbound(p)
		}
	}
	e.ledger.mended(p)
	if p.reassembled {
		e.ledger.Judge(p.checks[p.nchecks-1 : p.nchecks])
	}
	if !p.held {
		e.ledger.Settle(d, p.Fate, p.Reason)
	}
	w.forward, w.within = !p.Stopped(), p.within
	w.vouched = w.forward && d == Inbound && e.options.ReceiveOffload && p.vouched()
	if w.forward && p.instead != nil {
		w.instead = p.replacement(pkt)
	}
	if w.forward && p.ahead != nil {
		w.ahead = newPacket(p.ahead)
		e.ledger.ahead.Add(1)
	}
	// Pooled memory must not keep the packet's alive.
	scratch := p.scratch
	*p = Packet{scratch: scratch[:0]}
	e.packets.Put(p)
	return w
}

// GSOMaxSize implements stack.GSOEndpoint with the child's answer.
func (e *Endpoint) GSOMaxSize() uint32 {
	if g, ok := e.LinkEndpoint.(stack.GSOEndpoint); ok {
		return g.GSOMaxSize()
	}
	return 0
}

// SupportedGSO implements stack.GSOEndpoint with the child's answer.
func (e *Endpoint) SupportedGSO() stack.SupportedGSO {
	if g, ok := e.LinkEndpoint.(stack.GSOEndpoint); ok {
		return g.SupportedGSO()
	}
	return stack.GSONotSupported
}
