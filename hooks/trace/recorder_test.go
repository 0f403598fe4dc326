package trace_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"netstackd/hooks/trace"
)

// ringLen is how many events a recorder holds for its writer.
const ringLen = 1 << 14

// newRecorder makes a recorder at level packets, in JSON.
func newRecorder(t *testing.T, out io.Writer, log logrus.FieldLogger) *trace.Recorder {
	t.Helper()
	r, err := trace.NewRecorder(out, trace.Packets, trace.JSON, log)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// event is a packet's event that carries no bytes.
func event(t testing.TB, seq uint64) trace.Packet {
	p := packet(seq, "in", sample(t, "echo-request"), "answered", "")
	p.Packet.Bytes = nil
	return p
}

// checkTrace wants whole lines alone, in order, whose number and the losses
// add up to the events recorded. With a summary, it wants that to be last.
func checkTrace(t *testing.T, text string, recorded int, lost uint64, summary bool) {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	if rest := lines[len(lines)-1]; rest != "" {
		t.Errorf("the trace ends in %q", rest)
	}
	lines = lines[:len(lines)-1]
	if summary {
		if len(lines) == 0 {
			t.Fatal("the trace has no line, want the summary")
		}
		s := parse(t, lines[len(lines)-1])
		if s["type"] != "summary" || s["trace_lost"] != num(lost) {
			t.Errorf("the last line is %v, want the summary with %d lost", s, lost)
		}
		lines = lines[:len(lines)-1]
	}
	last := int64(0)
	for _, l := range lines {
		o := parse(t, l)
		seq, err := o["seq"].(interface{ Int64() (int64, error) }).Int64()
		if err != nil || o["type"] != "packet" || seq <= last {
			t.Fatalf("after #%d: %s", last, l)
		}
		last = seq
	}
	if uint64(len(lines))+lost != uint64(recorded) {
		t.Errorf("%d events written and %d lost, of %d", len(lines), lost, recorded)
	}
}

// within fails the test if f takes longer than any slow machine would.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > d {
		t.Errorf("%s took %v", what, took)
	}
}

// TestBlockedWriter: an output that takes nothing neither holds up who records
// nor who closes, and all that was recorded is lost and counted. When it lets
// go in the end, the writer ends and touches nothing any more.
func TestBlockedWriter(t *testing.T) {
	in, out := io.Pipe() // nobody reads in
	r := newRecorder(t, out, silentLog())
	r.Start()
	const recorded = 3 * ringLen
	e := event(t, 1)
	within(t, 5*time.Second, "recording", func() {
		for range recorded {
			r.Packet(&e)
		}
	})
	if lost := r.Lost(); lost < recorded-2*ringLen {
		t.Errorf("%d lost before Close, of %d recorded with a ring of %d", lost, recorded, ringLen)
	}
	s := &trace.Summary{}
	within(t, 5*time.Second, "Close", func() {
		err := r.Close(s, 50*time.Millisecond)
		if err == nil || !strings.HasPrefix(err.Error(), "close trace: the output did not take the rest within 50ms, ") {
			t.Errorf("Close: %v", err)
		}
	})
	if s.TraceLost != recorded || r.Lost() != recorded {
		t.Errorf("lost %d, in the summary %d, want all %d", r.Lost(), s.TraceLost, recorded)
	}
	within(t, 5*time.Second, "the second Close", func() {
		if err := r.Close(nil, time.Millisecond); err == nil {
			t.Error("the second Close found nothing wrong")
		}
	})

	// The caller uses the summary while the writer comes to itself.
	go func() {
		_, _ = io.Copy(io.Discard, in)
	}()
	for range 100 {
		s.TraceLost++
		_ = s.Text()
	}
	time.Sleep(10 * time.Millisecond)
	in.Close()
	goleak.VerifyNone(t)
	if r.Lost() != recorded {
		t.Errorf("%d lost after the output let go, want %d as before", r.Lost(), recorded)
	}
}

// gate is an output that waits until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	buf  bytes.Buffer // guarded by mu
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buf.Write(b)
}

// TestBurst: of a burst that is longer than the ring the first events are
// written, in order, the rest is counted.
func TestBurst(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	log, logged := logtest.NewNullLogger()
	r := newRecorder(t, g, log)
	r.Start()
	const recorded = 2*ringLen + 1000
	e := event(t, 0)
	for seq := range uint64(recorded) {
		e.Seq = seq + 1
		r.Packet(&e)
	}
	if lost := r.Lost(); lost == 0 || lost > recorded-ringLen {
		t.Errorf("%d lost of %d with a ring of %d", lost, recorded, ringLen)
	}
	close(g.open)
	s := &trace.Summary{}
	if err := r.Close(s, patience); err != nil {
		t.Fatal(err)
	}
	checkTrace(t, g.buf.String(), recorded, r.Lost(), true)
	if s.TraceLost != r.Lost() {
		t.Errorf("the summary says %d lost, the recorder %d", s.TraceLost, r.Lost())
	}
	checkLog(t, logged, r.Lost(), "")
}

