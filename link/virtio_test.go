package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestVirtioHeaderBytes: the header lies in memory as C lays the struct out.
func TestVirtioHeaderBytes(t *testing.T) {
	c := struct {
		flags, gsoType                         uint8
		hdrLen, gsoSize, csumStart, csumOffset uint16
	}{1, 4, 0x1122, 0x3344, 0x5566, 0x7788}
	raw := *(*[virtioHeaderLen]byte)(unsafe.Pointer(&c))
	want := virtioHeader{1, 4, 0x1122, 0x3344, 0x5566, 0x7788}
	var got virtioHeader
	got.decode(raw[:])
	if d := cmp.Diff(want, got, cmp.AllowUnexported(virtioHeader{})); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	var b [virtioHeaderLen]byte
	got.encode(b[:])
	if b != raw {
		t.Errorf("encoded %x, want %x", b, raw)
	}
}

// admitCase is a header, the packet behind it, and what is to be made of them.
type admitCase struct {
	name   string // of the fuzz seed as well
	header virtioHeader
	packet []byte
	want   admission
	err    error
	// completes tells that the checksum is completed in the packet.
	completes bool
}

// partial is the header of a packet whose checksum is to be completed.
func partial(start, offset uint16) virtioHeader {
	return virtioHeader{flags: virtioNeedsChecksum, checksumStart: start, checksumOffset: offset}
}

// super is the header of a TCP super-segment.
func super(segmentation uint8, size, start uint16) virtioHeader {
	return virtioHeader{virtioNeedsChecksum, segmentation, start + 20, size, start, 16}
}

// marks are those of a packet with the pseudo-header's sum in its field.
func marks(start, offset uint16) admission {
	return admission{gso: stack.GSO{NeedsCsum: true, L3HdrLen: start, CsumOffset: offset}}
}

// superMarks are those of a super-segment.
func superMarks(kind stack.GSOType, mss, start uint16) admission {
	a := marks(start, 16)
	a.gso.Type, a.gso.MSS = kind, mss
	return a
}

// datagramMarks are those of a super-datagram.
func datagramMarks(size int, start uint16) admission {
	a := marks(start, 6)
	a.datagram = size
	return a
}

// flagged is h with other flags.
func flagged(h virtioHeader, flags uint8) virtioHeader {
	h.flags = flags
	return h
}

var valid = admission{validated: true}

