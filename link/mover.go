package link

import "gvisor.dev/gvisor/pkg/tcpip/stack"

// packetMover moves packets between the device and packet buffers. It is the
// seam of this package: Endpoint holds everything about the life of the link,
// attaching, detaching, closing, counters, MTU, and a packetMover only the way
// bytes are moved. portable is the one that works on every tun.Device; offloading
// passes super-segments through whole, with their virtio-net headers.
//
// receive and rest are called by one goroutine at a time, send by many, the
// others by any.
type packetMover interface {
	// receive waits for packets and appends them to pkts. The caller owns them.
	// Their NetworkProtocolNumber is set and they are not empty; what cannot be
	// such a packet is dropped and counted here. There may be packets and an
	// error. The error is os.ErrDeadlineExceeded after interrupt, os.ErrClosed
	// when the device is closed or gone, else one that receive may survive.
	receive(pkts []*stack.PacketBuffer) ([]*stack.PacketBuffer, error)

	// send writes one packet, which it borrows. It waits for nothing but the
	// device. bytes is the length of the packet.
	send(pkt *stack.PacketBuffer) (bytes int, err error)

	// writeSuper returns what writes a packet, which it borrows, and a header that
	// makes a super-datagram of it; nil if the device takes none.
	writeSuper() func(h virtioHeader, packet []byte) error

	// interruptible tells whether interrupt works on this device.
	interruptible() bool
	// interrupt makes receive return, now or when called next, until resume.
	interrupt()
	resume()

	// rest gives back what memory receive keeps. It may be called again.
	rest()

	// fit tells the device's MTU, in bytes, whenever it may have changed.
	fit(mtu int)
}