// checkLog wants the losses logged, all in all, with the error if there is one,
// and not more often than once a second.
func checkLog(t *testing.T, logged *logtest.Hook, lost uint64, cause string) {
	t.Helper()
	sum := uint64(0)
	for i, e := range logged.AllEntries() {
		n, ok := e.Data["lost"].(uint64)
		if !ok || e.Level != logrus.WarnLevel || !strings.HasPrefix(e.Message, "trace events lost") {
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

// TestFastWriter: nothing is lost on an output that keeps up, from however
// many goroutines.
func TestFastWriter(t *testing.T) {
	const workers, recorded = 8, 100_000
	out := &counter{}
	r := newRecorder(t, out, silentLog())
	r.Start()
	var group sync.WaitGroup
	var put atomic.Int64
	for range workers {
		group.Go(func() {
			e := event(t, 1)
			for range recorded / workers {
				// No faster than the output, by far less than the ring.
				for put.Load()-out.lines.Load() > ringLen/2 {
					time.Sleep(50 * time.Microsecond)
				}
				put.Add(1)
				r.Packet(&e)
			}
		})
	}
	group.Wait()
	s := &trace.Summary{}
	if err := r.Close(s, patience); err != nil {
		t.Fatal(err)
	}
	if lines := out.lines.Load(); r.Lost() != 0 || s.TraceLost != 0 || lines != recorded+1 {
		t.Errorf("%d lines, %d lost, want %d and the summary, and none lost", lines, r.Lost(), recorded)
	}
}

// counter counts lines.
type counter struct{ lines atomic.Int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.lines.Add(int64(bytes.Count(b, []byte{'\n'})))
	return len(b), nil
}

// TestBytesBound: events that carry bytes fill the ring's 32 MiB before its
// places, and make room when they are written.
func TestBytesBound(t *testing.T) {
	g := &counter{}
	r, err := trace.NewRecorder(g, trace.Compare, trace.Text, silentLog())
	if err != nil {
		t.Fatal(err)
	}
	e := event(t, 1)
	e.Packet.Bytes = make([]byte, 1<<16)
	c := comparison(2, 1, trace.Missing, "reply")
	c.RequestBytes, c.ReplyByHand = make([]byte, 1<<15), make([]byte, 1<<15)
	const room = 32 << 20 >> 16
	for i := range room + 100 {
		if i%2 == 0 {
			r.Packet(&e)
		} else {
			r.Compare(&c)
		}
	}
	if r.Lost() != 100 {
		t.Errorf("%d lost, want 100", r.Lost())
	}
	e.Packet.Bytes = nil
	r.Packet(&e) // takes nothing of that room
	r.Start()
	for begin := time.Now(); g.lines.Load() < room && time.Since(begin) < patience; {
		time.Sleep(time.Millisecond)
	}
	e.Packet.Bytes = make([]byte, 1<<16)
	for range room / 2 {
		r.Packet(&e)
	}
	if err := r.Close(nil, patience); err != nil {
		t.Fatal(err)
	}
	if r.Lost() != 100 {
		t.Errorf("%d lost, want no more than the 100", r.Lost())
	}
}

// TestLife starts and closes a recorder in the wrong order and again.
func TestLife(t *testing.T) {
	t.Run("never started", func(t *testing.T) {
		var out bytes.Buffer
		r := newRecorder(t, &out, silentLog())
		r.Packet(new(event(t, 1)))
		if err := r.Close(&trace.Summary{}, patience); err != nil {
			t.Error(err)
		}
		r.Start()
		checkTrace(t, out.String(), 1, 0, true)
	})
	t.Run("twice", func(t *testing.T) {
		var out bytes.Buffer
		r := newRecorder(t, &out, silentLog())
		r.Start()
		r.Start()
		r.Packet(new(event(t, 1)))
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if err := r.Close(&trace.Summary{}, patience); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		checkTrace(t, out.String(), 1, 0, true)
	})
	t.Run("nothing at all", func(t *testing.T) {
		var out bytes.Buffer
		r := newRecorder(t, &out, silentLog())
		if err := r.Close(nil, patience); err != nil || out.Len() != 0 {
			t.Errorf("%v, %q", err, &out)
		}
	})
	t.Run("recorded too late", func(t *testing.T) {
		var out bytes.Buffer
		r := newRecorder(t, &out, silentLog())
		if err := r.Close(&trace.Summary{}, patience); err != nil {
			t.Error(err)
		}
		within(t, 5*time.Second, "recording", func() {
			for range 2 * ringLen {
				r.Packet(new(event(t, 1)))
			}
		})
		checkTrace(t, out.String(), 0, 0, true)
	})
}

// TestClosedWhileRecording: whatever happens at once, each event has one end.
func TestClosedWhileRecording(t *testing.T) {
	var out bytes.Buffer
	r := newRecorder(t, &out, silentLog())
	r.Start()
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			e := event(t, 1)
			e.Reason = fmt.Sprint(w)
			for range 1000 {
				r.Packet(&e)
			}
		})
	}
	if err := r.Close(&trace.Summary{}, patience); err != nil {
		t.Error(err)
	}
	group.Wait()
	lines := strings.SplitAfter(out.String(), "\n")
	for i, l := range lines[:len(lines)-1] {
		if o := parse(t, l); (o["type"] == "summary") != (i == len(lines)-2) {
			t.Fatalf("line %d of %d is %s", i+1, len(lines)-1, l)
		}
	}
}
