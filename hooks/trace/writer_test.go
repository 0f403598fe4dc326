package trace_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/hooks/trace"
)

var errFull = errors.New("disk full")

// moody takes so many bytes of each write, as moods tells in turn: -1 all,
// else that many, with err.
type moody struct {
	moods []int
	err   error
	turn  int
	buf   bytes.Buffer
}

func (m *moody) Write(b []byte) (int, error) {
	mood := m.moods[m.turn%len(m.moods)]
	m.turn++
	if mood < 0 || mood >= len(b) {
		return m.buf.Write(b)
	}
	m.buf.Write(b[:mood])
	return mood, m.err
}

// TestMoodyWriter: whatever an output takes of a write, before it fails and
// works again, no line is torn, each event is written whole or counted as
// lost, and the end comes with the losses.
func TestMoodyWriter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moods []int
		err   error
	}{
		{"takes all", []int{-1}, nil},
		{"fails now and then", []int{0, -1, 0, 0, -1}, errFull},
		{"takes a byte and fails", []int{1, -1}, errFull},
		{"tears lines", []int{100, 700, 0, 33, 1, 0, 0, 5, 100_000, -1}, errFull},
		{"tears one line many times", []int{10, 1, 1, 0, 1, 1, 0, 1, -1}, errFull},
		{"says nothing", []int{0, 300, 17, -1}, nil},
		{"a line exactly, then nothing", []int{259, 0, -1}, errFull},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &moody{moods: tt.moods, err: tt.err}
			log, logged := logtest.NewNullLogger()
			r := newRecorder(t, m, log)
			const recorded = 2000
			e := event(t, 0)
			for seq := range uint64(recorded) {
				e.Seq = seq + 1
				r.Packet(&e)
			}
			// The writer finds all of it, which is many chunks.
			m.moods = append(append([]int{}, m.moods...), -1)
			r.Start()
			s := &trace.Summary{}
			err := r.Close(s, patience)
			summary := err == nil
			if err != nil && !errors.Is(err, errFull) && !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("Close: %v", err)
			}
			text := m.buf.String()
			if !summary {
				// The output may end torn when its end was not taken.
				text = text[:strings.LastIndexByte(text, '\n')+1]
			}
			checkTrace(t, text, recorded, r.Lost(), summary)
			if s.TraceLost != r.Lost() {
				t.Errorf("the summary says %d lost, the recorder %d", s.TraceLost, r.Lost())
			}
			checkLog(t, logged, r.Lost(), "")
		})
	}
}

// TestFailingWriter: an output that takes nothing at all loses all, Close says
// why, and the log too.
func TestFailingWriter(t *testing.T) {
	for _, summary := range []*trace.Summary{nil, {}} {
		log, logged := logtest.NewNullLogger()
		r := newRecorder(t, &moody{moods: []int{0}, err: errFull}, log)
		r.Start()
		for seq := range uint64(1000) {
			r.Packet(new(event(t, seq+1)))
		}
		err := r.Close(summary, patience)
		if !errors.Is(err, errFull) || err.Error() != "close trace: disk full" {
			t.Errorf("Close: %v, want what the output said", err)
		}
		if r.Lost() != 1000 || summary != nil && summary.TraceLost != 1000 {
			t.Errorf("lost %d, in the summary %+v, want 1000", r.Lost(), summary)
		}
		checkLog(t, logged, 1000, "disk full")
	}
}

// TestTornEnd: an output that fails for good within a line leaves it torn, and
// that event counts as lost.
func TestTornEnd(t *testing.T) {
	m := &moody{moods: []int{300, 0, 0, 0, 0}, err: errFull}
	r := newRecorder(t, m, silentLog())
	for seq := range uint64(3) {
		r.Packet(new(event(t, seq+1)))
	}
	s := &trace.Summary{}
	if err := r.Close(s, patience); !errors.Is(err, errFull) {
		t.Errorf("Close: %v", err)
	}
	if lines := strings.Count(m.buf.String(), "\n"); lines != 1 || s.TraceLost != 2 || r.Lost() != 2 {
		t.Errorf("%d lines, %d lost, want 1 and 2", lines, r.Lost())
	}
}

// TestReaderGone: a reader that closes its end of a pipe costs lines alone.
func TestReaderGone(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r := newRecorder(t, out, silentLog())
	r.Start()
	r.Packet(new(event(t, 1)))
	if n, err := in.Read(make([]byte, 1000)); err != nil || n == 0 {
		t.Fatalf("read: %d bytes, %v", n, err)
	}
	in.Close()
	for seq := range uint64(10) {
		r.Packet(new(event(t, seq+2)))
	}
	s := &trace.Summary{}
	if err := r.Close(s, patience); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close: %v, want a broken pipe", err)
	}
	if s.TraceLost != 10 {
		t.Errorf("%d lost, want 10", s.TraceLost)
	}
}
