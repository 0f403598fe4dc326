package capture_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"netstackd/hooks/capture"
)

// names returns what is in a directory.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestRotate: each file is whole by itself, private, and longer than the size
// by no more than a packet; all packets are in them, in order.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "elsewhere")
	for name, content := range map[string]string{"f.pcapng": "older", "f.1.pcapng": "older", "elsewhere": "keep me"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(target, filepath.Join(dir, "f.2.pcapng")); err != nil {
		t.Fatal(err)
	}
	const size, n = 50_000, 1000
	r, err := capture.Open(capture.Config{Path: filepath.Join(dir, "f.pcapng"), Rotate: size, Device: "netstack0", Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	pings(t, r, 1, n)
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Fatalf("%d lost, %v", r.Lost(), err)
	}
	files := len(names(t, dir)) - 1
	if files < 5 {
		t.Fatalf("files %v", names(t, dir))
	}
	seq := 0
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("f.%d.pcapng", i))
		if i == 0 {
			name = filepath.Join(dir, "f.pcapng")
		}
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
		if last := i == files-1; info.Size() > size+1000 || !last && info.Size() < size {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
		_, blocks := readFile(t, name)
		for _, b := range blocks {
			seq++
			if seq%3 == 0 {
				seq++
			}
			if v, _ := value(b.comment(), "seq"); v != fmt.Sprint(seq) {
				t.Fatalf("%s: %s, want seq=%d", name, b.comment(), seq)
			}
		}
	}
	if seq != 3*n-1 {
		t.Errorf("the last packet is %d", seq)
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "keep me" {
		t.Errorf("the file behind the link: %q, %v", text, err)
	}
}

// TestKeep: only the latest files stay.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	r, err := capture.Open(capture.Config{Path: filepath.Join(dir, "capture"), Rotate: 20_000, Keep: 2, Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	pings(t, r, 1, 1000)
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Fatalf("%d lost, %v", r.Lost(), err)
	}
	got := names(t, dir)
	if len(got) != 2 || got[0] == "capture" || !strings.HasPrefix(got[1], "capture.") {
		t.Errorf("files %v, want the last two", got)
	}
	for _, name := range got {
		readFile(t, filepath.Join(dir, name))
	}
}

// TestRotateFails: when the next file cannot be opened, or not be begun, the
// present one goes on and nothing is lost.
func TestRotateFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		create func() (capture.Store, error)
	}{
		{"to open", func() (capture.Store, error) { return nil, os.ErrPermission }},
		{"to begin", func() (capture.Store, error) { return &failed{}, nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, logged := logtest.NewNullLogger()
			first := &disk{moods: []int{-1}}
			var opened []string
			r, err := capture.OpenStores(capture.Config{Path: "/no/f.pcapng", Rotate: 10_000, Log: log}, true, func(name string) (capture.Store, error) {
				opened = append(opened, name)
				if len(opened) == 1 {
					return first, nil
				}
				return tt.create()
			})
			if err != nil {
				t.Fatal(err)
			}
			pings(t, r, 1, 500)
			if err := r.Close(patience); err != nil || r.Lost() != 0 {
				t.Errorf("%d lost, %v", r.Lost(), err)
			}
			checkCapture(t, first.data, true, 1500, 0)
			if len(opened) < 4 || slices.ContainsFunc(opened[1:], func(name string) bool { return name != "/no/f.1.pcapng" }) {
				t.Errorf("%d bytes, opened %v, want the next file again after each 10,000", len(first.data), opened)
			}
			// Not each time: once a second.
			if e := logged.LastEntry(); len(logged.AllEntries()) > len(opened)-2 || e == nil || !strings.Contains(e.Message, "the capture goes on") {
				t.Errorf("logged %v", logged.AllEntries())
			}
		})
	}
}

