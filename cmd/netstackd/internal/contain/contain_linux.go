package contain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Become makes the process another user, on every thread, with no other group. Of
// root's capabilities it keeps what making the device ready and listening takes,
// until Enter.
func Become(uid, gid uint32) error {
	if err := become(int(uid), int(gid)); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

func become(uid, gid int) error {
	have, err := capabilities()
	if err != nil {
		return err
	}
	// What is permitted need not be in force.
	if err := setCapabilities(have.permitted); err != nil {
		return fmt.Errorf("use its capabilities: %w", err)
	}
	if err := control(unix.PR_SET_KEEPCAPS, 1, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	defer watched()()
	// On every thread, those of the syscall package do.
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leave other groups: %w", err)
	}
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("set its group: %w", err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return err
	}
	if err := setCapabilities(have.permitted & (1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SETPCAP)); err != nil {
		return fmt.Errorf("keep what the device needs: %w", err)
	}
	if err := control(unix.PR_SET_KEEPCAPS, 0, 0); err != nil {
		return fmt.Errorf("keep no more capabilities: %w", err)
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
	if err := control(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
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
	have, err := capabilities()
	if err != nil {
		return err
	}
	if have.effective&(1<<unix.CAP_SETPCAP) != 0 {
		// The kernel knows of fewer than 64, and says so of the first that it does not.
		for v := uintptr(0); v < 64; v++ {
			in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, v, 0, 0, 0)
			if err != nil || in == 0 {
				continue
			}
			if err := control(unix.PR_CAPBSET_DROP, v, 0); err != nil {
				return fmt.Errorf("drop capability %d from the bounding set: %w", v, err)
			}
		}
	}
	if err := control(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("clear the ambient set: %w", err)
	}
	if err := setCapabilities(0); err != nil {
		return fmt.Errorf("clear the capabilities: %w", err)
	}
	return nil
}

// A sets holds two of a thread's sets of capabilities, each with the bit of its number.
type sets struct{ effective, permitted uint64 }

// capabilities are those of this thread: capget(2).
func capabilities() (sets, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return sets{}, fmt.Errorf("read the capabilities: %w", err)
	}
	return sets{
		effective: uint64(data[0].Effective) | uint64(data[1].Effective)<<32,
		permitted: uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32,
	}, nil
}

// setCapabilities makes the effective and the permitted set of every thread the one
// that is given, and empties the inheritable one: capset(2). What the kernel reads is
// pinned: on the stack of the goroutine, which may move while the other threads are
// stopped, it was now and then an invalid argument (the cap package of libcap has it
// there).
func setCapabilities(set uint64) error {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{
		{Effective: uint32(set), Permitted: uint32(set)},
		{Effective: uint32(set >> 32), Permitted: uint32(set >> 32)},
	}
	var pinned runtime.Pinner
	defer pinned.Unpin()
	pinned.Pin(header)
	pinned.Pin(data)
	return every(unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(data)), 0)
}

// control is prctl(2) on every thread.
func control(option int, argument2, argument3 uintptr) error {
	return every(unix.SYS_PRCTL, uintptr(option), argument2, argument3)
}

// watched has the runtime's monitor look soon, and again and again, until the function
// that it returns is called.
//
// For a system call on every thread the runtime stops all goroutines. In Go 1.26 one that
// was about to enter a system call that blocks may be missed, until the monitor looks
// again: at the next timer, or after a minute (reentersyscall and sysmon of
// runtime/proc.go). So there are timers, of the sort that stands in the runtime's heap
// though nobody receives from it: a Ticker's does not.
func watched() (stop func()) {
	var timers []*time.Timer
	for after := time.Millisecond; after < time.Minute; after *= 2 {
		timers = append(timers, time.AfterFunc(after, func() {}))
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}

// every makes a system call on every thread. The last three arguments are 0.
func every(call, a, b, c uintptr) error {
	defer watched()()
	if _, _, errno := psx.Syscall6(call, a, b, c, 0, 0, 0); errno != 0 {
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
