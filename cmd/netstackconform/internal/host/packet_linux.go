package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/hooks/wire"
)

// pollInterval is how long a reader may take to see that it is to end.
const pollInterval = 20 * time.Millisecond

// A reader reads packets from a descriptor until it is stopped.
type reader struct {
	stop chan struct{}
	done sync.WaitGroup
}

// read starts one. receive gets a buffer and returns what it read into it, or
// nil if that was nothing of interest.
func read(fd int, receive func(buf []byte) ([]byte, error), sink func([]byte)) *reader {
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
			b, err := receive(buf)
			if err != nil {
				// The device is gone, which shows elsewhere; do not spin on it.
				time.Sleep(time.Millisecond)
				continue
			}
			if b != nil {
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
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	// No queueing discipline may reorder, or lose, what is sent.
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open packet socket: %w", err), unix.Close(fd))
	}
	s := &packetSocket{fd: fd, index: index}
	s.reader = read(fd, s.receive, sink)
	return s, nil
}

func (s *packetSocket) receive(buf []byte) ([]byte, error) {
	control := make([]byte, unix.CmsgSpace(auxiliaryLen))
	n, controlLen, _, from, err := unix.Recvmsg(s.fd, buf, control, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, err
	}
	if from, ok := from.(*unix.SockaddrLinklayer); ok && from.Pkttype == unix.PACKET_OUTGOING {
		return nil, nil // the kernel's own, on its way to the daemon
	}
	if unfinished(control[:controlLen]) {
		complete(buf[:n])
	}
	return buf[:n], nil
}

// auxiliaryLen is the size of struct tpacket_auxdata (linux/if_packet.h).
const auxiliaryLen = 20

// unfinished reports whether a packet came with a checksum that its sender left
// to hardware, as netstackd may: between it and the kernel there is no wire.
func unfinished(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_CSUMNOTREADY != 0
		}
	}
	return false
}

// complete does what the hardware would: a sum that is wrong before stays wrong.
func complete(b []byte) {
	var p wire.Packet
	p.Decode(b)
	p.Offload.Partial = true
	for _, c := range p.Checksums(nil) {
		if c.Layer == wire.LayerTCP || c.Layer == wire.LayerUDP {
			binary.BigEndian.PutUint16(b[c.Offset:], p.Complete(c))
		}
	}
}

// send sends a packet. A full queue is waited out.
func (s *packetSocket) send(packet []byte) error {
	to := &unix.SockaddrLinklayer{Protocol: network(protocolOf(packet)), Ifindex: s.index}
	var err error
	for range 1000 {
		err = unix.Sendto(s.fd, packet, 0, to)
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
