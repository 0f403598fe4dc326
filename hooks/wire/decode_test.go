package wire

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// packetDiff compares what was decoded, leaving out the bytes.
func packetDiff(want, got Packet) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(Packet{}, "Bytes"), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
}

func TestDecode(t *testing.T) {
	host4, peer4 := addr("172.16.0.2"), addr("172.16.0.1")
	host6, peer6 := addr("fd00:172::2"), addr("fd00:172::1")
	for _, test := range []struct {
		name string
		want Packet
	}{
		{"echo-request", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolICMPv4, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 84, ID: 0x8128, DF: true, TTL: 64, Protocol: 1, Checksum: 0x615d},
			Fragment: Fragment{ID: 0x8128},
			Upper:    LayerICMPv4, ICMP: ICMP{Type: 8, Checksum: 0x54f5, ID: 13, Seq: 1},
		}},
		{"echo6-request", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolICMPv6, Payload: 40,
			IPv6:  IPv6{TrafficClass: 0xb8, FlowLabel: 0x9a51c, PayloadLen: 64, NextHeader: 58, HopLimit: 64, Final: host6},
			Upper: LayerICMPv6, ICMP: ICMP{Type: 128, Checksum: 0xdf8c, ID: 17, Seq: 2},
		}},
		{"tcp-data", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolTCP, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 88, TOS: 2, ID: 0x1234, DF: true, TTL: 64, Protocol: 6, Checksum: 0xd046},
			Fragment: Fragment{ID: 0x1234},
			Upper:    LayerTCP,
			TCP: TCP{
				SrcPort: 49152, DstPort: 80, Seq: 0x6b8b4568, Ack: 0x327b23c7, DataOffset: 32,
				Flags: TCPPsh | TCPAck, Window: 502, Checksum: 0x247e,
			},
		}},
		{"udp6", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolUDP, Payload: 40,
			IPv6:  IPv6{PayloadLen: 11, NextHeader: 17, HopLimit: 64, Final: host6},
			Upper: LayerUDP, UDP: UDP{SrcPort: 40000, DstPort: 7, Length: 11, Checksum: 0x9343},
		}},
		{"fragment-first", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolICMPv4, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 108, ID: 0xbeef, MF: true, TTL: 64, Protocol: 1, Checksum: 0x437e},
			Fragment: Fragment{Header: true, ID: 0xbeef, More: true},
			Upper:    LayerICMPv4, ICMP: ICMP{Type: 8, Checksum: 0x24a7, ID: 33, Seq: 1},
		}},
		{"fragment-later", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolICMPv4, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 140, ID: 0xbeef, TTL: 64, Protocol: 1, Checksum: 0x6353},
			Fragment: Fragment{Header: true, ID: 0xbeef, Offset: 88},
		}},
		{"fragment-tiny", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolTCP, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 28, ID: 0x1234, MF: true, TTL: 64, Protocol: 6, Checksum: 0xf084},
			Fragment: Fragment{Header: true, ID: 0x1234, More: true},
		}},
		{"fragment6-first", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolICMPv6, Payload: 56,
			IPv6: IPv6{
				PayloadLen: 56, NextHeader: 60, HopLimit: 64, Final: host6, Count: 2,
				Extensions: [maxExtensions]Extension{{ProtocolDestination, 40, 8}, {ProtocolFragment, 48, 8}},
			},
			Fragment: Fragment{Header: true, ID: 7, More: true},
			Upper:    LayerICMPv6, ICMP: ICMP{Type: 128, Checksum: 0x9e88, ID: 7, Seq: 1},
		}},
		{"fragment6-later", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolICMPv6, Payload: 56,
			IPv6: IPv6{
				PayloadLen: 48, NextHeader: 60, HopLimit: 64, Final: host6, Count: 2,
				Extensions: [maxExtensions]Extension{{ProtocolDestination, 40, 8}, {ProtocolFragment, 48, 8}},
			},
			Fragment: Fragment{Header: true, ID: 7, Offset: 40},
		}},
		{"atomic-fragment6", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolICMPv6, Payload: 48,
			IPv6: IPv6{
				PayloadLen: 20, NextHeader: 44, HopLimit: 64, Final: host6, Count: 1,
				Extensions: [maxExtensions]Extension{{ProtocolFragment, 40, 8}},
			},
			Fragment: Fragment{Header: true, ID: 0xcafebabe},
			Upper:    LayerICMPv6, ICMP: ICMP{Type: 128, Checksum: 0xb1e6, ID: 7, Seq: 1},
		}},
		{"routing6", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolUDP, Payload: 64,
			IPv6: IPv6{
				PayloadLen: 35, NextHeader: 43, HopLimit: 64, Final: addr("fd00:172::99"), Count: 1,
				Extensions: [maxExtensions]Extension{{ProtocolRouting, 40, 24}},
			},
			Upper: LayerUDP, UDP: UDP{SrcPort: 40000, DstPort: 7, Length: 11, Checksum: 0x8ea7},
		}},
		{"segment-routing6", Packet{
			Version: 6, Src: peer6, Dst: host6, Protocol: ProtocolUDP, Payload: 80,
			IPv6: IPv6{
				PayloadLen: 51, NextHeader: 43, HopLimit: 64, Final: addr("fd00:172::99"), Count: 1,
				Extensions: [maxExtensions]Extension{{ProtocolRouting, 40, 40}},
			},
			Upper: LayerUDP, UDP: UDP{SrcPort: 40000, DstPort: 7, Length: 11, Checksum: 0x8ea7},
		}},
		{"trailing", Packet{
			Trailing: 6, Version: 4, Src: peer4, Dst: host4, Protocol: ProtocolICMPv4, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 34, ID: 0x1234, DF: true, TTL: 64, Protocol: 1, Checksum: 0xd083},
			Fragment: Fragment{ID: 0x1234},
			Upper:    LayerICMPv4, ICMP: ICMP{Type: 8, Checksum: 0xcdc8, ID: 7, Seq: 3},
		}},
		{"esp", Packet{
			Version: 4, Src: peer4, Dst: host4, Protocol: 50, Payload: 20,
			IPv4:     IPv4{HeaderLen: 20, TotalLen: 44, ID: 0x1234, DF: true, TTL: 64, Protocol: 50, Checksum: 0xd048},
			Fragment: Fragment{ID: 0x1234},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := decoded(t, sample(t, test.name))
			if diff := packetDiff(test.want, *got); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeProblems(t *testing.T) {
	for _, test := range []struct {
		name, sample string
		spoil        func(b []byte) []byte
		want         Problem
	}{
		{"nothing", "echo-request", cutTo(0), Problem{ReasonTooShort, LayerIPv4, 0, 0, 20}},
		{"version 0", "echo-request", set(0, 0x05), Problem{ReasonBadVersion, LayerIPv4, 0, 0, 4}},
		{"version 15", "echo-request", set(0, 0xf5), Problem{ReasonBadVersion, LayerIPv4, 0, 15, 4}},
		{"short v4", "echo-request", cutTo(19), Problem{ReasonTooShort, LayerIPv4, 0, 19, 20}},
		{"short v6", "echo6-request", cutTo(39), Problem{ReasonTooShort, LayerIPv6, 0, 39, 40}},
		{"IHL 4", "echo-request", set(0, 0x44), Problem{ReasonBadHeaderLength, LayerIPv4, 0, 16, 20}},
		{"IHL past the end", "echo-request", func(b []byte) []byte { b[0] = 0x4f; return b[:40] }, Problem{ReasonBadHeaderLength, LayerIPv4, 0, 60, 40}},
		{"total length 19", "echo-request", set(3, 19), Problem{ReasonBadTotalLength, LayerIPv4, 2, 19, 20}},
		{"total length 0", "echo-request", set(3, 0), Problem{ReasonBadTotalLength, LayerIPv4, 2, 0, 20}},
		{"total length 85", "echo-request", set(3, 85), Problem{ReasonTruncated, LayerIPv4, 2, 85, 84}},
		{"payload length 65", "echo6-request", set(5, 65), Problem{ReasonTruncated, LayerIPv6, 4, 105, 104}},
		{"option length 0", "echo-record-route", set(21, 0), Problem{ReasonBadOption, LayerIPv4, 21, 0, 16}},
		{"option length 1", "echo-record-route", set(21, 1), Problem{ReasonBadOption, LayerIPv4, 21, 1, 16}},
		{"option length 17", "echo-record-route", set(21, 17), Problem{ReasonBadOption, LayerIPv4, 21, 17, 16}},
		{"option without length", "echo-record-route", set(35, 7), Problem{ReasonBadOption, LayerIPv4, 36, 1, 1}},
		{"fragment of 87", "fragment-first", func(b []byte) []byte { b[3]--; return b[:107] }, Problem{ReasonBadFragment, LayerIPv4, 2, 87, 8}},
		{"fragment of 39 v6", "fragment6-first", func(b []byte) []byte { b[5]--; return b[:95] }, Problem{ReasonBadFragment, LayerIPv6, 4, 39, 8}},
		{"ICMP of 7", "echo-request", resize4(27), Problem{ReasonShortICMP, LayerICMPv4, 20, 7, 8}},
		{"ICMP of 0", "echo-request", resize4(20), Problem{ReasonShortICMP, LayerICMPv4, 20, 0, 8}},
		{"ICMPv6 of 3", "echo6-request", resize6(3), Problem{ReasonShortICMP, LayerICMPv6, 40, 3, 8}},
		{"TCP of 19", "tcp-syn", resize4(39), Problem{ReasonShortTCP, LayerTCP, 20, 19, 20}},
		{"UDP of 7", "dns-query", resize4(27), Problem{ReasonShortUDP, LayerUDP, 20, 7, 8}},
		{"data offset 4", "tcp-syn", set(32, 0x40), Problem{ReasonBadTCPDataOffset, LayerTCP, 32, 16, 20}},
		{"data offset past the end", "tcp-syn", resize4(56), Problem{ReasonBadTCPDataOffset, LayerTCP, 32, 40, 36}},
		{"UDP length 7", "dns-query", set(25, 7), Problem{ReasonBadUDPLength, LayerUDP, 24, 7, 8}},
		{"UDP length 0 over IPv6", "udp6", set(45, 0), Problem{ReasonBadUDPLength, LayerUDP, 44, 0, 8}},
		{"UDP length past the end", "dns-query", set(25, 38), Problem{ReasonBadUDPLength, LayerUDP, 24, 38, 37}},
		{"extension past the end", "mld-report", set(41, 9), Problem{ReasonBadExtension, LayerIPv6, 40, 80, 36}},
		{"extension of one byte", "mld-report", resize6(1), Problem{ReasonBadExtension, LayerIPv6, 40, 1, 8}},
		{"fragment header cut", "atomic-fragment6", resize6(7), Problem{ReasonBadExtension, LayerIPv6, 40, 8, 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p Packet
			b := test.spoil(sample(t, test.sample))
			ok := p.Decode(b)
			if ok || p.Problem != test.want {
				t.Errorf("Decode = %v, %+v, want %+v", ok, p.Problem, test.want)
			}
			if got := p.Problem.Error(); !strings.Contains(got, test.want.Reason) {
				t.Errorf("Error() = %q", got)
			}
			checkDecode(t, b)
			checkPage(t, b)
		})
	}
}

// TestDecodeFirstFragment cuts first fragments inside the header they carry: it
// is the reassembled datagram that is judged.
func TestDecodeFirstFragment(t *testing.T) {
	four := sample(t, "tcp-syn")
	four[6] = 0x20 // more fragments follow
	six := sample(t, "fragment6-first")
	six[48] = ProtocolTCP
	for _, test := range []struct {
		name  string
		b     []byte
		upper Layer
	}{
		{"8 bytes of TCP", resize4(28)(bytes.Clone(four)), ""},
		{"no byte", resize4(20)(bytes.Clone(four)), ""},
		{"half the options", resize4(52)(four), LayerTCP},
		{"8 bytes of TCP over IPv6", resize6(24)(six), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := decoded(t, test.b)
			if p.Upper != test.upper || !p.Fragment.More {
				t.Errorf("upper %q, %+v; want %q", p.Upper, p.Fragment, test.upper)
			}
			if c := p.check(LayerTCP); c != nil {
				t.Errorf("a fragment's TCP checksum is judged: %+v", c)
			}
			checkPage(t, test.b)
		})
	}
}

func set(at int, v byte) func([]byte) []byte {
	return func(b []byte) []byte { b[at] = v; return b }
}

func cutTo(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

// resize4 makes an IPv4 packet n bytes long, and says so in its header.
func resize4(n int) func([]byte) []byte {
	return func(b []byte) []byte { b[2], b[3] = byte(n>>8), byte(n); return b[:n] }
}

// resize6 makes an IPv6 payload n bytes long, and says so in its header.
func resize6(n int) func([]byte) []byte {
	return func(b []byte) []byte { b[4], b[5] = byte(n>>8), byte(n); return b[:40+n] }
}

// TestDecodeTruncated cuts every sound sample at every length.
func TestDecodeTruncated(t *testing.T) {
	for name, b := range samples(t) {
		var whole Packet
		if !whole.Decode(b) {
			continue
		}
		for n := range len(whole.Bytes) {
			want := ReasonTruncated
			switch {
			case n == 0, whole.Version == 4 && n < 20, whole.Version == 6 && n < 40:
				want = ReasonTooShort
			case whole.Version == 4 && n < whole.IPv4.HeaderLen:
				want = ReasonBadHeaderLength
			}
			var p Packet
			if ok := p.Decode(b[:n]); ok || p.Problem.Reason != want {
				t.Errorf("%s cut to %d: Decode = %v, %v, want %s", name, n, ok, p.Problem, want)
			}
		}
	}
}

// TestDecodeTrailing puts bytes behind every sound sample: they change nothing.
func TestDecodeTrailing(t *testing.T) {
	for name, b := range samples(t) {
		var whole, longer Packet
		if !whole.Decode(b) {
			continue
		}
		for _, n := range []int{1, 2, 46, 1000} {
			ok := longer.Decode(append(append([]byte(nil), whole.Bytes...), make([]byte, n)...))
			if !ok || longer.Trailing != n || len(longer.Bytes) != len(whole.Bytes) {
				t.Errorf("%s and %d bytes: Decode = %v, %d trailing, %d bytes", name, n, ok, longer.Trailing, len(longer.Bytes))
			}
			if diff := cmp.Diff(whole.Checksums(nil), longer.Checksums(nil)); diff != "" {
				t.Errorf("%s and %d bytes: Checksums (-without +with):\n%s", name, n, diff)
			}
		}
	}
}

func TestDecodeLongChain(t *testing.T) {
	// Twice as many extension headers as are kept, an echo request behind.
	b := append([]byte(nil), sample(t, "echo6-request")...)
	message := b[40:]
	b = b[:40:40]
	b[6] = ProtocolDestination
	for i := range 2 * maxExtensions {
		next := byte(ProtocolDestination)
		if i == 2*maxExtensions-1 {
			next = ProtocolICMPv6
		}
		b = append(b, next, 0, 1, 4, 0, 0, 0, 0)
	}
	b = append(b, message...)
	b[4], b[5] = byte((len(b)-40)>>8), byte(len(b)-40)
	p := decoded(t, b)
	if p.IPv6.Count != maxExtensions || p.Payload != 40+16*maxExtensions || p.Upper != LayerICMPv6 {
		t.Errorf("%d extensions kept, payload at %d, upper %q", p.IPv6.Count, p.Payload, p.Upper)
	}
	if c := p.check(LayerICMPv6); c == nil || c.Verdict != OK {
		t.Errorf("ICMPv6 checksum behind a long chain: %+v", c)
	}
	checkPage(t, b)
}

func TestDecodeAllocatesNothing(t *testing.T) {
	var p Packet
	var buf [2]Check
	for name, b := range samples(t) {
		if n := testing.AllocsPerRun(10, func() {
			p.Decode(b)
			p.Checksums(buf[:0])
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
