package contain_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/google/go-cmp/cmp"
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

// run runs the probe in a directory of its own, as the process that prepare makes
// it, and returns its lines.
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
