package linktest

import (
	"os"
	"os/exec"
	"testing"
)

// debianPackage names the Debian package of a tool that is called otherwise.
var debianPackage = map[string]string{
	"cc":   "gcc",
	"curl": "curl",
	"dig":  "bind9-dnsutils",
	"ip":   "iproute2",
	"nc":   "netcat-openbsd",
	"ping": "iputils-ping",
	"ss":   "iproute2",

	"nsenter": "util-linux",
	"setpriv": "util-linux",
	"unshare": "util-linux",

	"promtool":        "prometheus",
	"systemd-analyze": "systemd",
}

// NeedTools skips the test when one of the named programs is not in PATH, and
// says which one and which Debian package brings it. With CI=true it fails.
func NeedTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			pkg, ok := debianPackage[name]
			if !ok {
				pkg = name
			}
			SkipOrFail(t, "needs %s: make deps installs it (Debian package %s): %v", name, pkg, err)
		}
	}
}

// SkipOrFail ends the test because something it needs is missing here: as
// skipped, or as failed when CI=true. The message names what is missing.
func SkipOrFail(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true forbids to skip: "+format, args...)
	}
	t.Skipf(format, args...)
}

// NeedTUN skips the test when /dev/net/tun is not there or may not be opened, as
// in a container without it. With CI=true it fails.
func NeedTUN(t *testing.T) {
	t.Helper()
	const path = "/dev/net/tun"
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		SkipOrFail(t, "needs to open %s (modprobe tun; in a container: --device %s): %v", path, path, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
