package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/serve"
)

// checkConfig prints a configuration that can be run, as far as that shows without
// a device and without privilege, or says what is wrong with it.
func checkConfig(cfg *config.Config, w, errs io.Writer) int {
	text, err := cfg.Text()
	if err == nil {
		err = checkSurroundings(cfg)
	}
	if err != nil {
		complain(errs, err)
		return exitUsage
	}
	fmt.Fprint(w, text)
	return exitOK
}

// checkSurroundings looks for what the configuration names: files, directories,
// users, a descriptor. It makes nothing, and whether there is privilege enough is not its
// question: who checks need not be who runs.
func checkSurroundings(cfg *config.Config) error {
	if cfg.Trace != "" {
		if err := checkPlace("open trace", cfg.TraceOut); err != nil {
			return fmt.Errorf("%w: give -trace-out a file that can be written, or - for standard output", err)
		}
	}
	if err := checkPlace("open capture", cfg.Pcapng); err != nil {
		return fmt.Errorf("%w: give -pcapng a file that can be written, or - for standard output", err)
	}
	if err := checkPlace("open quarantine", cfg.Quarantine); err != nil {
		return fmt.Errorf("%w: give -quarantine a file that can be written", err)
	}
	for _, name := range cfg.Answerers() {
		if dir, ok := strings.CutPrefix(name, "fifo:"); ok {
			if err := wantDirectory(dir); err != nil {
				return fmt.Errorf("respond fifo: %w: give a directory to make the FIFOs in", err)
			}
		}
	}
	for _, user := range []struct{ flag, name string }{{"-user", cfg.User}, {"-exec-user", cfg.ExecUser}} {
		if user.name == "" {
			continue
		}
		if _, _, err := lookUpUser(user.name); err != nil {
			return fmt.Errorf("%s %s: %w", user.flag, user.name, err)
		}
	}
	if cfg.TUNFD != 0 {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d", cfg.TUNFD)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("-tun-fd %d: no such descriptor is open: whoever starts netstackd passes it on", cfg.TUNFD)
		}
	}
	return serve.Check(serve.Config{Address: cfg.HTTP, TokenFile: cfg.HTTPTokenFile})
}

// checkPlace wants a file that is written to to have its place: what is there is no
// directory, and what is not can be made.
func checkPlace(verb, name string) error {
	if name == "" || name == "-" {
		return nil
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s: open %s: %w", verb, name, syscall.EISDIR)
	case errors.Is(err, fs.ErrNotExist):
		err = wantDirectory(filepath.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return nil
}

// wantDirectory wants a directory to be there.
func wantDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	return err
}
