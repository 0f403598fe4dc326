//go:build linux

package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// run runs ip(8) with the words of each line.
func run(t *testing.T, lines ...string) {
	t.Helper()
	for _, l := range lines {
		tool(t, patience, "ip", strings.Fields(l)...)
	}
}

// prepareDevice gives the device the kernel's addresses, as its owner would.
func prepareDevice(t *testing.T) {
	t.Helper()
	run(t, "addr add "+kernel4+"/24 dev "+device, "link set dev "+device+" mtu 4000 up", "addr add "+kernel6+"/64 dev "+device+" nodad")
}

// unprivileged is a command as nobody, without any capability in any set.
func unprivileged(command ...string) *exec.Cmd {
	return exec.Command("setpriv", append([]string{
		"--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
	}, command...)...)
}

// stillThere wants the device as it was prepared.
func stillThere(t *testing.T) {
	t.Helper()
	i, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatalf("the device is gone: %v", err)
	}
	if i.Flags&net.FlagUp == 0 || i.MTU != 4000 {
		t.Errorf("the device is %v with MTU %d, want up and 4000", i.Flags, i.MTU)
	}
	addrs, err := i.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, a := range addrs {
		found[a.String()] = true
	}
	if !found[kernel4+"/24"] || !found[kernel6+"/64"] {
		t.Errorf("the device has the addresses %v", addrs)
	}
}

// segmented tells whether the device takes TCP's super-segments (ETHTOOL_GTSO,
// linux/ethtool.h).
func segmented(t *testing.T) bool {
	t.Helper()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	value := struct{ command, data uint32 }{command: unix.ETHTOOL_GTSO}
	request := struct {
		name  [unix.IFNAMSIZ]byte
		value unsafe.Pointer
		_     [16]byte
	}{value: unsafe.Pointer(&value)}
	copy(request.name[:], device)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatalf("ask for offloads: %v", errno)
	}
	return value.data != 0
}

// answers wants pings and TCP answered, in packets as long as the device's.
func answers(t *testing.T) {
	t.Helper()
	for _, host := range []string{netstack4, netstack6} {
		pinged(t, tool(t, patience, "ping", "-c", "5", "-i", "0.05", "-M", "do", "-s", "3900", host), 5)
		tcpEcho(t, host)
	}
}

// TestIntegrationPrepared: nobody runs the host, contained, on a device that was
// prepared; and another after it.
func TestIntegrationPrepared(t *testing.T) {
	if !inNamespace(t, "ip", "ping", "setpriv") {
		return
	}
	needOthers(t)
	for _, kind := range []string{"", "multi_queue", "pi", "vnet_hdr"} {
		t.Run("kind "+kind, func(t *testing.T) {
			run(t, "tuntap add dev "+device+" mode tun user nobody "+kind)
			defer run(t, "link del "+device)
			prepareDevice(t)
			rounds := 1
			if kind == "" {
				rounds = 2
			}
			for range rounds {
				cmd := unprivileged(daemonPath(t), "-addr", prefix4, "-addr", prefix6, "-no-configure")
				d := startBy(t, cmd, func() error { return startCovered(cmd, deviceFile(0o666)) })
				contained(t, d.cmd.Process.Pid, "65534")
				answers(t)
				if !segmented(t) {
					t.Error("the kernel does not pass super-segments")
				}
				d.end(t, syscall.SIGTERM)
				if segmented(t) {
					t.Error("the next who opens the device gets super-segments that it did not ask for")
				}
				if log := d.log.String(); !strings.Contains(log, "mtu=4000") || !strings.Contains(log, kernel4+"/24") || strings.Contains(log, "level=warning") {
					t.Error("the log does not say what the device is, or warns")
				}
				stillThere(t)
			}
		})
	}
}

