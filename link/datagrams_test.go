package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The reference of super-datagrams is written here byte by byte, without package
// header and without taking differences, which is what is tested with it.

// naivePseudo is the sum of UDP's pseudo-header, of an IP header without more.
func naivePseudo(packet []byte, length int) uint16 {
	addresses := packet[12:20]
	if packet[0]>>4 == 6 {
		addresses = packet[8:40]
	}
	return naiveSum(slices.Concat(addresses, []byte{0, protoUDP, byte(length >> 8), byte(length)}))
}

// naivePartial puts the lengths, the IPv4 header checksum, and the
// pseudo-header's sum into a packet.
func naivePartial(packet []byte, start int) []byte {
	packet = slices.Clone(packet)
	length := len(packet) - start
	if packet[0]>>4 == 4 {
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
		packet[10], packet[11] = 0, 0
		binary.BigEndian.PutUint16(packet[10:], 0xffff-naiveSum(packet[:start]))
	} else {
		binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-40))
	}
	binary.BigEndian.PutUint16(packet[start+4:], uint16(length))
	binary.BigEndian.PutUint16(packet[start+6:], naivePseudo(packet, length))
	return packet
}

// whole completes the checksum of naivePartial's packet.
func whole(packet []byte, start int) []byte { return completed(packet, start, start+6) }

// naiveSplit is what a super-datagram is to be split into.
func naiveSplit(packet []byte, start, size int) [][]byte {
	var all [][]byte
	for part := range slices.Chunk(packet[start+8:], size) {
		one := slices.Concat(packet[:start+8], part)
		if one[0]>>4 == 4 {
			id := binary.BigEndian.Uint16(one[4:]) + uint16(len(all))
			binary.BigEndian.PutUint16(one[4:], id)
		}
		all = append(all, naivePartial(one, start))
	}
	return all
}

// superUDP is the header of a super-datagram.
func superUDP(size, start uint16) virtioHeader {
	return virtioHeader{virtioNeedsChecksum, virtioUDP, start + 8, size, start, 6}
}

// splitAll admits and splits, and returns the datagrams' bytes.
func splitAll(t *testing.T, h virtioHeader, packet []byte) [][]byte {
	t.Helper()
	a, err := h.admit(packet)
	if err != nil || a.datagram == 0 {
		t.Fatalf("admitted as %+v, error %v", a, err)
	}
	before := slices.Clone(packet)
	var all [][]byte
	for _, pkt := range split(nil, packet, a) {
		if pkt.GSOOptions != a.gso || pkt.NetworkProtocolNumber != protocolOf(packet) || pkt.RXChecksumValidated != a.validated {
			t.Errorf("marked %+v, protocol %#x, validated %v, want %+v", pkt.GSOOptions, pkt.NetworkProtocolNumber, pkt.RXChecksumValidated, a)
		}
		all = append(all, bytesOf(pkt))
		pkt.DecRef()
	}
	if !bytes.Equal(packet, before) {
		t.Error("the super-datagram was changed")
	}
	return all
}

// TestSplit: what comes out is what the reference makes, over both versions, with
// options and extension headers, of any sizes, identifications that wrap included.
func TestSplit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		size := 1 + rnd.IntN(1500)
		count := 2 + rnd.IntN(mostSplit-1)
		n := min(size*(count-1)+1+rnd.IntN(size), 65000)
		if n <= size {
			continue
		}
		data := slices.Concat(udp(0), fill(n))
		start, packet := 20, []byte(nil)
		switch rnd.IntN(4) {
		case 0:
			packet = ip4(protoUDP, 0, data)
		case 1:
			start, packet = 32, ip4(protoUDP, 12, data)
		case 2:
			start, packet = 40, ip6(protoUDP, data)
		case 3:
			start, packet = 48, ip6(protoDestination, slices.Concat(extension(protoUDP, 0), data))
		}
		if packet[0]>>4 == 4 {
			binary.BigEndian.PutUint16(packet[4:], uint16(rnd.Uint32()))
		}
		packet = naivePartial(packet, start)
		got, want := splitAll(t, superUDP(uint16(size), uint16(start)), packet), naiveSplit(packet, start, size)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%d bytes in datagrams of %d, headers %x: not as the reference", n, size, packet[:start+8])
		}
	}
}

