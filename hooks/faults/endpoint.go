package faults

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
)

// What [Options] mean that do not say.
const (
	DefaultQueue    = 1024
	DefaultPatience = 50 * time.Millisecond
)

// Options of an Endpoint.
type Options struct {
	// Seed of the dice of rules that have none of their own.
	Seed uint64
	// Injected is told of every fault, before the packet goes on. It is called
	// from many goroutines at once, and the packet waits for it. May be nil.
	Injected func(Fault)
	// Queue is how many packets of each direction may be held back at a time;
	// 0 is DefaultQueue. What is to be held beyond that is lost.
	Queue int
	// Patience is how long Reorder holds a packet that too few others pass;
	// 0 is DefaultPatience.
	Patience time.Duration
}

// An Endpoint is a link endpoint around another, which does what rules say to
// the packets in between. While netstack is not attached it does nothing.
//
// All methods may be called concurrently. Packets that are not held back pass
// on the goroutines that carry them and never wait. Of those that are, the
// Endpoint owns copies, and a timer for each direction, which sends them on
// from a goroutine of its own; Attach(nil) and Close stop the timers and
// discard the packets, Wait waits for a goroutine that is still at work.
type Endpoint struct {
	stack.LinkEndpoint // the child

	in, out way

	// attaching is held while the endpoint is attached, detached or closed.
	attaching sync.Mutex
	// dispatcher is netstack's side; nil while detached. Attach and Close
	// write it.
	dispatcher atomic.Pointer[stack.NetworkDispatcher]
}

var (
	_ stack.LinkEndpoint      = (*Endpoint)(nil)
	_ stack.GSOEndpoint       = (*Endpoint)(nil)
	_ stack.NetworkDispatcher = (*Endpoint)(nil)
)

// New puts an injector around child, which is the hooks' endpoint. It starts
// nothing.
func New(child stack.LinkEndpoint, rules []Rule, o Options) *Endpoint {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	e := &Endpoint{LinkEndpoint: child}
	e.in.init(hooks.Inbound, rules, o, e.deliver)
	e.out.init(hooks.Outbound, rules, o, func(parcels []parcel) { _, _, _ = e.write(parcels) })
	return e
}

// Attach implements stack.LinkEndpoint: it attaches the child to the injector
// and the injector to dispatcher, or detaches both if dispatcher is nil. It
// does not wait.
func (e *Endpoint) Attach(dispatcher stack.NetworkDispatcher) {
	e.attaching.Lock()
	defer e.attaching.Unlock()
	if dispatcher == nil {
		e.LinkEndpoint.Attach(nil)
		e.stop()
		return
	}
	// Before the child, which may deliver at once.
	e.dispatcher.Store(&dispatcher)
	e.in.start()
	e.out.start()
	e.LinkEndpoint.Attach(e)
}

// stop discards what is held. e.attaching is held.
func (e *Endpoint) stop() {
	e.dispatcher.Store(nil)
	e.in.lost(ReasonDetached, e.in.stop())
	e.out.lost(ReasonDetached, e.out.stop())
}

// Abandon gives up goroutines of timers that are inside netstack, or the child, and may
// never return, for netstack panicked and left its locks held. Call it after
// Attach(nil), and then the child's, if it has one.
func (e *Endpoint) Abandon() {
	e.in.abandon()
	e.out.abandon()
}

// IsAttached implements stack.LinkEndpoint.
func (e *Endpoint) IsAttached() bool { return e.dispatcher.Load() != nil }

// Close implements stack.LinkEndpoint: it stops the injector and closes the
// child.
func (e *Endpoint) Close() {
	e.attaching.Lock()
	e.stop()
	e.attaching.Unlock()
	e.LinkEndpoint.Close()
}

// Wait implements stack.LinkEndpoint: it returns when the goroutines of the
// injector and of the child have ended, which Attach(nil) or Close told them
// to.
func (e *Endpoint) Wait() {
	e.in.wait()
	e.out.wait()
	e.LinkEndpoint.Wait()
}