// TestIntegrationPreparedDown: the host waits for a device that is down, and says so.
func TestIntegrationPreparedDown(t *testing.T) {
	if !inNamespace(t, "ip", "ping") {
		return
	}
	run(t, "tuntap add dev "+device+" mode tun")
	d := startOnly(t, "-addr", prefix4, "-no-configure")
	d.waitLog(t, `level=warning msg="the device is down: no packet passes until it is up" command="ip link set dev netstack0 up"`)
	run(t, "link set dev "+device+" up", "addr add "+kernel4+"/24 dev "+device)
	d.waitLog(t, "the device is up")
	pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "3", netstack4), 1)
	// Up, but without what leads to netstack.
	d.end(t, syscall.SIGTERM)
	run(t, "addr flush dev "+device)
	d = startOnly(t, "-addr", prefix4, "-no-configure")
	d.waitLog(t, `command="ip route add 172.16.0.2 dev netstack0"`)
	run(t, "route add "+netstack4+" dev "+device)
	run(t, "link del "+device)
	if status := d.waitExit(t); status != 1 {
		t.Errorf("exit status %d after the device was deleted, want 1", status)
	}
}

// opened is a TUN or TAP device with these flags of TUNSETIFF, which lives as long as
// the file, or the test.
func opened(t *testing.T, name string, flags uint16) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { f.Close() })
	if name == "" {
		return f
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatalf("make %s: %v", name, err)
	}
	return f
}

// TestIntegrationDescriptor: nobody runs the host, contained, on a descriptor that
// its parent gives it, and no process that it starts has that.
func TestIntegrationDescriptor(t *testing.T) {
	if !inNamespace(t, "ip", "ping", "setpriv", "cut") {
		return
	}
	needOthers(t)
	for _, tt := range []struct {
		name    string
		flags   uint16
		offload bool
	}{
		{"virtio-net header", unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR, true},
		{"no header", unix.IFF_TUN | unix.IFF_NO_PI, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := opened(t, device, tt.flags)
			defer f.Close()
			if tt.offload {
				// As QEMU has it.
				if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.TUNSETVNETHDRSZ, 12); err != nil {
					t.Fatal(err)
				}
			}
			prepareDevice(t)
			cmd := unprivileged(daemonPath(t), "-addr", prefix4, "-addr", prefix6, "-addr", "172.16.0.3/24", "-tun-fd", "3",
				"-respond", "172.16.0.3="+script(t, answering))
			cmd.ExtraFiles = []*os.File{f}
			d := startCommand(t, cmd)
			contained(t, d.cmd.Process.Pid, "65534")
			answers(t)
			pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "3", "172.16.0.3"), 1)
			if has := strings.Contains(d.log.String(), "no offload"); has == tt.offload {
				t.Errorf("offload %v, want %v", !has, tt.offload)
			}
			if n := holders(t, d.cmd.Process.Pid); n != 1 {
				t.Errorf("%d processes have the descriptor, want 1", n)
			}
			d.end(t, syscall.SIGTERM)
			stillThere(t)
		})
	}
}

// holders counts the processes, of one and all that it started, that have a TUN
// device open.
func holders(t *testing.T, pid int) int {
	t.Helper()
	n := 0
	fds, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("the descriptors of process %d cannot be seen: %v", pid, err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == "/dev/net/tun" {
			n++
			break
		}
	}
	for _, child := range childrenOf(t, pid) {
		n += holders(t, child)
	}
	return n
}

// TestIntegrationRootless: nobody makes a device in a namespace of its own.
func TestIntegrationRootless(t *testing.T) {
	if !inNamespace(t, "ping", "setpriv", "unshare", "nsenter") {
		return
	}
	needOthers(t)
	cmd := unprivileged("unshare", "-rn", daemonPath(t), "-addr", prefix4, "-addr", prefix6)
	d := startBy(t, cmd, func() error { return startCovered(cmd, deviceFile(0o666)) })
	contained(t, d.cmd.Process.Pid, "65534")
	for _, host := range []string{netstack4, netstack6} {
		pinged(t, tool(t, patience, "nsenter", "-t", strconv.Itoa(d.cmd.Process.Pid), "-n", "ping", "-c", "5", "-i", "0.05", host), 5)
	}
	d.stop(t)
}

