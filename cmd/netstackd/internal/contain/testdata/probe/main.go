// Command probe contains itself and tries what must then fail. It prints a line for
// each thing tried: its name, and the error or "allowed". `probe become UID GID DEPTH`
// becomes another user instead, so many calls deep, and prints what each thread is.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackd/internal/contain"
)

func main() {
	// Threads that are there already: they are contained too.
	begin := make(chan struct{})
	var others, there sync.WaitGroup
	there.Add(4)
	for range 4 {
		others.Go(func() {
			runtime.LockOSThread()
			there.Done()
			<-begin
			if err := unix.Unshare(unix.CLONE_NEWUTS); err == nil {
				fmt.Println("another thread: allowed")
			}
		})
	}
	there.Wait()
	if os.Args[1] == "become" {
		if err := become(number(2), number(3), number(4)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	dir := os.Args[1]
	if err := contain.Enter(contain.Config{Write: []string{dir}, Log: logrus.New()}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	close(begin)
	others.Wait()
	for _, try := range []struct {
		name string
		do   func() error
	}{
		{"execute", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
		{"fork", func() error {
			_, _, errno := unix.RawSyscall(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0)
			return orNil(errno)
		}},
		{"clone3", func() error {
			_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
			return orNil(errno)
		}},
		{"new namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"mount", func() error { return unix.Mount("none", dir, "tmpfs", 0, "") }},
		{"trace", func() error { return unix.PtraceAttach(1) }},
		{"signal another", func() error { return unix.Kill(os.Getppid(), 0) }},
		{"IPv4 socket", func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err }},
		{"unix socket", func() error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }},
		{"executable memory", func() error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		}},
		{"read /etc/passwd", func() error { _, err := os.ReadFile("/etc/passwd"); return err }},
		{"write elsewhere", func() error { return os.WriteFile(filepath.Join(filepath.Dir(dir), "elsewhere"), nil, 0o600) }},
		{"write where it may", func() error { return os.WriteFile(filepath.Join(dir, "here"), nil, 0o600) }},
		{"netlink socket", func() error {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
			_ = unix.Close(fd)
			return err
		}},
		{"more threads", func() error {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { runtime.LockOSThread(); time.Sleep(time.Millisecond) })
			}
			all.Wait()
			return nil
		}},
	} {
		if err := try.do(); err != nil {
			fmt.Printf("%s: %v\n", try.name, err)
		} else {
			fmt.Printf("%s: allowed\n", try.name)
		}
	}
}

// become becomes a user on a stack that holds depth calls, and prints, for each
// thread, whose it is and what it may.
func become(uid, gid, depth int) error {
	if depth > 0 {
		return become(uid, gid, depth-1)
	}
	if err := contain.Become(uint32(uid), uint32(gid)); err != nil {
		return err
	}
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var is []string
		for line := range strings.Lines(string(text)) {
			switch name, value, _ := strings.Cut(line, ":"); name {
			case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb":
				is = append(is, name+" "+strings.Join(strings.Fields(value), ","))
			}
		}
		fmt.Println(strings.Join(is, " "))
	}
	return nil
}

func number(argument int) int {
	n, err := strconv.Atoi(os.Args[argument])
	if err != nil {
		panic(err)
	}
	return n
}

func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
