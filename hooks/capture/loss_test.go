package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"netstackd/hooks"
	"netstackd/hooks/capture"
	"netstackd/hooks/trace"
)

var errFull = errors.New("disk full")

// A disk is a regular file in memory that takes so many bytes of each write
// after the header as moods tells in turn: -1 all, else that many, with err;
// and whose Truncate fails as often as uncut tells.
type disk struct {
	mu sync.Mutex
	// The following are guarded by mu.
	moods []int
	err   error
	turn  int
	uncut int
	data  []byte
	at    int64
}

var _ capture.Store = (*disk)(nil)

func (d *disk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	take, err := len(b), error(nil)
	if d.at > 0 {
		if mood := d.moods[d.turn%len(d.moods)]; mood >= 0 && mood < len(b) {
			take, err = mood, d.err
		}
		d.turn++
	}
	// As a file does: bytes that were cut off come back as zeros.
	if grow := int(d.at) + take - len(d.data); grow > 0 {
		d.data = append(d.data, make([]byte, grow)...)
	}
	copy(d.data[d.at:], b[:take])
	d.at += int64(take)
	return take, err
}

func (d *disk) Seek(offset int64, whence int) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if whence == io.SeekStart {
		d.at = offset
	}
	return d.at, nil
}

func (d *disk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uncut > 0 {
		d.uncut--
		return errFull
	}
	d.data = d.data[:size]
	return nil
}

func (d *disk) Close() error { return nil }

// open makes a recorder on a store.
func open(t *testing.T, s capture.Store, regular bool, log logrus.FieldLogger) *capture.Recorder {
	t.Helper()
	r, err := capture.OpenStores(capture.Config{Path: "f.pcapng", Log: log}, regular, func(string) (capture.Store, error) { return s, nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pings records requests with their replies and comparisons, three events
// each. Their numbers begin with seq.
func pings(t testing.TB, r trace.Tracer, seq uint64, n int) {
	all := samples(t)
	request := packet(1, hooks.Inbound, all["echo-request"], hooks.Answered, "")
	reply := packet(2, hooks.Outbound, all["echo-reply"], hooks.Sent, "")
	for range n {
		request.Seq, request.Time = seq, at(seq)
		reply.Seq, reply.Time = seq+1, at(seq+1)
		record(r, request, reply, comparison(seq+2, seq, trace.Match))
		seq += 3
	}
}

// checkCapture wants whole blocks in order, whose events and the losses add
// up to those recorded.
func checkCapture(t *testing.T, data []byte, whole bool, recorded int, lost uint64) {
	t.Helper()
	_, blocks := read(t, bytes.NewReader(data), whole)
	last, written := uint64(0), 0
	for _, b := range blocks {
		text, _ := value(b.comment(), "seq")
		var seq uint64
		if _, err := fmt.Sscan(text, &seq); err != nil || seq <= last {
			t.Fatalf("after #%d: %s", last, b.comment())
		}
		last = seq
		written++
		// A comparison counts with the reply; the request shows it too.
		if dir, _ := value(b.comment(), "dir"); dir == "out" && strings.Contains(b.comment(), " compare=") {
			written++
		}
	}
	if uint64(written)+lost != uint64(recorded) {
		t.Errorf("%d events written and %d lost, of %d", written, lost, recorded)
	}
}

// TestMoodyDisk: whatever a disk takes of a write, before it fails and works
// again, the file is whole at any time, and each event is written or counted
// as lost.
func TestMoodyDisk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moods []int
		err   error
		uncut int
	}{
		{name: "takes all", moods: []int{-1}},
		{name: "fails now and then", moods: []int{0, -1, 0, 0, -1}, err: errFull},
		{name: "takes a byte and fails", moods: []int{1, -1}, err: errFull},
		{name: "tears blocks", moods: []int{100, 700, 0, 33, 1, 0, 0, 5, 100_000, -1}, err: errFull},
		{name: "says nothing", moods: []int{0, 300, 17, -1}},
		{name: "cannot be cut at once", moods: []int{1000, 200_001, -1}, err: errFull, uncut: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &disk{moods: tt.moods, err: tt.err, uncut: tt.uncut}
			log, logged := logtest.NewNullLogger()
			r := open(t, d, true, log)
			const n = 3000 // many chunks
			pings(t, r, 1, n)
			r.Start()
			err := r.Close(patience)
			if err != nil && !errors.Is(err, errFull) && !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("Close: %v", err)
			}
			if (r.Lost() == 0) != (tt.name == "takes all") {
				t.Errorf("%d lost", r.Lost())
			}
			checkCapture(t, d.data, true, 3*n, r.Lost())
			checkLog(t, logged, r.Lost(), "")
		})
	}
}

