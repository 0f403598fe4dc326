package stack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// testMTU is that of most pairs. bulkMTU is for those that move much: a link
// with segmentation offload hands over segments of that size too.
const (
	testMTU = 1500
	bulkMTU = 65535
)

// pair is a host and a client, two netstacks joined back to back.
type pair struct {
	t      testing.TB
	host   *Host
	client *netstack.Stack
}

var (
	hostPrefixes   = prefixes("172.16.0.2/24", "fd00:172::2/64")
	clientPrefixes = prefixes("172.16.0.1/24", "fd00:172::1/64")
)

func prefixes(texts ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, text := range texts {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}

// families are what a test over both has to try.
var families = []struct {
	name         string
	host, client netip.Addr
}{
	{"v4", netip.MustParseAddr("172.16.0.2"), netip.MustParseAddr("172.16.0.1")},
	{"v6", netip.MustParseAddr("fd00:172::2"), netip.MustParseAddr("fd00:172::1")},
}

// newPair starts a host with every service and a client beside it.
func newPair(t testing.TB, lim limits) *pair {
	t.Helper()
	return newPairOf(t, lim, testMTU, hostPrefixes, clientPrefixes)
}

func newBulkPair(t testing.TB) *pair {
	t.Helper()
	return newPairOf(t, defaultLimits(), bulkMTU, hostPrefixes, clientPrefixes)
}

func newPairOf(t testing.TB, lim limits, mtu uint32, host, client []netip.Prefix) *pair {
	t.Helper()
	hostEnd, clientEnd := pipe.New("", "", mtu)
	p := &pair{t: t, client: newClient(t, clientEnd, client)}
	h, err := newHost(Config{Link: hostEnd, Addresses: host, Services: ServiceNames()}, lim)
	if err != nil {
		t.Fatal(err)
	}
	p.host = h
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// newClient is a netstack with a NIC and no services.
func newClient(t testing.TB, link netstack.LinkEndpoint, addrs []netip.Prefix) *netstack.Stack {
	t.Helper()
	s, err := newNetstack(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Destroy)
	if err := errors.Join(addNIC(s, link, addrs), enableNIC(s)); err != nil {
		t.Fatal(err)
	}
	return s
}

func full(a netip.Addr, port uint16) tcpip.FullAddress {
	if !a.IsValid() {
		return tcpip.FullAddress{Port: port}
	}
	return tcpip.FullAddress{Addr: fromAddr(a), Port: port}
}

// tryDial opens a TCP connection to the host.
func (p *pair) tryDial(to netip.Addr, port uint16) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return gonet.DialContextTCP(ctx, p.client, full(to, port), protocolOf(to))
}

// dial is tryDial that must work; the test closes the connection.
func (p *pair) dial(to netip.Addr, port uint16) *gonet.TCPConn {
	p.t.Helper()
	c, err := p.tryDial(to, port)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// datagrams opens a UDP socket from an address and port of the client (0: any)
// to one of the host. It takes replies from there only.
func (p *pair) datagrams(from netip.Addr, fromPort uint16, to netip.Addr, port uint16) *gonet.UDPConn {
	p.t.Helper()
	local, remote := full(from, fromPort), full(to, port)
	c, err := gonet.DialUDP(p.client, &local, &remote, protocolOf(to))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// ask sends one datagram and returns the reply. The pipe delivers and the host
// answers before Write returns, so the time only runs out when none comes.
func ask(c net.Conn, request []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return readDatagram(c)
}

func readDatagram(c io.Reader) ([]byte, error) {
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	return b[:n], err
}

// silent fails the test when a datagram is waiting at c.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if b, err := readDatagram(c); err == nil {
		t.Errorf("got a reply of %d bytes, want none", len(b))
	}
}

// patience is how long a test waits for what must happen.
const patience = time.Minute

// eventually waits for what netstack does in its own time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// noise is n bytes that differ from place to place and by seed.
func noise(n int, seed uint32) []byte {
	b := make([]byte, n+7)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := 0; i < n; i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	return b[:n]
}

// counters are the host's, of one service.
func (p *pair) counters(service string) ServiceCounters { return p.host.Counters().Services[service] }

func (p *pair) drops(reason string) uint64 { return p.host.Counters().Drops[reason] }

func wantDrops(t *testing.T, p *pair, reason string, want uint64) {
	t.Helper()
	if got := p.drops(reason); got != want {
		t.Errorf("drops of %s: %d, want %d", reason, got, want)
	}
}

func sizeName(n int) string { return fmt.Sprintf("%d bytes", n) }
