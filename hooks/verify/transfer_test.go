package verify_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
)

// segmenting takes super-segments, as the fast link does.
type segmenting struct{ stack.LinkEndpoint }

func (segmenting) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }
func (segmenting) GSOMaxSize() uint32               { return 65535 }

// vouching says that every sum is verified.
type vouching struct{ stack.LinkEndpoint }

func (v vouching) Capabilities() stack.LinkEndpointCapabilities {
	return v.LinkEndpoint.Capabilities() | stack.CapabilityRXChecksumOffload
}

// supers looks at outbound super-segments.
type supers struct {
	mu sync.Mutex
	// n counts them, joined those whose bytes were joined; guarded by mu.
	n, joined int
	wrong     []wire.Check
}

func (*supers) Inbound(*hooks.Packet) {}
func (s *supers) Outbound(p *hooks.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Segments() > 1 {
		s.n++
		if p.Missing == 0 {
			s.joined++
		}
	}
	for _, c := range p.Checks() {
		if c.Verdict == wire.Bad {
			s.wrong = append(s.wrong, c)
		}
	}
}

func newStack(t *testing.T, link stack.LinkEndpoint, addr tcpip.Address) *stack.Stack {
	t.Helper()
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := s.CreateNIC(1, link); err != nil {
		t.Fatal(err)
	}
	if err := s.AddProtocolAddress(1, tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber, AddressWithPrefix: addr.WithPrefix(),
	}, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	return s
}

// TestTransfer sends data out of a netstack that leaves segments and sums to its
// link: super-segments pass the hooks, their sums partial, their payload where it
// lies.
func TestTransfer(t *testing.T) {
	near, far := pipe.New("", "", 1500)
	look, ledger := &supers{}, newLedger()
	host, peer := tcpip.AddrFrom4([4]byte{172, 16, 0, 2}), tcpip.AddrFrom4([4]byte{172, 16, 0, 1})
	server := newStack(t, hooks.New(segmenting{near}, ledger, hooks.Options{ReceiveOffload: true}, new(verify.Verifier), look), host)
	client := newStack(t, vouching{far}, peer)
	defer func() {
		for _, s := range []*stack.Stack{server, client} {
			s.RemoveNIC(1)
			s.Destroy()
		}
	}()
	addr := tcpip.FullAddress{NIC: 1, Addr: host, Port: 7}
	listener, err := gonet.ListenTCP(server, addr, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	data := bt.Data(4 << 20)
	go func() {
		if c, err := listener.Accept(); err == nil {
			_, _ = c.Write(data)
			_ = c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := gonet.DialContextTCP(ctx, client, addr, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d came, the same: %v, %v", len(got), len(data), bytes.Equal(got, data), err)
	}
	look.mu.Lock()
	defer look.mu.Unlock()
	if look.n < 20 || look.joined > 0 || len(look.wrong) > 0 {
		t.Errorf("%d super-segments, %d of them joined; wrong are %v", look.n, look.joined, look.wrong)
	}
	if v := ledger.Totals().Verdicts; v[wire.Partial] < uint64(look.n) {
		t.Errorf("verdicts %v", v)
	}
}
