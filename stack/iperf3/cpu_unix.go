//go:build unix

package iperf3

import (
	"syscall"
	"time"
)

func readCPU() cpuTime {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return cpuTime{}
	}
	return cpuTime{at: time.Now(), user: time.Duration(use.Utime.Nano()), system: time.Duration(use.Stime.Nano())}
}