// truths are what admit believes.
var truths = []admitCase{
	{name: "nothing", packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "nothing-of-no-ip", packet: fill(33)},
	{name: "valid", header: virtioHeader{flags: virtioDataValid}, packet: ip4(protoTCP, 0, tcp(0, 100)), want: valid},
	{name: "valid-and-partial", header: flagged(partial(20, 16), virtioNeedsChecksum|virtioDataValid), packet: ip4(protoTCP, 0, tcp(0, 1)),
		want: admission{validated: true, gso: marks(20, 16).gso}},
	// Other bits mean nothing yet: RSC_INFO is 4.
	{name: "flags-of-later", header: virtioHeader{flags: 0xfc}, packet: ip4(protoTCP, 0, tcp(0, 100))},

	{name: "tcp4", header: partial(20, 16), packet: ip4(protoTCP, 0, tcp(0, 99)), want: marks(20, 16)},
	{name: "tcp4-no-data", header: partial(20, 16), packet: ip4(protoTCP, 0, tcp(0, 0)), want: marks(20, 16)},
	{name: "tcp4-ip-options", header: partial(60, 16), packet: ip4(protoTCP, 40, tcp(12, 99)), want: marks(60, 16)},
	{name: "udp4", header: partial(20, 6), packet: ip4(protoUDP, 0, udp(99)), want: marks(20, 6)},
	{name: "udp4-no-data", header: partial(20, 6), packet: ip4(protoUDP, 0, udp(0)), want: marks(20, 6)},
	{name: "tcp6", header: partial(40, 16), packet: ip6(protoTCP, tcp(0, 99)), want: marks(40, 16)},
	{name: "udp6", header: partial(40, 6), packet: ip6(protoUDP, udp(99)), want: marks(40, 6)},
	{name: "tcp6-extension", header: partial(48, 16), packet: ip6(protoHopByHop, slices.Concat(extension(protoTCP, 0), tcp(0, 9))), want: marks(48, 16)},
	{name: "udp6-extensions", header: partial(40+8+24+16, 6),
		packet: ip6(protoHopByHop, slices.Concat(extension(protoRouting, 0), extension(protoDestination, 2), extension(protoUDP, 1), udp(9))), want: marks(88, 6)},

	{name: "super4", header: super(virtioTCPv4, 1448, 20), packet: ip4(protoTCP, 0, tcp(12, 14480)), want: superMarks(stack.GSOTCPv4, 1448, 20)},
	{name: "super4-longest", header: super(virtioTCPv4, 1460, 20), packet: ip4(protoTCP, 0, tcp(0, 65495)), want: superMarks(stack.GSOTCPv4, 1460, 20)},
	{name: "super4-ip-options", header: super(virtioTCPv4, 100, 24), packet: ip4(protoTCP, 4, tcp(40, 101)), want: superMarks(stack.GSOTCPv4, 100, 24)},
	{name: "super4-tiny", header: super(virtioTCPv4, 1, 20), packet: ip4(protoTCP, 0, tcp(0, 2)), want: superMarks(stack.GSOTCPv4, 1, 20)},
	{name: "super6", header: super(virtioTCPv6, 1428, 40), packet: ip6(protoTCP, tcp(12, 14480)), want: superMarks(stack.GSOTCPv6, 1428, 40)},
	{name: "super6-extension", header: super(virtioTCPv6, 100, 48), packet: ip6(protoDestination, slices.Concat(extension(protoTCP, 0), tcp(0, 300))),
		want: superMarks(stack.GSOTCPv6, 100, 48)},
	{name: "super4-valid", header: virtioHeader{flags: virtioDataValid, segmentation: virtioTCPv4, segmentSize: 100}, packet: ip4(protoTCP, 0, tcp(0, 300)),
		want: admission{validated: true, gso: stack.GSO{Type: stack.GSOTCPv4, MSS: 100, L3HdrLen: 20, CsumOffset: 16}}},
	// hdr_len is a hint: whatever it says is nothing to us.
	{name: "super4-hint", header: virtioHeader{virtioNeedsChecksum, virtioTCPv4, 0xffff, 100, 20, 16}, packet: ip4(protoTCP, 0, tcp(0, 300)),
		want: superMarks(stack.GSOTCPv4, 100, 20)},
	// One segment is no super-segment, whatever the header calls it.
	{name: "single-full", header: super(virtioTCPv4, 300, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), want: marks(20, 16)},
	{name: "single-short", header: super(virtioTCPv6, 300, 40), packet: ip6(protoTCP, tcp(0, 299)), want: marks(40, 16)},
	{name: "datagrams4", header: superUDP(1400, 20), packet: ip4(protoUDP, 0, udp(14000)), want: datagramMarks(1400, 20)},
	{name: "datagrams4-odd-last", header: superUDP(100, 20), packet: ip4(protoUDP, 0, udp(101)), want: datagramMarks(100, 20)},
	{name: "datagrams4-ip-options", header: superUDP(100, 24), packet: ip4(protoUDP, 4, udp(300)), want: datagramMarks(100, 24)},
	{name: "datagrams4-most", header: superUDP(1, 20), packet: ip4(protoUDP, 0, udp(128)), want: datagramMarks(1, 20)},
	{name: "datagrams4-longest", header: superUDP(65506, 20), packet: ip4(protoUDP, 0, udp(65507)), want: datagramMarks(65506, 20)},
	{name: "datagrams6", header: superUDP(100, 40), packet: ip6(protoUDP, udp(250)), want: datagramMarks(100, 40)},
	{name: "datagrams6-extension", header: superUDP(100, 48), packet: ip6(protoDestination, slices.Concat(extension(protoUDP, 0), udp(300))),
		want: datagramMarks(100, 48)},
	{name: "datagrams-single", header: superUDP(300, 20), packet: ip4(protoUDP, 0, udp(300)), want: marks(20, 6)},
	{name: "datagrams-no-data", header: superUDP(1, 20), packet: ip4(protoUDP, 0, udp(0)), want: marks(20, 6)},
	{name: "single-no-data", header: super(virtioTCPv4, 1, 20), packet: ip4(protoTCP, 0, tcp(40, 0)), want: marks(20, 16)},
}

