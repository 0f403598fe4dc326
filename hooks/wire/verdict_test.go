package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChecksums(t *testing.T) {
	ip := func(v uint16) Check { return Check{LayerIPv4, 10, v, v, OK} }
	for _, test := range []struct {
		name  string
		spoil func([]byte) []byte
		want  []Check
	}{
		{"echo-request", nil, []Check{ip(0x615d), {LayerICMPv4, 22, 0x54f5, 0x54f5, OK}}},
		{"echo-reply", nil, []Check{ip(0x615d), {LayerICMPv4, 22, 0x5cf5, 0x5cf5, OK}}},
		{"bad-checksum", nil, []Check{ip(0x615d), {LayerICMPv4, 22, 0x54f5, 0x5cf5, Bad}}},
		{"bad-header-checksum", nil, []Check{{LayerIPv4, 10, 0xd077, 0xd078, Bad}, {LayerTCP, 36, 0x975d, 0x975d, OK}}},
		{"echo6-request", nil, []Check{{LayerICMPv6, 42, 0xdf8c, 0xdf8c, OK}}},
		{"tcp-syn", nil, []Check{ip(0xd064), {LayerTCP, 36, 0x29d7, 0x29d7, OK}}},
		{"offloaded", nil, []Check{ip(0xd074), {LayerTCP, 36, 0x5842, 0xbc99, Bad}}},
		{"udp-no-checksum", nil, []Check{ip(0xd06d), {LayerUDP, 26, 0, 0xd484, Absent}}},
		{"udp-all-ones", nil, []Check{ip(0xd06f), {LayerUDP, 26, 0xffff, 0xffff, OK}}},
		// A sum that comes to 0, sent as 0, reads as none.
		{"udp-all-ones", func(b []byte) []byte { b[26], b[27] = 0, 0; return b }, []Check{ip(0xd06f), {LayerUDP, 26, 0, 0xffff, Absent}}},
		{"udp6", nil, []Check{{LayerUDP, 46, 0x9343, 0x9343, OK}}},
		{"udp6-no-checksum", nil, []Check{{LayerUDP, 46, 0, 0x89d1, Bad}}},
		{"atomic-fragment6", nil, []Check{{LayerICMPv6, 50, 0xb1e6, 0xb1e6, OK}}},
		{"routing6", nil, []Check{{LayerUDP, 70, 0x8ea7, 0x8ea7, OK}}},
		{"segment-routing6", nil, []Check{{LayerUDP, 86, 0x8ea7, 0x8ea7, OK}}},
		// The final destination is not known: no verdict rather than a wrong one.
		{"routing6-unknown", nil, nil},
		// The same with no segments left: the route is walked, the destination final.
		{"routing6-unknown", func(b []byte) []byte { b[43] = 0; return b }, []Check{{LayerUDP, 54, 0x8ea7, 0x8f3e, Bad}}},
		{"fragment-first", nil, []Check{ip(0x437e)}},
		{"fragment-later", nil, []Check{ip(0x6353)}},
		{"fragment6-first", nil, nil},
		{"truncated", nil, []Check{ip(0x615d)}},
		{"truncated6", nil, nil},
		{"bad-ihl", nil, nil},
		{"bad-option", nil, []Check{ip(0xbf74)}},
		{"esp", nil, []Check{ip(0xd048)}},
		// One's complement has two zeros, and receivers take either (RFC 1624 §5).
		{"echo-request", zeroHeaderSum(0x0000), []Check{ip(0), {LayerICMPv4, 22, 0x54f5, 0x54f5, OK}}},
		{"echo-request", zeroHeaderSum(0xffff), []Check{{LayerIPv4, 10, 0xffff, 0, OK}, {LayerICMPv4, 22, 0x54f5, 0x54f5, OK}}},
		// Nothing but zeros sums to the other zero.
		{"echo-reply", zeroMessage(0xffff), []Check{ip(0x6195), {LayerICMPv4, 22, 0xffff, 0xffff, OK}}},
		{"echo-reply", zeroMessage(0), []Check{ip(0x6195), {LayerICMPv4, 22, 0, 0xffff, Bad}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := sample(t, test.name)
			if test.spoil != nil {
				b = test.spoil(b)
			}
			if diff := cmp.Diff(test.want, new(Packet).checksOf(b)); diff != "" {
				t.Errorf("Checksums (-want +got):\n%s", diff)
			}
		})
	}
}

// zeroHeaderSum chooses the identification so that the header's checksum comes
// to 0, and writes v into the field.
func zeroHeaderSum(v uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		b[4], b[5], b[10], b[11] = 0, 0, 0, 0
		id := ^naiveSum(b[:20], 0)
		b[4], b[5], b[10], b[11] = byte(id>>8), byte(id), byte(v>>8), byte(v)
		return b
	}
}

// zeroMessage leaves an echo reply without data, identifier and number, and
// writes v into its checksum.
func zeroMessage(v uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		b = b[:28]
		clear(b[20:])
		b[3], b[22], b[23] = 28, byte(v>>8), byte(v)
		b[10], b[11] = 0, 0
		sum := ^naiveSum(b[:20], 0)
		b[10], b[11] = byte(sum>>8), byte(sum)
		return b
	}
}

func TestChecksumsAppends(t *testing.T) {
	first := Check{Layer: "kept"}
	got := decoded(t, sample(t, "echo-request")).Checksums([]Check{first})
	if len(got) != 3 || got[0] != first || got[1].Layer != LayerIPv4 {
		t.Errorf("Checksums = %+v", got)
	}
}

// TestFinalDst follows IPv4 source routes: TCP and UDP count the end of the
// route, not the next hop.
func TestFinalDst(t *testing.T) {
	for _, test := range []struct {
		name    string
		option  []byte
		want    string
		verdict Verdict
	}{
		{"none", nil, "172.16.0.2", OK},
		{"walked", []byte{131, 7, 8, 10, 0, 0, 9, 0}, "172.16.0.2", OK},
		{"loose", []byte{131, 11, 4, 10, 0, 0, 8, 172, 16, 0, 9, 0}, "172.16.0.9", Bad},
		{"strict, half walked", []byte{1, 137, 11, 8, 10, 0, 0, 8, 172, 16, 0, 9}, "172.16.0.9", Bad},
		{"to the same", []byte{1, 131, 7, 4, 172, 16, 0, 2}, "172.16.0.2", OK},
		{"too short for an address", []byte{131, 6, 4, 10, 0, 0, 0, 0}, "172.16.0.2", OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := sample(t, "tcp-syn")
			b = append(append(append([]byte(nil), b[:20]...), test.option...), b[20:]...)
			b[0] += byte(len(test.option) / 4)
			b[3] += byte(len(test.option))
			p := decoded(t, b)
			if got := p.FinalDst(); got != addr(test.want) {
				t.Errorf("FinalDst = %v, want %v", got, test.want)
			}
			if c := p.check(LayerTCP); c == nil || c.Verdict != test.verdict {
				t.Errorf("TCP checksum: %+v, want %s", c, test.verdict)
			}
		})
	}
}
