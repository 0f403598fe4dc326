package host

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// leave takes the calling thread, to which its goroutine must be bound for good,
// into a new network namespace, and brings lo up there.
func leave() error {
	before, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return fmt.Errorf("read network namespace: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w: needs CAP_SYS_ADMIN: run it as root, or under unshare -rn", err)
	}
	// Nothing is touched unless it is certain where.
	if after, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || after == before {
		return fmt.Errorf("make a network namespace: still in %s: %w", before, errors.Join(err, unix.EINVAL))
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// Check reports whether hosts can be made here at all.
func Check() error {
	failed := make(chan error)
	go func() {
		// The thread is thrown away with the goroutine that keeps it.
		failed <- probe()
	}()
	if err := <-failed; err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("make TUN devices: %w: modprobe tun; in a container: --device /dev/net/tun", err)
	}
	return f.Close()
}

// probe makes a namespace and leaves it to the thread's end.
func probe() error {
	runtime.LockOSThread()
	return leave()
}
