//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netstackd/link/linktest"
)

// refusal is one way to start the daemon wrongly.
type refusal struct {
	name   string
	status int
	args   []string
	// prepare sets the namespace up and may change the command.
	prepare func(t *testing.T, cmd *exec.Cmd)
}

// refusals are all tested in one namespace, so what one of them prepares must
// not disturb the others.
var refusals = []refusal{
	{name: "no flag at all", status: 2},
	{name: "unknown flag", status: 2, args: []string{"-addr", prefix4, "-teleport"}},
	{name: "positional argument", status: 2, args: []string{"-addr", prefix4, "icmp"}},
	{name: "unknown answerer", status: 2, args: []string{"-addr", prefix4, "-respond", "kernel"}},
	{name: "answerer for another's address", status: 2, args: []string{"-addr", prefix4, "-respond", "172.16.0.9=byhand"}},
	{name: "an agent without a way to it", status: 2, args: []string{"-addr", prefix4, "-respond", "mcp"}},
	{name: "HTTP that others reach", status: 2, args: []string{"-addr", prefix4, "-http", "0.0.0.0:8080"}},
	{name: "HTTP on no address of ours", status: 1, args: []string{"-addr", prefix4, "-http", "192.0.2.9:8080", "-http-token-file", "testdata/token"}},
	{name: "HTTP with a token file that is missing", status: 1, args: []string{"-addr", prefix4, "-http", "127.0.0.1:0", "-http-token-file", "/nonexistent/token"}},
	{name: "HTTP on a file", status: 1, args: []string{"-addr", prefix4, "-http", "unix:/dev/null"}},
	{name: "later flag -config", status: 2, args: []string{"-addr", prefix4, "-config", "x.yaml"}},
	{name: "descriptor and its name", status: 2, args: []string{"-addr", prefix4, "-tun-fd", "3", "-tun", "tun7"}},
	{name: "descriptor that is not open", status: 1, args: []string{"-addr", prefix4, "-tun-fd", "99"}},
	{name: "unknown mend", status: 2, args: []string{"-addr", prefix4, "-guard", "strict,-everything"}},
	{name: "address without prefix length", status: 2, args: []string{"-addr", netstack4}},
	{name: "no address", status: 2, args: []string{"-addr", "localhost/24"}},
	{name: "prefix length out of range", status: 2, args: []string{"-addr", "172.16.0.2/33"}},
	{name: "/32 without -host", status: 2, args: []string{"-addr", "172.16.0.2/32"}},
	{name: "/128 without -host", status: 2, args: []string{"-addr", "fd00:172::2/128"}},
	{name: "network address", status: 2, args: []string{"-addr", "172.16.0.0/24"}},
	{name: "broadcast address", status: 2, args: []string{"-addr", "172.16.0.255/24"}},
	{name: "loopback address", status: 2, args: []string{"-addr", "127.0.0.2/24"}},
	{name: "multicast address", status: 2, args: []string{"-addr", "224.0.0.5/24"}},
	{name: "unspecified address", status: 2, args: []string{"-addr", "0.0.0.0/24"}},
	{name: "IPv6 multicast address", status: 2, args: []string{"-addr", "ff02::1/64"}},
	{name: "the same address twice", status: 2, args: []string{"-addr", prefix4, "-addr", prefix4}},
	{name: "host is netstack's", status: 2, args: []string{"-addr", prefix4, "-host", netstack4}},
	{name: "host no address", status: 2, args: []string{"-addr", prefix4, "-host", "172.16.0.1/24"}},
	{name: "host of no family in use", status: 2, args: []string{"-addr", prefix4, "-host", kernel6}},
	{name: "host network address", status: 2, args: []string{"-addr", prefix4, "-host", "172.16.0.0"}},
	{name: "MTU no number", status: 2, args: []string{"-addr", prefix4, "-mtu", "big"}},
	{name: "MTU too small", status: 2, args: []string{"-addr", prefix4, "-mtu", "67"}},
	{name: "MTU too large", status: 2, args: []string{"-addr", prefix4, "-mtu", "65536"}},
	{name: "MTU too small for IPv6", status: 2, args: []string{"-addr", prefix6, "-mtu", "1279"}},
	{name: "device name too long", status: 2, args: []string{"-addr", prefix4, "-tun", "sixteen-letters-"}},
	{name: "device name with slash", status: 2, args: []string{"-addr", prefix4, "-tun", "a/b"}},
	{name: "device name empty", status: 2, args: []string{"-addr", prefix4, "-tun", ""}},
	{name: "device name pattern", status: 2, args: []string{"-addr", prefix4, "-tun", "tun%d"}},
	{name: "unknown service", status: 2, args: []string{"-addr", prefix4, "-services", "echo,telnet"}},
	{name: "none and a service", status: 2, args: []string{"-addr", prefix4, "-services", "none,echo"}},
	{name: "unknown trace level", status: 2, args: []string{"-addr", prefix4, "-trace", "everything"}},
	{name: "unknown trace format", status: 2, args: []string{"-addr", prefix4, "-trace-format", "xml"}},
	{name: "unknown log level", status: 2, args: []string{"-addr", prefix4, "-log-level", "loud"}},
	{name: "unknown log format", status: 2, args: []string{"-addr", prefix4, "-log-format", "xml"}},
	{name: "unknown guard", status: 2, args: []string{"-addr", prefix4, "-guard", "maybe"}},
	{name: "trace into no directory", status: 1,
		args: []string{"-addr", prefix4, "-trace", "compare", "-trace-out", "/nonexistent/trace.json"}},
	{name: "a check finds no token", status: 2, args: []string{"-check-config", "-addr", prefix4, "-http", "127.0.0.1:0", "-http-token-file", "/nonexistent/token"}},
	{name: "a check finds a token that can be guessed", status: 2, args: []string{"-check-config", "-addr", prefix4, "-http", ":8080", "-http-token-file", "/dev/null"}},
	{name: "a check finds no directory for a socket", status: 2, args: []string{"-check-config", "-addr", prefix4, "-http", "unix:/nonexistent/x.sock"}},
	{name: "a check finds a file in a socket's place", status: 2, args: []string{"-check-config", "-addr", prefix4, "-http", "unix:/dev/null"}},
	{name: "a check finds no directory for the trace", status: 2, args: []string{"-check-config", "-addr", prefix4, "-trace", "compare", "-trace-out", "/nonexistent/trace"}},
	{name: "a check finds a directory for the capture", status: 2, args: []string{"-check-config", "-addr", prefix4, "-pcapng", "/"}},
	{name: "a check finds a directory for the quarantine", status: 2, args: []string{"-check-config", "-addr", prefix4, "-quarantine", "/"}},
	{name: "a check finds no directory for FIFOs", status: 2, args: []string{"-check-config", "-addr", prefix4, "-respond", "fifo:/nonexistent"}},
	{name: "a check finds a file for FIFOs", status: 2, args: []string{"-check-config", "-addr", prefix4, "-respond", "fifo:/dev/null"}},
	{name: "a check finds no user", status: 2, args: []string{"-check-config", "-addr", prefix4, "-user", "no-such-user"}},
	{name: "a check finds no user for commands", status: 2, args: []string{"-check-config", "-addr", prefix4, "-respond", "exec:true", "-exec-user", "no-such-user"}},
	{name: "a check finds no descriptor", status: 2, args: []string{"-check-config", "-addr", prefix4, "-tun-fd", "99"}},
	{name: "a configuration that may not be read", status: 2, args: []string{"-config", "/tmp/netstackd-test-secret.yaml"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			path := cmd.Args[len(cmd.Args)-1]
			t.Cleanup(func() { os.Remove(path) })
			if err := os.WriteFile(path, []byte("addr: "+prefix4+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd.SysProcAttr = nobody()
		}},
	{name: "overlapping route", status: 1, args: []string{"-addr", "10.1.2.3/24"},
		prepare: func(t *testing.T, _ *exec.Cmd) { giveAddress(t, "10.1.0.9/16") }},
	{name: "overlapping route over IPv6", status: 1, args: []string{"-addr", "fd00:1:2::3/64"},
		prepare: func(t *testing.T, _ *exec.Cmd) { giveAddress(t, "fd00:1:2::9/48") }},
	{name: "narrower route inside", status: 1, args: []string{"-addr", "10.3.0.2/16"},
		prepare: func(t *testing.T, _ *exec.Cmd) { giveAddress(t, "10.3.7.9/30") }},
	{name: "kernel's own address", status: 1, args: []string{"-addr", "10.2.0.9/24"},
		prepare: func(t *testing.T, _ *exec.Cmd) { giveAddress(t, "10.2.0.9/32") }},
	{name: "kernel's own address over IPv6", status: 1, args: []string{"-addr", "fd00:2::9/64"},
		prepare: func(t *testing.T, _ *exec.Cmd) { giveAddress(t, "fd00:2::9/128") }},
	{name: "device name in use", status: 1, args: []string{"-addr", prefix4, "-tun", "lo"}},
	{name: "user that is not there", status: 1, args: []string{"-addr", prefix4, "-user", "no-such-user"}},
	{name: "capture in another's directory", status: 1, args: []string{"-addr", prefix4, "-log-level", "error", "-pcapng", "/tmp/netstackd-test-other/f.pcapng", "-pcapng-rotate", "1MB"},
		prepare: func(t *testing.T, _ *exec.Cmd) {
			const dir = "/tmp/netstackd-test-other"
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, 65534, 65534)); err != nil {
				t.Fatal(err)
			}
		}},
	{name: "quarantine of another process", status: 1, args: []string{"-addr", prefix4, "-quarantine", "/tmp/netstackd-test-held.pcapng"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			path := cmd.Args[len(cmd.Args)-1]
			t.Cleanup(func() { os.Remove(path) })
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
		}},
	{name: "no privilege", status: 1, args: []string{"-addr", prefix4},
		prepare: func(_ *testing.T, cmd *exec.Cmd) {
			cmd.SysProcAttr = nobody()
		}},
}

