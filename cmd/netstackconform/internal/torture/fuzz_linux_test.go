package torture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/cmd/netstackconform/internal/hostile"
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/stack"
)

// A fuzzed is a way that stands for many inputs, and what is known of it.
type fuzzed struct {
	config Config
	path   *Path
	judge  *Judge
	feed   *feed
	reader sync.WaitGroup
	out    *Outcome
	inputs int
}

// mostInputs is how many inputs one path serves, for speed: what earlier inputs left
// behind is not in the input that a failure shows.
const mostInputs = 500

// fuzzedWays are those of the fuzz targets, by the first byte of their input.
var fuzzedWays = []Config{
	{Guard: "on", Offload: true}, {Guard: "on"}, {Guard: "strict", Offload: true}, {Guard: "strict"},
}

func newFuzzed(t testing.TB, c Config) *fuzzed {
	t.Helper()
	mode, err := guard.ParseMode(c.Guard)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := logtest.NewNullLogger()
	log.SetOutput(io.Discard)
	w := &fuzzed{config: c, judge: NewJudge(), out: c.outcome()}
	if w.path, err = NewPath(&c, mode, w.judge, log); err != nil {
		t.Fatal(err)
	}
	w.feed = newFeed(w.path.device.send)
	w.reader.Go(func() {
		for buf := make([]byte, 1<<17); ; {
			b, err := w.path.device.receive(buf)
			if err != nil {
				return // the device is closed
			}
			w.feed.heard(b)
		}
	})
	return w
}

// close takes it apart, and wants all to add up.
func (w *fuzzed) close(t testing.TB) {
	t.Helper()
	err := w.path.Close()
	w.reader.Wait()
	if err := errors.Join(err, w.path.device.free()); err != nil {
		t.Error(err)
	}
	o := w.out
	o.Counts = w.path.counts()
	o.settle()
	o.accountFor()
	for _, wrong := range o.Wrong {
		t.Errorf("%s: in the end %s", w.config.Name(), wrong)
	}
}

// pass sends packets, and sees how the path is after them.
func (w *fuzzed) pass(t *testing.T, packets []hostile.Packet) {
	t.Helper()
	w.inputs++
	if err := errors.Join(w.feed.all(packets, w.out), w.feed.look(t.Context(), w.out, nil)); err != nil {
		t.Fatalf("%s: %v%s", w.config.Name(), err, w.panic())
	}
	if what := w.panic(); what != "" {
		t.Fatalf("%s%s", w.config.Name(), what)
	}
	var totals hooks.Totals
	// What netstack makes in its own time may be between its sight and its fate just
	// now.
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		w.path.comparer.Sweep(time.Now().Add(time.Hour))
		totals = w.path.ledger.Totals()
		if totals.In == fates(totals.InFates) && totals.Out == fates(totals.OutFates) {
			break
		}
	}
	if totals.In != fates(totals.InFates) || totals.Out != fates(totals.OutFates) {
		t.Errorf("%s: %d packets in with the fates %v, %d out with %v", w.config.Name(), totals.In, totals.InFates, totals.Out, totals.OutFates)
	}
	// What is missing may come yet, for nobody has waited for it.
	w.judge.tell(w.out)
	for _, f := range w.out.Findings {
		if strings.HasPrefix(f.Name, string(trace.Differ)) {
			t.Errorf("%s: no case lists it: %s: %s\nasked  %s\nsaid   %s\nby hand %s", w.config.Name(), f.Name, f.Detail, f.Request, f.Reply, f.Hand)
		}
	}
}

// panic says of what netstack has panicked, if it has.
func (w *fuzzed) panic() string {
	select {
	case what := <-w.path.panicked:
		return fmt.Sprintf(": %v", panicError(what))
	default:
		return ""
	}
}

