package capture_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/capture"
)

// openQuarantine opens one, which the test's end closes.
func openQuarantine(t *testing.T, path string) *capture.Quarantine {
	t.Helper()
	q, err := capture.OpenQuarantine(path, "netstack0", "test")
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestQuarantine: what is added is on the disk at once, that of an earlier run stays,
// and any reader finds all of it.
func TestQuarantine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.pcapng")
	packets := [][]byte{{0x45, 1}, {0x45, 2, 3}, bytes.Repeat([]byte{0x60}, 65535)}
	want := [][]byte{}
	for run := range 2 {
		q := openQuarantine(t, path)
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Fatalf("the file: %v, %v", info, err)
		}
		if err := q.Add(time.Unix(int64(run), 7), packets, "one\ntwo"); err != nil {
			t.Fatal(err)
		}
		if err := q.Add(time.Unix(int64(run), 8), nil, "no packet"); err != nil {
			t.Fatal(err)
		}
		want = append(append(want, packets...), []byte{})
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		for p, err := range capture.Packets(path) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, append([]byte{}, p.Bytes...))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("run %d (-want +got):\n%.2000s", run, diff)
		}
		if n := bytes.Count(b, []byte("one\ntwo")); n != run+1 {
			t.Errorf("the comment stands there %d times", n)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestQuarantineBounded: neither many entries nor large ones get past the bounds, and
// what is refused leaves no trace.
func TestQuarantineBounded(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		q := openQuarantine(t, filepath.Join(t.TempDir(), "q.pcapng"))
		defer q.Close()
		for i := range capture.MaxQuarantineEntries {
			if err := q.Add(time.Now(), [][]byte{{0x45}}, "small"); err != nil {
				t.Fatalf("entry %d: %v", i, err)
			}
		}
		if err := q.Add(time.Now(), [][]byte{{0x45}}, "small"); !errors.Is(err, capture.ErrQuarantineFull) {
			t.Errorf("one more: %v", err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.pcapng")
		large := make([][]byte, 20)
		for i := range large {
			large[i] = make([]byte, 65535)
		}
		var err error
		for run := 0; err == nil; run++ {
			if run > 10 {
				t.Fatal("it never is full")
			}
			q := openQuarantine(t, path) // each run adds to what is there
			err = q.Add(time.Now(), large, strings.Repeat("x", 1<<20))
			q.Close()
		}
		if !errors.Is(err, capture.ErrQuarantineFull) {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) > capture.MaxQuarantine || len(b) < capture.MaxQuarantine/2 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		n := 0
		for _, err := range capture.Packets(path) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n%len(large) != 0 {
			t.Errorf("%d packets, which is no whole number of entries", n)
		}
	})
}

// TestQuarantineRefused: what is something else is left alone.
func TestQuarantineRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text:                          "open quarantine: " + text + " is something else than a pcapng capture: give a new name",
		dir:                           "open quarantine: open " + dir + ": is a directory",
		filepath.Join(dir, "no", "q"): "open quarantine: open " + filepath.Join(dir, "no", "q") + ": no such file or directory",
	} {
		if _, err := capture.OpenQuarantine(path, "netstack0", "test"); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	b, err := os.ReadFile(text)
	info, statErr := os.Stat(text)
	if err := errors.Join(err, statErr); err != nil || string(b) != "precious" || info.Mode() != 0o644 {
		t.Errorf("what was refused is changed: %q, %v, %v", b, info, err)
	}
}

// TestQuarantineHeld: who has a quarantine has it alone, by whatever name, until it is
// closed.
func TestQuarantineHeld(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "q.pcapng"), filepath.Join(dir, "link")
	q := openQuarantine(t, path)
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		want := "open quarantine: " + name + " is held by another process, which writes to it: give each a file of its own"
		if _, err := capture.OpenQuarantine(name, "netstack1", "test"); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if err := errors.Join(q.Add(time.Now(), [][]byte{{0x45}}, "kept"), q.Close()); err != nil {
		t.Fatal(err)
	}
	if err := openQuarantine(t, link).Close(); err != nil {
		t.Error(err)
	}
}
