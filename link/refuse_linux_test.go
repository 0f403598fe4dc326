package link

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"
)

func TestCheckCloneDevice(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "net", "tun")
	err := checkCloneDevice(missing)
	checkError(t, "missing", err, "modprobe tun, or in a container: --device /dev/net/tun")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is no fs.ErrNotExist", err)
	}
}

func TestCheckIPv6(t *testing.T) {
	for _, tc := range []struct {
		name        string
		all, deflt  string // contents of disable_ipv6
		noDirectory bool
		want        string
	}{
		{name: "on", all: "0\n", deflt: "0\n"},
		{name: "off for all", all: "1\n", deflt: "0\n", want: "net.ipv6.conf.all.disable_ipv6=0"},
		{name: "off for new ones", all: "0\n", deflt: "1\n", want: "net.ipv6.conf.default.disable_ipv6=0"},
		{name: "not in the kernel", noDirectory: true, want: "the kernel has none"},
	} {
		root := t.TempDir()
		if !tc.noDirectory {
			for scope, content := range map[string]string{"all": tc.all, "default": tc.deflt} {
				dir := filepath.Join(root, "net/ipv6/conf", scope)
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "disable_ipv6"), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkError(t, tc.name, checkIPv6(root), tc.want)
	}
}

// TestKeepAddrOnDownFails: what cannot be written is told, with the consequence.
func TestKeepAddrOnDownFails(t *testing.T) {
	log, logged := logtest.NewNullLogger()
	setKeepAddrOnDown(t.TempDir(), "netstack0", log)
	if len(logged.Entries) != 1 {
		t.Fatalf("%d log lines, want 1", len(logged.Entries))
	}
	checkError(t, "warning", errors.New(logged.LastEntry().Message), "will be lost when the device goes down")
}
