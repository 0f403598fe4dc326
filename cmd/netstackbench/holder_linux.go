package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"syscall"

	"netstackd/cmd/netstackbench/internal/load"
)

// roleHolder is a process that holds connections. A process may have so many
// files open and no more, so there are several where that is not enough.
const roleHolder = "holder"

// sparedFiles are those that a holder needs for itself.
const sparedFiles = 64

// holding is what a holder is told.
type holding struct {
	To      netip.AddrPort
	Sources []netip.Addr
	Count   int
}

// heldReply answers it, and, with the connections that still echo, whatever is
// sent next.
type heldReply struct {
	Held int
	// Why there are not as many as asked for.
	Why string `json:",omitempty"`
}

// holderMain holds connections until standard input ends.
func holderMain() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var what holding
	if err := in.Decode(&what); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	h, err := load.Hold(what.To, what.Sources, what.Count)
	if err != nil {
		return out.Encode(heldReply{Why: whyFewer(err)})
	}
	defer h.Close()
	answer := heldReply{Held: h.Alive()}
	if answer.Held < what.Count {
		answer.Why = whyFewer(h.Err)
	}
	if err := out.Encode(answer); err != nil {
		return fmt.Errorf("write reply: %w", err)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// whyFewer explains why there are not as many connections as asked for.
func whyFewer(err error) string {
	switch {
	case err == nil:
		return "the others were closed again"
	case errors.Is(err, syscall.ECONNRESET):
		return "the host takes no more: " + err.Error()
	case errors.Is(err, syscall.EMFILE):
		return "the load generator may open no more files (ulimit -n): " + err.Error()
	}
	return err.Error()
}

// holder is such a process, seen from the worker.
type holder struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies *json.Decoder
}

// holders are those that hold connections together.
type holders []*holder

// hold has processes hold n connections. release, never nil, ends them.
func (hs *holders) hold(to netip.AddrPort, sources []netip.Addr, n int) (sum heldReply, release func(), err error) {
	release = func() {
		for _, h := range *hs {
			_ = h.in.Close() // it may have ended
			_ = h.cmd.Wait() // what it says is known
		}
		*hs = nil
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return sum, release, fmt.Errorf("read limit of open files: %w", err)
	}
	most := max(int(limit.Cur)-sparedFiles, 1)
	processes := (n + most - 1) / most
	for i := range processes {
		h, err := startHolder(holding{to, sources, n*(i+1)/processes - n*i/processes})
		if err != nil {
			return sum, release, err
		}
		*hs = append(*hs, h)
	}
	for _, h := range *hs {
		var r heldReply
		if err := h.replies.Decode(&r); err != nil {
			return sum, release, fmt.Errorf("hold connections: %w", err)
		}
		sum.Held += r.Held
		if sum.Why == "" {
			sum.Why = r.Why
		}
	}
	return sum, release, nil
}

func startHolder(what holding) (*holder, error) {
	cmd, err := ownProgram(roleHolder)
	if err != nil {
		return nil, err
	}
	h := &holder{cmd: cmd}
	cmd.Stderr = os.Stderr
	if h.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	h.replies = json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start holder: %w", err)
	}
	if err := json.NewEncoder(h.in).Encode(what); err != nil {
		return h, fmt.Errorf("start holder: %w", err)
	}
	return h, nil
}
