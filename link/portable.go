package link

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// headroom is the room before each packet for what the device puts there: a
	// virtio_net_hdr of 10 bytes on Linux, the 4-byte family on BSDs.
	headroom = 16
	// maxPacket is the longest packet there is: the total length of IPv4 and the
	// frame of a TUN device have 16 bits.
	maxPacket = math.MaxUint16
	// minStride is room for a segment at the usual MTU of 1500.
	minStride = 2048
	// maxBuffers bounds what a flood of tiny segments can make us hold. 64 KiB
	// in segments of 32 bytes fit.
	maxBuffers = 2048
)

// portable is the packetMover for any tun.Device: packets pass through Read and
// Write of wireguard/tun, which splits the kernel's super-segments and completes
// their checksums, so that every packet here is one packet of the wire.
//
// # Read buffers
//
// One Read may bring a super-segment of 64 KiB in up to BatchSize (128 on Linux)
// segments, each as long as the MTU was when the kernel queued it; a buffer that
// is too short makes wireguard's gsoSplit panic. Buffers of 64 KiB for all would
// be 8 MiB. Instead the buffers overlap: each begins one stride, a little more
// than the MTU, after the one before, and runs to the end of the slab, which is
// maxPacket after the last stride. So Read never runs out of room, in
// 128 × 2 KiB + 64 KiB at the usual MTU, and a single packet of any length is
// whole. gsoSplit writes the segments in order: one longer than the stride, of
// a device whose MTU was just raised, has its end overwritten by the next, is
// seen by its size, dropped, counted, and the stride grows.
type portable struct {
	dev      tun.Device
	counters *counters
	deadline func(time.Time) error // nil when a read cannot be interrupted
	mtu      atomic.Int64          // as fit was told

	// Used by receive only.
	stride int
	bufs   [][]byte // one array, see above
	sizes  []int    // as many

	senders sync.Pool // of *sendBuffer
}

var _ packetMover = (*portable)(nil)

// sendBuffer holds one outbound packet in the form Write wants.
type sendBuffer struct {
	bytes []byte // headroom and packet
	batch [1][]byte
}

func newPortable(dev tun.Device, c *counters) *portable {
	p := &portable{dev: dev, counters: c}
	if f := dev.File(); f != nil && f.SetReadDeadline(time.Time{}) == nil {
		p.deadline = f.SetReadDeadline
	}
	p.senders.New = func() any { return &sendBuffer{bytes: make([]byte, headroom, minStride)} }
	return p
}

// writeSuper returns nil: Write takes what is on the wire.
func (p *portable) writeSuper() func(virtioHeader, []byte) error { return nil }

func (p *portable) interruptible() bool { return p.deadline != nil }

func (p *portable) interrupt() { p.setDeadline(time.Unix(1, 0)) }

func (p *portable) resume() { p.setDeadline(time.Time{}) }

func (p *portable) setDeadline(t time.Time) {
	if p.deadline != nil {
		_ = p.deadline(t) // fails only on a closed device, whose reads fail anyway
	}
}

func (p *portable) fit(mtu int) { p.mtu.Store(int64(mtu)) }

// rest does nothing: a reader that rests is about to end, and its endpoint with it.
func (p *portable) rest() {}

// layOut makes the buffers: at least n, with room for segments of the given
// length. It never makes fewer or shorter ones: packets of a greater MTU may
// still be queued.
func (p *portable) layOut(n, segment int) {
	stride := max(minStride, p.stride, (headroom+segment+63)&^63)
	n = max(n, len(p.bufs), 1)
	if n == len(p.bufs) && stride == p.stride {
		return
	}
	slab := make([]byte, (n-1)*stride+headroom+maxPacket)
	p.stride, p.sizes, p.bufs = stride, make([]int, n), make([][]byte, n)
	for i := range p.bufs {
		p.bufs[i] = slab[i*stride:]
	}
}

func (p *portable) receive(pkts []*stack.PacketBuffer) ([]*stack.PacketBuffer, error) {
	p.layOut(p.dev.BatchSize(), min(int(p.mtu.Load()), maxPacket))
	n, err := p.dev.Read(p.bufs, p.sizes, headroom)
	longest := 0
	for i, size := range p.sizes[:n] {
		// The last one is overwritten by none, unless there were more than fit.
		if last := i == n-1 && err == nil; !last && headroom+size > p.stride {
			longest = max(longest, size)
			p.counters.drop(dropSegmentTooLarge)
			continue
		}
		if pkt := newInbound(p.bufs[i][headroom:headroom+size], p.counters); pkt != nil {
			pkts = append(pkts, pkt)
		}
	}
	if longest > 0 {
		p.layOut(0, longest)
	}
	if errors.Is(err, tun.ErrTooManySegments) {
		p.counters.drop(dropTooManySegments)
		p.layOut(min(2*len(p.bufs), maxBuffers), 0)
		err = nil
	}
	return pkts, err
}

func (p *portable) send(pkt *stack.PacketBuffer) (int, error) {
	b := p.senders.Get().(*sendBuffer)
	defer p.senders.Put(b)
	b.bytes = b.bytes[:headroom]
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		s := v.AsSlice()
		if skip >= len(s) {
			skip -= len(s)
			continue
		}
		b.bytes = append(b.bytes, s[skip:]...)
		skip = 0
	}
	n := len(b.bytes) - headroom
	// One at a time, so that each failure is known to belong to its packet.
	// Write may use the headroom and, after its end, the capacity.
	b.batch[0] = b.bytes
	_, err := p.dev.Write(b.batch[:], headroom)
	return n, err
}

// newInbound copies a packet into a buffer of its own size, for netstack may
// keep it long. One whose version is neither 4 nor 6 goes on without a protocol
// number: the hooks see it as what it is, and netstack discards it. A packet of
// no bytes is none: it is counted, and the result nil.
func newInbound(packet []byte, c *counters) *stack.PacketBuffer {
	if len(packet) == 0 {
		c.drop(dropEmpty)
		return nil
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	pkt.NetworkProtocolNumber = protocolOf(packet)
	return pkt
}

// protocolOf is the network protocol by a packet's version, 0 for another than 4
// and 6. The packet is not empty.
func protocolOf(packet []byte) tcpip.NetworkProtocolNumber {
	switch packet[0] >> 4 {
	case header.IPv4Version:
		return header.IPv4ProtocolNumber
	case header.IPv6Version:
		return header.IPv6ProtocolNumber
	}
	return 0
}
