//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks"
	"netstackd/hooks/wire"
	"netstackd/link"
	"netstackd/link/linktest"
	"netstackd/stack"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A record is one inbound packet in the fuzzer's input: flags, the length of
// the bytes, the number of zeros behind them, the bytes.
type record struct {
	// mend computes the checksums afresh before the packet is injected, so
	// that what the fuzzer has changed gets further than that.
	mend  bool
	bytes []byte
}

const maxRecords = 8

// encode writes records as input of the fuzzer.
func encode(records ...record) []byte {
	var b []byte
	for _, r := range records {
		data := bytes.TrimRight(r.bytes, "\x00")
		flags := byte(0)
		if r.mend {
			flags = 1
		}
		b = append(b, flags)
		b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
		b = binary.BigEndian.AppendUint16(b, uint16(len(r.bytes)-len(data)))
		b = append(b, data...)
	}
	return b
}

// decode reads the packets of any input, at most maxRecords.
func decode(b []byte) [][]byte {
	var packets [][]byte
	for len(b) >= 5 && len(packets) < maxRecords {
		mend := b[0]&1 != 0
		n, zeros := int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
		b = b[5:]
		n = min(n, len(b))
		// No TUN device has a longer one.
		packet := make([]byte, min(n+zeros, 65535))
		copy(packet, b[:n])
		b = b[n:]
		if mend {
			mendChecksums(packet)
		}
		packets = append(packets, packet)
	}
	return packets
}

// mendChecksums writes the right checksums into a packet, as far as it has any.
func mendChecksums(b []byte) {
	for range 2 { // the header's first: the upper layer's may be judged after it
		var p wire.Packet
		p.Decode(b)
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			binary.BigEndian.PutUint16(b[c.Offset:], c.Hand)
		}
	}
}

// A rig is the whole of netstackd around a device in memory.
type rig struct {
	device   *linktest.Device
	endpoint *link.Endpoint
	pipeline *pipeline
	netstack *stack.Host
	// injected counts the packets given to the device, pings those of them
	// that were ours.
	injected, pings uint64
}

