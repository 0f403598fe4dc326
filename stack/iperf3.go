package stack

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netstackd/stack/iperf3"
)

// speedServer is the service iperf3: it shows one listener and one socket to
// iperf3.Server.
type speedServer struct {
	server *iperf3.Server
	conns  speedListener
	port   *speedPort
	log    logrus.FieldLogger
}

func newSpeedServer(i *instance, l *listener, k *socket, log logrus.FieldLogger) *speedServer {
	v := &speedServer{conns: speedListener{l}, log: log}
	v.port = &speedPort{socket: k}
	v.server = iperf3.NewServer(iperf3.Config{
		Datagrams: v.port, MaxWindow: bufferMax, Log: log,
		Cover: func(f func()) { i.cover(WhereService, f) },
	})
	v.port.server = v.server
	k.serve = v.port.serve
	// A test's control connection says nothing while the test runs; the server sees
	// to it that none is there for long without one.
	l.stays = true
	return v
}

// serve runs until the service ends, and then until every connection is done.
func (v *speedServer) serve() {
	if err := v.server.Serve(v.conns); !errors.Is(err, os.ErrClosed) {
		v.log.WithField("service", v.conns.service).WithError(err).Error("listener failed")
	}
}

// count adds what happened to the counters of the service and to the drops.
func (v *speedServer) count(sc *ServiceCounters, drops map[string]uint64) {
	c := v.server.Counters()
	drops[DropIperf3Busy] += c.Busy
	drops[DropIperf3NoCookie] += c.NoCookie
	p := v.port
	sc.Datagrams = p.received.Load()
	sc.Replies = p.replied.Load()
	for reason, n := range map[string]uint64{
		DropIperf3NoStream: p.noStream.Load(),
		DropIperf3Short:    p.short.Load(),
		DropReplyFailed:    p.failed.Load(),
	} {
		drops[reason] += n
		sc.Ignored += n
	}
}

// speedListener shows a listener to iperf3.
type speedListener struct{ *listener }

var _ iperf3.Listener = speedListener{}

// Accept implements iperf3.Listener.
func (l speedListener) Accept() (iperf3.Conn, error) {
	at, wq, err := l.next()
	if err != nil {
		return nil, err
	}
	// iperf3 sets the patience before it waits.
	return &speedConn{stream: newStream(at, wq, 0, l.done)}, nil
}

// speedConn shows a stream to iperf3.
type speedConn struct {
	*stream
	filler      filler // kept to not allocate
	finished    bool
	interrupted atomic.Bool
}

var _ iperf3.Conn = (*speedConn)(nil)

// retry waits after errWouldBlock; any other error ends the call that asks. What
// it returns is nil if the call should try again.
func (c *speedConn) retry(err error) error {
	if err != errWouldBlock {
		return err
	}
	if c.interrupted.Swap(false) {
		return iperf3.ErrInterrupted
	}
	if err := c.wait(); err == errIdle {
		return fmt.Errorf("%w: %w", err, os.ErrDeadlineExceeded)
	} else if err != nil {
		return err
	}
	return nil
}

// Read implements iperf3.Conn.
func (c *speedConn) Read(p []byte) (int, error) {
	for {
		n, err := c.tryRead(p)
		if err == nil {
			return n, nil
		}
		if err = c.retry(err); err != nil {
			return 0, err
		}
	}
}

// Write implements iperf3.Conn.
func (c *speedConn) Write(p []byte) (int, error) {
	for {
		n, err := c.tryWrite(p)
		if err == nil {
			return n, nil
		}
		if err = c.retry(err); err != nil {
			return 0, err
		}
	}
}

// Discard implements iperf3.Conn. Nothing is copied: the packets are freed as
// they are.
func (c *speedConn) Discard() (int, error) {
	for {
		n, err := c.readTo(io.Discard)
		if err == nil {
			c.armed = false
			return n, c.running()
		}
		if err = c.retry(err); err != nil {
			return 0, err
		}
	}
}

// Fill implements iperf3.Conn.
func (c *speedConn) Fill(n int) (int, error) {
	for {
		c.filler.left = min(n, fillMost)
		sent, err := c.tryPayload(&c.filler)
		if err == nil {
			return sent, c.running()
		}
		if err = c.retry(err); err != nil {
			return 0, err
		}
	}
}