// completions are checksums that are not TCP's or UDP's own: they are completed
// in software, and nothing is said of them.
var completions = []admitCase{
	{name: "complete-inner", header: partial(40, 16), packet: ip4(protoIPIP, 0, ip4(protoTCP, 0, tcp(0, 101)))},
	{name: "complete-tunnel", header: partial(20+8+20, 6), packet: ip4(protoUDP, 0, slices.Concat(udp(0), ip4(protoUDP, 0, udp(8))))},
	{name: "complete-icmp", header: partial(20, 2), packet: ip4(protoICMP, 0, fill(64))},
	{name: "complete-field-elsewhere", header: partial(20, 6), packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "complete-start-elsewhere", header: partial(24, 12), packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "complete-last-bytes", header: partial(20, 118), packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "complete-from-1", header: partial(1, 0), packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "complete-odd", header: partial(21, 15), packet: ip4(protoTCP, 0, tcp(0, 100))},
	{name: "complete-first-fragment", header: partial(20, 6), packet: with(ip4(protoUDP, 0, udp(100)), 6, 0x20, 0)},
	{name: "complete-later-fragment", header: partial(20, 6), packet: with(ip4(protoUDP, 0, udp(100)), 6, 0, 1)},
	{name: "complete-last-offset", header: partial(20, 6), packet: with(ip4(protoUDP, 0, udp(100)), 6, 0x1f, 0xff)},
	{name: "complete-fragment6", header: partial(48, 6), packet: ip6(protoFragment, slices.Concat(extension(protoUDP, 0), udp(100)))},
	{name: "complete-padding", header: partial(20, 6), packet: slices.Concat(ip4(protoUDP, 0, udp(100)), fill(3))},
	{name: "complete-past-the-end", header: partial(20, 6), packet: ip4(protoUDP, 0, udp(100))[:100]},
	{name: "complete-ihl-4", header: partial(16, 6), packet: with(ip4(protoUDP, 0, udp(100)), 0, 0x44)},
	{name: "complete-ihl-past-the-end", header: partial(20, 2), packet: with(ip4(protoUDP, 0, fill(8)), 0, 0x4f)},
	{name: "complete-half-tcp", header: partial(20, 16), packet: ip4(protoTCP, 0, tcp(0, 0)[:19])},
	{name: "complete-half-udp", header: partial(20, 5), packet: ip4(protoUDP, 0, udp(0)[:7])},
	{name: "complete-half-ip", header: partial(4, 2), packet: ip4(protoTCP, 0, nil)[:19]},
	{name: "complete-half-ip6", header: partial(4, 2), packet: ip6(protoTCP, nil)[:39]},
	{name: "complete-no-ip", header: partial(8, 6), packet: with(fill(100), 0, 0x50)},
	{name: "complete-endless", header: partial(40, 6), packet: ip6(protoHopByHop, slices.Repeat(extension(protoHopByHop, 0), 40))},
	{name: "complete-extension-cut", header: partial(40, 6), packet: ip6(protoHopByHop, extension(protoUDP, 200))},
	{name: "complete-extension-1-byte", header: partial(30, 6), packet: ip6(protoHopByHop, []byte{protoUDP})},
	{name: "complete-authentication", header: partial(52, 6), packet: ip6(51, slices.Concat([]byte{protoUDP, 1}, fill(10), udp(9)))},
	// Two bytes that sum up to 0xffff: the checksum is 0, which UDP cannot say.
	{name: "complete-zero", header: partial(20, 0), packet: ip4(protoICMP, 0, []byte{0xff, 0xff})},
}

