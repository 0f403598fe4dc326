package deb_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netstackd/link/linktest"
)

// patience bounds what a test waits for: building with nothing in the cache, and the
// trial.
const patience = 5 * time.Minute

// pack makes the package from the source in root, and returns its path.
func pack(t *testing.T, root string) string {
	t.Helper()
	linktest.NeedTools(t, "make", "gzip")
	out := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "-C", root, "deb", "OUT="+out, "VERSION=v1.2.3", "ARCH=amd64")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=", "MAKEFLAGS=")
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make deb: %v\n%s", err, log)
	}
	return filepath.Join(out, "netstackd_1.2.3_amd64.deb")
}

// TestReproducible: the package is the same, byte for byte, from another directory, and
// from files of another time.
func TestReproducible(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "some", "where", "else")
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".git", path == "bin":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(elsewhere, path), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(elsewhere, path), text, info.Mode()&0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed [2][]byte
	for i, root := range []string{"../..", elsewhere} {
		if packed[i], err = os.ReadFile(pack(t, root)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(packed[0], packed[1]) {
		t.Errorf("packages of %d and %d bytes differ", len(packed[0]), len(packed[1]))
	}
}

// TestIntegrationPackage installs, starts, reloads, crashes, upgrades, removes and
// purges the package under a systemd of its own.
func TestIntegrationPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		linktest.SkipOrFail(t, "needs root, to boot a systemd on a copy of this machine")
	}
	linktest.NeedTUN(t)
	linktest.NeedTools(t, "unshare", "dpkg", "ip", "ping", "systemctl")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(pack(t, "../.."), filepath.Join(dir, "netstackd.deb")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"boot.sh", "trial.sh"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	boot := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--cgroup", "--uts", "--ipc",
		filepath.Join(dir, "boot.sh"), dir)
	boot.WaitDelay = time.Second
	said, err := boot.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 42 {
		linktest.SkipOrFail(t, "needs an overlay of the root directory: %s", said)
	}
	log, logErr := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil || logErr != nil || !strings.Contains(string(log), "\nPASSED\n") {
		t.Errorf("the trial failed: %v %v\n%s\n%s", err, logErr, said, log)
	}
}
