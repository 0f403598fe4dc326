package ring

import (
	"time"

	"github.com/sirupsen/logrus"
)

// reportEvery is how often a loss is logged at most.
const reportEvery = time.Second

// A Report tells the log what was lost, once a second at most. It is the
// writer's alone.
type Report struct {
	// Log gets the lines; Message is what they say.
	Log     logrus.FieldLogger
	Message string
	// Err is the last failure since the last line; the writer sets it.
	Err error

	// reported is the loss logged last, next the earliest time for another
	// line.
	reported uint64
	next     time.Time
}

// Tell logs what was lost since the last line, if that is a second ago, or if
// it is to be the last line.
func (r *Report) Tell(lost uint64, last bool) {
	if lost == r.reported || !last && time.Now().Before(r.next) {
		return
	}
	entry := r.Log.WithField("lost", lost-r.reported)
	if r.Err != nil {
		entry = entry.WithError(r.Err)
	}
	entry.Warn(r.Message)
	r.reported, r.Err, r.next = lost, nil, time.Now().Add(reportEvery)
}
