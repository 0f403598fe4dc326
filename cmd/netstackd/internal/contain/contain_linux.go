package contain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Become makes the process another user, on every thread, with no other group. Of
// root's capabilities it keeps what making the device ready and listening takes,
// until Enter.
func Become(uid, gid uint32) error {
	keep := cap.NewSet()
	for _, v := range []cap.Value{cap.NET_ADMIN, cap.NET_BIND_SERVICE, cap.SETPCAP} {
		if have, err := cap.GetProc().GetFlag(cap.Permitted, v); err == nil && have {
			if err := keep.SetFlag(cap.Permitted, true, v); err != nil {
				return fmt.Errorf("become user %d: %w", uid, err)
			}
			if err := keep.SetFlag(cap.Effective, true, v); err != nil {
				return fmt.Errorf("become user %d: %w", uid, err)
			}
		}
	}
	// SetGroups and SetUID keep the permitted capabilities.
	if err := cap.SetGroups(int(gid)); err != nil {
		return fmt.Errorf("become user %d: set its group: %w", uid, err)
	}
	if err := cap.SetUID(int(uid)); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	if err := keep.SetProc(); err != nil {
		return fmt.Errorf("become user %d: keep what the device needs: %w", uid, err)
	}
	return nil
}

// Enter contains the process for good, on every thread: it has no capability and
// cannot gain one, makes only the system calls of the filter, and opens only the
// files of c. A kernel that cannot filter system calls is an error; one that cannot
// restrict files is logged.
//
// The bounding set stays as it is if the process may not lessen it (CAP_SETPCAP):
// with no_new_privs nothing comes of it.
func Enter(c Config) error {
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("give up privileges: set no_new_privs: %w", err)
	}
	// Others of the same user, such as what an answerer starts, do not look in.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: make undumpable: %w", err)
	}
	if err := restrictFiles(c); err != nil {
		return err
	}
	if err := filterCalls(); err != nil {
		return err
	}
	return errors.Join(verify(), c.usable())
}

// usable makes sure that what was open to root is open to who is left: root without
// capabilities may not write to another user's directory.
func (c *Config) usable() error {
	for _, dir := range slices.Concat(c.Write, c.Remove) {
		if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("use directory %s: %w: once up, netstackd has no privilege: give a directory of user %d, or -user its owner", dir, err, os.Geteuid())
		}
	}
	return nil
}

// dropCapabilities empties every set of every thread.
func dropCapabilities() error {
	if may, err := cap.GetProc().GetFlag(cap.Effective, cap.SETPCAP); err == nil && may {
		for v := cap.Value(0); v < cap.MaxBits(); v++ {
			if in, err := cap.GetBound(v); err != nil || !in {
				continue
			}
			if err := cap.DropBound(v); err != nil {
				return fmt.Errorf("drop %v from the bounding set: %w", v, err)
			}
		}
	}
	if err := cap.ResetAmbient(); err != nil {
		return fmt.Errorf("clear the ambient set: %w", err)
	}
	if err := clearSets(); err != nil {
		return fmt.Errorf("clear the capabilities: %w", err)
	}
	return nil
}

// clearSets empties the effective, permitted and inheritable set of every thread:
// capset(2). The cap package's SetProc has what the kernel reads on the stack of the
// goroutine, which may move while the other threads are stopped: now and then that
// was an invalid argument.
func clearSets() error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	sets := &[2]unix.CapUserData{}
	var pinned runtime.Pinner
	defer pinned.Unpin()
	pinned.Pin(header)
	pinned.Pin(sets)
	if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)), 0); errno != 0 {
		return errno
	}
	return nil
}

// verify looks at each thread, where /proc can be read: a seccomp filter that did
// not reach a thread is told by a return value that is easily missed.
func verify() error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return fmt.Errorf("look at the threads: %w", err)
		}
		for _, want := range []string{
			"\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n",
			"\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n",
		} {
			if !strings.Contains(string(text), want) {
				return fmt.Errorf("give up privileges: %s does not say %q", f, strings.TrimSpace(want))
			}
		}
	}
	return nil
}
