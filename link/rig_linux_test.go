package link_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"netstackd/link"
	"netstackd/link/linktest"
)

const deviceName = "netstack0"

// inNamespace is linktest.InNamespace, for tests that make TUN devices.
func inNamespace(t *testing.T) bool {
	t.Helper()
	linktest.NeedTUN(t)
	return linktest.InNamespace(t)
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func kernelAddr(local string) link.Address { return link.Address{Local: prefix(local)} }

// config is the usual one: an IPv4 and an IPv6 prefix.
func config(log logrus.FieldLogger) link.Config {
	return link.Config{
		Name:     deviceName,
		MTU:      1500,
		Kernel:   []link.Address{kernelAddr("172.16.0.1/24"), kernelAddr("fd00:172::1/64")},
		Netstack: []netip.Prefix{prefix("172.16.0.2/24"), prefix("fd00:172::2/64")},
		Log:      log,
	}
}

// rig is a TUN device that is up, with a collector in netstack's place.
type rig struct {
	dev    *link.Device
	e      *link.Endpoint
	c      *collector
	logged *logtest.Hook
	index  int
}

// eachOffload runs a test with super-segments passing and without, each in a
// namespace of its own.
func eachOffload(t *testing.T, test func(t *testing.T, o link.Options)) {
	for _, o := range []link.Options{{Offload: link.OffloadOff}, {Offload: link.OffloadOn, BusyPoll: 50 * time.Microsecond}} {
		t.Run("offload-"+string(o.Offload), func(t *testing.T) {
			if inNamespace(t) {
				test(t, o)
			}
		})
	}
}

func newRig(t *testing.T, o link.Options, change func(*link.Config)) *rig {
	t.Helper()
	log, logged := newLog()
	c := config(log)
	if change != nil {
		change(&c)
	}
	dev, err := link.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	o.Log = log
	e, err := link.NewEndpoint(dev, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := o.Offload == link.OffloadOn; e.Offloads() != want {
		t.Fatalf("offload is %v, want %v", e.Offloads(), want)
	}
	r := &rig{dev: dev, e: e, c: newCollector(), logged: logged}
	t.Cleanup(func() {
		r.e.Close()
		within(t, "Wait", r.e.Wait)
		if t.Failed() {
			for _, l := range logged.AllEntries() {
				s, _ := l.String()
				t.Log(strings.TrimSpace(s))
			}
		}
	})
	l, err := netlink.LinkByName(c.Name)
	if err != nil {
		t.Fatal(err)
	}
	r.index = l.Attrs().Index
	r.e.Attach(r.c)
	if err := dev.Up(); err != nil {
		t.Fatal(err)
	}
	waitLog(t, logged, "the device is up", 1)
	return r
}

// ip is the device to vishvananda/netlink.
func (r *rig) ip() netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: r.index}}
}

// traffic moves a datagram each way between the kernel's address and netstack's.
func (r *rig) traffic(t *testing.T, kernel, netstack string, size int) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(kernel), 0)))
	if err != nil {
		t.Fatalf("use address %s: %v", kernel, err) // a tentative one fails here
	}
	defer conn.Close()
	out := strings.Repeat("kernel to netstack ", size/19+1)[:size]
	if _, err := conn.WriteToUDPAddrPort([]byte(out), netip.AddrPortFrom(netip.MustParseAddr(netstack), 4000)); err != nil {
		t.Fatalf("send to %s: %v", netstack, err)
	}
	r.c.nextWith(t, out)

	back := strings.Repeat("netstack to kernel ", size/19+1)[:size]
	src, dst := netip.MustParseAddr(netstack), netip.MustParseAddr(kernel)
	port := conn.LocalAddr().(*net.UDPAddr).Port
	packet := udpPacket(tcpip.AddrFromSlice(src.AsSlice()), tcpip.AddrFromSlice(dst.AsSlice()), 4000, uint16(port), back)
	if n, err := write(r.e, packet); n != 1 || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
	buf := make([]byte, 65536)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("receive at %s: %v", kernel, err)
	}
	if string(buf[:n]) != back {
		t.Fatalf("%s received %d bytes that are not the %d sent", kernel, n, size)
	}
}

// nextWith is the next packet delivered that contains s; others, which a kernel
// sends by itself, are skipped.
func (c *collector) nextWith(t *testing.T, s string) delivered {
	t.Helper()
	for {
		if d := c.next(t); strings.Contains(d.bytes, s) {
			return d
		}
	}
}

// udpPacket is a whole UDP packet with right checksums.
func udpPacket(src, dst tcpip.Address, sport, dport uint16, payload string) []byte {
	udpLen := header.UDPMinimumSize + len(payload)
	ipLen := header.IPv4MinimumSize
	if src.Len() == header.IPv6AddressSize {
		ipLen = header.IPv6MinimumSize
	}
	b := make([]byte, ipLen+udpLen)
	if ipLen == header.IPv4MinimumSize {
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.UDPProtocolNumber), SrcAddr: src, DstAddr: dst})
		ip.SetChecksum(^ip.CalculateChecksum())
	} else {
		header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: uint16(udpLen), TransportProtocol: header.UDPProtocolNumber, HopLimit: 64, SrcAddr: src, DstAddr: dst})
	}
	udp := b[ipLen:]
	header.UDP(udp).Encode(&header.UDPFields{SrcPort: sport, DstPort: dport, Length: uint16(udpLen)})
	copy(udp[header.UDPMinimumSize:], payload)
	sum := uint32(header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(udpLen)))
	for i := 0; i < len(udp); i += 2 {
		if i+1 == len(udp) {
			sum += uint32(udp[i]) << 8
		} else {
			sum += uint32(binary.BigEndian.Uint16(udp[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(udp[6:], ^uint16(sum))
	return b
}

// bothFamilies is traffic of the usual configuration.
func (r *rig) bothFamilies(t *testing.T) {
	t.Helper()
	r.traffic(t, "172.16.0.1", "172.16.0.2", 100)
	r.traffic(t, "fd00:172::1", "fd00:172::2", 100)
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// local tells whether the kernel delivers to its IPv6 address.
func local(t *testing.T) bool {
	t.Helper()
	routes, err := netlink.RouteGet(net.ParseIP("fd00:172::1"))
	if err != nil && !errors.Is(err, unix.ENETUNREACH) {
		t.Fatal(err)
	}
	return len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

// settle waits for the kernel to deliver to its IPv6 address again, which it does
// a little after the address is there. Up needs no such thing.
func settle(t *testing.T) {
	t.Helper()
	eventually(t, "local route", func() bool { return local(t) })
}

func runCommand(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}
