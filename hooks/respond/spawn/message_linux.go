package spawn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The messages: a word, the number of a command, and a text, which may be empty.
// Of the daemon:
const (
	wordStart  = "start"  // with the three standard streams; answered by started or failed
	wordSignal = "signal" // the text is the signal's number
)

// Of the spawner:
const (
	wordReady   = "ready" // once, first, about number 0
	wordStarted = "started"
	wordFailed  = "failed" // the text says why
	wordEnded   = "ended"  // the text says how; empty is exit status 0
)

// maxMessage is the length of the longest message in bytes; longer texts are cut.
const maxMessage = 512

// A message is what one side says to the other.
type message struct {
	word   string
	number int
	text   string
}

func (m message) encode() []byte {
	b := fmt.Appendf(nil, "%s %d %s", m.word, m.number, m.text)
	return b[:min(len(b), maxMessage)]
}

func decode(b []byte) (message, error) {
	parts := strings.SplitN(string(b), " ", 3)
	if len(parts) != 3 {
		return message{}, fmt.Errorf("message %q: expected a word, a number and a text", b)
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n < 0 {
		return message{}, fmt.Errorf("message %q: %q is no command's number", b, parts[1])
	}
	return message{word: parts[0], number: n, text: parts[2]}, nil
}

// send sends a message over a socket of type SOCK_SEQPACKET, with descriptors.
func send(fd int, m message, descriptors ...int) error {
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	for {
		err := unix.Sendmsg(fd, m.encode(), rights, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}

// streams is how many descriptors come with a start.
const streams = 3

// receive waits for a message and what descriptors come with it, which are the
// caller's, and are not passed on to what it executes. The error is io.EOF once the
// other side has closed the socket.
func receive(fd int) (message, []*os.File, error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*streams))
	var n, m int
	var err error
	for {
		n, m, _, _, err = unix.Recvmsg(fd, text, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return message{}, nil, os.NewSyscallError("recvmsg", err)
	}
	if n == 0 {
		return message{}, nil, io.EOF
	}
	var files []*os.File
	if m > 0 {
		controls, err := unix.ParseSocketControlMessage(rights[:m])
		if err != nil {
			return message{}, nil, os.NewSyscallError("parse control message", err)
		}
		for i := range controls {
			descriptors, err := unix.ParseUnixRights(&controls[i])
			if err != nil {
				continue // another kind of control message
			}
			for _, d := range descriptors {
				files = append(files, os.NewFile(uintptr(d), "stream"))
			}
		}
	}
	got, err := decode(text[:n])
	return got, files, err
}