// TestSplitDamaged: a wrong sum stays wrong, so that whoever verifies sees it.
func TestSplitDamaged(t *testing.T) {
	good := naivePartial(ip4(protoUDP, 0, udp(3000)), 20)
	for _, field := range []int{10, 26} {
		damaged := with(good, field, good[field]^0x40)
		for i, d := range splitAll(t, superUDP(1000, 20), damaged) {
			right := naivePartial(d, 20)
			if (field == 10) == bytes.Equal(right[10:12], d[10:12]) || (field == 26) == bytes.Equal(right[26:28], d[26:28]) {
				t.Errorf("field at %d damaged: datagram %d is %x, right is %x", field, i, d[:28], right[:28])
			}
		}
	}
}

// gathering is a gatherer that writes into a slice.
type gathering struct {
	gatherer
	frames [][]byte
	counts []int
	bytes  int
	err    error // of each write
}

func newGathering() *gathering {
	g := &gathering{}
	g.write = func(h virtioHeader, packet []byte) error {
		g.frames = append(g.frames, frame(h, packet))
		return g.err
	}
	g.wrote = func(n, each, last int, err error) {
		g.counts = append(g.counts, n)
		g.bytes += (n-1)*each + last
	}
	return g
}

// put does with a packet what WritePackets does.
func (g *gathering) put(pkt *stack.PacketBuffer) (taken bool) {
	defer pkt.DecRef()
	if taken = g.take(pkt); !taken {
		var h virtioHeader
		h.describe(pkt)
		g.frames = append(g.frames, frame(h, bytesOf(pkt)))
		g.counts = append(g.counts, 1)
		g.bytes += pkt.Size()
	}
	return taken
}

// headed is a packet as netstack writes it, its headers so many bytes, in pieces.
func headed(packet []byte, headers, pieces int) *stack.PacketBuffer {
	data := packet[headers:]
	var payload buffer.Buffer
	for part := range slices.Chunk(data, max(1, len(data)/pieces)) {
		one := buffer.MakeWithData(part)
		payload.Merge(&one)
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 64, Payload: payload})
	copy(pkt.TransportHeader().Push(8), packet[headers-8:])
	copy(pkt.NetworkHeader().Push(headers-8), packet)
	return pkt
}

// reply is a datagram as a service sends it, with whole checksums.
func reply(version, port, n int, id uint16) []byte {
	start, packet := 20, ip4(protoUDP, 0, udp(n))
	if version == 6 {
		start, packet = 40, ip6(protoUDP, udp(n))
	} else {
		binary.BigEndian.PutUint16(packet[4:], id)
	}
	binary.BigEndian.PutUint16(packet[start+2:], uint16(port))
	for i := start + 8; i < len(packet); i += 16 {
		packet[i] = byte(id) + byte(i)
	}
	return whole(naivePartial(packet, start), start)
}

// received is what the kernel makes of frames: datagrams with whole checksums. The
// identifications that gathering changes are put back to 0.
func received(t *testing.T, frames [][]byte) [][]byte {
	t.Helper()
	var all [][]byte
	for _, f := range frames {
		var h virtioHeader
		h.decode(f)
		packet := f[virtioHeaderLen:]
		if h.segmentation == virtioUDP {
			start, count := int(h.checksumStart), 0
			for _, d := range naiveSplit(packet, start, int(h.segmentSize)) {
				all = append(all, whole(d, start))
				count++
			}
			if want := naivePartial(packet, start); !bytes.Equal(packet, want) {
				t.Fatalf("headers of %d datagrams are %x, want %x", count, packet[:start+8], want[:start+8])
			}
			if want := superUDP(h.segmentSize, uint16(start)); h != want || count < 2 || count > mostGathered || len(packet) > mostGatheredBytes {
				t.Fatalf("%d bytes, %d datagrams, under %+v, want %+v", len(packet), count, h, want)
			}
		} else {
			all = append(all, slices.Clone(packet))
		}
	}
	return all
}

