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
	// lookUp is how often somebody who waits for long looks up, at least.
	lookUp = 500 * time.Millisecond

	icmpHeader   = 8
	echoRequest  = 8
	echoReply    = 0
	echoRequest6 = 128
	echoReply6   = 129
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
	p, err := NewPinger(to, floodPatience)
	if err != nil {
		return Pings{}, err
	}
	defer p.Close()
	kernel, whole := newRTT(), newRTT()
	var answered uint64
	begin := time.Now()
	next := begin
	until := func(d, more time.Duration) error {
		for time.Since(begin) < d || whole.Count() == 0 && time.Since(begin) < d+more {
			e, err := p.once(nil)
			if err != nil {
				return err
			}
			if e.answered {
				answered++
				whole.add(e.whole)
			}
			if e.stamped {
				kernel.add(e.kernel)
			}
			if interval > 0 {
				// One that is late is not followed by others to make up for it.
				if next = next.Add(interval); time.Until(next) < 0 {
					next = time.Now()
				}
				Pause(time.Until(next))
			}
		}
		return nil
	}
	if err := until(w.Warm, 0); err != nil {
		return Pings{}, err
	}
	w.Mark()
	begin = time.Now()
	kernel, whole = newRTT(), newRTT()
	err = until(w.Length, overtime)
	elapsed := time.Since(begin)
	w.Mark()
	if err != nil {
		return Pings{}, err
	}
	if whole.Count() == 0 {
		return Pings{}, fmt.Errorf("ping %v: %d sent, no reply", to, p.sent)
	}
	return Pings{Result: Result{
		Elapsed: elapsed, Operations: uint64(whole.Count()), Sent: p.sent, Lost: p.sent - answered, RTT: kernel,
	}, Whole: whole}, nil
}

// Pause sleeps without the runtime's timers, which wake another thread first.
func Pause(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	// Interrupted early it is only a shorter pause.
	_ = unix.Nanosleep(&ts, nil)
}

// A Pinger pings one address, IPv4 or IPv6, one echo request at a time. It is not
// safe for concurrent use. Make one with [NewPinger], close it with [Pinger.Close].
type Pinger struct {
	fd       int
	v6       bool
	patience time.Duration
	looks    int // how often it looks up until its patience is over
	id, seq  uint16
	// request is an ICMP message; reply an IPv4 packet, or over IPv6 the message.
	request, reply []byte
	control        []byte
	parts          unix.Iovec
	message        unix.Msghdr // reply and control
	sent           uint64
}

// NewPinger opens a raw socket. patience is how long each request waits for its
// reply.
func NewPinger(to netip.Addr, patience time.Duration) (*Pinger, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("make raw ICMP socket: %w", err)
	}
	looks := int((patience + lookUp - 1) / lookUp)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		setTimeout(fd, unix.SO_RCVTIMEO, patience/time.Duration(looks)),
		unix.Connect(fd, sockaddr(netip.AddrPortFrom(to, 0))))
	if err == nil && to.Is6() {
		// All but the reply is kept out: ICMPv6 has much to say beside.
		var pass unix.ICMPv6Filter
		for i := range pass.Data {
			pass.Data[i] = ^uint32(0)
		}
		pass.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		err = unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &pass)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare raw ICMP socket: %w", err)
	}
	p := &Pinger{
		fd: fd, v6: to.Is6(), patience: patience, looks: looks, id: uint16(os.Getpid()),
		request: make([]byte, icmpHeader+pingData), reply: make([]byte, 1<<11), control: make([]byte, 64),
	}
	p.parts.Base = &p.reply[0]
	p.parts.SetLen(len(p.reply))
	p.message.Iov, p.message.Control = &p.parts, &p.control[0]
	p.message.SetIovlen(1)
	p.request[0] = echoRequest
	if p.v6 {
		p.request[0] = echoRequest6
	}
	for i := range p.request[icmpHeader:] {
		p.request[icmpHeader+i] = byte(i)
	}
	return p, nil
}

// Close closes the socket.
func (p *Pinger) Close() error { return unix.Close(p.fd) }

// Ping sends an echo request and waits for its reply. rtt is as ping(8) has it,
// from before the request is handed to the kernel until the kernel had the reply.
// One that is not answered is no error. While it waits it calls alive twice a second,
// whose error ends the wait.
func (p *Pinger) Ping(alive func() error) (rtt time.Duration, answered bool, err error) {
	e, err := p.once(alive)
	if e.stamped {
		return e.kernel, e.answered, err
	}
	return e.whole, e.answered, err
}

// echoed is what became of one request.
type echoed struct {
	answered bool
	// whole is until the program had the reply, kernel until the kernel had it:
	// the latter only if stamped.
	whole, kernel time.Duration
	stamped       bool
}

// once sends a request and waits for its reply. One that is lost is no error. alive
// is nil, or what to call meanwhile.
func (p *Pinger) once(alive func() error) (e echoed, err error) {
	p.seq++
	binary.BigEndian.PutUint16(p.request[4:], p.id)
	binary.BigEndian.PutUint16(p.request[6:], p.seq)
	if !p.v6 { // else the kernel sums: RFC 3542 section 3.1
		p.request[2], p.request[3] = 0, 0
		binary.BigEndian.PutUint16(p.request[2:], internetChecksum(p.request))
	}
	var wall unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &wall); err != nil {
		return e, fmt.Errorf("read clock: %w", err)
	}
	begin := time.Now()
	if _, err := write(p.fd, p.request); err != nil {
		return e, fmt.Errorf("send echo request: %w", err)
	}
	p.sent++
	for looked := 0; ; {
		n, control, err := p.receive()
		if err == unix.EAGAIN {
			if looked++; looked >= p.looks {
				return e, nil
			}
			if alive != nil {
				if err := alive(); err != nil {
					return e, err
				}
			}
			continue
		}
		if err != nil {
			return e, fmt.Errorf("receive echo reply: %w", err)
		}
		e.whole = time.Since(begin)
		if !p.isReply(p.reply[:n]) {
			if e.whole > p.patience {
				return e, nil
			}
			continue
		}
		e.answered = true
		// Not if somebody set the clock meanwhile.
		if arrived, ok := timestamp(p.control[:control]); ok {
			e.kernel = time.Duration(arrived - wall.Nano())
			e.stamped = e.kernel >= 0 && e.kernel <= e.whole
		}
		return e, nil
	}
}

// receive is recvmsg without the garbage that x/sys makes of each call.
func (p *Pinger) receive() (n, control int, err error) {
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

// isReply tells whether what was received is the reply to the latest request.
func (p *Pinger) isReply(icmp []byte) bool {
	reply := byte(echoReply)
	if p.v6 {
		reply = echoReply6
	} else {
		if len(icmp) < 20 {
			return false
		}
		icmp = icmp[min(int(icmp[0]&0xf)*4, len(icmp)):]
	}
	return len(icmp) == len(p.request) &&
		icmp[0] == reply && binary.BigEndian.Uint16(icmp[4:]) == p.id && binary.BigEndian.Uint16(icmp[6:]) == p.seq
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