// preparedRefusals are ways to start the daemon on a device of another that will not
// do, behind the address.
var preparedRefusals = []refusal{
	{name: "no device prepared", status: 1, args: []string{"-no-configure", "-tun", "none0"}, prepare: func(*testing.T, *exec.Cmd) {}},
	{name: "prepared device is no TUN", status: 1, args: []string{"-no-configure", "-tun", "lo"}, prepare: func(*testing.T, *exec.Cmd) {}},
	{name: "prepared device is a TAP", status: 1, args: []string{"-no-configure", "-tun", "tap0"},
		prepare: func(t *testing.T, _ *exec.Cmd) { run(t, "tuntap add dev tap0 mode tap") }},
	{name: "prepared device in use", status: 1, args: []string{"-no-configure", "-tun", "used0"},
		prepare: func(t *testing.T, _ *exec.Cmd) { opened(t, "used0", unix.IFF_TUN|unix.IFF_NO_PI) }},
	{name: "prepared device of many queues in use", status: 1, args: []string{"-no-configure", "-tun", "used1"},
		prepare: func(t *testing.T, _ *exec.Cmd) { opened(t, "used1", unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_MULTI_QUEUE) }},
	{name: "prepared device too small for IPv6", status: 1, args: []string{"-no-configure", "-tun", "small0", "-addr", prefix6},
		prepare: func(t *testing.T, _ *exec.Cmd) {
			run(t, "tuntap add dev small0 mode tun", "link set dev small0 mtu 1279")
		}},
	{name: "address is that of the prepared device", status: 1, args: []string{"-no-configure", "-tun", "mine0", "-addr", "10.4.0.1/24"},
		prepare: func(t *testing.T, _ *exec.Cmd) {
			run(t, "tuntap add dev mine0 mode tun", "addr add 10.4.0.1/24 dev mine0")
		}},
	{name: "descriptor of a file", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			f, err := os.Open("/dev/null")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			cmd.ExtraFiles = []*os.File{f}
		}},
	{name: "descriptor without a device", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{opened(t, "", 0)} }},
	{name: "descriptor of a TAP", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			cmd.ExtraFiles = []*os.File{opened(t, "fdtap0", unix.IFF_TAP|unix.IFF_NO_PI)}
		}},
	{name: "descriptor with packet information", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{opened(t, "fdpi0", unix.IFF_TUN)} }},
	{name: "descriptor of one queue of two", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			const flags = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_MULTI_QUEUE
			opened(t, "fdmany0", flags)
			cmd.ExtraFiles = []*os.File{opened(t, "fdmany0", flags)}
		}},
	{name: "descriptor of a queue that is detached", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			f := opened(t, "fdoff0", unix.IFF_TUN|unix.IFF_NO_PI|unix.IFF_MULTI_QUEUE)
			ifr, err := unix.NewIfreq("")
			if err != nil {
				t.Fatal(err)
			}
			ifr.SetUint16(unix.IFF_DETACH_QUEUE)
			if err := unix.IoctlIfreq(int(f.Fd()), unix.TUNSETQUEUE, ifr); err != nil {
				t.Fatal(err)
			}
			cmd.ExtraFiles = []*os.File{f}
		}},
	{name: "descriptor from another network namespace", status: 1, args: []string{"-tun-fd", "3"},
		prepare: func(t *testing.T, cmd *exec.Cmd) {
			made := make(chan *os.File)
			go func() {
				defer close(made)
				// Never unlocked: the thread ends with the goroutine.
				runtime.LockOSThread()
				if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
					t.Errorf("make network namespace: %v", err)
					return
				}
				made <- opened(t, "away0", unix.IFF_TUN|unix.IFF_NO_PI)
			}()
			cmd.ExtraFiles = []*os.File{<-made}
		}},
}

// unprivilegedRefusals are those of who has no privilege: a device of another's, and
// a device file.
func unprivilegedRefusals(t *testing.T) string {
	t.Helper()
	run(t, "tuntap add dev roots0 mode tun user root")
	var golden strings.Builder
	for _, tt := range []struct {
		name        string
		permissions os.FileMode
	}{{"prepared device of another", 0o666}, {"prepared device, but not the device file", 0o600}} {
		r := refusal{name: tt.name, status: 1, args: []string{"-addr", prefix4, "-no-configure", "-tun", "roots0"}}
		cmd := exec.Command(daemonPath(t), r.args...)
		cmd.SysProcAttr = nobody()
		golden.WriteString(refused(t, r, func() error { return startCovered(cmd, deviceFile(tt.permissions)) }, cmd))
	}
	return golden.String()
}