func fates(m map[hooks.Fate]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// ways keeps the paths that serve the inputs of a target.
type ways [4]*fuzzed

// through sends packets by one of the ways.
func (all *ways) through(t *testing.T, which byte, packets []hostile.Packet) {
	w := &all[int(which)%len(all)]
	if *w == nil {
		*w = newFuzzed(t, fuzzedWays[int(which)%len(all)])
	}
	defer func() {
		if t.Failed() || (*w).inputs == mostInputs {
			(*w).close(t)
			*w = nil
		}
	}()
	(*w).pass(t, packets)
}

func (all *ways) close(t testing.TB) {
	for _, w := range all {
		if w != nil {
			w.close(t)
		}
	}
}

// mostRecords is how many packets of an input are sent.
const mostRecords = 8

// recordLen is the length of what stands before a packet in an input: whether its
// checksums are to be made right, the virtio-net header, the packet's length, and how
// many zeros are behind it.
const recordLen = 1 + hostile.HeaderLen + 2 + 2

// encode writes packets as input of FuzzPath.
func encode(which byte, packets []hostile.Packet) []byte {
	b := []byte{which}
	for _, p := range packets[:min(len(packets), mostRecords)] {
		n := len(p.Bytes)
		for n > 0 && p.Bytes[n-1] == 0 {
			n--
		}
		h := p.Header
		b = append(b, 0, h.Flags, h.Segmentation)
		for _, v := range []uint16{h.HeaderLen, h.SegmentSize, h.ChecksumStart, h.ChecksumOffset, uint16(n), uint16(len(p.Bytes) - n)} {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		b = append(b, p.Bytes[:n]...)
	}
	return b
}

// decode reads the packets of any input.
func decode(b []byte) (which byte, packets []hostile.Packet) {
	if len(b) == 0 {
		return 0, nil
	}
	which, b = b[0], b[1:]
	for len(b) >= recordLen && len(packets) < mostRecords {
		mend := b[0]&1 != 0
		word := func(at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
		p := hostile.Packet{Kind: hostile.Noise, Header: hostile.Header{
			Flags: b[1], Segmentation: b[2], HeaderLen: word(3), SegmentSize: word(5), ChecksumStart: word(7), ChecksumOffset: word(9),
		}}
		n, zeros := int(word(11)), int(word(13))
		b = b[recordLen:]
		n = min(n, len(b))
		p.Bytes = make([]byte, min(n+zeros, 65535))
		copy(p.Bytes, b[:n])
		b = b[n:]
		if mend {
			hostile.Complete(p.Bytes)
		}
		if len(p.Bytes) > 0 {
			packets = append(packets, p)
		}
	}
	return which, packets
}

// FuzzPath sends up to eight packets of any bytes, behind any virtio-net header, by one
// of four ways: with the guard on or strict, with offload or without. Whatever they
// are, nothing panics or hangs, each has exactly one fate, a ping over either family is
// answered after them, and no reply is another than by hand but for what a case of the
// catalogue lists.
func FuzzPath(f *testing.F) {
	all := &ways{}
	f.Cleanup(func() { all.close(f) })
	f.Fuzz(func(t *testing.T, input []byte) {
		which, packets := decode(input)
		all.through(t, which, packets)
	})
}

// FuzzHostile has the generator make the packets, of any seed.
func FuzzHostile(f *testing.F) {
	all := &ways{}
	f.Cleanup(func() { all.close(f) })
	for which := range fuzzedWays {
		f.Add(byte(which), uint64(1), uint64(2))
	}
	open, _ := stack.Ports(stack.ServiceNames())
	f.Fuzz(func(t *testing.T, which byte, seed, part uint64) {
		g := hostile.New(hostile.Config{Seed: seed, Part: part, Host4: suite.Prefix4.Addr(), Host6: suite.Prefix6.Addr(), Open: open})
		var packets []hostile.Packet
		for len(packets) < 50 {
			group := g.Next()
			packets = append(packets, group.Packets...)
			if group.Opening != nil { // of a connection that is not there
				packets = append(packets, group.Opening.Follow(uint32(part))...)
			}
		}
		all.through(t, which, packets)
	})
}

// mostSeed bounds a seed, in bytes: long ones make the fuzzer slow.
const mostSeed = 2000

// pathSeeds are the inputs that FuzzPath begins with, by name: two groups of each kind,
// by each way in turn.
func pathSeeds(t *testing.T) map[string][]byte {
	t.Helper()
	open, _ := stack.Ports(stack.ServiceNames())
	g := hostile.New(hostile.Config{Seed: 1, Host4: suite.Prefix4.Addr(), Host6: suite.Prefix6.Addr(), Open: open})
	seeds, made := map[string][]byte{}, map[hostile.Kind]int{}
	for tries := 0; len(seeds) < 2*len(hostile.Kinds()); tries++ {
		if tries == 10_000 {
			t.Fatalf("only %v", made)
		}
		group := g.Next()
		packets, kind := group.Packets, group.Packets[0].Kind
		if group.Opening != nil {
			packets = append(packets, group.Opening.Follow(1)...)
		}
		input := encode(byte(len(seeds)), packets)
		if made[kind] < 2 && len(input) <= mostSeed {
			made[kind]++
			seeds[fmt.Sprintf("%s-%d", kind, made[kind])] = input
		}
	}
	return seeds
}

var update = flag.Bool("update", false, "rewrite the fuzz seeds")

// TestPathSeeds holds the seeds in testdata to what makes them here.
func TestPathSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzPath")
	seeds := pathSeeds(t)
	for name, input := range seeds {
		path, want := filepath.Join(dir, name), fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", input)
		if *update {
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(want), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("read seed: %v; -update writes it", err)
		}
		if string(got) != want {
			t.Errorf("%s differs, -update rewrites it", path)
		}
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

// TestEncode: what encode writes, decode reads.
func TestEncode(t *testing.T) {
	want := []hostile.Packet{
		{Kind: hostile.Noise, Bytes: []byte{1, 2, 3, 0, 0}, Header: hostile.Header{
			Flags: 1, Segmentation: 5, HeaderLen: 0x102, SegmentSize: 0x304, ChecksumStart: 0x506, ChecksumOffset: 0x708,
		}},
		{Kind: hostile.Noise, Bytes: bytes.Repeat([]byte{7}, 65535)},
		{Kind: hostile.Noise, Bytes: make([]byte, 40)},
	}
	which, got := decode(encode(3, want))
	if diff := cmp.Diff(want, got); which != 3 || diff != "" {
		t.Errorf("way %d, (-want +got):\n%s", which, diff)
	}
	if _, got := decode(bytes.Repeat([]byte{0, 1}, 500)); len(got) > mostRecords {
		t.Errorf("%d packets, want no more than %d", len(got), mostRecords)
	}
}