// TestFullDisk: on a real file system that fills up the file ends with the
// last whole packet, and goes on when there is room again.
func TestFullDisk(t *testing.T) {
	path := t.TempDir() + "/f.pcapng"
	full := &limited{room: 100_000}
	r, err := capture.OpenStores(capture.Config{Path: path, Log: silentLog()}, true, func(name string) (capture.Store, error) {
		f, err := os.Create(name)
		full.File = f
		return full, err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	const n = 500
	pings(t, r, 1, n)
	waitFor(t, "a loss", func() bool { return r.Lost() > 0 })
	time.Sleep(150 * time.Millisecond) // no packet is held back any more
	_, before := readFile(t, path)
	if len(before) == 0 || len(before) > 2*n {
		t.Errorf("%d packets in the full file", len(before))
	}
	full.mu.Lock()
	full.room += 1 << 20
	full.mu.Unlock()
	lost := r.Lost()
	pings(t, r, 3*n+1, n)
	if err := r.Close(patience); err != nil || r.Lost() != lost {
		t.Errorf("Close: %v, %d lost, before %d", err, r.Lost(), lost)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	checkCapture(t, data, true, 6*n, lost)
}

// limited is a file with so much room.
type limited struct {
	*os.File
	mu   sync.Mutex
	room int // guarded by mu
}

func (l *limited) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(b), l.room)
	l.room -= n
	n, err := l.File.Write(b[:n])
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (l *limited) Truncate(size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if info, err := l.Stat(); err == nil {
		l.room += int(info.Size() - size)
	}
	return l.File.Truncate(size)
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// TestBrokenStream: a stream that breaks off within a packet is over, even if
// it would take more, and all from there on is lost and counted; one that
// breaks off between packets goes on.
func TestBrokenStream(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moods []int
		over  bool
	}{
		{"within a packet", []int{1000, -1}, true},
		{"between packets", []int{0, -1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &disk{moods: tt.moods, err: errFull}
			r := open(t, capture.WriterStore{Writer: d}, false, silentLog())
			const n = 3000
			pings(t, r, 1, n)
			err := r.Close(patience)
			if tt.over && (!errors.Is(err, errFull) || !strings.Contains(err.Error(), "the stream broke off within a packet")) {
				t.Errorf("Close: %v", err)
			}
			if !tt.over && err != nil && !errors.Is(err, errFull) { // if the last write of all failed
				t.Errorf("Close: %v", err)
			}
			if r.Lost() == 0 {
				t.Error("nothing lost")
			}
			checkCapture(t, d.data, !tt.over, 3*n, r.Lost())
			if tt.over && d.turn != 1 {
				t.Errorf("%d writes", d.turn)
			}
		})
	}
}

// TestFailingDisk: one that takes nothing at all loses all, Close says why,
// and the log too.
func TestFailingDisk(t *testing.T) {
	log, logged := logtest.NewNullLogger()
	d := &disk{moods: []int{0}, err: errFull}
	r := open(t, d, true, log)
	r.Start()
	pings(t, r, 1, 500)
	err := r.Close(patience)
	if !errors.Is(err, errFull) || err.Error() != "close capture: disk full" {
		t.Errorf("Close: %v, want what the disk said", err)
	}
	if r.Lost() != 1500 {
		t.Errorf("lost %d, want 1500", r.Lost())
	}
	checkLog(t, logged, 1500, "disk full")
}

// checkLog wants the losses logged, all in all, with the error if there is one,
// and not more often than once a second.
func checkLog(t *testing.T, logged *logtest.Hook, lost uint64, cause string) {
	t.Helper()
	sum := uint64(0)
	for i, e := range logged.AllEntries() {
		n, ok := e.Data["lost"].(uint64)
		if !ok || e.Level != logrus.WarnLevel || !strings.HasPrefix(e.Message, "capture events lost") {
			t.Errorf("logged %+v", e)
		}
		sum += n
		if err, _ := e.Data[logrus.ErrorKey].(error); i == 0 && cause != "" && (err == nil || err.Error() != cause) {
			t.Errorf("logged the error %v, want %s", err, cause)
		}
	}
	if n := len(logged.AllEntries()); n > 20 {
		t.Errorf("logged %d times", n)
	}
	if sum != lost {
		t.Errorf("logged %d lost, of %d", sum, lost)
	}
}

// TestBlocked: an output that takes nothing neither holds up who records nor
// who closes, and all that was recorded is lost and counted, before Close,
// while it runs, and after it. When it lets go in the end, the writer ends.
func TestBlocked(t *testing.T) {
	in, out := io.Pipe() // nobody reads in but the header
	go func() { _, _ = in.Read(make([]byte, 1<<10)) }()
	r := open(t, capture.WriterStore{Writer: out}, false, silentLog())
	r.Start()
	e := packet(1, hooks.Inbound, samples(t)["echo-request"], hooks.Delivered, "")
	const recorded = 3 * capture.RingLen
	within(t, "recording", func() {
		for range recorded {
			r.Packet(&e)
		}
	})
	var late sync.WaitGroup
	const more = 5000
	late.Go(func() {
		for range more {
			r.Packet(&e)
		}
	})
	within(t, "Close", func() {
		err := r.Close(50 * time.Millisecond)
		if err == nil || !strings.HasPrefix(err.Error(), "close capture: the output did not take the rest within 50ms, ") {
			t.Errorf("Close: %v", err)
		}
	})
	late.Wait()
	r.Packet(&e)
	if r.Lost() != recorded+more+1 {
		t.Errorf("lost %d, want all %d", r.Lost(), recorded+more+1)
	}
	within(t, "the second Close", func() {
		if err := r.Close(time.Millisecond); err == nil {
			t.Error("the second Close found nothing wrong")
		}
	})
	in.Close()
	goleak.VerifyNone(t)
	if r.Lost() != recorded+more+1 {
		t.Errorf("%d lost after the output let go", r.Lost())
	}
}

// within fails the test if f takes longer than any slow machine would.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("%s took %v", what, took)
	}
}

