package faults_test

import (
	"bytes"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/faults"
)

// child is the endpoint below the injector. What it is not asked about in
// these tests it does not have.
type child struct {
	stack.LinkEndpoint
	capabilities stack.LinkEndpointCapabilities
	then         func() // called, if set, before packets are taken
	gso          stack.SupportedGSO

	mu sync.Mutex
	// The following are guarded by mu.
	dispatcher stack.NetworkDispatcher
	closed     bool
	lists      int // calls of WritePackets
	written    [][]byte
	last       []*stack.PacketBuffer // of the last list, not to be used but compared
	options    []stack.GSO           // of each packet written
	room       int                   // packets it takes from a list before it fails; negative: all
}

func newChild() *child { return &child{room: -1} }

func (c *child) Attach(d stack.NetworkDispatcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dispatcher = d
}

func (c *child) Wait() {}

func (c *child) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *child) Capabilities() stack.LinkEndpointCapabilities { return c.capabilities }
func (c *child) GSOMaxSize() uint32                           { return 65535 }
func (c *child) SupportedGSO() stack.SupportedGSO             { return c.gso }

func (c *child) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	if c.then != nil {
		c.then()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists++
	c.last = pkts.AsSlice()
	for i, pkt := range pkts.AsSlice() {
		if i == c.room {
			return i, &tcpip.ErrNoBufferSpace{}
		}
		c.written = append(c.written, bytesOf(pkt))
		c.options = append(c.options, pkt.GSOOptions)
	}
	return pkts.Len(), nil
}

// take returns what was written since the last call.
func (c *child) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.written
	c.written, c.options = nil, nil
	return b
}

// netstack is what the injector delivers to.
type netstack struct {
	then func() // called, if set, before a packet is taken
	mu   sync.Mutex
	// The following are guarded by mu.
	delivered [][]byte
	protocols []tcpip.NetworkProtocolNumber
	validated int // packets for whose checksum somebody vouched
	link      int
}

func (n *netstack) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if n.then != nil {
		n.then()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delivered = append(n.delivered, bytesOf(pkt))
	n.protocols = append(n.protocols, protocol)
	if pkt.RXChecksumValidated {
		n.validated++
	}
	// As netstack may.
	if v := pkt.Data().AsRange().ToSlice(); len(v) > 8 {
		b, _ := pkt.Data().PullUp(9)
		b[8]--
	}
}

func (n *netstack) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link++
}

func (n *netstack) take() [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.delivered
	n.delivered, n.protocols = nil, nil
	return b
}

// faultLog keeps the faults that it is told of.
type faultLog struct {
	mu     sync.Mutex
	faults []faults.Fault // guarded by mu
}

func (l *faultLog) add(f faults.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, f)
}

func (l *faultLog) take() []faults.Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.faults
	l.faults = nil
	return f
}

// bytesOf copies a packet's bytes with gVisor's own means.
func bytesOf(pkt *stack.PacketBuffer) []byte {
	v := pkt.ToView()
	defer v.Release()
	return bytes.Clone(v.AsSlice())
}

func protocolOf(b []byte) tcpip.NetworkProtocolNumber {
	if len(b) > 0 && b[0]>>4 == 6 {
		return header.IPv6ProtocolNumber
	}
	return header.IPv4ProtocolNumber
}

// received makes the packet buffer that the link makes: one view.
func received(b []byte) *stack.PacketBuffer {
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
}

// made makes a packet buffer as netstack does: headers pushed into room that
// was reserved for them and is not all used, the data in two views of its own.
func made(b []byte) *stack.PacketBuffer {
	network := 20
	if protocolOf(b) == header.IPv6ProtocolNumber {
		network = 40
	}
	transport := 8
	if len(b) < network+transport {
		return received(b)
	}
	data := b[network+transport:]
	var payload buffer.Buffer
	_ = payload.Append(buffer.NewViewWithData(data[:len(data)/2]))
	_ = payload.Append(buffer.NewViewWithData(data[len(data)/2:]))
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 80, Payload: payload})
	copy(pkt.TransportHeader().Push(transport), b[network:])
	copy(pkt.NetworkHeader().Push(network), b)
	pkt.NetworkProtocolNumber = protocolOf(b)
	return pkt
}

// list makes a list of packets that the caller has to DecRef.
func list(packets ...[]byte) stack.PacketBufferList {
	var l stack.PacketBufferList
	for _, b := range packets {
		l.PushBack(made(b))
	}
	return l
}

// A rig is an injector between doubles, with the means to send either way.
type rig struct {
	*faults.Endpoint
	child    *child
	netstack *netstack
	log      *faultLog
}

// newRig returns an attached one. Its end is checked: nothing remains.
func newRig(t testing.TB, o faults.Options, rules ...string) *rig {
	t.Helper()
	r := &rig{child: newChild(), netstack: &netstack{}, log: &faultLog{}}
	if o.Injected == nil {
		o.Injected = r.log.add
	}
	r.Endpoint = faults.New(r.child, parsed(t, rules...), o)
	r.Attach(r.netstack)
	t.Cleanup(func() {
		r.Attach(nil)
		r.Wait()
	})
	return r
}

func parsed(t testing.TB, rules ...string) []faults.Rule {
	t.Helper()
	var out []faults.Rule
	for _, text := range rules {
		rule, err := faults.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rule)
	}
	return out
}

// send sends packets in one direction: outbound as one list, inbound one by
// one. It wants those sent to remain as they were.
func (r *rig) send(t testing.TB, d hooks.Direction, packets ...[]byte) {
	t.Helper()
	if d == hooks.Outbound {
		l := list(packets...)
		defer l.DecRef()
		if n, err := r.WritePackets(l); n != len(packets) || err != nil {
			t.Errorf("WritePackets: %d, %v, want %d, nil", n, err, len(packets))
		}
		for i, pkt := range l.AsSlice() {
			if !bytes.Equal(bytesOf(pkt), packets[i]) {
				t.Errorf("netstack's packet %d was changed", i)
			}
		}
		return
	}
	for _, b := range packets {
		pkt := received(b)
		r.DeliverNetworkPacket(protocolOf(b), pkt)
		pkt.DecRef()
	}
}

// take returns what has come out in a direction since the last call.
func (r *rig) take(d hooks.Direction) [][]byte {
	if d == hooks.Outbound {
		return r.child.take()
	}
	return r.netstack.take()
}

// counts are those of one direction.
func (r *rig) counts(d hooks.Direction) faults.Counts {
	if d == hooks.Outbound {
		return r.Counters().Out
	}
	return r.Counters().In
}
