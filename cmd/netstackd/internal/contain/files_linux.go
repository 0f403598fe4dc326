package contain

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What is done in directories, in the kernel's words.
const (
	remove = syscall.AccessFSRemoveFile
	write  = syscall.AccessFSWriteFile | syscall.AccessFSTruncate | syscall.AccessFSMakeReg | remove
	read   = syscall.AccessFSReadFile | syscall.AccessFSReadDir
	use    = syscall.AccessFSReadFile | syscall.AccessFSWriteFile
)

// restrictFiles leaves the files of c, and what the process reads of itself in
// /proc; and no TCP port to bind or connect to. It is for Linux 5.13 and later, and
// the later the more.
func restrictFiles(c Config) error {
	if abi, err := syscall.LandlockGetABIVersion(); err != nil || abi < 1 {
		c.Log.WithError(err).Warn("this kernel does not restrict files (landlock, Linux 5.13): what the user of this process may open, it may open: give -user")
		return nil
	}
	rules := []landlock.Rule{landlock.PathAccess(read, "/proc").IgnoreIfMissing()}
	add := func(access landlock.AccessFSSet, paths []string) {
		if len(paths) > 0 {
			rules = append(rules, landlock.PathAccess(access, paths...))
		}
	}
	add(write, c.Write)
	add(write, c.Rewrite)
	add(remove, c.Remove)
	add(use, c.Use)
	add(syscall.AccessFSReadFile, c.Read)
	// Not the scopes of version 6: before version 8 each thread has a domain of its
	// own, and the Go runtime signals threads.
	defer watched()() // it makes system calls on every thread
	if err := landlock.V5.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("restrict files: %w", err)
	}
	return nil
}
