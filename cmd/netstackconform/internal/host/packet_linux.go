package host

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pollInterval is how long a reader may take to see that it is to end.
	pollInterval = 20 * time.Millisecond
	// socketRoom is what a socket may hold, in bytes: a flood of packets.
	socketRoom = 8 << 20
)

// A reader reads packets from a descriptor until it is stopped.
type reader struct {
	stop chan struct{}
	done sync.WaitGroup
}

// read starts one. receive gets a buffer and returns the packets that it read into
// it, if any were of interest.
func read(fd int, receive func(buf []byte) ([][]byte, error), sink func([]byte)) *reader {
	r := &reader{stop: make(chan struct{})}
	r.done.Go(func() {
		buf := make([]byte, 1<<17)
		for {
			select {
			case <-r.stop:
				return
			default:
			}
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(ready, int(pollInterval.Milliseconds())); err != nil || n == 0 {
				continue // interrupted, or nothing
			}
			packets, err := receive(buf)
			if err != nil {
				// The device is gone, which shows elsewhere; do not spin on it.
				time.Sleep(time.Millisecond)
				continue
			}
			for _, b := range packets {
				sink(slices.Clone(b))
			}
		}
	})
	return r
}

func (r *reader) end() {
	close(r.stop)
	r.done.Wait()
}

// A packetSocket gives raw packets to the reader of a TUN device, and gets what
// is written to it.
type packetSocket struct {
	fd, index int
	reader    *reader
}

// openPackets opens one on a device of the calling thread's namespace.
func openPackets(index int, sink func([]byte)) (*packetSocket, error) {
	// A TUN device has no link-layer header: a raw packet is an IP packet.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	// No queueing discipline may reorder, or lose, what is sent.
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket: %w", err), unix.Close(fd))
	}
	// Only root may have that much, others have what there is.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketRoom)
	s := &packetSocket{fd: fd, index: index}
	s.reader = read(fd, s.receive, sink)
	return s, nil
}

// receive reads what the daemon wrote. It may have left checksums and cutting to
// hardware: between it and the kernel there is no wire.
func (s *packetSocket) receive(buf []byte) ([][]byte, error) {
	n, from, err := unix.Recvfrom(s.fd, buf, unix.MSG_DONTWAIT)
	if err != nil || n < offloadLen {
		return nil, err
	}
	if from, ok := from.(*unix.SockaddrLinklayer); ok && from.Pkttype == unix.PACKET_OUTGOING {
		return nil, nil // the kernel's own, on its way to the daemon
	}
	var o offload
	o.decode(buf)
	return o.finish(buf[offloadLen:n]), nil
}

// send sends a packet, with what is left undone on it. A full queue is waited out.
func (s *packetSocket) send(packet []byte, o offload) error {
	b := append(o.append(nil), packet...)
	var err error
	for range 1000 {
		err = s.sendFrame(b)
		if !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("send %d bytes: %w", len(packet), err)
	}
	return nil
}

// sendFrame sends a packet with its header before it, if there is room.
func (s *packetSocket) sendFrame(frame []byte) error {
	to := &unix.SockaddrLinklayer{Protocol: network(protocolOf(frame[offloadLen:])), Ifindex: s.index}
	return unix.Sendto(s.fd, frame, 0, to)
}

func (s *packetSocket) close() error {
	s.reader.end()
	return unix.Close(s.fd)
}

// protocolOf is the protocol under which a packet crosses the link, in host
// byte order: what its first bits say, and IPv4 if they lie.
func protocolOf(packet []byte) uint16 {
	if len(packet) > 0 && packet[0]>>4 == 6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}

// network is a 16-bit number in network byte order.
func network(n uint16) uint16 { return n<<8 | n>>8 }