// DeliverNetworkPacket implements stack.NetworkDispatcher: an inbound packet
// passes the injector and goes on to netstack.
func (e *Endpoint) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if len(e.in.rules) > 0 {
		if parcels, changed := e.in.inject(protocol, pkt); changed {
			e.deliver(parcels)
			return
		}
	}
	if dispatcher := e.dispatcher.Load(); dispatcher != nil {
		(*dispatcher).DeliverNetworkPacket(protocol, pkt)
		return
	}
	e.in.lost(ReasonDetached, 1)
}

// deliver hands parcels to netstack.
func (e *Endpoint) deliver(parcels []parcel) {
	for _, p := range parcels {
		if dispatcher := e.dispatcher.Load(); dispatcher != nil {
			(*dispatcher).DeliverNetworkPacket(p.protocol, p.pkt)
		} else {
			e.in.lost(ReasonDetached, 1)
		}
		p.discard()
	}
}

// DeliverLinkPacket implements stack.NetworkDispatcher. Packet sockets see what
// the child shows them.
func (e *Endpoint) DeliverLinkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if dispatcher := e.dispatcher.Load(); dispatcher != nil {
		(*dispatcher).DeliverLinkPacket(protocol, pkt)
	}
}

// WritePackets implements stack.LinkWriter: outbound packets pass the injector
// and go on to the child. A packet that is lost or held back counts as written.
func (e *Endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	if len(e.out.rules) == 0 {
		return e.LinkEndpoint.WritePackets(pkts)
	}
	// Both are in use from the first change on. before holds, for each parcel,
	// how many packets of pkts are done with when it is written.
	var parcels []parcel
	var before []int
	changed := false
	all := pkts.AsSlice()
	for i, pkt := range all {
		more, alters := e.out.inject(pkt.NetworkProtocolNumber, pkt)
		if alters && !changed {
			changed = true
			for j, earlier := range all[:i] {
				parcels, before = append(parcels, parcel{pkt: earlier, first: true}), append(before, j)
			}
		}
		if !alters && changed {
			more = []parcel{{pkt: pkt, first: true}}
		}
		for _, p := range more {
			done := i
			if !p.first {
				done++
			}
			parcels, before = append(parcels, p), append(before, done)
		}
	}
	if !changed {
		return e.LinkEndpoint.WritePackets(pkts)
	}
	n, whole, err := e.write(parcels)
	if whole {
		return len(all), err
	}
	return before[n], err
}

// write hands parcels to the child and gives them up. It returns how many the
// child took, and whether that is all.
func (e *Endpoint) write(parcels []parcel) (n int, whole bool, err tcpip.Error) {
	if len(parcels) == 0 {
		return 0, true, nil
	}
	var list stack.PacketBufferList
	for _, p := range parcels {
		list.PushBack(p.pkt)
	}
	n, err = e.LinkEndpoint.WritePackets(list)
	for i, p := range parcels {
		if !p.first && i >= n {
			// Of the others netstack is told.
			e.out.lost(ReasonUnsent, 1)
		}
		p.discard()
	}
	return n, n >= len(parcels), err
}

// Capabilities implements stack.LinkEndpoint with the child's answer, less the
// offload that would hide damage. Nor is there receive offload for packets that
// are held back: what the child says of it holds while it delivers.
func (e *Endpoint) Capabilities() stack.LinkEndpointCapabilities {
	c := e.LinkEndpoint.Capabilities()
	if e.out.damages {
		c &^= stack.CapabilityTXChecksumOffload
	}
	if e.in.damages || e.in.holds {
		c &^= stack.CapabilityRXChecksumOffload
	}
	return c
}

// GSOMaxSize implements stack.GSOEndpoint with the child's answer, or 0 if
// segmentation would hide damage.
func (e *Endpoint) GSOMaxSize() uint32 {
	if g, ok := e.LinkEndpoint.(stack.GSOEndpoint); ok && !e.out.damages {
		return g.GSOMaxSize()
	}
	return 0
}

// SupportedGSO implements stack.GSOEndpoint with the child's answer, or none if
// segmentation would hide damage.
func (e *Endpoint) SupportedGSO() stack.SupportedGSO {
	if g, ok := e.LinkEndpoint.(stack.GSOEndpoint); ok && !e.out.damages {
		return g.SupportedGSO()
	}
	return stack.GSONotSupported
}

// Counters returns what has been done so far.
func (e *Endpoint) Counters() Counters {
	return Counters{In: e.in.counts(), Out: e.out.counts()}
}
