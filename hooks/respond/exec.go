package respond

import (
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/respond/spawn"
)

// ExecConfig says what an Exec runs.
type ExecConfig struct {
	// Launch starts the command, with these standard streams, which stay the Exec's.
	Launch func(stdin, stdout, stderr *os.File) (*spawn.Process, error)
	Desk   *Desk
	Log    logrus.FieldLogger
	// Wait is how long READ waits; 0 means 30 seconds.
	Wait time.Duration
}

// How soon a command that has ended is started again: later each time, but for one
// that ran for long.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second
	ranLong    = 10 * time.Second
)

// pauseAfter returns how long to wait after a command that was started again after
// the pause last has run for so long.
func pauseAfter(last, ran time.Duration) time.Duration {
	if last == 0 || ran >= ranLong {
		return firstPause
	}
	return min(2*last, lastPause)
}

// A reporter logs the lines of a command's standard error, no more than a few each
// second.
type reporter struct {
	log   logrus.FieldLogger
	begun time.Time
	lines int
	left  int // out since the last line logged
}

const (
	// maxReport is how much of a line is logged, in bytes.
	maxReport = 4 << 10
	// maxReports is how many lines are logged a second.
	maxReports = 20
)

// line logs a line, if there is room.
func (r *reporter) line(line []byte, cut bool, now time.Time) {
	if now.Sub(r.begun) >= time.Second {
		r.begun, r.lines = now, 0
	}
	if r.lines++; r.lines > maxReports {
		r.left++
		return
	}
	log := r.log
	if r.left > 0 {
		log = log.WithField("left_out", r.left)
		r.left = 0
	}
	text := string(line)
	if cut {
		text += "…"
	}
	log.Info("answerer says: " + text)
}
