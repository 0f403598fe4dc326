package stack

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A fence is the link as one instance's NIC sees it. What netstack panics of while it
// is delivered ends here, and with it the instance: the fence is cut, the link is
// detached and free for the next instance, and nothing passes any more, whatever
// goroutines of the damaged netstack go on to do.
type fence struct {
	netstack.LinkEndpoint // the link, which other instances have before and after
	instance              *instance
	// abandon is that of Config.
	abandon func()

	// attaching is held while the link is attached, detached or closed, so that
	// none of that happens to the next instance's.
	attaching sync.Mutex
	opened    bool        // guarded by attaching
	isCut     atomic.Bool // written under attaching
	// dispatcher is the NIC; nil while detached. It is written under attaching.
	dispatcher atomic.Pointer[netstack.NetworkDispatcher]
	// fragments are those that came last.
	fragments fragments

	*losses
}

// losses counts the packets that are lost with netstacks that panic. It outlives them:
// who comes back from one late may find it freed.
type losses struct {
	panics  atomic.Uint64 // of which netstack panicked
	in, out atomic.Uint64 // at a fence that was cut
}

var (
	_ netstack.LinkEndpoint      = (*fence)(nil)
	_ netstack.GSOEndpoint       = (*fence)(nil)
	_ netstack.NetworkDispatcher = (*fence)(nil)
)

// cut ends all traffic of the instance, for good, and detaches the link. It does not
// wait.
func (f *fence) cut() {
	f.attaching.Lock()
	defer f.attaching.Unlock()
	f.isCut.Store(true)
	f.dispatcher.Store(nil)
	f.LinkEndpoint.Attach(nil)
	if f.abandon != nil {
		f.abandon()
	}
	f.forget()
}

// forget gives up the fragments.
func (f *fence) forget() { f.fragments.forget() }

// open attaches the link to the NIC, which is to be enabled: what waits in the device
// while netstack is rebuilt is not for one that drops it.
func (f *fence) open() {
	f.attaching.Lock()
	defer f.attaching.Unlock()
	f.opened = true
	if f.dispatcher.Load() != nil {
		f.LinkEndpoint.Attach(f)
	}
}

// Attach implements stack.LinkEndpoint. The link is attached once the fence is open.
func (f *fence) Attach(d netstack.NetworkDispatcher) {
	f.attaching.Lock()
	defer f.attaching.Unlock()
	switch {
	case f.isCut.Load():
	case d == nil:
		f.LinkEndpoint.Attach(nil)
		f.dispatcher.Store(nil)
	default:
		// Before the link, which may deliver at once.
		f.dispatcher.Store(&d)
		if f.opened {
			f.LinkEndpoint.Attach(f)
		}
	}
}

// IsAttached implements stack.LinkEndpoint.
func (f *fence) IsAttached() bool { return f.dispatcher.Load() != nil }

// Close implements stack.LinkEndpoint: it closes the link, unless that is another
// instance's by now.
func (f *fence) Close() {
	f.attaching.Lock()
	defer f.attaching.Unlock()
	if !f.isCut.Load() {
		f.LinkEndpoint.Close()
	}
}

// Wait implements stack.LinkEndpoint.
func (f *fence) Wait() {
	if !f.isCut.Load() {
		f.LinkEndpoint.Wait()
	}
}

// DeliverNetworkPacket implements stack.NetworkDispatcher: it delivers an inbound
// packet to the NIC.
func (f *fence) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *netstack.PacketBuffer) {
	d := f.dispatcher.Load()
	if d == nil {
		f.losses.in.Add(1)
		return
	}
	var fragment *netstack.PacketBuffer
	if mayBeFragment(pkt) {
		fragment = f.fragments.keep(pkt)
	}
	defer f.caught(pkt, fragment)
	(*d).DeliverNetworkPacket(protocol, pkt)
}

// caught ends a panic. It is to be deferred itself.
func (f *fence) caught(pkt, fragment *netstack.PacketBuffer) {
	v := recover()
	if v == nil {
		return
	}
	f.losses.panics.Add(1)
	packets := f.fragments.before(fragment)
	if packets == nil {
		packets = [][]byte{bytesOf(pkt)}
	}
	f.instance.damage(WhereInbound, v, packets)
}

// DeliverLinkPacket implements stack.NetworkDispatcher.
func (f *fence) DeliverLinkPacket(protocol tcpip.NetworkProtocolNumber, pkt *netstack.PacketBuffer) {
	if d := f.dispatcher.Load(); d != nil {
		defer f.caught(pkt, nil)
		(*d).DeliverLinkPacket(protocol, pkt)
	}
}

// WritePackets implements stack.LinkWriter. Once cut it drops the packets, which
// count as written.
func (f *fence) WritePackets(pkts netstack.PacketBufferList) (int, tcpip.Error) {
	if f.isCut.Load() {
		f.losses.out.Add(uint64(pkts.Len()))
		return pkts.Len(), nil
	}
	return f.LinkEndpoint.WritePackets(pkts)
}

// GSOMaxSize implements stack.GSOEndpoint with the link's answer.
func (f *fence) GSOMaxSize() uint32 {
	if g, ok := f.LinkEndpoint.(netstack.GSOEndpoint); ok {
		return g.GSOMaxSize()
	}
	return 0
}

// SupportedGSO implements stack.GSOEndpoint with the link's answer.
func (f *fence) SupportedGSO() netstack.SupportedGSO {
	if g, ok := f.LinkEndpoint.(netstack.GSOEndpoint); ok {
		return g.SupportedGSO()
	}
	return netstack.GSONotSupported
}
