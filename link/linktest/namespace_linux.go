package linktest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The environment by which the parent tells the child who it is. Both are
// needed: the second is the proof that the child really is elsewhere.
const (
	namespaceEnv = "LINKTEST_NAMESPACE_TEST"   // name of the test the child runs
	outsideEnv   = "LINKTEST_NAMESPACE_PARENT" // network namespace of the parent
)

// outputGrace is how long the child's output may stay open after it ended,
// which happens when the test left a process behind.
const outputGrace = 5 * time.Second

// InNamespace gives the calling test a fresh network namespace with only lo, up.
// It runs the test binary again for this test alone, as a child in the new
// namespace, and returns true there. In the parent it relays the child's output,
// fails or skips as the child did, and returns false once the child has ended:
//
//	func TestIntegrationX(t *testing.T) {
//		if !linktest.InNamespace(t) {
//			return
//		}
//		// here devices, addresses and routes are this test's own
//	}
//
// Call it first: what the test does before the call is done twice. It may be
// called by a subtest, then the tests above it run again in the child as far as
// they lead to it. A subtest of a test that is inside and that calls it itself
// gets another namespace; one that does not shares its parent's. Everything in
// the child process, and every process it starts, is in the namespace.
//
// As root the namespace is made with CLONE_NEWNET; else, or where that is
// refused, together with a user namespace in which the caller is root. Where
// neither is permitted the test is skipped, or fails when CI=true.
func InNamespace(t *testing.T) (inside bool) {
	t.Helper()
	name := t.Name()
	// A test above the one the child was made for is inside as well.
	if want := os.Getenv(namespaceEnv); want == name || strings.HasPrefix(want, name+"/") {
		enter(t)
		return true
	}
	runInside(t, name)
	return false
}

// enter is the child's part: make sure this is not the parent's namespace, and
// bring lo up.
func enter(t *testing.T) {
	t.Helper()
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatalf("read network namespace: %v", err)
	}
	if outside := os.Getenv(outsideEnv); outside == "" || outside == here {
		t.Fatalf("%s is set, but this is the network namespace it was set in (%s): unset it", namespaceEnv, here)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatalf("find lo: %v", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatalf("bring lo up: %v", err)
	}
}

// runInside is the parent's part.
func runInside(t *testing.T, name string) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatalf("find test binary: %v", err)
	}
	outside, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		SkipOrFail(t, "needs network namespaces: %v", err)
	}
	args := childArgs(t, name)

	// The child is to die with this process, but the kernel sends that signal
	// when the thread that made the child ends, so keep the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var (
		output  bytes.Buffer
		refused []error
	)
	for _, user := range namespaceWays() {
		output.Reset()
		cmd := exec.Command(executable, args...)
		cmd.Env = append(os.Environ(), namespaceEnv+"="+name, outsideEnv+"="+outside)
		cmd.Stdout = io.MultiWriter(&output, t.Output())
		cmd.Stderr = cmd.Stdout
		cmd.WaitDelay = outputGrace
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if user {
			cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		if err := cmd.Start(); err != nil {
			if !notPermitted(err) {
				t.Fatalf("start test in a network namespace: %v", err)
			}
			refused = append(refused, err)
			continue
		}
		verdict(t, name, cmd.Wait(), output.Bytes())
		return
	}
	SkipOrFail(t, "needs CAP_SYS_ADMIN for a network namespace, or unprivileged user namespaces "+
		"(user.max_user_namespaces, kernel.unprivileged_userns_clone): %v", errors.Join(refused...))
}

// namespaceWays lists whether to make a user namespace as well, in the order to
// try.
func namespaceWays() []bool {
	if os.Geteuid() == 0 {
		return []bool{false, true} // root in a container may lack CAP_SYS_ADMIN
	}
	return []bool{true}
}

// notPermitted tells whether the kernel refused the namespace rather than the
// program: clone(2), unshare(2) and user_namespaces(7) list these errors.
func notPermitted(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// verdict passes the child's outcome on to the parent's test. The child's word
// is the line its own test runner prints, because an exit status of 0 also
// means skipped, or that no test of that name was found.
func verdict(t *testing.T, name string, waitErr error, output []byte) {
	t.Helper()
	if errors.Is(waitErr, exec.ErrWaitDelay) {
		t.Fatalf("%s left a process behind that holds its output", name)
	}
	if waitErr != nil {
		t.Fatalf("%s failed in its namespace: %v", name, waitErr)
	}
	outcome := regexp.MustCompile(`(?m)^\s*--- (PASS|SKIP): ` + regexp.QuoteMeta(name) + ` \(`).FindSubmatch(output)
	switch {
	case outcome == nil:
		t.Fatalf("%s did not run in its namespace", name)
	case string(outcome[1]) == "SKIP":
		t.Skip("skipped in its namespace, see above")
	}
}

// childArgs are the test flags of the child: this test alone, verbosely, once,
// to end before the parent's own deadline, with the flags the test package
// defined itself (-update) as they were given.
func childArgs(t *testing.T, name string) []string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	timeout := time.Duration(0)
	if deadline, ok := t.Deadline(); ok {
		// A tenth earlier, so that it is the child that tells where it hung.
		timeout = max(time.Until(deadline)*9/10, time.Second)
	}
	args := []string{
		"-test.run=" + strings.Join(parts, "/"),
		"-test.v=true",
		"-test.count=1",
		"-test.paniconexit0",
		fmt.Sprintf("-test.timeout=%s", timeout),
	}
	if testing.Short() {
		args = append(args, "-test.short=true")
	}
	return append(args, ownFlags()...)
}

// ownFlags returns the flags given to this test binary that are not those of
// package testing.
func ownFlags() []string {
	var own []string
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			own = append(own, "-"+f.Name+"="+f.Value.String())
		}
	})
	return own
}
