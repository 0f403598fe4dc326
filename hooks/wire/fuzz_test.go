package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// The seeds of these targets stand in testdata/fuzz, named for what they are.

func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) { checkDecode(t, b) })
}

// checkDecode holds Decode and Checksums to what is true of all bytes.
func checkDecode(t *testing.T, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	var p Packet
	ok := p.Decode(b)
	if ok != p.Problem.IsZero() {
		t.Fatalf("Decode = %v with problem %v", ok, p.Problem)
	}
	if p.Problem.Reason != "" && Reasons()[p.Problem.Reason] == "" {
		t.Fatalf("problem of no known reason: %v", p.Problem)
	}
	if got := len(p.Bytes) + p.Trailing; got != len(b) {
		t.Fatalf("Bytes and Trailing are %d long, the input %d", got, len(b))
	}
	if p.Payload < 0 || p.Payload > len(p.Bytes) && !(p.Version == 6 && len(b) < ipv6HeaderLen) {
		t.Fatalf("Payload = %d of %d", p.Payload, len(p.Bytes))
	}
	if at := p.Problem.Offset; at < 0 || at > len(p.Bytes) {
		t.Fatalf("problem at %d of %d: %v", at, len(p.Bytes), p.Problem)
	}
	if end := p.Payload + len(p.Data()); p.Data() != nil && end != len(p.Bytes) {
		t.Fatalf("Data ends at %d of %d", end, len(p.Bytes))
	}
	next := ipv6HeaderLen
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if int(e.Offset) != next || int(e.Len) < 8 || int(e.Offset)+int(e.Len) > len(p.Bytes) {
			t.Fatalf("extension header %+v of %d", e, len(p.Bytes))
		}
		next = int(e.Offset) + int(e.Len)
	}
	// What was cut must not have counted. (Only that of a whole packet was.)
	if ok {
		var again Packet
		if !again.Decode(p.Bytes) || again.Trailing != 0 {
			t.Fatalf("Bytes decoded again: %v, %d trailing", again.Problem, again.Trailing)
		}
		again.Trailing, again.Bytes = p.Trailing, p.Bytes
		if fmt.Sprint(again) != fmt.Sprint(p) {
			t.Fatalf("Bytes decoded again differ:\n%+v\n%+v", again, p)
		}
	}
	checkVerdicts(t, &p)
	if !bytes.Equal(b, before) {
		t.Fatal("Decode or Checksums changed the bytes")
	}
}

// checkVerdicts judges every checksum of p a second way: with the naive loop,
// and with the value by hand written into the packet.
func checkVerdicts(t *testing.T, p *Packet) {
	t.Helper()
	checks := p.Checksums(nil)
	if len(checks) > 2 {
		t.Fatalf("%d checksums", len(checks))
	}
	for _, c := range checks {
		if c.Offset < 10 || c.Offset+2 > len(p.Bytes) {
			t.Fatalf("checksum %+v of %d bytes", c, len(p.Bytes))
		}
		if seen := binary.BigEndian.Uint16(p.Bytes[c.Offset:]); seen != c.Seen {
			t.Fatalf("checksum %+v, and the bytes say %#04x", c, seen)
		}
		mended := bytes.Clone(p.Bytes)
		binary.BigEndian.PutUint16(mended[c.Offset:], c.Hand)
		again := new(Packet)
		again.Decode(mended)
		if m := again.check(c.Layer); m == nil || m.Verdict != OK || m.Hand != c.Hand {
			t.Fatalf("checksum %+v, written into the packet: %+v", c, m)
		}
		if want := naiveChecksum(p, c); want != c.Hand {
			t.Fatalf("checksum %+v, and the naive loop says %#04x", c, want)
		}
		if c.Verdict == OK != congruent(c.Seen, c.Hand) && c.Seen != 0 && c.Hand != 0xffff {
			t.Fatalf("verdict of %+v", c)
		}
		// One bit turned over is always noticed.
		at := len(p.Bytes) - 1
		switch {
		case c.Verdict != OK:
			continue
		case c.Layer == LayerIPv4:
			at = 15
		case c.Layer == LayerUDP:
			at = p.Payload + p.UDP.Length - 1
			if p.UDP.Length == udpHeaderLen {
				continue // the last byte is the checksum's own
			}
		case len(p.Data()) <= 4:
			continue
		}
		spoiled := bytes.Clone(p.Bytes)
		spoiled[at] ^= 0x10
		if again.Decode(spoiled); again.check(c.Layer) != nil && again.check(c.Layer).Verdict != Bad {
			t.Fatalf("byte %d spoiled: %+v", at, again.check(c.Layer))
		}
	}
}

