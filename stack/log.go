package stack

import (
	"time"

	"github.com/sirupsen/logrus"
	gvisorlog "gvisor.dev/gvisor/pkg/log"
)

// SetProcessLog sends the log lines that netstack writes on its own account
// (martian packets, handshakes that failed) to log, each with the field
// "from" set to "netstack". netstack has one log for the whole process and
// writes it to standard error in a format of its own until this is called, so
// this is for a program's main, once, before the first New: it is not safe while
// a host exists. Libraries leave it alone.
func SetProcessLog(log logrus.FieldLogger) {
	// Not gvisorlog.SetTarget: that puts another logger in the place of the one
	// which netstack's packages took hold of when they were initialised.
	gvisorlog.Log().Emitter = logEmitter{log.WithField("from", "netstack")}
}

// logEmitter writes netstack's log lines to logrus. netstack's levels are
// lowered by one: what it warns of is what a peer did, not a fault of the host.
type logEmitter struct {
	log *logrus.Entry
}

var _ gvisorlog.Emitter = logEmitter{}

// Emit implements gvisorlog.Emitter. It is safe for concurrent use.
func (e logEmitter) Emit(_ int, level gvisorlog.Level, _ time.Time, format string, args ...any) {
	switch level {
	case gvisorlog.Warning:
		e.log.Infof(format, args...)
	default:
		e.log.Debugf(format, args...)
	}
}