// TestBytesBound: packets fill the ring's bytes before its places.
func TestBytesBound(t *testing.T) {
	d := &disk{moods: []int{-1}}
	r := open(t, d, true, silentLog())
	e := packet(1, hooks.Inbound, samples(t)["echo-request"], hooks.Delivered, "")
	e.Packet.Bytes, e.Len = make([]byte, 1<<16), 1<<16
	const room = capture.RingBytes >> 16
	for range room + 100 {
		r.Packet(&e)
	}
	if r.Lost() != 100 {
		t.Errorf("%d lost, want 100", r.Lost())
	}
	if err := r.Close(patience); err != nil || r.Lost() != 100 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	ng, blocks := read(t, bytes.NewReader(d.data), true)
	if len(blocks) != room {
		t.Errorf("%d packets, want %d", len(blocks), room)
	}
	if i, err := ng.Interface(0); err != nil || i.Statistics.PacketsDropped != 100 {
		t.Errorf("the capture says %d were lost, %v", i.Statistics.PacketsDropped, err)
	}
}

// TestSlow: while more comes than the output takes, the loss is in the log.
func TestSlow(t *testing.T) {
	log, logged := logtest.NewNullLogger()
	d := &disk{moods: []int{-1}}
	r := open(t, slow{d}, true, log)
	r.Start()
	e := packet(1, hooks.Inbound, samples(t)["echo-request"], hooks.Delivered, "")
	e.Packet.Bytes, e.Len = make([]byte, 1<<16), 1<<16
	waitFor(t, "word of the loss in the log", func() bool {
		for range 50 {
			r.Packet(&e)
		}
		return len(logged.AllEntries()) > 0
	})
	if err := r.Close(patience); err != nil {
		t.Error(err)
	}
	checkLog(t, logged, r.Lost(), "")
}

// slow takes its time.
type slow struct{ *disk }

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)>>16) * time.Millisecond)
	if len(s.data) > 1<<20 {
		s.data, s.at = s.data[:100], 100 // nobody reads it
	}
	return s.disk.Write(b)
}

// TestOrphan: a comparison whose packets are not there is lost with them.
func TestOrphan(t *testing.T) {
	d := &disk{moods: []int{-1}}
	r := open(t, d, true, silentLog())
	r.Compare(new(comparison(3, 1, trace.Match)))
	pings(t, r, 4, 100)
	r.Compare(new(comparison(1000, 4, trace.Match))) // written long ago
	if err := r.Close(patience); err != nil || r.Lost() != 2 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	checkCapture(t, d.data, true, 302, 2)
}

// TestReaderGone: a reader that closes its end of a pipe costs packets alone.
func TestReaderGone(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r := open(t, capture.WriterStore{Writer: out}, false, silentLog())
	r.Start()
	in.Close()
	pings(t, r, 1, 10)
	if err := r.Close(patience); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close: %v, want a broken pipe", err)
	}
	if r.Lost() != 30 {
		t.Errorf("%d lost", r.Lost())
	}
}
