package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/vishvananda/netlink"
)

// outerNamespace is the environment variable that marks the inner run. It
// holds the outer run's network namespace, so that the inner one can tell
// that it really left it before it touches anything.
const outerNamespace = "NETSTACKDEMO_OUTER_NETNS"

// ownNamespace names this process's network namespace.
const ownNamespace = "/proc/self/ns/net"

// reexecute runs this program again in a new network namespace and returns
// its exit status. Cancelling ctx asks the inner run to stop.
func reexecute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	outer, err := os.Readlink(ownNamespace)
	if err != nil {
		fmt.Fprintf(stderr, "netstackdemo: read own network namespace: %v\n", err)
		return 1
	}
	cmd, err := startInNamespace(ctx, args, outer, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "netstackdemo: %v\n", err)
		return 1
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	default:
		fmt.Fprintf(stderr, "netstackdemo: run in the namespace: %v\n", err)
		return 1
	}
}

// startInNamespace starts the inner run, with the caller's privilege if that
// is enough and else as root of a user namespace of its own.
func startInNamespace(ctx context.Context, args []string, outer string, stdout, stderr io.Writer) (*exec.Cmd, error) {
	direct := innerCommand(ctx, args, outer, stdout, stderr)
	direct.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	errDirect := direct.Start()
	if errDirect == nil {
		return direct, nil
	}
	mapped := innerCommand(ctx, args, outer, stdout, stderr)
	mapped.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
	mapped.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	mapped.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	errMapped := mapped.Start()
	if errMapped == nil {
		return mapped, nil
	}
	return nil, fmt.Errorf("make a network namespace: %w; in a user namespace: %v; "+
		"run the demo as root, or allow user namespaces to users", errDirect, errMapped)
}

// innerCommand is the inner run without its namespaces.
func innerCommand(ctx context.Context, args []string, outer string, stdout, stderr io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), outerNamespace+"="+outer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = goodbye
	return cmd
}

// enter makes the inner run's namespace usable. It refuses to work in the
// namespace that the outer run named, whoever set the variable.
func enter(outer string) error {
	own, err := os.Readlink(ownNamespace)
	if err != nil {
		return fmt.Errorf("read own network namespace: %w", err)
	}
	if own == outer || outer == "" {
		return fmt.Errorf("enter namespace: still in the caller's network namespace %s; unset %s", own, outerNamespace)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	return nil
}

// dieWithParent makes cmd a process group of its own, which an interruption
// typed at the terminal does not reach, and has the kernel kill it when the
// thread that started it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
