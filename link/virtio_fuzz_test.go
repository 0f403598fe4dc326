package link

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

var update = flag.Bool("update", false, "rewrite the fuzz seeds")

// FuzzAdmit gives any header and packet, and wants what checkAdmission wants.
func FuzzAdmit(f *testing.F) {
	f.Fuzz(func(t *testing.T, flags, segmentation uint8, headerLen, segmentSize, start, offset uint16, packet []byte) {
		if len(packet) > maxPacket {
			return
		}
		checkAdmission(t, virtioHeader{flags, segmentation, headerLen, segmentSize, start, offset}, packet)
	})
}

// checkAdmission wants that whatever is made of a header and a packet, which it
// leaves alone, holds: nothing is believed that the bytes do not show.
func checkAdmission(t *testing.T, h virtioHeader, before []byte) {
	t.Helper()
	packet := slices.Clone(before)
	a, err := h.admit(packet)
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s: header %+v, packet %x: admission %+v, error %v, packet after %x", what, h, before, a, err, packet)
	}
	if err != nil {
		if !errors.Is(err, errLyingHeader) && !errors.Is(err, errUnknownSegmentation) {
			fail("an unknown error")
		}
		if !bytes.Equal(packet, before) {
			fail("a packet that is refused was changed")
		}
		return
	}
	needs := h.flags&virtioNeedsChecksum != 0
	if a.validated != (h.flags&virtioDataValid != 0) {
		fail("the kernel did not vouch for it")
	}
	want := before
	if needs && !a.gso.NeedsCsum {
		start := int(h.checksumStart)
		field := start + int(h.checksumOffset)
		if start == 0 || field+2 > len(before) {
			fail("what was completed is not in the packet")
			return
		}
		want = completed(before, start, field)
	}
	if !bytes.Equal(packet, want) {
		fail("the packet was changed")
	}
	protocol, start, found := findTransport(before)
	if a.gso.NeedsCsum {
		offsets := map[byte]int{protoTCP: 16, protoUDP: 6}
		offset, sums := offsets[protocol]
		switch {
		case !needs:
			fail("nothing is to be completed")
		case !found || !sums || int(a.gso.L3HdrLen) != start || int(a.gso.CsumOffset) != offset:
			fail("the field is not TCP's or UDP's")
		case start+offset+2 > len(before):
			fail("the field is not in the packet")
		}
	}
	if (a.gso.MSS > 0) != (a.gso.Type != stack.GSONone) {
		fail("segments without a size, or a size without segments")
	}
	if a.datagram != 0 {
		checkSplit(t, h, a, before, fail)
		return
	}
	if a.gso.Type == stack.GSONone {
		if h.segmentation != virtioNone && h.segmentation != virtioTCPv4 && h.segmentation != virtioTCPv6 && h.segmentation != virtioUDP {
			fail("an unknown segmentation is admitted")
		}
		return
	}
	version := map[stack.GSOType]byte{stack.GSOTCPv4: 4, stack.GSOTCPv6: 6}[a.gso.Type]
	switch {
	case before[0]>>4 != version:
		fail("segments of the other version")
	case !found || protocol != protoTCP:
		fail("segments of no TCP")
	case a.gso.MSS != h.segmentSize:
		fail("another size than was said")
	case !needs && !a.validated:
		fail("nobody could tell what the checksum field holds")
	case start+20 > len(before) || len(before)-start-int(before[start+12]>>4)*4 <= int(a.gso.MSS):
		fail("a super-segment of one segment")
	}
}

// checkSplit wants a super-datagram to be one, and that it is split into what it
// says, nothing lost and nothing made up.
func checkSplit(t *testing.T, h virtioHeader, a admission, packet []byte, fail func(string)) {
	t.Helper()
	protocol, start, found := findTransport(packet)
	switch {
	case h.segmentation != virtioUDP || a.gso.Type != stack.GSONone:
		fail("datagrams of no UDP")
		return
	case !a.gso.NeedsCsum || !found || protocol != protoUDP || int(a.gso.L3HdrLen) != start:
		fail("datagrams whose header is elsewhere, or whole")
		return
	case a.datagram != int(h.segmentSize) || len(packet)-start-8 <= a.datagram:
		fail("a super-datagram of one datagram")
		return
	}
	pkts := split(nil, packet, a)
	if len(pkts) < 2 || len(pkts) > mostSplit {
		fail(fmt.Sprintf("split into %d", len(pkts)))
	}
	var payload []byte
	for i, pkt := range pkts {
		b := bytesOf(pkt)
		pkt.DecRef()
		n := len(b) - start - 8
		if n <= 0 || n > a.datagram || n < a.datagram && i < len(pkts)-1 {
			fail(fmt.Sprintf("datagram %d has %d bytes of payload", i, n))
			return
		}
		// As the header of an unsegmented one it is believed too, and all there.
		if again, err := (&virtioHeader{virtioNeedsChecksum, virtioUDP, 0, h.segmentSize, h.checksumStart, h.checksumOffset}).admit(b); err != nil || again.datagram != 0 || again.gso != a.gso {
			fail(fmt.Sprintf("datagram %d is admitted as %+v, %v", i, again, err))
		}
		payload = append(payload, b[start+8:]...)
	}
	if !bytes.Equal(payload, packet[start+8:]) {
		fail("the payload was changed")
	}
}

// TestAdmitSeeds holds the seeds of FuzzAdmit to the cases of TestAdmit, by name.
// Others may lie beside them.
func TestAdmitSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzAdmit")
	for _, tc := range admitCases() {
		if len(tc.packet) > 4096 {
			continue // long ones make the fuzzer slow
		}
		h, path := tc.header, filepath.Join(dir, tc.name)
		want := fmt.Sprintf("go test fuzz v1\nbyte(%q)\nbyte(%q)\nuint16(%d)\nuint16(%d)\nuint16(%d)\nuint16(%d)\n[]byte(%q)\n",
			rune(h.flags), rune(h.segmentation), h.headerLen, h.segmentSize, h.checksumStart, h.checksumOffset, tc.packet)
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read seed: %v; -update writes it", err)
		}
		if string(got) != want {
			t.Errorf("%s differs, -update rewrites it", path)
		}
	}
}
