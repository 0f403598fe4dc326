package contain

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// calls are the system calls that are left, whatever their arguments: for those the
// kernel does not even run the filter (seccomp_cache_check_allow of kernel/seccomp.c,
// Linux 5.11). Those of every packet come first, for older kernels. Not all of them
// are of every architecture.
var calls = []string{
	// Packets, and waiting for them.
	"readv", "writev", "read", "write", "futex", "sched_yield", "epoll_pwait", "epoll_wait",
	"nanosleep", "clock_gettime", "recvmsg", "sendmsg", "recvfrom", "sendto", "poll", "ppoll",
	"rt_sigreturn", "getpid", "gettid",
	// The rest of the Go runtime.
	"brk", "clock_getres", "clock_nanosleep", "close", "epoll_create1", "epoll_ctl", "epoll_pwait2", "eventfd2",
	"exit", "exit_group", "getrandom", "gettimeofday", "madvise", "membarrier", "mincore", "mremap", "munmap",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigtimedwait", "sched_getaffinity",
	"set_robust_list", "set_tid_address", "setitimer", "sigaltstack", "timer_create", "timer_delete", "timer_settime",
	// Files. Which of them, landlock says.
	"access", "copy_file_range", "dup", "dup3", "faccessat", "faccessat2", "fallocate", "fchmod", "fchmodat", "fcntl",
	"fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64", "lseek", "lstat",
	"newfstatat", "open", "openat", "pipe2", "pread64", "preadv", "pwrite64", "pwritev", "readlink", "readlinkat",
	"rename", "renameat", "renameat2", "sendfile", "splice", "stat", "statfs", "statx", "umask", "unlink", "unlinkat",
	// Sockets that are open, and what they accept.
	"accept", "accept4", "getpeername", "getsockname", "getsockopt", "recvmmsg", "sendmmsg", "setsockopt", "shutdown",
	// Who and where this process is, and how the spawner ended.
	"getegid", "geteuid", "getgid", "getgroups", "getppid", "getrlimit", "getrusage", "getuid", "prlimit64", "sysinfo",
	"times", "uname", "wait4", "waitid",
	// A netlink socket, once it is made.
	"bind",
}

// conditional are the calls that are left for some arguments.
var conditional = []seccomp.NameWithConditions{
	// Threads, no processes.
	{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
	// Memory, but none to be executed.
	{Name: "mmap", Conditions: seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsNotSet, Value: unix.PROT_EXEC}}},
	{Name: "mprotect", Conditions: seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.BitsNotSet, Value: unix.PROT_EXEC}}},
	// To ask how the device is.
	{Name: "socket", Conditions: seccomp.ArgumentConditions{
		{Argument: 0, Operation: seccomp.Equal, Value: unix.AF_NETLINK}, {Argument: 2, Operation: seccomp.Equal, Value: unix.NETLINK_ROUTE},
	}},
	{Name: "ioctl", Conditions: argument(1, unix.TUNGETIFF)},
	{Name: "ioctl", Conditions: argument(1, unix.TUNSETOFFLOAD)}, // a device that stays is left as it was
	{Name: "ioctl", Conditions: argument(1, unix.TIOCINQ)},       // what waits in a FIFO
	{Name: "ioctl", Conditions: argument(1, unix.TCGETS)},        // is it a terminal?
	// The Go runtime names its memory.
	{Name: "prctl", Conditions: argument(0, unix.PR_SET_VMA)},
}

func argument(n uint32, value uint64) seccomp.ArgumentConditions {
	return seccomp.ArgumentConditions{{Argument: n, Operation: seccomp.Equal, Value: value}}
}

// filterCalls installs the filter on every thread. A call that is not left fails
// with EPERM: a mistake in the list is to cost a function, not the host.
func filterCalls() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	var here []string
	for _, name := range calls {
		if _, ok := info.SyscallNames[name]; ok {
			here = append(here, name)
		}
	}
	// A process may signal itself: the runtime preempts its threads so, and ends so at a
	// fatal error.
	itself := argument(0, uint64(os.Getpid()))
	arguments := slices.Concat(conditional, []seccomp.NameWithConditions{{Name: "tgkill", Conditions: itself}, {Name: "kill", Conditions: itself}})
	err = seccomp.LoadFilter(seccomp.Filter{
		// Without SPEC_ALLOW a kernel before 5.16 makes every branch of this process
		// slow, for the sake of code that it does not run.
		Flag: seccomp.FilterFlagTSync | seccomp.FilterFlag(unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW),
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Names: here, NamesWithCondtions: arguments, Action: seccomp.ActionAllow},
				// What clone3 is asked for lies in memory, which a filter cannot read. A C library
				// starts threads with it, in a build with cgo, and turns to clone only if this
				// kernel had none.
				{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)},
			},
		},
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("filter system calls: %w: this kernel cannot (CONFIG_SECCOMP_FILTER): use one that can, or give -contain off to run without", err)
	}
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	return nil
}
