//go:build linux

package main_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// garbage is how many packets without sense the daemon has to take.
const garbage = 20_000

// TestIntegrationGarbage injects packets that are random, or right ones cut
// short or with bits flipped. The daemon must live, answer afterwards, and
// account for each packet.
func TestIntegrationGarbage(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	in := newInjector(t)
	random := rand.New(rand.NewPCG(1, 2))
	begin, before := time.Now(), kernelCounts(t)
	for i := range garbage {
		version := 4 + i%2*2
		in.send(t, version, nonsense(random, i/2%4, version))
		// A burst longer than the device queue is dropped by the kernel,
		// before the daemon could prove anything.
		if i%100 == 99 {
			waitFor(t, "the daemon to read", func() bool {
				now := kernelCounts(t)
				return now.TxPackets+now.TxDropped-before.TxPackets-before.TxDropped > uint64(i)
			})
		}
	}
	t.Logf("%d packets in %v", garbage, time.Since(begin).Round(time.Millisecond))
	pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "3", "-i", "0.2", netstack6), 3)
	t.Run("echo", func(t *testing.T) { tcpEcho(t, netstack4) })
	overrun := int(kernelCounts(t).TxDropped)
	d.stop(t)

	s := readTrace(t, path).summary
	// What is not IP at all the link drops before the hooks count packets.
	arrived, drops := s.Packets.In, 0
	for reason, n := range s.Drops {
		drops += n
		if strings.HasPrefix(reason, "link-") {
			arrived += n
		}
	}
	if arrived+overrun < garbage {
		t.Errorf("only %d of %d packets are accounted for, and %d by the kernel", arrived, garbage, overrun)
	}
	if overrun > garbage/10 {
		t.Errorf("the kernel dropped %d of %d packets: the bursts are too long to prove anything", overrun, garbage)
	}
	if drops < garbage/2 {
		t.Errorf("%d drops are counted by reason of %d packets, most of which make no sense", drops, garbage)
	}
	t.Logf("%d in, %d out, %d trace events lost, drops %v", s.Packets.In, s.Packets.Out, s.TraceLost, s.Drops)
}

// kernelCounts are the kernel's, of the device: TxPackets were read, TxDropped found
// its queue full.
func kernelCounts(t *testing.T) *netlink.LinkStatistics {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Statistics
}

// nonsense makes one packet of the given kind.
func nonsense(random *rand.Rand, kind, version int) []byte {
	noise := make([]byte, 1+random.IntN(300))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	var packet []byte
	protocols := []byte{1, 6, 17, 58, 44, 0, 43, 60, 59, byte(random.Uint32())}
	protocol := protocols[random.IntN(len(protocols))]
	if version == 4 {
		packet = ipv4Packet(protocol, uint16(random.Uint32()), 0, noise)
	} else {
		packet = ipv6Packet(protocol, noise)
	}
	switch kind {
	case 0: // noise from the first byte on
		return noise
	case 1: // a right header before noise
		return packet
	case 2: // cut anywhere
		return packet[:1+random.IntN(len(packet))]
	default: // bits flipped, in the header more often than behind it
		for range 1 + random.IntN(4) {
			packet[random.IntN(min(len(packet), 60))] ^= 1 << random.IntN(8)
		}
		if version == 4 && random.IntN(2) == 0 {
			// Half of them with a header checksum that hides the damage.
			binary.BigEndian.PutUint16(packet[10:], 0)
			if length := int(packet[0]&15) * 4; length >= 20 && length <= len(packet) {
				binary.BigEndian.PutUint16(packet[10:], ^onesSum(packet[:length]))
			}
		}
		return packet
	}
}

// TestIntegrationKiller sends what kills a bare netstack: an echo request in
// fragments that reassemble to more than a datagram can be, and to as much as
// one can be but not its reply. The daemon must live and name the reason.
func TestIntegrationKiller(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	in := newInjector(t)
	id := uint16(0)
	// The ICMP message of a full datagram has 65,515 bytes; no fragment can
	// begin behind 65,528.
	for _, length := range []int{65_515, 65_516, 65_517, 65_528, 65_535, 65_536, 65_700, 65_800} {
		for _, size := range []int{1448, 1400, 776} {
			id++
			message := echoRequest4(id, 1, make([]byte, length-8))
			fragments := fragment4(id, message, size)
			for i := range fragments {
				// The order in which they come must not matter.
				if id%2 == 0 {
					i = len(fragments) - 1 - i
				}
				in.send(t, 4, fragments[i])
			}
			for _, fragment := range fragment6(uint32(id), echoRequest6(id, 1, make([]byte, length-8)), size) {
				in.send(t, 6, fragment)
			}
			if d.status() != running {
				t.Fatalf("a message of %d bytes in fragments of %d killed netstackd", length, size)
			}
		}
	}
	pinged(t, tool(t, patience, "ping", "-c", "3", "-i", "0.2", netstack4), 3)
	pinged(t, tool(t, patience, "ping", "-6", "-c", "3", "-i", "0.2", netstack6), 3)
	pinged(t, tool(t, patience, "ping", "-c", "1", "-s", "65507", netstack4), 1)
	d.stop(t)

	tr := readTrace(t, path)
	guarded := map[string]int{}
	for _, p := range tr.packets {
		if p.Fate == "guarded" {
			guarded[fmt.Sprintf("IPv%d %s", p.IP.Version, p.Reason)]++
			if p.Reason == "" || tr.summary.Drops[p.Reason] == 0 {
				t.Errorf("packet %d was guarded for %q, counted %d times", p.Seq, p.Reason, tr.summary.Drops[p.Reason])
			}
		}
	}
	t.Logf("guarded: %v, drops %v", guarded, tr.summary.Drops)
	if guarded["IPv4 guard-fragment-too-long"] == 0 {
		t.Error("the guard dropped no fragment for its length: what kills got through, or was no killer")
	}
}
