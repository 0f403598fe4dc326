package hooks_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// child is the link below the chain. What it is not asked about in these tests
// it does not have.
type child struct {
	stack.LinkEndpoint

	mu sync.Mutex
	// The following are guarded by mu.
	dispatcher stack.NetworkDispatcher
	attached   []bool // of each Attach, whether it brought a dispatcher
	lists      int    // calls of WritePackets
	written    [][]byte
	room       int // packets it takes from a list before it fails; negative: all
}

func newChild() *child { return &child{room: -1} }

func (c *child) Attach(d stack.NetworkDispatcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dispatcher = d
	c.attached = append(c.attached, d != nil)
}

func (c *child) IsAttached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dispatcher != nil
}

func (c *child) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists++
	for i, pkt := range pkts.AsSlice() {
		if i == c.room {
			return i, &tcpip.ErrNoBufferSpace{}
		}
		c.written = append(c.written, bytesOf(pkt))
	}
	return pkts.Len(), nil
}

// netstack is what the endpoint delivers to.
type netstack struct {
	mu sync.Mutex
	// The following are guarded by mu.
	delivered [][]byte
	protocols []tcpip.NetworkProtocolNumber
	link      int
}

func (n *netstack) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delivered = append(n.delivered, bytesOf(pkt))
	n.protocols = append(n.protocols, protocol)
}

func (n *netstack) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link++
}

// sight is what a hook saw of a packet.
type sight struct {
	Hook      string
	Direction hooks.Direction
	Bytes     string
	Fate      hooks.Fate
	Reason    string
	Stopped   bool
}

// spy is a hook that notes what it sees and then does as it is told.
type spy struct {
	name string
	do   func(*hooks.Packet) // may be nil
	log  *spyLog
}

// spyLog is shared by the spies of a chain.
type spyLog struct {
	mu    sync.Mutex
	seen  []sight
	wrong []string // packets in the wrong method
}

var _ hooks.Hook = (*spy)(nil)

func (s *spy) Inbound(p *hooks.Packet)  { s.see(p, hooks.Inbound) }
func (s *spy) Outbound(p *hooks.Packet) { s.see(p, hooks.Outbound) }

func (s *spy) see(p *hooks.Packet, d hooks.Direction) {
	s.log.mu.Lock()
	s.log.seen = append(s.log.seen, sight{s.name, p.Direction, string(p.Bytes), p.Fate, p.Reason, p.Stopped()})
	if p.Direction != d {
		s.log.wrong = append(s.log.wrong, s.name)
	}
	s.log.mu.Unlock()
	if s.do != nil {
		s.do(p)
	}
}

// bytesOf copies a packet's bytes with gVisor's own means.
func bytesOf(pkt *stack.PacketBuffer) []byte {
	v := pkt.ToView()
	defer v.Release()
	return bytes.Clone(v.AsSlice())
}

// packet returns an IPv4 packet of an unknown protocol with a right checksum,
// whose data is text.
func packet(text string) []byte {
	b := append(make([]byte, 20), text...)
	b[0], b[8], b[9] = 0x45, 64, 253
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{172, 16, 0, 1, 172, 16, 0, 2})
	binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:20]))
	return b
}

// inbound makes the packet buffer that the link makes: one view.
func inbound(b []byte) *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	return pkt
}

// outbound makes a packet buffer as netstack does: headers pushed into room
// that was reserved for them and is not all used, the data in views of its
// own, cut at the places given. A cut equal to its predecessor makes an empty
// view.
func outbound(b []byte, cuts ...int) *stack.PacketBuffer {
	data := b[20:]
	var payload buffer.Buffer
	from := 0
	for _, to := range append(slices.Clone(cuts), len(data)) {
		_ = payload.Append(buffer.NewViewWithData(data[from:to]))
		from = to
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 60, Payload: payload})
	copy(pkt.NetworkHeader().Push(20), b[:20])
	return pkt
}

// list makes a list of packets that the caller has to DecRef.
func list(pkts ...*stack.PacketBuffer) stack.PacketBufferList {
	var l stack.PacketBufferList
	for _, p := range pkts {
		l.PushBack(p)
	}
	return l
}

// deliver gives the endpoint an inbound packet as the link does.
func deliver(t *testing.T, e *hooks.Endpoint, b []byte) {
	t.Helper()
	pkt := inbound(b)
	defer pkt.DecRef()
	e.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
}

// texts returns the data of packets made by packet.
func texts(packets [][]byte) []string {
	var s []string
	for _, p := range packets {
		s = append(s, string(p[20:]))
	}
	return s
}
