// Command netstackd is a network host that lives in one process and shows its
// work: behind a TUN device it runs gVisor's netstack, and a second, tiny host
// written by hand from the RFCs checks each packet beside it.
//
//   - main.go: arguments in, exit status out.
//   - run.go: wires link, hooks and stack in the order of a packet's way, and
//     takes them apart again.
//   - pipeline.go: the hooks, as the configuration wants them.
//   - outputs.go: what events are written to, and how that changes while packets move.
//   - answerers.go: who answers pings beside netstack, and what they are reached
//     by. mcp.go: the server for agents.
//   - panics.go: what netstack panicked of, written down.
//   - reload.go: SIGHUP.
//   - spawner.go: the process that may start others; the host itself may not.
//     contain.go: how the host gives its privileges up.
//   - banner.go: the log, and what it says when the host is up. stderr.go:
//     standard error, for goroutines that must not wait for it. journal.go: the same
//     where it is systemd's journal.
//   - web.go: the HTTP server, what is served there, and whether the host is ready.
//     notify.go: the same for systemd, and its watchdog.
//   - connections.go: the list of sockets inside netstack.
//   - check.go: -check-config.
//   - procs.go: how many cores it takes. memory.go: how much memory, and what it gives
//     back at rest.
//   - explain.go: the command that explains packets without a device.
//   - version.go: what it was built with.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks/respond/spawn"
)

// The exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	errs := openStderr(os.Stderr)
	defer errs.close(stderrPatience)
	if len(args) > 0 && args[0] == "explain" {
		return runExplain(args[1:], errs)
	}
	if len(args) > 0 && args[0] == spawnCommand {
		if err := spawn.Serve(args[1:]); err != nil {
			complain(errs, err)
			return exitFailure
		}
		return exitOK
	}
	read := func() (*config.Config, error) { return config.Parse(args, os.Environ()) }
	cfg, err := read()
	switch {
	case errors.Is(err, config.ErrHelp):
		fmt.Print(config.Usage())
		return exitOK
	case err != nil:
		complain(errs, err)
		return exitUsage
	case cfg.Version:
		fmt.Print(versions())
		return exitOK
	case cfg.CheckOnly:
		return checkConfig(cfg, os.Stdout, errs)
	}
	if err := serveHost(cfg, read, errs); err != nil {
		if cfg.LogJSON {
			newLog(cfg, errs).Error(oneLine(err))
		} else {
			complain(errs, err)
		}
		return exitFailure
	}
	return exitOK
}

// oneLine is an error's text: joined errors come in lines, a failure is one.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// runExplain is the command that needs no device.
func runExplain(args []string, errs io.Writer) int {
	if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
		fmt.Print(config.Usage())
		return exitOK
	}
	err := explain(os.Stdout, args)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a pager that was left
		return exitOK
	}
	complain(errs, err)
	if errors.Is(err, errExplainUsage) {
		return exitUsage
	}
	return exitFailure
}
