package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// pingData is the usual length of ping(8)'s data, in bytes.
	pingData = 56
	// floodPatience is how long ping -f waits for a reply before it sends the
	// next request all the same.
	floodPatience = 10 * time.Millisecond

	icmpHeader  = 8
	echoRequest = 8
	echoReply   = 0
)

// Pings is what Ping measured beside the Result, whose RTT is as ping(8) has it:
// from before the request is handed to the kernel until the kernel had the
// reply (SO_TIMESTAMPNS).
type Pings struct {
	Result
	// Whole is until the program had the reply, by the monotonic clock.
	Whole *RTT
}

// Ping sends echo requests: every interval, or if that is 0 the next one when
// the last is answered or 10 ms old, as ping -f does.
func Ping(to netip.Addr, interval time.Duration, w Window) (Pings, error) {
	p, err := newPinger(to)
	if err != nil {
		return Pings{}, err
	}
	defer unix.Close(p.fd)
	begin := time.Now()
	next := begin
	until := func(d time.Duration) error {
		for time.Since(begin) < d {
			if err := p.once(); err != nil {
				return err
			}
			if interval > 0 {
				// One that is late is not followed by others to make up for it.
				if next = next.Add(interval); time.Until(next) < 0 {
					next = time.Now()
				}
				pause(time.Until(next))
			}
		}
		return nil
	}
	if err := until(w.Warm); err != nil {
		return Pings{}, err
	}
	w.Mark()
	begin = time.Now()
	p.kernel, p.whole = newRTT(), newRTT()
	err = until(w.Length)
	elapsed := time.Since(begin)
	w.Mark()
	if err != nil {
		return Pings{}, err
	}
	if p.whole.Count() == 0 {
		return Pings{}, fmt.Errorf("ping %v: %d sent, no reply", to, p.sent)
	}
	return Pings{Result: Result{
		Elapsed: elapsed, Operations: uint64(p.whole.Count()), Sent: p.sent, Lost: p.sent - p.answered, RTT: p.kernel,
	}, Whole: p.whole}, nil
}

// pause sleeps without the runtime's timers, which wake another thread first.
func pause(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	// Interrupted early it is only a shorter pause.
	_ = unix.Nanosleep(&ts, nil)
}

// pinger is a raw socket that pings one address.
type pinger struct {
	fd             int
	id, seq        uint16
	request, reply []byte
	control        []byte
	parts          unix.Iovec
	message        unix.Msghdr // reply and control
	kernel, whole  *RTT
	sent, answered uint64
}

func newPinger(to netip.Addr) (*pinger, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, fmt.Errorf("make raw ICMP socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		setTimeout(fd, unix.SO_RCVTIMEO, floodPatience),
		unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, 0))))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare raw ICMP socket: %w", err)
	}
	p := &pinger{
		fd: fd, id: uint16(os.Getpid()),
		request: make([]byte, icmpHeader+pingData), reply: make([]byte, 1<<11), control: make([]byte, 64),
		kernel: newRTT(), whole: newRTT(),
	}
	p.parts.Base = &p.reply[0]
	p.parts.SetLen(len(p.reply))
	p.message.Iov, p.message.Control = &p.parts, &p.control[0]
	p.message.SetIovlen(1)
	p.request[0] = echoRequest
	for i := range p.request[icmpHeader:] {
		p.request[icmpHeader+i] = byte(i)
	}
	return p, nil
}

// once sends a request and waits for its reply. One that is lost is no error.
func (p *pinger) once() error {
	p.seq++
	binary.BigEndian.PutUint16(p.request[4:], p.id)
	binary.BigEndian.PutUint16(p.request[6:], p.seq)
	p.request[2], p.request[3] = 0, 0
	binary.BigEndian.PutUint16(p.request[2:], internetChecksum(p.request))

	var wall unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &wall); err != nil {
		return fmt.Errorf("read clock: %w", err)
	}
	begin := time.Now()
	if _, err := write(p.fd, p.request); err != nil {
		return fmt.Errorf("send echo request: %w", err)
	}
	p.sent++
	for {
		n, control, err := p.receive()
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive echo reply: %w", err)
		}
		took := time.Since(begin)
		if !p.isReply(p.reply[:n]) {
			if took > floodPatience {
				return nil
			}
			continue
		}
		p.answered++
		p.whole.add(took)
		// Not if somebody set the clock meanwhile.
		if arrived, ok := timestamp(p.control[:control]); ok {
			if d := time.Duration(arrived - wall.Nano()); d >= 0 && d <= took {
				p.kernel.add(d)
			}
		}
		return nil
	}
}

// receive is recvmsg without the garbage that x/sys makes of each call.
func (p *pinger) receive() (n, control int, err error) {
	p.message.SetControllen(len(p.control))
	for {
		r, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&p.message)), 0)
		switch errno {
		case 0:
			return int(r), int(p.message.Controllen), nil
		case unix.EINTR:
		default:
			return 0, 0, errno
		}
	}
}

// isReply tells whether an IPv4 packet is the reply to the latest request.
func (p *pinger) isReply(packet []byte) bool {
	if len(packet) < 20 {
		return false
	}
	header := int(packet[0]&0xf) * 4
	if len(packet) != header+len(p.request) {
		return false
	}
	icmp := packet[header:]
	return icmp[0] == echoReply && binary.BigEndian.Uint16(icmp[4:]) == p.id && binary.BigEndian.Uint16(icmp[6:]) == p.seq
}

// timestamp is the SCM_TIMESTAMPNS of a control message, in nanoseconds of
// CLOCK_REALTIME (Linux, Documentation/networking/timestamping.rst).
func timestamp(control []byte) (int64, bool) {
	const header = unix.SizeofCmsghdr
	if len(control) < header+16 ||
		binary.NativeEndian.Uint32(control[8:]) != unix.SOL_SOCKET ||
		binary.NativeEndian.Uint32(control[12:]) != unix.SCM_TIMESTAMPNS {
		return 0, false
	}
	return int64(binary.NativeEndian.Uint64(control[header:]))*1e9 + int64(binary.NativeEndian.Uint64(control[header+8:])), true
}

// internetChecksum is that of RFC 1071 over b, whose length is even.
func internetChecksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum + sum>>16)
}