// needOthers skips the test in a user namespace, where there is nobody else to be.
func needOthers(t *testing.T) {
	t.Helper()
	if users, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(users), "4294967295") {
		linktest.SkipOrFail(t, "needs root outside of a user namespace, to become somebody else: uid_map %q, %v", users, err)
	}
}

// giveAddress gives the kernel one more address, on a second TUN device that
// nobody reads.
func giveAddress(t *testing.T, prefix string) {
	t.Helper()
	const name = "other0"
	link, err := netlink.LinkByName(name)
	if err != nil {
		tun := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TUN}
		if err := netlink.LinkAdd(tun); err != nil {
			t.Fatalf("add device: %v", err)
		}
		if link, err = netlink.LinkByName(name); err != nil {
			t.Fatalf("find device: %v", err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			t.Fatalf("bring device up: %v", err)
		}
	}
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	addr.Flags = unix.IFA_F_NODAD
	if err := netlink.AddrAdd(link, addr); err != nil {
		t.Fatalf("add %s to %s: %v", prefix, name, err)
	}
}

// TestIntegrationRefusals starts the daemon wrongly in every way. It must end
// at once with the right exit status and exactly one line on standard error,
// nothing on standard output, and leave no device. The lines are in
// testdata/refusals.golden, for people to read whether they say what to do.
func TestIntegrationRefusals(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	needOthers(t)
	var golden strings.Builder
	for _, r := range refusals {
		cmd := exec.Command(daemonPath(t), r.args...)
		if r.prepare != nil {
			r.prepare(t, cmd)
		}
		golden.WriteString(refused(t, r, cmd.Start, cmd))
	}
	for _, r := range preparedRefusals {
		cmd := exec.Command(daemonPath(t), append([]string{"-addr", prefix4}, r.args...)...)
		r.args = cmd.Args[1:]
		r.prepare(t, cmd)
		golden.WriteString(refused(t, r, cmd.Start, cmd))
	}
	golden.WriteString(unprivilegedRefusals(t))
	golden.WriteString(withoutTUN(t))
	golden.WriteString(withoutCapability(t))
	compareGolden(t, "refusals.golden", golden.String())
}