// TestRotateAgain: a file whose next one could not be begun does not take the room
// that is there again: it goes on for its size once more at the most, and what was
// written by then.
func TestRotateAgain(t *testing.T) {
	var files []*disk
	refused := 0
	r, err := capture.OpenStores(capture.Config{Path: "/no/f.pcapng", Rotate: 10_000, Log: silentLog()}, true, func(string) (capture.Store, error) {
		if len(files) == 1 && refused < 2 {
			refused++
			return &failed{}, nil
		}
		files = append(files, &disk{moods: []int{-1}})
		return files[len(files)-1], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pings(t, r, 1, 500)
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Errorf("%d lost, %v", r.Lost(), err)
	}
	if len(files) < 4 || len(files[0].data) < 30_000 || len(files[0].data) > 31_000 || len(files[1].data) > 11_000 {
		t.Errorf("%d files, the first of %d bytes, the next of %d", len(files), len(files[0].data), len(files[1].data))
	}
}

type failed struct{ disk }

func (*failed) Write([]byte) (int, error) { return 3, errFull }

// TestOpenErrors: one line each, that says what is wrong.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		cfg  capture.Config
		want string
	}{
		{capture.Config{Path: dir}, "open capture: open " + dir + ": is a directory"},
		{capture.Config{Path: dir + "/no/f"}, "open capture: open " + dir + "/no/f: no such file or directory"},
		{capture.Config{Path: "-", Rotate: 1}, "open capture: rotate -: only a file that it opened itself can be rotated"},
		{capture.Config{Path: os.DevNull, Rotate: 1}, "open capture: rotate /dev/null: only a file that it opened itself can be rotated"},
		{capture.Config{Path: dir + "/f", Rotate: -1}, "open capture: a negative size or number of files: -1, 0"},
		{capture.Config{Path: "/dev/full"}, "open capture: write header: write /dev/full: no space left on device"},
	} {
		tt.cfg.Log = silentLog()
		if _, err := capture.Open(tt.cfg); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.cfg.Path, err, tt.want)
		}
	}
	_, err := capture.OpenStores(capture.Config{}, true, func(string) (capture.Store, error) { return nil, errFull })
	if !errors.Is(err, errFull) {
		t.Errorf("the cause is hidden: %v", err)
	}
}

// TestParseSize shows what is a size and what not.
func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"1": 1, "1000": 1000, "10MB": 10_000_000, "64MiB": 64 << 20, "1.5 kB": 1500, "2gib": 2 << 30, "7B": 7, "1TB": 1e12, "1TiB": 1 << 40,
	} {
		if got, err := capture.ParseSize(s); got != want || err != nil {
			t.Errorf("%q is %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":          `parse size "": want a number and a unit, like 10MB or 64MiB`,
		"MB":        `parse size "MB": want a number and a unit, like 10MB or 64MiB`,
		"-1":        `parse size "-1": want a number and a unit, like 10MB or 64MiB`,
		"1.2.3":     `parse size "1.2.3": want a number and a unit, like 10MB or 64MiB`,
		"10M":       `parse size "10M": say MB (powers of 1,000) or MiB (powers of 1,024)`,
		"10 m/s":    `parse size "10 m/s": "m/s" is no unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB are`,
		"0":         `parse size "0": less than a byte`,
		"0.9":       `parse size "0.9": less than a byte`,
		"9e3":       `parse size "9e3": "e3" is no unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB are`,
		"9999999TB": `parse size "9999999TB": more than 9223372036854775807 bytes`,
	} {
		if got, err := capture.ParseSize(s); err == nil || err.Error() != want {
			t.Errorf("%q is %d, %v, want %s", s, got, err, want)
		}
	}
}

// TestAppend: a capture that goes on behind another has a section of its own, and both
// are read; files that rotate go on with a number that is free.
func TestAppend(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f.pcapng")
	for i, cfg := range []capture.Config{{}, {Append: true}, {Append: true, Rotate: 1 << 20}, {Append: true, Rotate: 1 << 20}} {
		cfg.Path, cfg.Device, cfg.Log = path, "netstack0", silentLog()
		r, err := capture.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.Start()
		pings(t, r, uint64(i*10+1), 3)
		if err := r.Close(patience); err != nil || r.Lost() != 0 {
			t.Fatalf("%d lost, %v", r.Lost(), err)
		}
	}
	if d := cmp.Diff([]string{"f.1.pcapng", "f.2.pcapng", "f.pcapng"}, names(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	for name, want := range map[string]int{"f.pcapng": 12, "f.1.pcapng": 6, "f.2.pcapng": 6} {
		n := 0
		for _, err := range capture.Packets(filepath.Join(dir, name)) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n++
		}
		if n != want {
			t.Errorf("%s has %d packets, want %d", name, n, want)
		}
	}
}

// TestRotateLater: the size is changed while packets come, but of what cannot be
// rotated it is refused.
func TestRotateLater(t *testing.T) {
	dir := t.TempDir()
	r, err := capture.Open(capture.Config{Path: filepath.Join(dir, "f.pcapng"), Device: "netstack0", Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	r.Start()
	pings(t, r, 1, 100)
	if err := r.Rotate(1000); err != nil {
		t.Fatal(err)
	}
	pings(t, r, 1000, 100)
	if err := r.Close(patience); err != nil || r.Lost() != 0 {
		t.Fatalf("%d lost, %v", r.Lost(), err)
	}
	if n := len(names(t, dir)); n < 10 {
		t.Errorf("%d files", n)
	}
	stream, err := capture.Open(capture.Config{Path: "/dev/null", Device: "netstack0", Log: silentLog()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close(patience) }()
	if err := stream.Rotate(1000); err == nil {
		t.Error("a stream is rotated")
	}
	if err := stream.Rotate(0); err != nil {
		t.Errorf("not to rotate: %v", err)
	}
}