// lies are refused.
var lies = []admitCase{
	{name: "start-0", header: partial(0, 16), packet: ip4(protoTCP, 0, tcp(0, 100)), err: errLyingHeader},
	{name: "field-half-outside", header: partial(20, 119), packet: ip4(protoTCP, 0, tcp(0, 100)), err: errLyingHeader},
	{name: "field-outside", header: partial(20, 120), packet: ip4(protoTCP, 0, tcp(0, 100)), err: errLyingHeader},
	{name: "start-outside", header: partial(141, 16), packet: ip4(protoTCP, 0, tcp(0, 100)), err: errLyingHeader},
	{name: "start-and-offset-wrap", header: partial(0xffff, 21), packet: ip4(protoTCP, 0, tcp(0, 100)), err: errLyingHeader},
	{name: "partial-empty", header: partial(20, 16), err: errLyingHeader},
	{name: "super-outside", header: virtioHeader{virtioNeedsChecksum, virtioTCPv4, 40, 100, 20, 400}, packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},

	{name: "type-2", header: virtioHeader{segmentation: 2}, packet: ip4(protoTCP, 0, tcp(0, 300)), err: errUnknownSegmentation},
	{name: "type-ufo", header: super(3, 100, 20), packet: ip4(protoUDP, 0, udp(300)), err: errUnknownSegmentation},
	{name: "type-udp-tunnel4", header: super(virtioTCPv4|0x20, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errUnknownSegmentation},
	{name: "type-ecn", header: super(virtioTCPv4|0x80, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errUnknownSegmentation},
	{name: "type-ecn-alone", header: super(0x80, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errUnknownSegmentation},
	{name: "type-255", header: super(255, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errUnknownSegmentation},

	{name: "super-size-0", header: super(virtioTCPv4, 0, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "super-empty", header: flagged(super(virtioTCPv4, 100, 20), virtioDataValid), err: errLyingHeader},
	{name: "super-v4-is-v6", header: super(virtioTCPv4, 100, 40), packet: ip6(protoTCP, tcp(0, 300)), err: errLyingHeader},
	{name: "super-v6-is-v4", header: super(virtioTCPv6, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "super-no-ip", header: super(virtioTCPv4, 100, 20), packet: with(ip4(protoTCP, 0, tcp(0, 300)), 0, 0x05), err: errLyingHeader},
	{name: "super-longer", header: super(virtioTCPv4, 100, 20), packet: slices.Concat(ip4(protoTCP, 0, tcp(0, 300)), fill(1)), err: errLyingHeader},
	{name: "super-shorter", header: super(virtioTCPv4, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300))[:339], err: errLyingHeader},
	{name: "super6-longer", header: super(virtioTCPv6, 100, 40), packet: slices.Concat(ip6(protoTCP, tcp(0, 300)), fill(1)), err: errLyingHeader},
	{name: "super6-shorter", header: super(virtioTCPv6, 100, 40), packet: ip6(protoTCP, tcp(0, 300))[:359], err: errLyingHeader},
	{name: "super6-length-0", header: super(virtioTCPv6, 100, 40), packet: with(ip6(protoTCP, tcp(0, 300)), 4, 0, 0), err: errLyingHeader},
	{name: "super-udp", header: super(virtioTCPv4, 100, 20), packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "super-icmp", header: super(virtioTCPv4, 100, 20), packet: ip4(protoICMP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "super-first-fragment", header: super(virtioTCPv4, 100, 20), packet: with(ip4(protoTCP, 0, tcp(0, 300)), 6, 0x20, 0), err: errLyingHeader},
	{name: "super-later-fragment", header: super(virtioTCPv4, 100, 20), packet: with(ip4(protoTCP, 0, tcp(0, 300)), 6, 0, 1), err: errLyingHeader},
	{name: "super-fragment6", header: super(virtioTCPv6, 100, 48), packet: ip6(protoFragment, slices.Concat(extension(protoTCP, 0), tcp(0, 300))), err: errLyingHeader},
	{name: "super-ihl-4", header: super(virtioTCPv4, 100, 16), packet: with(with(ip4(protoTCP, 0, tcp(0, 300)), 0, 0x44), 28, 0x50), err: errLyingHeader},
	{name: "super-ihl-past-the-end", header: super(virtioTCPv4, 1, 20), packet: with(ip4(protoTCP, 0, tcp(0, 19)), 0, 0x4f), err: errLyingHeader},
	{name: "super-offset-4", header: super(virtioTCPv4, 100, 20), packet: with(ip4(protoTCP, 0, tcp(0, 300)), 32, 0x40), err: errLyingHeader},
	{name: "super-offset-past-the-end", header: super(virtioTCPv4, 1, 20), packet: with(ip4(protoTCP, 0, tcp(0, 39)), 32, 0xf0), err: errLyingHeader},
	{name: "super6-endless", header: super(virtioTCPv6, 100, 40), packet: ip6(protoHopByHop, slices.Repeat(extension(protoHopByHop, 0), 40)), err: errLyingHeader},
	{name: "super6-extension-cut", header: super(virtioTCPv6, 100, 40), packet: ip6(protoHopByHop, extension(protoTCP, 200)[:300]), err: errLyingHeader},
	{name: "super-no-flag", header: flagged(super(virtioTCPv4, 100, 20), 0), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "super-start-elsewhere", header: super(virtioTCPv4, 100, 24), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "super-field-elsewhere", header: virtioHeader{virtioNeedsChecksum, virtioTCPv4, 40, 100, 20, 6}, packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "datagrams-size-0", header: superUDP(0, 20), packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "datagrams-size-0-no-data", header: superUDP(0, 20), packet: ip4(protoUDP, 0, udp(0)), err: errLyingHeader},
	{name: "datagrams-too-many", header: superUDP(1, 20), packet: ip4(protoUDP, 0, udp(129)), err: errLyingHeader},
	{name: "datagrams-empty", header: superUDP(100, 20), err: errLyingHeader},
	{name: "datagrams-tcp", header: superUDP(100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "datagrams-tcp-field", header: super(virtioUDP, 100, 20), packet: ip4(protoTCP, 0, tcp(0, 300)), err: errLyingHeader},
	{name: "datagrams-longer", header: superUDP(100, 20), packet: slices.Concat(ip4(protoUDP, 0, udp(300)), fill(1)), err: errLyingHeader},
	{name: "datagrams-shorter", header: superUDP(100, 20), packet: ip4(protoUDP, 0, udp(300))[:327], err: errLyingHeader},
	{name: "datagrams-udp-longer", header: superUDP(100, 20), packet: with(ip4(protoUDP, 0, udp(300)), 24, 1, 0x35), err: errLyingHeader},
	{name: "datagrams-udp-shorter", header: superUDP(100, 40), packet: with(ip6(protoUDP, udp(300)), 44, 0, 108), err: errLyingHeader},
	{name: "datagrams-half-udp", header: superUDP(100, 20), packet: ip4(protoUDP, 0, udp(0)[:7]), err: errLyingHeader},
	{name: "datagrams-first-fragment", header: superUDP(100, 20), packet: with(ip4(protoUDP, 0, udp(300)), 6, 0x20, 0), err: errLyingHeader},
	{name: "datagrams-fragment6", header: superUDP(100, 48), packet: ip6(protoFragment, slices.Concat(extension(protoUDP, 0), udp(300))), err: errLyingHeader},
	{name: "datagrams-no-flag", header: flagged(superUDP(100, 20), 0), packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "datagrams-valid-only", header: flagged(superUDP(100, 20), virtioDataValid), packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "datagrams-start-elsewhere", header: superUDP(100, 24), packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "datagrams-field-elsewhere", header: virtioHeader{virtioNeedsChecksum, virtioUDP, 28, 100, 20, 4}, packet: ip4(protoUDP, 0, udp(300)), err: errLyingHeader},
	{name: "super-start-of-v6", header: super(virtioTCPv6, 100, 40), packet: ip6(protoHopByHop, slices.Concat(extension(protoTCP, 0), tcp(0, 300))), err: errLyingHeader},
}

// admitCases are all of them.
func admitCases() []admitCase {
	for i := range completions {
		completions[i].completes = true
	}
	return slices.Concat(truths, completions, lies)
}

func TestAdmit(t *testing.T) {
	for _, tc := range admitCases() {
		t.Run(tc.name, func(t *testing.T) {
			packet := slices.Clone(tc.packet)
			got, err := tc.header.admit(packet)
			if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			want := tc.packet
			if tc.completes {
				start := int(tc.header.checksumStart)
				want = completed(tc.packet, start, start+int(tc.header.checksumOffset))
			}
			if !bytes.Equal(packet, want) {
				t.Errorf("the packet became\n%x, want\n%x", packet, want)
			}
			if tc.err == nil {
				if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(admission{})); d != "" {
					t.Errorf("admission (-want +got):\n%s", d)
				}
			}
			checkAdmission(t, tc.header, tc.packet)
		})
	}
}

// TestAdmitShort gives each header the beginning of packets, from nothing on.
func TestAdmitShort(t *testing.T) {
	for _, packet := range [][]byte{
		ip4(protoTCP, 0, tcp(0, 100)), ip4(protoTCP, 40, tcp(40, 0)), ip4(protoUDP, 0, udp(100)),
		ip6(protoTCP, tcp(0, 100)), ip6(protoUDP, udp(100)), ip6(protoHopByHop, slices.Concat(extension(protoTCP, 0), tcp(0, 100))),
	} {
		for n := range 61 {
			short := packet[:n]
			for _, lengthFits := range []bool{false, true} {
				if lengthFits && n > 6 {
					short = slices.Clone(short)
					if short[0]>>4 == 4 {
						binary.BigEndian.PutUint16(short[2:], uint16(n))
					} else {
						binary.BigEndian.PutUint16(short[4:], uint16(max(n-40, 0)))
					}
				}
				for _, segmentation := range []uint8{virtioNone, virtioTCPv4, virtioTCPv6, virtioUDP} {
					for flags := range uint8(4) {
						for _, size := range []uint16{1, 100} {
							for _, start := range []uint16{0, 20, 40, 48, 60} {
								checkAdmission(t, virtioHeader{flags, segmentation, 0, size, start, 16}, short)
							}
						}
					}
				}
			}
		}
	}
}

// outbound is a packet as netstack's TCP hands it to its link.
func outbound(network, segment, data []byte, gso stack.GSO) *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 100, Payload: buffer.MakeWithData(data)})
	copy(pkt.TransportHeader().Push(len(segment)), segment)
	copy(pkt.NetworkHeader().Push(len(network)), network)
	pkt.GSOOptions = gso
	return pkt
}

// TestDescribe: what is said of an outbound packet, and that the other end
// believes it, byte for byte.
func TestDescribe(t *testing.T) {
	gso4 := stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1460, L3HdrLen: 20, MaxSize: gsoMaxSize}
	gso6 := stack.GSO{Type: stack.GSOTCPv6, NeedsCsum: true, CsumOffset: 16, MSS: 1440, L3HdrLen: 40, MaxSize: gsoMaxSize}
	gvisor := stack.GSO{Type: stack.GSOGvisor, MSS: 1460}
	for _, tc := range []struct {
		name   string
		packet []byte
		ip     int // length of the IP header
		tcp    int // length of the TCP header
		gso    stack.GSO
		want   virtioHeader
		admits admission
	}{
		{name: "no connection's", packet: ip4(protoTCP, 0, tcp(0, 0)), ip: 20, tcp: 20},
		{name: "udp", packet: ip4(protoUDP, 0, udp(100)), ip: 20, tcp: 8},
		{name: "netstack's own segmentation", packet: ip4(protoTCP, 0, tcp(12, 100)), ip: 20, tcp: 32, gso: gvisor},
		{name: "no checksum needed", packet: ip4(protoTCP, 0, tcp(0, 3000)), ip: 20, tcp: 20, gso: stack.GSO{Type: stack.GSOTCPv4, MSS: 1460}},
		{name: "acknowledgement", packet: ip4(protoTCP, 0, tcp(12, 0)), ip: 20, tcp: 32, gso: gso4, want: partial(20, 16), admits: marks(20, 16)},
		{name: "full", packet: ip4(protoTCP, 0, tcp(12, 1460)), ip: 20, tcp: 32, gso: gso4, want: partial(20, 16), admits: marks(20, 16)},
		{name: "one more", packet: ip4(protoTCP, 0, tcp(12, 1461)), ip: 20, tcp: 32, gso: gso4,
			want: virtioHeader{1, virtioTCPv4, 52, 1460, 20, 16}, admits: superMarks(stack.GSOTCPv4, 1460, 20)},
		{name: "longest", packet: ip4(protoTCP, 0, tcp(0, 65495)), ip: 20, tcp: 20, gso: gso4,
			want: virtioHeader{1, virtioTCPv4, 40, 1460, 20, 16}, admits: superMarks(stack.GSOTCPv4, 1460, 20)},
		{name: "IP options", packet: ip4(protoTCP, 8, tcp(0, 3000)), ip: 28, tcp: 20, gso: gso4,
			want: virtioHeader{1, virtioTCPv4, 48, 1460, 28, 16}, admits: superMarks(stack.GSOTCPv4, 1460, 28)},
		{name: "IPv6", packet: ip6(protoTCP, tcp(12, 3000)), ip: 40, tcp: 32, gso: gso6,
			want: virtioHeader{1, virtioTCPv6, 72, 1440, 40, 16}, admits: superMarks(stack.GSOTCPv6, 1440, 40)},
		{name: "IPv6, single", packet: ip6(protoTCP, tcp(12, 3)), ip: 40, tcp: 32, gso: gso6, want: partial(40, 16), admits: marks(40, 16)},
		// Who took the headers apart no more, a hook that made the packet anew say.
		{name: "headers not told apart", packet: ip4(protoTCP, 0, tcp(0, 3000)), gso: gso4,
			want: virtioHeader{1, virtioTCPv4, 40, 1460, 20, 16}, admits: superMarks(stack.GSOTCPv4, 1460, 20)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headers := tc.ip + tc.tcp
			pkt := outbound(tc.packet[:tc.ip], tc.packet[tc.ip:headers], tc.packet[headers:], tc.gso)
			defer pkt.DecRef()
			var got virtioHeader
			got.describe(pkt)
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(virtioHeader{})); d != "" {
				t.Errorf("header (-want +got):\n%s", d)
			}
			var b [virtioHeaderLen]byte
			got.encode(b[:])
			got.decode(b[:])
			packet := slices.Clone(tc.packet)
			admitted, err := got.admit(packet)
			if err != nil {
				t.Fatalf("the other end refuses it: %v", err)
			}
			if d := cmp.Diff(tc.admits, admitted, cmp.AllowUnexported(admission{})); d != "" {
				t.Errorf("admission (-want +got):\n%s", d)
			}
			if !bytes.Equal(packet, tc.packet) {
				t.Error("the packet was changed")
			}
		})
	}
}