// newRig builds the packet's way as bringUp does, with everything that -trace
// compare does, and with receive offload or without.
func newRig(t testing.TB, cfg *config.Config, receiveOffload bool) *rig {
	t.Helper()
	fake, err := linktest.NewDevice(linktest.DeviceOptions{MTU: cfg.MTU})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := link.NewEndpoint(link.Wrap(fake), link.Options{Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{device: fake, endpoint: endpoint}
	if r.pipeline, err = newPipeline(cfg, receiveOffload, silent()); err != nil {
		t.Fatal(err)
	}
	r.netstack, err = stack.New(stack.Config{
		Link:      hooks.New(r.endpoint, r.pipeline.ledger, r.pipeline.options, r.pipeline.chain...),
		Addresses: cfg.Addresses, Services: cfg.Services, Log: silent(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.pipeline.judge(r.netstack)
	r.pipeline.start()
	if err := r.netstack.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// close takes it apart as takeDown does, and wants the summary to add up.
func (r *rig) close(t testing.TB) {
	t.Helper()
	r.endpoint.Attach(nil)
	r.endpoint.Wait()
	if err := r.netstack.Close(); err != nil {
		t.Error(err)
	}
	r.endpoint.Close()
	s, err := r.pipeline.close(r.endpoint.Counters().Drops, r.netstack.Counters().Drops)
	if err != nil {
		t.Error(err)
	}
	in, out := total(s.Fates.In), total(s.Fates.Out)
	if s.Packets.In != in || s.Packets.Out != out {
		t.Errorf("in the end %d packets in with %d fates, %d out with %d", s.Packets.In, in, s.Packets.Out, out)
	}
	if s.TraceLost != 0 {
		t.Logf("%d trace events lost", s.TraceLost)
	}
}

func total[K comparable](m map[K]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// inject puts a packet in, and waits for the device to have room.
func (r *rig) inject(t *testing.T, b []byte) {
	t.Helper()
	if err := r.device.Inject(b); err != nil {
		t.Fatal(err)
	}
	r.injected++
}

// patience is what an answer may take on the slowest machine.
const patience = 10 * time.Second

// ping sends an echo request with data of its own and waits for the right
// reply. What else comes out is thrown away. Since packets go in order, all
// that were injected before have been handed to netstack then.
func (r *rig) ping(t *testing.T, from, to netip.Addr) {
	t.Helper()
	r.pings++
	data := fmt.Appendf(nil, "is anybody there? %d", r.pings)
	request := echoRequest(from, to, uint16(r.pings), data)
	r.inject(t, request)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case b := <-r.device.Sent():
			var p wire.Packet
			if !p.Decode(b) || p.Src != to || p.Dst != from || p.Upper != layerICMP(to) || !bytes.HasSuffix(b, data) {
				continue
			}
			if p.ICMP.Type != wire.ICMPv4EchoReply && p.ICMP.Type != wire.ICMPv6EchoReply {
				continue
			}
			var checks [2]wire.Check
			for _, c := range p.Checksums(checks[:0]) {
				if c.Verdict != wire.OK {
					t.Errorf("the reply's %s checksum is %#04x, want %#04x", c.Layer, c.Seen, c.Hand)
				}
			}
			if len(p.Data()) != 8+len(data) || p.ICMP.ID != 0x7e57 || p.ICMP.Seq != uint16(r.pings) {
				t.Errorf("the reply is %x, to %x", b, request)
			}
			return
		case <-timer.C:
			t.Fatalf("a ping from %s to %s is not answered any more; counted %+v", from, to, r.pipeline.ledger.Totals())
		}
	}
}

// check wants each packet to have exactly one fate, once the requests that are
// still open are past their deadline.
func (r *rig) check(t *testing.T) {
	t.Helper()
	moved := r.endpoint.Counters()
	drops := uint64(0)
	for reason, n := range moved.Drops {
		switch reason {
		case "link-empty":
			drops += n
		default:
			t.Errorf("the link dropped %d packets as %s", n, reason)
		}
	}
	if moved.InPackets+drops != r.injected {
		t.Errorf("%d packets injected, %d handed on, %d dropped by the link", r.injected, moved.InPackets, drops)
	}
	var totals hooks.Totals
	// Netstack answers TCP in its own time: what it makes may be between its
	// sight and its fate just now.
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		r.pipeline.comparer.Sweep(time.Now().Add(time.Hour))
		if totals = r.pipeline.ledger.Totals(); totals.In == total(totals.InFates) && totals.Out == total(totals.OutFates) {
			break
		}
	}
	if totals.In != moved.InPackets {
		t.Errorf("the link handed %d packets on, the hooks saw %d", moved.InPackets, totals.In)
	}
	if totals.In != total(totals.InFates) || totals.Out != total(totals.OutFates) {
		t.Errorf("%d packets in with the fates %v, %d out with %v", totals.In, totals.InFates, totals.Out, totals.OutFates)
	}
	dropped := totals.InFates[hooks.Dropped] + totals.InFates[hooks.Guarded] + totals.OutFates[hooks.Dropped]
	if dropped != total(totals.Drops) || totals.Drops[hooks.ReasonUnknown] != 0 {
		t.Errorf("%d packets dropped for %v", dropped, totals.Drops)
	}
}

var (
	kernel4, own4 = netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("172.16.0.2")
	kernel6, own6 = netip.MustParseAddr("fd00:172::1"), netip.MustParseAddr("fd00:172::2")
)

func layerICMP(a netip.Addr) wire.Layer {
	if a.Is4() {
		return wire.LayerICMPv4
	}
	return wire.LayerICMPv6
}

// pass lets packets through and sees whether all is well afterwards.
func (r *rig) pass(t *testing.T, packets [][]byte) {
	t.Helper()
	r.send(t, packets)
	r.check(t)
}

// send lets packets through, and sees whether pings are answered after them.
func (r *rig) send(t *testing.T, packets [][]byte) {
	t.Helper()
	for _, b := range packets {
		r.inject(t, b)
	}
	r.ping(t, kernel4, own4)
	r.ping(t, kernel6, own6)
}

// hear waits for the replies that are due, and then until none comes any more,
// due or not, for netstack answers TCP in its own time. One that does not come
// is for others to complain of.
func (r *rig) hear() {
	for begin := time.Now(); r.pipeline.comparer.Awaited() > 0 && time.Since(begin) < time.Second; {
		time.Sleep(time.Millisecond)
	}
	for last, now := ^uint64(0), uint64(0); now != last; {
		last = now
		time.Sleep(20 * time.Millisecond)
		now = r.endpoint.Counters().OutPackets
	}
}

// pathArgs are those of the netstackd under test.
var pathArgs = []string{"-trace", "compare", "-trace-format", "json", "-trace-out", os.DevNull}

// FuzzInboundPath sends up to eight packets of any bytes through the whole of
// netstackd: link, guard, comparison, trace, and netstack with all services.
// Whatever they are, nothing panics or hangs, each has exactly one fate, and a
// ping over either family is answered after them.
func FuzzInboundPath(f *testing.F) {
	cfg := parsed(f, pathArgs...)
	var r *rig
	f.Cleanup(func() {
		if r != nil {
			r.close(f)
		}
	})
	// One netstack serves many inputs, for speed; not for ever, for what
	// earlier inputs left behind (half-open connections, fragments) is not in
	// the input that a failure shows.
	const inputs = 500
	used := 0
	f.Fuzz(func(t *testing.T, input []byte) {
		if r != nil && used == inputs {
			r.close(t)
			r = nil
		}
		if r == nil {
			r, used = newRig(t, cfg, false), 0
		}
		used++
		defer func() {
			if t.Failed() {
				r.close(t)
				r = nil
			}
		}()
		r.pass(t, decode(input))
	})
}

// TestPathSeeds holds the seeds in testdata to what makes them here, and sends
// each through a netstackd of its own. What became of the packets is in
// testdata/path-fates.golden: whether the hooks verify checksums or netstack does
// makes no difference to that.
func TestPathSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzInboundPath")
	seeds := pathSeeds(t)
	for _, receiveOffload := range []bool{false, true} {
		var fates strings.Builder
		for _, name := range slices.Sorted(maps.Keys(seeds)) {
			input := encode(seeds[name]...)
			golden(t, filepath.Join(dir, name), fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", input))
			t.Run(fmt.Sprintf("%s, receive offload %v", name, receiveOffload), func(t *testing.T) {
				r := newRig(t, parsed(t, pathArgs...), receiveOffload)
				defer r.close(t)
				r.send(t, decode(input))
				r.hear()
				r.check(t)
				totals := r.pipeline.ledger.Totals()
				totals.InFates[hooks.Answered] -= r.pings
				maps.DeleteFunc(totals.InFates, func(_ hooks.Fate, n uint64) bool { return n == 0 })
				fmt.Fprintf(&fates, "%s: %v %v\n", name, totals.InFates, totals.Drops)
			})
		}
		golden(t, filepath.Join("testdata", "path-fates.golden"), fates.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := seeds[e.Name()]; !ok && len(e.Name()) != 16 { // the fuzzer's own finds have 16 digits
			t.Errorf("%s in %s is made by nothing", e.Name(), dir)
		}
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", path, diff)
	}
}

// TestEncode: what encode writes, decode reads.
func TestEncode(t *testing.T) {
	want := [][]byte{{1, 2, 3, 0, 0}, {}, {0, 0}, bytes.Repeat([]byte{7}, 65535)}
	var records []record
	for _, b := range want {
		records = append(records, record{bytes: b})
	}
	if got := decode(encode(records...)); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("decoded %v", got)
	}
	if got := decode(bytes.Repeat([]byte{0}, 5*20)); len(got) != maxRecords {
		t.Errorf("%d packets, want no more than %d", len(got), maxRecords)
	}
	for _, name := range []string{"echo-request", "packets/tcp-syn", "packets/udp6", "packets/echo6-request"} {
		b := wirePacket(t, name)
		spoiled := slices.Clone(b)
		var p wire.Packet
		p.Decode(spoiled)
		var checks [2]wire.Check
		for _, c := range p.Checksums(checks[:0]) {
			spoiled[c.Offset] ^= 0x55
		}
		if mendChecksums(spoiled); !bytes.Equal(spoiled, b) {
			t.Errorf("%s: mended to %x, want %x", name, spoiled, b)
		}
	}
}
