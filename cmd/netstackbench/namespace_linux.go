package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/vishvananda/netlink"
)

// outerVariable is the environment variable that holds the outer process's
// network namespace, so that a worker can tell that it really left it.
const outerVariable = "NETSTACKBENCH_OUTER_NETNS"

// ownNamespace names this process's network namespace.
const ownNamespace = "/proc/self/ns/net"

// startInNamespace starts a command that prepare makes in a new network
// namespace: with the caller's privilege if that is enough, else as root of a
// user namespace of its own.
func startInNamespace(prepare func() (*exec.Cmd, error)) (*exec.Cmd, error) {
	var refused []error
	for _, mapped := range []bool{false, true} {
		cmd, err := prepare()
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
		if mapped {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		err = cmd.Start()
		if err == nil {
			return cmd, nil
		}
		refused = append(refused, err)
	}
	return nil, fmt.Errorf("make a network namespace: %w; in a user namespace: %w: "+
		"run the benchmark as root, or allow user namespaces to users", refused[0], refused[1])
}

// enter makes a new namespace usable. It refuses to work in the one that the
// outer process is in, whoever set the variables.
func enter() error {
	own, err := os.Readlink(ownNamespace)
	if err != nil {
		return fmt.Errorf("read own network namespace: %w", err)
	}
	if outer := os.Getenv(outerVariable); outer == "" || own == outer {
		return fmt.Errorf("enter namespace: still in the caller's network namespace %s: unset %s", own, roleVariable)
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

// checkTUN tells what to do where no TUN device can be made.
func checkTUN() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("make TUN devices: %w: run the benchmark as root", err)
		}
		return fmt.Errorf("make TUN devices: %w: modprobe tun; in a container: --device /dev/net/tun", err)
	}
	return f.Close()
}

// ownProgram is this program again, in a part that role names. The child is a
// process group of its own, which an interruption typed at the terminal does not
// reach, and dies when the thread that starts it ends.
func ownProgram(role string, args ...string) (*exec.Cmd, error) {
	outer, ok := os.LookupEnv(outerVariable)
	if !ok {
		var err error
		if outer, err = os.Readlink(ownNamespace); err != nil {
			return nil, fmt.Errorf("read own network namespace: %w", err)
		}
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), roleVariable+"="+role, outerVariable+"="+outer)
	dieWithParent(cmd)
	return cmd, nil
}

func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
