package serve

import (
	"os"
	"syscall"
)

// ownerOnly gives a unix socket its mode before it is bound: Linux makes the
// file with that of the socket (net/unix/af_unix.c, unix_bind_bsd), so there is
// no moment in which somebody else may connect.
func ownerOnly(_, _ string, raw syscall.RawConn) error {
	var err error
	if also := raw.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); also != nil {
		return also
	}
	return os.NewSyscallError("fchmod", err)
}
