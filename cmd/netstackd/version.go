package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"netstackd/stack"
)

// version is set by the linker; see the Makefile.
var version = "dev"

// components are the modules whose versions decide how packets are handled.
var components = []string{"gvisor.dev/gvisor", "golang.zx2c4.com/wireguard"}

// builtWith returns the versions of components, as the binary records them.
func builtWith() []stack.Component {
	var out []stack.Component
	info, ok := debug.ReadBuildInfo()
	for _, path := range components {
		c := stack.Component{Name: path, Version: "unknown"}
		if ok {
			for _, m := range info.Deps {
				if m.Path == path {
					c.Version = m.Version
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// versions is what -version prints.
func versions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "netstackd %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, c := range builtWith() {
		fmt.Fprintf(&b, "%s %s\n", c.Name, c.Version)
	}
	return b.String()
}
