package iperf3

import "time"

// cpuTime is when this process had used how much of the processors, all its
// threads together.
type cpuTime struct {
	at           time.Time // zero: not known
	user, system time.Duration
}

// percent is what the process has used since, in percent of one core. It is 0
// where that is not known.
func (c cpuTime) percent() (total, user, system float64) {
	now := readCPU()
	elapsed := now.at.Sub(c.at)
	if c.at.IsZero() || now.at.IsZero() || elapsed <= 0 {
		return 0, 0, 0
	}
	user = 100 * float64(now.user-c.user) / float64(elapsed)
	system = 100 * float64(now.system-c.system) / float64(elapsed)
	return user + system, user, system
}
