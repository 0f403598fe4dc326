package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
)

// modules are those whose versions decide how packets are handled.
var modules = []string{"gvisor.dev/gvisor", "golang.zx2c4.com/wireguard"}

// machine describes where this runs and what it was built with.
func machine() report.Machine {
	m := report.Machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: "unknown", Modules: map[string]string{},
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Machine[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range build.Deps {
			for _, path := range modules {
				if dep.Path == path {
					m.Modules[path] = dep.Version
				}
			}
		}
	}
	return m
}

// cpuModel is what the kernel calls the processor.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range bytes.Lines(text) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
