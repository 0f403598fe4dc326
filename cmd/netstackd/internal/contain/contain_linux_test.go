package contain_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"netstackd/link/linktest"
)

// probe builds testdata/probe, as the daemon is built: without cgo.
func probe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-o", path, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// run runs the probe in a directory of its own, as the process that start makes it,
// and returns its lines.
func run(t *testing.T, path string, start func(*exec.Cmd) error) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "may")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // what it printed says more
	text := strings.ReplaceAll(out.String(), filepath.Dir(dir), "DIR")
	return regexp.MustCompile(`time="[^"]*"`).ReplaceAllString(text, `time="…"`)
}

// contained is what the probe prints where the kernel can all that is wanted.
const contained = `execute: operation not permitted
fork: operation not permitted
clone3: function not implemented
new namespace: operation not permitted
mount: operation not permitted
trace: operation not permitted
signal another: operation not permitted
IPv4 socket: operation not permitted
unix socket: operation not permitted
executable memory: operation not permitted
read /etc/passwd: open /etc/passwd: permission denied
write elsewhere: open DIR/elsewhere: permission denied
write where it may: allowed
netlink socket: allowed
more threads: allowed
`

func TestContained(t *testing.T) {
	path := probe(t)
	if d := cmp.Diff(contained, run(t, path, (*exec.Cmd).Start)); d != "" {
		t.Errorf("contained (-want +got):\n%s", d)
	}
}

// without starts a command in whose kernel some system calls are missing: on a
// thread that is thrown away, for the filter stays on it.
func without(calls ...string) func(*exec.Cmd) error {
	return func(cmd *exec.Cmd) error {
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked
			err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Policy: seccomp.Policy{
				DefaultAction: seccomp.ActionAllow,
				Syscalls:      []seccomp.SyscallGroup{{Names: calls, Action: seccomp.ActionErrno | seccomp.Action(syscall.ENOSYS)}},
			}})
			if err == nil {
				err = cmd.Start()
			}
			failed <- err
		}()
		return <-failed
	}
}

// TestKernelCannot: without seccomp the process refuses to go on; without landlock it
// says so and goes on with the rest.
func TestKernelCannot(t *testing.T) {
	path := probe(t)
	const refusal = "filter system calls: failed loading seccomp filter: seccomp is not supported by the kernel: function not implemented: " +
		"this kernel cannot (CONFIG_SECCOMP_FILTER): use one that can, or give -contain off to run without\n"
	if d := cmp.Diff(refusal, run(t, path, without("seccomp"))); d != "" {
		t.Errorf("without seccomp (-want +got):\n%s", d)
	}
	const warning = `time="…" level=warning msg="this kernel does not restrict files (landlock, Linux 5.13): ` +
		`what the user of this process may open, it may open: give -user" error="function not implemented"` + "\n"
	want := warning + strings.NewReplacer(
		"read /etc/passwd: open /etc/passwd: permission denied", "read /etc/passwd: allowed",
		"write elsewhere: open DIR/elsewhere: permission denied", "write elsewhere: allowed",
	).Replace(contained)
	if d := cmp.Diff(want, run(t, path, without("landlock_create_ruleset"))); d != "" {
		t.Errorf("without landlock (-want +got):\n%s", d)
	}
}

// TestBecome: every thread is another user's, in no other group, with the capabilities
// that are kept; in each of many starts, wherever the stack ends that the system calls
// are made from.
func TestBecome(t *testing.T) {
	const status = "/proc/self/status"
	text, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`\nCapPrm:\t([0-9a-f]{16})\n`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("%s has no capabilities", status)
	}
	have, err := strconv.ParseUint(string(m[1]), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	const setID = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	if have&setID != setID || !strings.Contains(string(users), "4294967295") {
		linktest.SkipOrFail(t, "needs root outside of a user namespace, to become somebody else: CapPrm %x, uid_map %q", have, users)
	}
	kept := have & (1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SETPCAP)
	want := fmt.Sprintf("Uid 4711,4711,4711,4711 Gid 4712,4712,4712,4712 Groups  CapInh %016x CapPrm %016x CapEff %016x CapAmb %016x\n", 0, kept, kept, 0)
	path := probe(t)
	for depth := range 40 {
		out, err := exec.Command(path, "become", "4711", "4712", strconv.Itoa(depth)).CombinedOutput()
		if err != nil {
			t.Fatalf("depth %d: %v\n%s", depth, err, out)
		}
		if n := strings.Count(string(out), want); n < 5 || len(out) != n*len(want) {
			t.Fatalf("depth %d: got\n%swant for each of the threads\n%s", depth, out, want)
		}
	}
}