// anonymous is a packet with identification 0, if it is IPv4.
func anonymous(packet []byte) []byte {
	if packet[0]>>4 != 4 {
		return packet
	}
	packet = with(packet, 4, 0, 0, packet[6], packet[7], packet[8], packet[9], 0, 0)
	sum := 0xffff - naiveSum(packet[:int(packet[0]&15)*4])
	return with(packet, 10, byte(sum>>8), byte(sum))
}

// TestGather: what is written is what was taken and what was not, each flow in its
// order, over random flows, lengths and kinds.
func TestGather(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	joined := 0
	for round := range 300 {
		g := newGathering()
		g.begin()
		var want [][]byte
		total := 0
		usual := 1 + rnd.IntN(1472)
		version, port := 4, 7
		for i := range 1 + rnd.IntN(200) {
			if rnd.IntN(20) == 0 {
				version, port = 4+2*rnd.IntN(2), 7+rnd.IntN(2)
			}
			n := usual
			switch rnd.IntN(30) {
			case 0:
				n = rnd.IntN(1472)
			case 1:
				n = min(n+1, 1472)
			case 2:
				n = 0
			}
			packet, headers := reply(version, port, n, uint16(i*977)), 28
			if version == 6 {
				headers = 48
			}
			if rnd.IntN(40) == 0 && n > 0 { // a wrong checksum is written as it is
				packet[len(packet)-1] ^= 1
			}
			want = append(want, anonymous(packet))
			total += len(packet)
			g.put(headed(packet, headers, 1+rnd.IntN(4)))
		}
		g.end()
		if g.put(headed(reply(4, 7, 10, 0), 28, 1)) {
			t.Fatal("a datagram was taken after the end")
		}
		want, total = append(want, anonymous(reply(4, 7, 10, 0))), total+38
		var got [][]byte
		for _, p := range received(t, g.frames) {
			got = append(got, anonymous(p))
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("round %d: %d datagrams written, %d received, or others", round, len(want), len(got))
		}
		count := 0
		for _, n := range g.counts {
			count += n
		}
		if count != len(want) || g.bytes != total {
			t.Fatalf("round %d: counted %d datagrams, %d bytes, want %d, %d", round, count, g.bytes, len(want), total)
		}
		joined += len(want) - len(g.frames)
	}
	if joined < 10000 {
		t.Errorf("only %d datagrams were joined to another", joined)
	}
}

// TestGatherBounds: how many frames become of series of datagrams.
func TestGatherBounds(t *testing.T) {
	series := func(count, n int) []int { return slices.Repeat([]int{n}, count) }
	for _, tc := range []struct {
		name  string
		sizes []int // of payload
		want  []int // datagrams in each frame
	}{
		{"one", []int{100}, []int{1}},
		{"two", []int{100, 100}, []int{2}},
		{"odd last", []int{100, 100, 1}, []int{3}},
		{"shorter ends", []int{100, 99, 99, 100}, []int{2, 1, 1}},
		{"longer begins", []int{100, 101, 101}, []int{1, 2}},
		{"empty is alone", []int{100, 100, 0, 100, 100}, []int{2, 1, 2}},
		{"most", series(130, 10), []int{64, 64, 2}},
		{"most bytes", series(60, 1400), []int{46, 14}},
		{"two halves", series(2, 32400), []int{2}},
		{"too long for two", series(3, 40000), []int{1, 1, 1}},
	} {
		for version, headers := range map[int]int{4: 28, 6: 48} {
			g := newGathering()
			g.begin()
			for i, n := range tc.sizes {
				g.put(headed(reply(version, 7, n, uint16(i)), headers, 1))
			}
			g.end()
			if d := cmp.Diff(tc.want, g.counts); d != "" {
				t.Errorf("%s over IPv%d (-want +got):\n%s", tc.name, version, d)
			}
			received(t, g.frames)
		}
	}
}

