//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// outerNamespace marks the inner run; there is none on this system.
const outerNamespace = "NETSTACKDEMO_OUTER_NETNS"

// reexecute says that there are no network namespaces here.
func reexecute(_ context.Context, _ []string, _, stderr io.Writer) int {
	fmt.Fprintf(stderr, "netstackdemo: make a network namespace: %v: the demo needs Linux\n", errors.ErrUnsupported)
	return 1
}

// enter refuses: there is no namespace to be in.
func enter(string) error {
	return fmt.Errorf("enter namespace: %w: the demo needs Linux", errors.ErrUnsupported)
}

// dieWithParent has nothing to do: no daemon is ever started here.
func dieWithParent(*exec.Cmd) {}
