package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processClock is CPUCLOCK_SCHED of a process, all its threads, those that ended
// too: include/linux/posix-timers.h, and clock_getcpuclockid(3).
func processClock(pid int) int32 { return int32(^uint32(pid)<<3 | 2) }

// processTime is the CPU time that a process and its living descendants took.
func processTime(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(processClock(pid), &ts); err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	sum := time.Duration(ts.Nano())
	for _, child := range children(pid) {
		// One that has just ended took what it took: it is its parent's to say.
		if t, err := processTime(child); err == nil {
			sum += t
		}
	}
	return sum, nil
}

// children are those of all threads of a process.
func children(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var all []int
	for _, task := range tasks {
		list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// memory is the resident memory of a process and its descendants, now and at
// its peak, in bytes.
func memory(pid int) (resident, peak uint64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for line := range bytes.Lines(status) {
		name, value, _ := strings.Cut(string(line), ":")
		if name != "VmRSS" && name != "VmHWM" {
			continue
		}
		kibibytes, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
		}
		if name == "VmRSS" {
			resident = kibibytes << 10
		} else {
			peak = kibibytes << 10
		}
	}
	for _, child := range children(pid) {
		if r, p, err := memory(child); err == nil {
			resident, peak = resident+r, peak+p
		}
	}
	return resident, peak, nil
}

// forgetPeak begins the peak of memory anew: proc_pid_clear_refs(5).
func forgetPeak(pid int) {
	// Without it the peak is that since the start, which is no less true.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// ownTime is the CPU time that this process took.
func ownTime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("read own CPU time: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}
