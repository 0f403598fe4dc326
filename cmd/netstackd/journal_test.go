package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackd/internal/config"
)

// TestJournal: where standard error is the journal, each line begins with its
// priority and none has a time of its own; elsewhere, also where the variable is of
// another process, it is the other way round.
func TestJournal(t *testing.T) {
	log := func() string {
		var out bytes.Buffer
		cfg, err := config.Parse([]string{"-addr", "172.16.0.2/24", "-log-level", "debug"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := newLog(cfg, &out)
		l.Debug("one")
		l.WithField("n", 2).Info("two")
		l.Warn("three\nlines")
		l.Error("four")
		complain(&out, errors.New("five"))
		return out.String()
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(os.Stderr.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	want := "<7>level=debug msg=one\n<6>level=info msg=two n=2\n<4>level=warning msg=\"three\\nlines\"\n<3>level=error msg=four\n<3>netstackd: five\n"
	if d := cmp.Diff(want, log()); d != "" {
		t.Errorf("in the journal (-want +got):\n%s", d)
	}
	for _, other := range []string{fmt.Sprintf("%d:%d", st.Dev, st.Ino+1), "nonsense", ""} {
		t.Setenv("JOURNAL_STREAM", other)
		if got := log(); !bytes.HasPrefix([]byte(got), []byte("time=")) || !bytes.HasSuffix([]byte(got), []byte("\nnetstackd: five\n")) {
			t.Errorf("with JOURNAL_STREAM=%q:\n%s", other, got)
		}
	}
}