// TestGatherNot: what is never joined, and whether it has what is gathered
// written before it.
func TestGatherNot(t *testing.T) {
	four, six := reply(4, 7, 100, 1), reply(6, 7, 100, 1)
	fixed := func(packet []byte) []byte { return anonymous(packet) }
	for _, tc := range []struct {
		name    string
		packet  []byte
		flushes bool
	}{
		{"TCP", ip4(protoTCP, 0, tcp(0, 100)), false},
		{"ICMP", ip4(protoICMP, 0, fill(100)), false},
		{"ICMPv6", ip6(58, fill(100)), false},
		{"no IP", fill(100), false},
		{"nothing", []byte{0x45}, false},
		{"first fragment", fixed(with(four, 6, 0x20, 0)), true},
		{"later fragment", fixed(with(four, 6, 0, 1)), true},
		{"fragment of IPv6", ip6(protoFragment, slices.Concat(extension(protoUDP, 0), udp(100))), true},
		{"options", whole(naivePartial(ip4(protoUDP, 4, udp(100)), 24), 24), true},
		{"extension header", ip6(protoHopByHop, slices.Concat(extension(protoUDP, 0), udp(100))), true},
		{"no checksum", with(four, 26, 0, 0), true},
		{"wrong checksum", with(four, 26, four[26]^1), true},
		{"wrong checksum over IPv6", with(six, 46, six[46]^1), true},
		{"wrong header checksum", with(four, 10, four[10]^1), true},
		{"wrong total length", fixed(with(four, 2, 0, 127)), true},
		{"wrong payload length", with(six, 5, 107), true},
		{"wrong length", with(four, 24, 0, 107), true},
		{"half a header", fixed(with(four[:24], 2, 0, 24)), true},
	} {
		g := newGathering()
		g.begin()
		g.put(headed(reply(4, 7, 100, 1), 28, 1))
		g.put(headed(reply(4, 7, 100, 2), 28, 1))
		if g.put(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(tc.packet)})) {
			t.Errorf("%s: taken", tc.name)
		}
		want := []int{1}
		if tc.flushes {
			want = []int{2, 1}
		}
		if d := cmp.Diff(want, g.counts); d != "" {
			t.Errorf("%s: frames before the end (-want +got):\n%s", tc.name, d)
		}
		g.end()
		last := g.frames[len(g.frames)-1]
		if tc.flushes && !bytes.Equal(last[virtioHeaderLen:], tc.packet) {
			t.Errorf("%s: written as %x, want %x", tc.name, last, tc.packet)
		}
	}
	// Another mark, port, address, TTL, ToS, DF or flow label is another flow.
	for at, packet := range map[int][]byte{
		1: four, 6: four, 8: four, 15: four, 19: four, 21: four, 23: four,
		-1: six, -3: six, -7: six, -20: six, -30: six, -41: six, -43: six,
	} {
		g := newGathering()
		g.begin()
		headers, start := 28, 20
		if at < 0 {
			at, headers, start = -at, 48, 40
		}
		g.put(headed(packet, headers, 1))
		other := with(packet, at, packet[at]^0x40)
		other[start+6], other[start+7] = 0, 0
		g.put(headed(whole(naivePartial(other, start), start), headers, 1))
		g.end()
		if d := cmp.Diff([]int{1, 1}, g.counts); d != "" {
			t.Errorf("byte %d of %x differs: frames (-want +got):\n%s", at, packet[:headers], d)
		}
	}
}

// TestGatherUnfinished: a datagram whose checksum was left to the kernel is not
// joined; it cannot be told whether it is right.
func TestGatherUnfinished(t *testing.T) {
	g := newGathering()
	g.begin()
	defer g.end()
	pkt := headed(reply(4, 7, 100, 1), 28, 1)
	pkt.GSOOptions.NeedsCsum = true
	if g.put(pkt) {
		t.Error("taken")
	}
}

