package faults_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	tcpstack "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/faults"
	"netstackd/hooks/wire"
)

// vouching is a link that says of every packet that its checksum is right, as
// the hooks' endpoint does. Netstack would believe it.
type vouching struct{ stack.LinkEndpoint }

func (v vouching) Capabilities() stack.LinkEndpointCapabilities {
	return v.LinkEndpoint.Capabilities() | stack.CapabilityRXChecksumOffload
}

// newStack returns a running netstack with one address on a link.
func newStack(t *testing.T, link stack.LinkEndpoint, addr tcpip.Address) *stack.Stack {
	t.Helper()
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcpstack.NewProtocol},
	})
	// The link is fast and loses much: to wait 200 ms for each loss is too long.
	sack, least, most := tcpip.TCPSACKEnabled(true), tcpip.TCPMinRTOOption(20*time.Millisecond), tcpip.TCPMaxRTOOption(200*time.Millisecond)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &least, &most} {
		if err := s.SetTransportProtocolOption(tcpstack.ProtocolNumber, o); err != nil {
			t.Fatal(err)
		}
	}
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

// TestTCP sends data through netstack and back under every fault in both
// directions. It arrives as it was: netstack sees all damage, although the link
// vouches for every packet, and what it sends again is not what was damaged.
func TestTCP(t *testing.T) {
	near, far := pipe.New("", "", 1500)
	find := &finder{bad: map[uint64]wire.Layer{}}
	ledger := hooks.NewLedger(hooks.DropReasons())
	e := faults.New(hooks.New(vouching{near}, ledger, hooks.Options{ReceiveOffload: true}, find),
		parsed(t, "tcp corrupt=1%,truncate=0.5%,drop=0.5%", "duplicate=1%,reorder=1%:3,delay=1%:1ms"), faults.Options{Seed: 5})
	host, peer := tcpip.AddrFrom4([4]byte{172, 16, 0, 2}), tcpip.AddrFrom4([4]byte{172, 16, 0, 1})
	server, client := newStack(t, e, host), newStack(t, far, peer)
	defer func() {
		for _, s := range []*stack.Stack{server, client} {
			s.RemoveNIC(1)
			s.Destroy()
		}
		e.Wait()
	}()
	addr := tcpip.FullAddress{NIC: 1, Addr: host, Port: 7}
	listener, err := gonet.ListenTCP(server, addr, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		c, err := listener.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			_ = c.Close()
		}
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := gonet.DialContextTCP(ctx, client, addr, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	data := bt.Data(1 << 20)
	go func() {
		_, _ = c.Write(data)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d came back, the same: %v, %v", len(got), len(data), bytes.Equal(got, data), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	n := e.Counters()
	t.Logf("%+v", n)
	if uint64(len(find.bad)) != n.Out.Faults[faults.Corrupt] {
		t.Errorf("the hook saw %d bad packets, %d were corrupted", len(find.bad), n.Out.Faults[faults.Corrupt])
	}
	for _, c := range []faults.Counts{n.In, n.Out} {
		for kind, times := range c.Faults {
			if times == 0 {
				t.Errorf("no %s: the test shows nothing of it", kind)
			}
		}
	}
	if s := server.Stats(); s.TCP.ChecksumErrors.Value()+s.IP.MalformedPacketsReceived.Value() == 0 {
		t.Error("netstack saw no damage")
	}
}
