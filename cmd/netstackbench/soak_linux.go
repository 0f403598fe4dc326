package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
)

// soakRun has a process in a namespace of its own do it, and prints the report. It
// returns the exit status.
func soakRun(opts *soakOptions, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := soakInNamespace(ctx, opts, stderr)
	if err == nil {
		err = errors.Join(r.WriteText(stdout), write(opts.json, r.WriteJSON))
	}
	if err != nil {
		fmt.Fprintf(stderr, "netstackbench: %v\n", err)
		return 1
	}
	if len(r.Problems) > 0 {
		return 1
	}
	return 0
}

// roleSoak is the process that does a soak.
const roleSoak = "soak"

func soakInNamespace(ctx context.Context, opts *soakOptions, stderr io.Writer) (r *report.Soak, err error) {
	if err := checkTUN(); err != nil {
		return nil, err
	}
	if opts.Dir, err = os.MkdirTemp("", "netstackbench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(opts.Dir)) }()
	what, err := json.Marshal(opts)
	if err != nil {
		return nil, err
	}
	// Their other ends are closed to say that it is enough, and when all is said.
	var gate io.WriteCloser
	var out io.ReadCloser
	cmd, err := startInNamespace(func() (*exec.Cmd, error) {
		cmd, err := ownProgram(roleSoak, string(what))
		if err != nil {
			return nil, err
		}
		// Its disk is its own, too.
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
		cmd.Stderr = stderr
		if gate, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
		out, err = cmd.StdoutPipe()
		return cmd, err
	})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { gate.Close() })()
	r = &report.Soak{}
	err = json.NewDecoder(out).Decode(r)
	if waitErr := cmd.Wait(); waitErr != nil {
		return nil, fmt.Errorf("soak: %w", waitErr)
	}
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	return r, nil
}

// soakMain is main of the process in the namespace.
func soakMain(args []string) error {
	opts := &soakOptions{}
	if len(args) != 1 {
		return errors.New("expected what to do")
	}
	if err := json.Unmarshal([]byte(args[0]), opts); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	if err := enter(); err != nil {
		return err
	}
	// What is mounted here is nobody else's.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop(errors.New("interrupted"))
	}()
	s := newSoaker(opts, os.Stderr)
	r := s.run(ctx, stop)
	return json.NewEncoder(os.Stdout).Encode(r)
}