// naiveChecksum computes a checksum over a copy with the field set to zero,
// word by word.
func naiveChecksum(p *Packet, c Check) uint16 {
	b := bytes.Clone(p.Bytes)
	b[c.Offset], b[c.Offset+1] = 0, 0
	if c.Layer == LayerIPv4 {
		return ^naiveSum(b[:p.IPv4.HeaderLen], 0)
	}
	data := b[p.Payload:]
	if c.Layer == LayerUDP {
		data = data[:p.UDP.Length]
	}
	var pseudo []byte
	if c.Layer != LayerICMPv4 {
		pseudo = append(pseudo, p.Src.AsSlice()...)
		pseudo = append(pseudo, p.FinalDst().AsSlice()...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(data)))
		pseudo = append(pseudo, 0, 0, 0, p.Protocol)
	}
	sum := ^naiveSum(data, naiveSum(pseudo, 0))
	if sum == 0 && c.Layer == LayerUDP {
		return 0xffff
	}
	return sum
}

func FuzzExplain(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		checkPage(t, b)
		checkOffloaded(t, b)
	})
}

// checkPage holds Explain to what is true of all bytes: the page is bounded,
// holds each verdict, and its column comes to what the fast sum does.
func checkPage(t *testing.T, b []byte) {
	t.Helper()
	page := explained(t, b)
	if limit := min(256<<10, 16<<10+512*len(b)); len(page) > limit {
		t.Fatalf("%d bytes make a page of %d, over %d", len(b), len(page), limit)
	}
	var p Packet
	p.Decode(b)
	checks := p.Checksums(nil)
	if got := strings.Count(string(page), "\n  complement "); got != len(checks) {
		t.Fatalf("%d columns for %d checksums", got, len(checks))
	}
	for _, c := range checks {
		conclusion := fmt.Sprintf("\n  %s: by hand 0x%04x, in the packet 0x%04x: %s\n", checksumName(c.Layer), c.Hand, c.Seen, c.Verdict)
		if !strings.Contains(string(page), conclusion) {
			t.Fatalf("the page lacks %q", conclusion)
		}
		written := c.Hand
		if c.Layer == LayerUDP && naiveChecksum(&p, c) == 0xffff {
			written = 0 // the column stops before the exception
		}
		if complement := fmt.Sprintf("\n  complement       %14s  =", fmt.Sprintf("%04x", written)); !strings.Contains(string(page), complement) {
			t.Fatalf("the page lacks %q", complement)
		}
	}
	if reason := p.Problem.Reason; reason != "" && !strings.Contains(string(page), "Problem: "+reason) {
		t.Fatalf("the page does not tell of %s", reason)
	}
}

func FuzzExplainReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, request, reply []byte) {
		page := string(explainedReply(t, request, reply))
		if limit := 64 << 10; len(page) > limit {
			t.Fatalf("a page of %d, over %d", len(page), limit)
		}
		right := strings.Contains(page, "Every field of the reply is what it has to be.")
		if right == strings.Contains(page, "WRONG: ") && strings.Contains(page, "field by field") {
			t.Fatal("the summary and the rows do not agree")
		}
		var q, r Packet
		if right && !(q.Decode(request) && r.Decode(reply) && bytes.Equal(q.Data()[4:], r.Data()[4:])) {
			t.Fatal("a reply is called right that does not give back what was asked")
		}
	})
}

// TestSamples runs the fuzz targets' properties over every sample and every
// truncation of it.
func TestSamples(t *testing.T) {
	for name, b := range samples(t) {
		t.Run(name, func(t *testing.T) {
			checkDecode(t, b)
			checkPage(t, b)
			checkOffloaded(t, b)
			for n := range min(len(b), 200) {
				checkDecode(t, b[:n])
				checkPage(t, b[:n])
			}
		})
	}
}