// withoutTUN starts the daemon where /dev/net is empty.
func withoutTUN(t *testing.T) string {
	t.Helper()
	r := refusal{name: "no /dev/net/tun", status: 1, args: []string{"-addr", prefix4}}
	cmd := exec.Command(daemonPath(t), r.args...)
	return refused(t, r, func() error { return startCovered(cmd, func() error { return nil }) }, cmd)
}

// withoutCapability starts it as a user who may open /dev/net/tun and no more,
// as many systems have it.
func withoutCapability(t *testing.T) string {
	t.Helper()
	r := refusal{name: "no privilege but the device file's", status: 1, args: []string{"-addr", prefix4}}
	cmd := exec.Command(daemonPath(t), r.args...)
	cmd.SysProcAttr = nobody()
	return refused(t, r, func() error { return startCovered(cmd, deviceFile(0o666)) }, cmd)
}

// deviceFile makes a /dev/net/tun with these permissions.
func deviceFile(permissions os.FileMode) func() error {
	return func() error {
		// The numbers of Documentation/admin-guide/devices.txt.
		if err := unix.Mknod("/dev/net/tun", unix.S_IFCHR|0o600, int(unix.Mkdev(10, 200))); err != nil {
			return fmt.Errorf("make device file: %w", err)
		}
		return os.Chmod("/dev/net/tun", permissions)
	}
}

