package guard_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

var update = flag.Bool("update", false, "capture testdata/traffic.pcapng anew, as root, with testdata/traffic.sh")

// captureMade says that -update has done its work.
var captureMade bool

// A captured is a packet of the capture, and what was left to hardware.
type captured struct {
	bytes   []byte
	packet  wire.Packet
	offload wire.Offload
}

// traffic returns what two Linux kernels have said to each other: see
// testdata/traffic.sh, by which -update makes the capture again.
func traffic(t *testing.T) []captured {
	t.Helper()
	const file = "testdata/traffic.pcapng"
	if *update && !captureMade {
		captureMade = true
		if out, err := exec.Command("sh", "testdata/traffic.sh", file).CombinedOutput(); err != nil {
			t.Fatalf("capture: %v\n%s", err, out)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ng, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	const ethernet = 14
	var all []captured
	for {
		frame, info, err := ng.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil || info.CaptureLength != info.Length {
			t.Fatalf("read capture: %v, %d of %d bytes", err, info.CaptureLength, info.Length)
		}
		if kind := int(frame[12])<<8 | int(frame[13]); kind != 0x0800 && kind != 0x86dd {
			continue // ARP
		}
		c := captured{bytes: frame[ethernet:]}
		if !c.packet.Decode(c.bytes) {
			t.Fatalf("packet %d of the capture: %v", len(all), c.packet.Problem)
		}
		c.offload = leftToHardware(c.packet)
		all = append(all, c)
	}
}

// leftToHardware tells from a packet what its kernel has left undone.
func leftToHardware(p wire.Packet) (o wire.Offload) {
	bad := func() bool {
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			if c.Verdict == wire.Bad {
				return true
			}
		}
		return false
	}
	if o.Partial = bad(); !o.Partial {
		return o
	}
	p.Offload = o
	const mss = 1428
	if p.Upper == wire.LayerTCP && p.DataLen()-p.TCP.DataOffset > mss {
		o.SegmentSize = mss
	}
	return o
}

// A receiver takes the packets for netstack.
type receiver struct {
	stack.NetworkDispatcher
	got [][]byte
}

func (r *receiver) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	v := pkt.ToView()
	r.got = append(r.got, bytes.Clone(v.AsSlice()))
	v.Release()
}

// TestTrafficPasses: of a capture of real traffic, fed to a guard as the one host
// gets and sends it, and as the other does, every packet passes as it is.
func TestTrafficPasses(t *testing.T) {
	all := traffic(t)
	ends := [2][]netip.Prefix{
		{netip.MustParsePrefix("172.16.0.1/24"), netip.MustParsePrefix("fd00:172::1/64")},
		{netip.MustParsePrefix("172.16.0.2/24"), netip.MustParsePrefix("fd00:172::2/64")},
	}
	for _, s := range []string{"on", "strict"} {
		for host, addresses := range ends {
			t.Run(fmt.Sprintf("%s, host %d", s, host+1), func(t *testing.T) {
				g := guard.New(guard.Config{Mends: mode(t, s), Addresses: addresses})
				chain := []hooks.Hook{g}
				if answer := g.Answer(); answer != nil {
					chain = append(chain, answer)
				}
				ledger := hooks.NewLedger(hooks.DropReasons(), guard.DropReasons())
				link, netstack := channel.New(1, 65535, ""), new(receiver)
				e := hooks.New(link, ledger, hooks.Options{ReceiveOffload: true}, chain...)
				g.Connect(e)
				e.Attach(netstack)
				for i, c := range all {
					pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(c.bytes)})
					comparetest.Mark(pkt, c.bytes, c.offload)
					var got [][]byte
					if outbound := owns(addresses, c.packet.Src); outbound {
						var one stack.PacketBufferList
						one.PushBack(pkt)
						if _, err := e.WritePackets(one); err != nil {
							t.Fatal(err)
						}
						for sent := link.Read(); sent != nil; sent = link.Read() {
							v := sent.ToView()
							got = append(got, bytes.Clone(v.AsSlice()))
							v.Release()
							sent.DecRef()
						}
					} else {
						link.InjectInbound(pkt.NetworkProtocolNumber, pkt)
						got, netstack.got = netstack.got, nil
					}
					pkt.DecRef()
					if len(got) != 1 || !bytes.Equal(got[0], c.bytes) {
						t.Errorf("packet %d, %.80x, passes as %.80x", i, c.bytes, got)
					}
				}
				if mends := ledger.Totals().Mends; len(mends) > 0 {
					t.Errorf("mends: %v", mends)
				}
			})
		}
	}
}

func owns(addresses []netip.Prefix, a netip.Addr) bool {
	for _, p := range addresses {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// TestTrafficIsReal: the capture has what it is for.
func TestTrafficIsReal(t *testing.T) {
	count := map[string]int{}
	for _, c := range traffic(t) {
		p := &c.packet
		v := fmt.Sprintf("IPv%d ", p.Version)
		count[v+string(p.Upper)]++
		if p.Fragment.IsFragment() {
			count[v+"fragment"]++
		}
		if p.Version == 4 && p.IPv4.HasOptions() {
			count["options"]++
		}
		if c.offload.SegmentSize > 0 {
			count[v+"super-segment"]++
		}
		if c.offload.Partial {
			count[v+"partial sum"]++
		}
		if p.Upper == wire.LayerICMPv6 && (p.ICMP.Type == 135 || p.ICMP.Type == 136) {
			count[fmt.Sprintf("type %d", p.ICMP.Type)]++
		}
		if p.Upper == wire.LayerICMPv4 && p.ICMP.Type == 3 || p.Upper == wire.LayerICMPv6 && p.ICMP.Type == 1 {
			count[v+"unreachable"]++
		}
		if (p.IPv4.TOS|p.IPv6.TrafficClass)&3 != 0 {
			count[v+"ECN"]++
		}
	}
	t.Log(count)
	for _, kind := range []string{
		"IPv4 icmpv4", "IPv4 tcp", "IPv4 udp", "IPv6 icmpv6", "IPv6 tcp", "IPv6 udp", "IPv4 fragment", "IPv6 fragment", "options",
		"IPv4 super-segment", "IPv6 super-segment", "IPv4 partial sum", "IPv6 partial sum", "IPv4 unreachable", "IPv6 unreachable",
		"type 135", "type 136", "IPv4 ECN", "IPv6 ECN",
	} {
		if count[kind] == 0 {
			t.Errorf("it has no %s", kind)
		}
	}
}
