package respond_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
	"netstackd/hooks/respond/spawn"
)

// A logbook is a log that can be looked at.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) wait(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(l.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%.2000s", text, l)
		}
	}
}

// launch starts a spawner for a command, as nobody, and ends it with the test.
func launch(t *testing.T, command string) func(stdin, stdout, stderr *os.File) (*spawn.Process, error) {
	t.Helper()
	s, err := spawn.Start(spawn.Config{
		Args: []string{spawner}, Commands: []string{command}, User: spawn.User{UID: 65534, GID: 65534},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(stdin, stdout, stderr *os.File) (*spawn.Process, error) {
		return s.Launch(0, stdin, stdout, stderr)
	}
}

// startExec starts a command for a desk.
func startExec(t *testing.T, b *bench, command string) *logbook {
	t.Helper()
	book := &logbook{}
	log := logrus.New()
	log.SetOutput(book)
	e, err := respond.NewExec(respond.ExecConfig{
		Launch: launch(t, command), Desk: b.Desk, Log: log, Wait: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	t.Cleanup(func() {
		begun := time.Now()
		e.Close()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
	return book
}

// waitEmpty waits until nothing is pending.
func waitEmpty(t *testing.T, b *bench) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(b.Pending()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pending: %+v", len(b.Pending()), b.Pending()[0])
		}
	}
}

// TestExec: a process that knows one reply answers.
func TestExec(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	book := startExec(t, b, `while echo READ; read packet; do
		echo "got $packet" >&2
		[ "$packet" = TIMEOUT ] && continue
		echo "WRITE `+strings.Replace(goldenReply, "5cf5", "54f5", 1)+`"; read verdict; echo "$verdict" >&2
		echo "WRITE `+goldenReply+`"; read verdict; echo "$verdict" >&2
	done`)
	book.wait(t, "answerer says: got TIMEOUT")
	b.ask(t, bits(t, goldenRequest))
	book.wait(t, "answerer says: got "+goldenRequest)
	book.wait(t, "answerer says: ERROR ICMP checksum is 0x54f5, by hand 0x5cf5 (RFC 792)")
	book.wait(t, "answerer says: OK")
	waitEmpty(t, b)
}

// TestExecWithoutPrivilege: the process is nobody, has no capability and cannot get
// one, and no descriptor but its three.
func TestExecWithoutPrivilege(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	book := startExec(t, b, `grep -E '^(Uid|Gid|Groups|Cap[A-Za-z]*|NoNewPrivs):' /proc/self/status >&2; exec >&2; for f in /proc/$$/fd/*; do printf "${f##*/} "; done; echo; echo end; sleep 9`)
	book.wait(t, "answerer says: end")
	log := book.String()
	for _, line := range []string{"NoNewPrivs:\\t1", "CapPrm:\\t0000000000000000", "CapEff:\\t0000000000000000", "CapAmb:\\t0000000000000000", "says: 0 1 2 "} {
		if !strings.Contains(log, line) {
			t.Errorf("the log does not say %q", line)
		}
	}
	if os.Geteuid() == 0 {
		for _, line := range []string{"Uid:\\t65534\\t65534\\t65534\\t65534", "Gid:\\t65534\\t65534", "Groups:\\t", "CapBnd:\\t0000000000000000"} {
			if !strings.Contains(log, line) {
				t.Errorf("the log does not say %q", line)
			}
		}
	}
	if t.Failed() {
		t.Log(log)
	}
	// This process has lost nothing.
	if v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || v != 0 {
		t.Errorf("no_new_privs here is %d, %v", v, err)
	}
}

// TestExecEnds: a command that ends is told of and started again, later each time,
// and what it was given is given again.
func TestExecEnds(t *testing.T) {
	for _, c := range []struct{ command, says string }{
		{"/nonexistent/answerer", "exit status 127"},
		{"exit 3", "exit status 3"},
		{"true", "exit status 0"},
		{"kill -9 $$", "signal: killed"},
		{"exec 1>&-; sleep 60", "it converses no more"},
	} {
		b := newBench(t, respond.DeskConfig{})
		b.ask(t, bits(t, goldenRequest))
		book := startExec(t, b, c.command)
		book.wait(t, c.says)
		book.wait(t, "pause=250ms")
		book.wait(t, "pause=500ms")
	}
	b := newBench(t, respond.DeskConfig{})
	b.ask(t, bits(t, goldenRequest))
	book := startExec(t, b, "echo READ; read p; echo $p >&2; exit 1")
	book.wait(t, "says: "+goldenRequest)
	book.wait(t, "pause=250ms")
	book.wait(t, "pause=500ms")
	if n := strings.Count(book.String(), "says: "+goldenRequest); n < 2 {
		t.Errorf("the request was given %d times", n)
	}
}

// TestExecKilled: the command goes at the end with what it has started, though it
// ignores that it is asked to, and though some of it is in a session of its own and
// nobody's child.
func TestExecKilled(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for p := filepath.Dir(dir); p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, respond.DeskConfig{})
	t.Chdir(dir)
	e, err := respond.NewExec(respond.ExecConfig{
		Launch: launch(t, `trap '' TERM; echo $$ > pid1; (trap '' TERM; exec sh -c 'echo $$ > pid2; while :; do sleep 1; done') & setsid -f sh -c 'echo $$ > pid3; sleep 100 & wait' & while :; do sleep 1; done`),
		Desk:   b.Desk, Log: silent(),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Start()
	var pids []int
	for _, name := range []string{"pid1", "pid2", "pid3"} {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			text, _ := os.ReadFile(name)
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				pids = append(pids, pid)
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come", name)
			}
		}
	}
	begun := time.Now()
	e.Close()
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("Close took %v", took)
	}
	for _, pid := range pids {
		for deadline := time.Now().Add(30 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d lives", pid)
			}
		}
	}
}

// alive reports whether a process runs: one that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// TestExecNoise: garbage, long lines and a flood of errors are answered or passed
// over, and do not keep the right reply from being sent.
func TestExecNoise(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	b.ask(t, bits(t, goldenRequest))
	book := startExec(t, b, `
		exec 3<&0; cat <&3 > /dev/null &
		i=0; while [ $i -lt 500 ]; do echo "noise $i" >&2; i=$((i+1)); done
		head -c 20000 /dev/zero | tr '\0' x >&2; echo >&2
		head -c 1048576 /dev/zero | tr '\0' x; echo
		head -c 3000 /dev/urandom; echo
		yes 'WRITE 4500' | head -20000
		echo "WRITE 450"
		echo "WRITE `+goldenReply+`"
		sleep 2; echo last >&2; sleep 60`)
	waitEmpty(t, b)
	book.wait(t, "says: last")
	if c := b.Scorecard(); c.Wrong["length"] != 20000 || c.Answered != 1 {
		t.Errorf("scorecard %+v", c)
	}
	if n := strings.Count(book.String(), "answerer says"); n > 60 {
		t.Errorf("%d lines are logged of 502", n)
	}
	if !strings.Contains(book.String(), "left_out=") {
		t.Errorf("the log does not say that it leaves lines out")
	}
}

// TestExecStuck: one that reads nothing does not hold anything up at the end.
func TestExecStuck(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	b.ask(t, request4(bt.Echo{ID: 1, Seq: 1, Data: bt.Data(60000)}))
	book := startExec(t, b, `echo READ; yes READ | head -2000; sleep 60`)
	waitGiven(t, b, true)
	book.wait(t, "it has not read its standard input for 5s")
}