// TestGatherTogether: several goroutines write while batches come and go. Each one's
// datagrams arrive in its order, and none is lost.
func TestGatherTogether(t *testing.T) {
	g := newGathering()
	var frames sync.Mutex // put's own, beside write
	write := g.write
	g.write = func(h virtioHeader, packet []byte) error {
		frames.Lock()
		defer frames.Unlock()
		return write(h, packet)
	}
	const writers, each = 4, 2000
	done := make(chan struct{})
	var writing, delivering sync.WaitGroup
	delivering.Go(func() {
		for {
			g.begin()
			g.end()
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				pkt := headed(reply(4+2*(w%2), 100+w, 1+i%7, uint16(i)), 28+20*(w%2), 1)
				if !g.take(pkt) {
					frames.Lock()
					g.frames = append(g.frames, frame(virtioHeader{}, bytesOf(pkt)))
					frames.Unlock()
				}
				pkt.DecRef()
			}
		})
	}
	writing.Wait()
	close(done)
	delivering.Wait()
	next := make([]int, writers)
	for _, p := range received(t, g.frames) {
		start := 20
		if p[0]>>4 == 6 {
			start = 40
		}
		w := int(binary.BigEndian.Uint16(p[start+2:])) - 100
		if want := reply(4+2*(w%2), 100+w, 1+next[w]%7, uint16(next[w])); !bytes.Equal(anonymous(p), anonymous(want)) {
			t.Fatalf("writer %d: its datagram %d is %x, want %x", w, next[w], p, want)
		}
		next[w]++
	}
	if d := cmp.Diff(slices.Repeat([]int{each}, writers), next); d != "" {
		t.Errorf("datagrams of each writer (-want +got):\n%s", d)
	}
}

// TestGatherFails: each datagram that could not be written is counted by the name
// of the failure.
func TestGatherFails(t *testing.T) {
	log := discard()
	for name, err := range map[string]error{"link-closed": os.ErrClosed, "link-write-error": errors.New("no"), "": nil} {
		e := &Endpoint{log: log}
		e.gather = &gatherer{write: func(virtioHeader, []byte) error { return err }, wrote: e.wroteGathered}
		e.gather.begin()
		var pkts stack.PacketBufferList
		var sizes [SizeBounds]uint64
		for _, n := range []int{100, 100, 100, 100, 72} {
			pkts.PushBack(headed(reply(4, 7, n, 1), 28, 1))
			sizes[sizeOf(28+n)]++
		}
		if n, terr := e.WritePackets(pkts); n != 5 || terr != nil {
			t.Errorf("%q: wrote %d, %v", name, n, terr)
		}
		pkts.DecRef()
		e.gather.end()
		want := Counters{OutPackets: 5, OutBytes: 4*128 + 100, OutSizes: sizes, Drops: map[string]uint64{}}
		if name != "" {
			want = Counters{Drops: map[string]uint64{name: 5}}
		}
		if d := cmp.Diff(want, e.Counters()); d != "" {
			t.Errorf("%q: counters (-want +got):\n%s", name, d)
		}
	}
}

// TestAbandonGather: of a reader that is given up nobody waits for the batch: what was
// gathered is written, and what comes then at once, also if the reader comes back while
// the next one has a batch.
func TestAbandonGather(t *testing.T) {
	writes := 0
	e := &Endpoint{log: discard(), reading: true, delivering: true}
	e.changed = sync.NewCond(&e.mu)
	e.gather = &gatherer{write: func(virtioHeader, []byte) error { writes++; return nil }, wrote: e.wroteGathered}
	pkt := headed(reply(4, 7, 100, 1), 28, 1)
	defer pkt.DecRef()
	e.gather.begin()
	if !e.gather.take(pkt) || writes != 0 {
		t.Fatalf("it does not gather: %d written", writes)
	}
	e.Abandon()
	if writes != 1 || e.gather.take(pkt) {
		t.Errorf("%d written, want 1, and nothing gathered any more", writes)
	}
	e.gather.begin() // the next reader
	if !e.gather.take(pkt) {
		t.Error("the next reader's batch is not gathered")
	}
	e.gather.end() // the one given up
	if writes != 2 || e.gather.take(pkt) {
		t.Errorf("%d written, want 2, and nothing gathered any more", writes)
	}
	e.gather.end()
	if writes != 2 {
		t.Errorf("%d written, want 2", writes)
	}
}

func BenchmarkGather(b *testing.B) {
	g := &gatherer{write: func(virtioHeader, []byte) error { return nil }, wrote: func(int, int, int, error) {}}
	for _, n := range []int{64, 1400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pkt := headed(reply(4, 7, n, 1), 28, 1)
			defer pkt.DecRef()
			g.begin()
			b.ReportAllocs()
			for b.Loop() {
				g.take(pkt)
			}
			g.end()
		})
	}
}