// nobody is what makes a command run without any privilege.
func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// startCovered starts a command with a /dev/net of its own, which prepare
// fills: in a mount namespace, on a thread that is thrown away after it.
func startCovered(cmd *exec.Cmd, prepare func() error) error {
	failed := make(chan error)
	go func() {
		// Never unlocked: the thread and its namespace end with the goroutine.
		runtime.LockOSThread()
		failed <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
				return fmt.Errorf("make mount namespace: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("detach mounts: %w", err)
			}
			if err := unix.Mount("none", "/dev/net", "tmpfs", 0, "mode=0755"); err != nil {
				return fmt.Errorf("cover /dev/net: %w", err)
			}
			if err := prepare(); err != nil {
				return err
			}
			return cmd.Start()
		}()
	}()
	return <-failed
}

// refused runs a wrong start and returns what the golden file says about it.
func refused(t *testing.T, r refusal, start func() error, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	if err := start(); err != nil {
		t.Fatalf("%s: start: %v", r.name, err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !timer.Stop() {
		t.Errorf("%s: netstackd ran on for %v", r.name, patience)
	}
	if status := cmd.ProcessState.ExitCode(); status != r.status {
		t.Errorf("%s: exit status %d (%v), want %d", r.name, status, err, r.status)
	}
	if stdout.Len() > 0 {
		t.Errorf("%s: standard output has %q", r.name, &stdout)
	}
	if n := strings.Count(stderr.String(), "\n"); n != 1 || !strings.HasSuffix(stderr.String(), "\n") {
		t.Errorf("%s: %d lines on standard error, want one:\n%s", r.name, n, &stderr)
	}
	if _, err := net.InterfaceByName(device); err == nil {
		t.Errorf("%s: the device was left behind", r.name)
	}
	return fmt.Sprintf("%s\n\tnetstackd %s\n\texit status %d\n\t%s\n", r.name,
		strings.Join(r.args, " "), cmd.ProcessState.ExitCode(), masked(strings.TrimSpace(stderr.String())))
}

// masked replaces what differs from run to run.
func masked(line string) string {
	return regexp.MustCompile(`time="[^"]*"`).ReplaceAllString(line, `time="…"`)
}

// compareGolden compares with a file of testdata, or writes it with -update.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if updating() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v; -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", path, diff)
	}
}

// updating reports whether the test run was given -update.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}
