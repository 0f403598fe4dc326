package faults_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"netstackd/hooks/faults"
	"netstackd/hooks/wire"
)

// through returns the numbers from a to b, b included.
func through(a, b int) (s []int) {
	for ; a <= b; a++ {
		s = append(s, a)
	}
	return s
}

// TestReach flips every bit that can be flipped, of every kind of packet. The
// hand finds each, and so does gVisor's arithmetic; and no byte is left out but
// those that are listed.
func TestReach(t *testing.T) {
	header4 := []int{0, 2, 3, 6, 7, 9}
	fixed6 := through(0, 7)
	all := samples()
	for name, spared := range map[string][]int{
		"icmp":                     header4,
		"icmp-empty":               header4,
		"icmp-options":             header4,
		"icmp-trailing":            slices.Concat(header4, through(61, 63)),
		"icmp-fragment-first":      slices.Concat(header4, through(20, 35)),
		"icmp-fragment-middle":     slices.Concat(header4, through(20, 35)),
		"icmp-fragment-last":       slices.Concat(header4, through(20, 28)),
		"icmp6":                    fixed6,
		"icmp6-trailing":           slices.Concat(fixed6, through(81, 83)),
		"icmp6-fragment-first":     through(0, 63),
		"icmp6-fragment-last":      through(0, 56),
		"icmp6-atomic-fragment":    slices.Concat(fixed6, through(40, 47)),
		"icmp6-hop-by-hop":         slices.Concat(fixed6, through(40, 47)),
		"tcp":                      slices.Concat(header4, []int{32}),
		"tcp-source-route":         slices.Concat(header4, []int{40}),
		"tcp6":                     slices.Concat(fixed6, []int{52}),
		"tcp6-routed":              slices.Concat(through(0, 63), []int{76}),
		"udp":                      slices.Concat(header4, []int{24, 25}),
		"udp-unsummed":             slices.Concat(header4, through(20, 60)),
		"udp-shorter-than-payload": slices.Concat(header4, []int{24, 25}, through(61, 63)),
		"udp-sum-0x0001":           slices.Concat(header4, []int{24, 25}),
		"udp-sum-0x0080":           slices.Concat(header4, []int{24, 25}),
		"udp-sum-0x0100":           slices.Concat(header4, []int{24, 25}),
		"udp-sum-0x8000":           slices.Concat(header4, []int{24, 25}),
		"udp-sum-0xffff":           slices.Concat(header4, []int{24, 25}),
		"udp6":                     slices.Concat(fixed6, []int{44, 45}),
		"udp6-sum-0x0100":          slices.Concat(fixed6, []int{44, 45}),
		"udp6-destination-options": slices.Concat(through(0, 47), []int{52, 53}),
		"other":                    slices.Concat(header4, through(20, 52)),
		"other6":                   through(0, 72),
		"none":                     nil,
		"version-5":                through(0, 3),
	} {
		b := all[name]
		delete(all, name)
		if judge(b) != "" {
			t.Fatalf("%s: %s to begin with", name, judge(b))
		}
		untouched := map[int]bool{}
		for i := range b {
			untouched[i] = true
		}
		for choice := range uint64(8 * faults.Reach(b)) {
			got := bytes.Clone(b)
			f, ok := faults.Flip(got, choice)
			if !ok {
				t.Fatalf("%s: nothing to flip", name)
			}
			checkFlip(t, b, got, f)
			if judge(got) == "" {
				t.Errorf("%s: gVisor finds nothing wrong with bit %d of byte %d", name, f.Bit, f.Offset)
			}
			if was, is := decoded(b), decoded(got); was.Upper != is.Upper && f.Layer != wire.LayerIPv4 {
				t.Errorf("%s: bit %d of byte %d makes %q of %q", name, f.Bit, f.Offset, is.Upper, was.Upper)
			}
			delete(untouched, f.Offset)
		}
		var got []int
		for i := range b {
			if untouched[i] {
				got = append(got, i)
			}
		}
		if diff := cmp.Diff(spared, got); diff != "" {
			t.Errorf("%s: bytes that are never flipped (-want +got):\n%s", name, diff)
		}
	}
	for name := range all {
		t.Errorf("%s is not in the table", name)
	}
}

func decoded(b []byte) *wire.Packet {
	p := new(wire.Packet)
	p.Decode(b)
	return p
}

// TestSpoiltIsLeft: a checksum that is wrong already is no place to flip a bit,
// which might mend it.
func TestSpoiltIsLeft(t *testing.T) {
	b := samples()["udp"]
	b[40] ^= 1
	if got := faults.Reach(b); got != 14 {
		t.Errorf("with a bad UDP sum %d bytes, want the 14 of the IPv4 header", got)
	}
	b[10] ^= 1
	if got := faults.Reach(b); got != 0 {
		t.Errorf("with two bad sums %d bytes, want none", got)
	}
	if _, ok := faults.Flip(b, 1); ok {
		t.Error("a bit was flipped")
	}
}

// judge names what gVisor's arithmetic finds wrong with the checksums of a
// packet, where the bytes that they cover are those of samples.
func judge(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	var data []byte
	var src, dst []byte
	var protocol byte
	switch b[0] >> 4 {
	case 4:
		ip := header.IPv4(b)
		if checksum.Checksum(b[:ip.HeaderLength()], 0) != 0xffff {
			return "IPv4"
		}
		if ip.More() || ip.FragmentOffset() != 0 {
			return ""
		}
		src, dst, protocol = b[12:16], b[16:20], b[9]
		data = b[ip.HeaderLength():ip.TotalLength()]
		if ip.HeaderLength() > 20 && b[20] == sourceRoute[0] {
			dst = b[23:27]
		}
	case 6:
		src, dst, protocol = b[8:24], b[24:40], b[6]
		data = b[40 : 40+int(binary.BigEndian.Uint16(b[4:]))]
		for protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60 {
			if protocol == 44 && data[3] != 0 {
				return ""
			}
			if protocol == 43 {
				dst = data[8:24]
			}
			// The length of a fragment's header is 0 in these packets too.
			protocol, data = data[0], data[8+8*int(data[1]):]
		}
	}
	if protocol == 17 {
		if data[6] == 0 && data[7] == 0 {
			return ""
		}
		data = data[:binary.BigEndian.Uint16(data[4:])]
	}
	sum := uint16(0)
	switch protocol {
	case 6, 17, 58:
		sum = checksum.Checksum(src, checksum.Checksum(dst, uint16(protocol)))
		sum = checksum.Combine(sum, uint16(len(data)))
		fallthrough
	case 1:
		if checksum.Checksum(data, sum) != 0xffff {
			return "transport"
		}
	}
	return ""
}
