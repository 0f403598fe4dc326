package link_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netstackd/link"
)

// trusting stands between the link and netstack where the hooks stand in the
// product. With offload it advertises that checksums are verified, for netstack
// would take those that the kernel left undone for wrong. It verifies none: what
// is damaged on the way is seen in the digest.
type trusting struct {
	nested.Endpoint
	link *link.Endpoint

	longestIn, longestOut atomic.Int64 // packets, in bytes
}

func newTrusting(e *link.Endpoint) *trusting {
	t := &trusting{link: e}
	t.Init(e, t)
	return t
}

func (t *trusting) Capabilities() stack.LinkEndpointCapabilities {
	if t.link.Offloads() {
		return t.link.Capabilities() | stack.CapabilityRXChecksumOffload
	}
	return t.link.Capabilities()
}

func (t *trusting) DeliverNetworkPacket(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	raise(&t.longestIn, pkt.Size())
	t.Endpoint.DeliverNetworkPacket(p, pkt)
}

func (t *trusting) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for _, pkt := range pkts.AsSlice() {
		raise(&t.longestOut, pkt.Size())
	}
	return t.Endpoint.WritePackets(pkts)
}

// raise makes most at least n.
func raise(most *atomic.Int64, n int) {
	for old := most.Load(); old < int64(n) && !most.CompareAndSwap(old, int64(n)); old = most.Load() {
	}
}

// The ports of a host.
const (
	takePort = 9  // takes a stream to its end and answers with its SHA-256
	givePort = 19 // gives as many bytes as a line asks for, then their SHA-256
)

// host is a netstack on a TUN device that is up, with services that move streams.
// It owns 172.16.0.2 and fd00:172::2.
type host struct {
	stack    *stack.Stack
	e        *link.Endpoint
	trusting *trusting
	dev      *link.Device

	// stopped ends the services.
	stopped chan struct{}
	serving sync.WaitGroup
	stop    sync.Once
}

// newHost makes a host and takes it down at the end of the test.
func newHost(t *testing.T, o link.Options, mtu int) *host {
	t.Helper()
	c := config(nil)
	c.MTU = mtu
	dev, err := link.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := link.NewEndpoint(dev, o)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{e: e, trusting: newTrusting(e), dev: dev, stopped: make(chan struct{})}
	h.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	t.Cleanup(func() { h.down(t) })
	check := func(err tcpip.Error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(h.stack.CreateNIC(1, h.trusting))
	sack, cubic := tcpip.TCPSACKEnabled(true), tcpip.CongestionControlOption("cubic")
	check(h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	check(h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &cubic))
	for _, a := range []struct {
		protocol tcpip.NetworkProtocolNumber
		addr     tcpip.Address
	}{
		{ipv4.ProtocolNumber, tcpip.AddrFromSlice(net.ParseIP("172.16.0.2").To4())},
		{ipv6.ProtocolNumber, tcpip.AddrFromSlice(net.ParseIP("fd00:172::2"))},
	} {
		check(h.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: a.protocol, AddressWithPrefix: a.addr.WithPrefix()}, stack.AddressProperties{}))
		for port, serve := range map[uint16]func(net.Conn){takePort: take, givePort: give} {
			h.listen(t, a.protocol, tcpip.FullAddress{Addr: a.addr, Port: port}, serve)
		}
	}
	h.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}, {Destination: header.IPv6EmptySubnet, NIC: 1}})
	if err := dev.Up(); err != nil {
		t.Fatal(err)
	}
	return h
}

// listen serves connections until the host goes down.
func (h *host) listen(t *testing.T, protocol tcpip.NetworkProtocolNumber, at tcpip.FullAddress, serve func(net.Conn)) {
	t.Helper()
	l, err := gonet.ListenTCP(h.stack, at, protocol)
	if err != nil {
		t.Fatal(err)
	}
	h.serving.Go(func() {
		<-h.stopped
		l.Close() //nolint:errcheck // it only ever listened
	})
	h.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			served := make(chan struct{})
			h.serving.Go(func() {
				defer close(served)
				serve(conn)
			})
			h.serving.Go(func() {
				select {
				case <-served:
				case <-h.stopped:
				}
				conn.Close() //nolint:errcheck // the other end judges
			})
		}
	})
}

// down ends everything the host started. It may be called again.
func (h *host) down(t *testing.T) {
	h.stop.Do(func() {
		close(h.stopped)
		within(t, "end of the services", h.serving.Wait)
		// The NIC went with the link, if that was closed.
		if err := h.stack.RemoveNIC(1); err != nil && h.e.IsAttached() {
			t.Error(err)
		}
		within(t, "Wait", h.e.Wait)
		h.stack.Destroy()
	})
}

func take(conn net.Conn) {
	h := sha256.New()
	if _, err := io.Copy(h, conn); err == nil {
		_, _ = conn.Write(h.Sum(nil)) // the other end misses it
	}
}

func give(conn net.Conn) {
	var n, seed int64
	if _, err := fmt.Fscanf(conn, "%d %d\n", &n, &seed); err == nil {
		_ = send(conn, n, uint64(seed)) // the other end misses what lacks
	}
}

// send writes n random bytes in pieces of random sizes, and then their SHA-256.
func send(to io.Writer, n int64, seed uint64) error {
	digest, err := sendBytes(to, n, seed)
	if err != nil {
		return err
	}
	_, err = to.Write(digest)
	return err
}

// sendBytes writes n random bytes in pieces of random sizes. Some are so small
// that TCP joins many of them into one segment.
func sendBytes(to io.Writer, n int64, seed uint64) (digest []byte, err error) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	random := rand.NewChaCha8([32]byte{byte(seed)})
	h := sha256.New()
	b := make([]byte, 256<<10)
	for n > 0 {
		size, times := 1+rnd.IntN(len(b)), 1
		switch rnd.IntN(8) {
		case 0:
			size, times = 64, 100+rnd.IntN(2000)
		case 1:
			size, times = 1+rnd.IntN(3000), 30
		}
		for ; times > 0 && n > 0; times-- {
			part := b[:min(int64(size), n)]
			random.Read(part) //nolint:errcheck // never fails
			h.Write(part)
			if _, err := to.Write(part); err != nil {
				return nil, err
			}
			n -= int64(len(part))
		}
	}
	return h.Sum(nil), nil
}

// upload sends n bytes to the host, which must answer with their digest.
func upload(conn net.Conn, n int64, seed uint64) error {
	want, err := sendBytes(conn, n, seed)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("receive the digest: %w", err)
	}
	if string(got) != string(want) {
		return fmt.Errorf("netstack received other bytes than the %d sent: %x, want %x", n, got, want)
	}
	return nil
}

// download has the host send n bytes, and their digest after them.
func download(conn net.Conn, n int64, seed uint64) error {
	if _, err := fmt.Fprintf(conn, "%d %d\n", n, seed); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyN(h, conn, n); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(conn, want); err != nil {
		return fmt.Errorf("receive the digest: %w", err)
	}
	if string(h.Sum(nil)) != string(want) {
		return errors.New("the kernel received other bytes than netstack sent")
	}
	return nil
}

// dial connects to one of the host's ports; mss is the longest segment in bytes,
// 0 for what the MTU allows.
func dial(t *testing.T, address string, port, mss int, patience time.Duration) net.Conn {
	t.Helper()
	conn, err := dialer(mss).Dial("tcp", net.JoinHostPort(address, fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // some tests closed it
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}
