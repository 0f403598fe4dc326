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

	"github.com/google/go-cmp/cmp"

	"netstackd/link/linktest"
)

// patience bounds what a test waits for: building with nothing in the cache, and the
// trial.
const patience = 5 * time.Minute

// makeTarget runs a target of the Makefile in root.
func makeTarget(t *testing.T, root, target string, variables ...string) {
	t.Helper()
	linktest.NeedTools(t, "make", "gzip")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", append([]string{"-C", root, target, "VERSION=v1.2.3", "ARCH=amd64"}, variables...)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "GOFLAGS=", "MAKEFLAGS=")
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, log)
	}
}

// pack makes the package from the source in root, and returns it and where it was made.
func pack(t *testing.T, root string) (deb []byte, out string) {
	t.Helper()
	out = t.TempDir()
	makeTarget(t, root, "deb", "OUT="+out)
	deb, err := os.ReadFile(filepath.Join(out, "netstackd_1.2.3_amd64.deb"))
	if err != nil {
		t.Fatal(err)
	}
	return deb, out
}

// files are the paths of all files below a directory.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestIntegrationPackage makes the package, once.
func TestIntegrationPackage(t *testing.T) {
	deb, out := pack(t, "../..")
	t.Run("reproducible", func(t *testing.T) { testReproducible(t, deb) })
	t.Run("install", func(t *testing.T) { testInstall(t, out) })
	t.Run("systemd", func(t *testing.T) { testSystemd(t, deb) })
}

// testReproducible: the package is the same, byte for byte, from another directory, and
// from files of another time.
func testReproducible(t *testing.T, here []byte) {
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
	there, _ := pack(t, elsewhere)
	if !bytes.Equal(here, there) {
		t.Errorf("packages of %d and %d bytes differ", len(here), len(there))
	}
}

// testInstall installs what was built in out for another prefix than the package's, and
// takes it away again: the configuration stays.
func testInstall(t *testing.T, out string) {
	root := t.TempDir()
	where := []string{"OUT=" + out, "BINARY=" + filepath.Join(out, "stage/amd64/netstackd"), "DESTDIR=" + root, "PREFIX=/opt/n", "SYSCONFDIR=/opt/etc"}
	makeTarget(t, "../..", "install", where...)
	want := []string{
		"opt/etc/netstackd/netstackd.yaml",
		"opt/n/bin/netstackd",
		"opt/n/lib/systemd/system/netstackd-prepared.service",
		"opt/n/lib/systemd/system/netstackd.service",
		"opt/n/lib/sysusers.d/netstackd.conf",
		"opt/n/share/bash-completion/completions/netstackd",
		"opt/n/share/doc/netstackd/README.md",
		"opt/n/share/doc/netstackd/examples/netstack0.netdev",
		"opt/n/share/doc/netstackd/examples/netstack0.network",
		"opt/n/share/doc/netstackd/examples/netstackd.yaml",
		"opt/n/share/fish/vendor_completions.d/netstackd.fish",
		"opt/n/share/man/man8/netstackd.8",
		"opt/n/share/zsh/site-functions/_netstackd",
	}
	if d := cmp.Diff(want, files(t, root)); d != "" {
		t.Errorf("installed (-want +got):\n%s", d)
	}
	unit, err := os.ReadFile(filepath.Join(root, "opt/n/lib/systemd/system/netstackd.service"))
	if err != nil {
		t.Fatal(err)
	}
	if start := "\nExecStart=/opt/n/bin/netstackd -config /opt/etc/netstackd/netstackd.yaml\n"; !strings.Contains(string(unit), start) {
		t.Errorf("the unit does not say %q:\n%s", start, unit)
	}
	config := filepath.Join(root, want[0])
	if err := os.WriteFile(config, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "../..", "install", where...)
	makeTarget(t, "../..", "uninstall", where...)
	if d := cmp.Diff(want[:1], files(t, root)); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if text, err := os.ReadFile(config); err != nil || string(text) != "# mine\n" {
		t.Errorf("the configuration became %q, %v", text, err)
	}
}

// testSystemd installs, starts, reloads, crashes, upgrades, removes and purges the
// package under a systemd of its own.
func testSystemd(t *testing.T, deb []byte) {
	if os.Geteuid() != 0 {
		linktest.SkipOrFail(t, "needs root, to boot a systemd on a copy of this machine")
	}
	linktest.NeedTUN(t)
	linktest.NeedTools(t, "unshare", "dpkg", "ip", "ping", "systemctl")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "netstackd.deb"), deb, 0o644); err != nil {
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