// fillMost is how much Fill writes at a time, in bytes: what a super-segment
// holds at any usual MSS. netstack does not join what was written apart, so a
// little more would leave a short segment behind each time.
const fillMost = 62 << 10

// filler is a tcpip.Payloader of so many bytes of one period of chargen's
// pattern, over and over. That is little enough to stay in a processor's first
// cache, so that netstack's one copy only has to write.
type filler struct{ left int }

var _ tcpip.Payloader = (*filler)(nil)

// Len implements tcpip.Payloader.
func (f *filler) Len() int { return f.left }

// Read implements tcpip.Payloader.
func (f *filler) Read(p []byte) (int, error) {
	n := min(len(p), f.left)
	for done := 0; done < n; {
		done += copy(p[done:n], chargenText[:chargenPeriod])
	}
	f.left -= n
	return n, nil
}

// SetPatience implements iperf3.Conn.
func (c *speedConn) SetPatience(d time.Duration) { c.idle, c.armed = d, false }

// Interrupt implements iperf3.Conn.
func (c *speedConn) Interrupt() {
	c.interrupted.Store(true)
	select {
	case c.ready <- struct{}{}:
	default: // it has been woken already
	}
}

// Tune implements iperf3.Conn. netstack keeps the sizes within its own bounds.
func (c *speedConn) Tune(t iperf3.Tuning) error {
	o := c.ep.SocketOptions()
	if t.Buffer > 0 {
		o.SetReceiveBufferSize(int64(t.Buffer), true)
		o.SetSendBufferSize(int64(t.Buffer), true)
	}
	if t.TOS > 0 {
		// An endpoint has both, and uses the one of its family.
		for _, option := range []tcpip.SockOptInt{tcpip.IPv4TOSOption, tcpip.IPv6TrafficClassOption} {
			if terr := c.ep.SetSockOptInt(option, int(t.TOS)); terr != nil {
				return asError(terr, "set type of service")
			}
		}
	}
	if t.Congestion != "" {
		// Like iperf3, leave it as it is if there is none of the name.
		name := tcpip.CongestionControlOption(t.Congestion)
		_ = c.ep.SetSockOpt(&name)
	}
	return nil
}

// Congestion implements iperf3.Conn.
func (c *speedConn) Congestion() string {
	var name tcpip.CongestionControlOption
	if terr := c.ep.GetSockOpt(&name); terr != nil {
		return ""
	}
	return string(name)
}

// Retransmits implements iperf3.Conn.
func (c *speedConn) Retransmits() int64 {
	stats, ok := c.ep.Stats().(*tcp.Stats)
	if !ok {
		return -1
	}
	return int64(stats.SendErrors.Retransmits.Value())
}

// Began implements iperf3.Conn. The order in which netstack lets connections be
// accepted is that in which its processors have got to their handshakes, each at its
// own pace. What says in which order they came is when the first segment with data
// was delivered, which netstack keeps for its estimate of the receiver's round trip:
// a client sends its cookie before it opens the next connection.
func (c *speedConn) Began() time.Duration {
	ep, ok := c.seat.ep.(*tcp.Endpoint)
	if !ok {
		return 0 // not as netstack is today
	}
	// It is written by who handles segments, under this lock.
	ep.LockUser()
	defer ep.UnlockUser()
	return ep.RcvAutoParams.RTTMeasureTime.Sub(tcpip.MonotonicTime{})
}

// Local implements iperf3.Conn.
func (c *speedConn) Local() netip.AddrPort { return endOf(c.ep.GetLocalAddress()) }

// Remote implements iperf3.Conn.
func (c *speedConn) Remote() netip.AddrPort { return endOf(c.ep.GetRemoteAddress()) }

func endOf(a tcpip.FullAddress, terr tcpip.Error) netip.AddrPort {
	if terr != nil {
		return netip.AddrPort{}
	}
	return toAddrPort(a)
}

// CloseWrite implements iperf3.Conn.
func (c *speedConn) CloseWrite() error {
	return asError(c.ep.Shutdown(tcpip.ShutdownWrite), "shut connection down")
}

// Finish implements iperf3.Conn.
func (c *speedConn) Finish() error {
	err := c.finish()
	c.finished = err == nil
	return err
}

// Close implements iperf3.Conn.
func (c *speedConn) Close() {
	c.close(c.finished)
	c.seat.release()
}
