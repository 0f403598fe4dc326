package soak

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/hooks/wire"
)

const (
	// floodPatience is how long a flood waits for a reply before it sends the next
	// request all the same, as ping -f does.
	floodPatience = 10 * time.Millisecond
	// late is when a reply counts as late.
	late = time.Second
	// look is how often a receiver that gets nothing looks whether it is to end.
	look = 100 * time.Millisecond
	// least is the data that carries a number, in bytes.
	least = 8
)

// EchoConfig is what is to be echoed.
type EchoConfig struct {
	// To is whom to ask: by UDP, or with port 0 by echo requests.
	To netip.AddrPort
	// Every is from one to the next; 0 is a flood: the next when the last has been
	// answered or is 10 ms old, for Burst, and then none for Pause.
	Every, Burst, Pause time.Duration
	// Data in bytes, at least 8.
	Data int
	// ID tells the replies of several apart.
	ID uint16
}

// Echoes sends echo requests or datagrams and knows of each whether it came back.
// Its methods are safe for concurrent use.
type Echoes struct {
	cfg EchoConfig
	fd  int
	// answered wakes a flood.
	answered chan struct{}

	mu     sync.Mutex
	open   map[uint64]Span // guarded by mu: those not answered, by number
	counts EchoCounts      // guarded by mu
}

// EchoCounts is how many there were.
type EchoCounts struct {
	Sent, Answered, Late, Twice uint64
	// Refused are those that the kernel did not take.
	Refused uint64
	Slowest time.Duration
}

// NewEchoes opens the socket. [Echoes.Run] closes it.
func NewEchoes(cfg EchoConfig) (*Echoes, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if cfg.To.Addr().Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	kind := unix.SOCK_RAW
	if cfg.To.Port() != 0 {
		kind, protocol = unix.SOCK_DGRAM, 0
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	e := &Echoes{cfg: cfg, fd: fd, answered: make(chan struct{}, 1), open: map[uint64]Span{}}
	timeout := unix.NsecToTimeval(int64(look))
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		e.listenToOwn(),
		unix.Connect(fd, sockaddr(cfg.To)))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare socket: %w", err)
	}
	return e, nil
}

// listenToOwn keeps everything but the own replies out of a raw socket, which gets a
// copy of each ICMP message there is.
func (e *Echoes) listenToOwn() error {
	if e.cfg.To.Port() != 0 {
		return nil
	}
	at, reply := uint32(20), uint32(0) // an IPv4 packet comes with its header
	if e.cfg.To.Addr().Is6() {
		at, reply = 0, 129
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: at},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: reply, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: at + 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(e.cfg.ID), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(e.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Run sends until ctx ends, then waits until all are answered, but no longer than
// patience, and closes the socket.
func (e *Echoes) Run(ctx context.Context, patience time.Duration) {
	ended := make(chan struct{})
	var receiver sync.WaitGroup
	receiver.Go(func() { e.receive(ended) })
	e.send(ctx)
	for end := time.Now().Add(patience); e.Open() > 0 && time.Now().Before(end); {
		time.Sleep(look)
	}
	close(ended)
	receiver.Wait()
	unix.Close(e.fd)
}

// Open is how many are not answered.
func (e *Echoes) Open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open)
}

// Counts is what there was so far.
func (e *Echoes) Counts() EchoCounts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// Lost is when those that are not answered were handed to the kernel.
func (e *Echoes) Lost() []Span {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Span
	for _, s := range e.open {
		all = append(all, s)
	}
	return all
}

func (e *Echoes) send(ctx context.Context) {
	message := e.message()
	burst := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := uint64(1); ctx.Err() == nil; n++ {
		e.sendOne(message, n)
		wait := e.cfg.Every
		answered := e.answered
		if e.cfg.Every == 0 {
			wait = floodPatience
			if time.Since(burst) > e.cfg.Burst {
				wait, answered, burst = e.cfg.Pause, nil, time.Now().Add(e.cfg.Pause)
			}
		} else {
			answered = nil
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-answered:
		}
	}
}

// message is the ICMP message, or the datagram's data.
func (e *Echoes) message() []byte {
	data := max(e.cfg.Data, least)
	if e.cfg.To.Port() != 0 {
		return make([]byte, data)
	}
	m := make([]byte, 8+data)
	m[0] = 8
	if e.cfg.To.Addr().Is6() {
		m[0] = 128
	}
	binary.BigEndian.PutUint16(m[4:], e.cfg.ID)
	return m
}

// sendOne sends the request of a number.
func (e *Echoes) sendOne(m []byte, n uint64) {
	if e.cfg.To.Port() != 0 {
		binary.BigEndian.PutUint64(m, n)
	} else {
		binary.BigEndian.PutUint16(m[6:], uint16(n))
		binary.BigEndian.PutUint64(m[8:], n)
		if e.cfg.To.Addr().Is4() { // else the kernel sums: RFC 3542 section 3.1
			m[2], m[3] = 0, 0
			binary.BigEndian.PutUint16(m[2:], wire.Checksum(m))
		}
	}
	begin := time.Now()
	e.mu.Lock()
	// Before it is sent: the reply may be faster than whoever notes it.
	e.open[n] = Span{begin, begin.Add(floodPatience)}
	e.mu.Unlock()
	_, err := unix.Write(e.fd, m)
	for err == unix.EINTR {
		_, err = unix.Write(e.fd, m)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		// The kernel would not have it: there is nothing to lose.
		delete(e.open, n)
		e.counts.Refused++
		return
	}
	e.counts.Sent++
	if s, ok := e.open[n]; ok {
		s.To = time.Now().Add(floodPatience)
		e.open[n] = s
	}
}

// receive takes replies until ended is closed.
func (e *Echoes) receive(ended <-chan struct{}) {
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(e.fd, buf)
		if err == nil {
			e.take(buf[:n])
			continue
		}
		select {
		case <-ended:
			return
		default:
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			// A device that is down, say. It is read again, but not without a pause.
			time.Sleep(time.Millisecond)
		}
	}
}

// take notes a reply.
func (e *Echoes) take(b []byte) {
	if e.cfg.To.Port() == 0 {
		if e.cfg.To.Addr().Is4() {
			b = b[min(len(b), int(b[0]&0xf)*4):]
		}
		b = b[min(len(b), 8):]
	}
	if len(b) != max(e.cfg.Data, least) {
		return
	}
	n := binary.BigEndian.Uint64(b)
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.open[n]
	if !ok {
		e.counts.Twice++
		return
	}
	delete(e.open, n)
	took := time.Since(s.From)
	e.counts.Answered++
	e.counts.Slowest = max(e.counts.Slowest, took)
	if took > late {
		e.counts.Late++
	}
	select {
	case e.answered <- struct{}{}:
	default:
	}
}

// sockaddr is to in the form of x/sys.
func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
}
