package main

import (
	"fmt"
	"io"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

// inJournal reports whether standard error goes to systemd's journal, which takes a
// line's priority from its first characters, and writes down the time itself
// (sd-daemon(3)).
func inJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

// complain writes the one line that a failure is.
func complain(errs io.Writer, err error) {
	priority := ""
	if inJournal() {
		priority = fmt.Sprintf("<%d>", journal.PriErr)
	}
	fmt.Fprintf(errs, "%snetstackd: %s\n", priority, oneLine(err))
}

// A journalFormatter is another formatter whose lines tell the journal their
// priority.
type journalFormatter struct{ logrus.Formatter }

func (f journalFormatter) Format(e *logrus.Entry) ([]byte, error) {
	line, err := f.Formatter.Format(e)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "<%d>", priority(e.Level)), line...), nil
}

// priority is what the journal calls a level.
func priority(l logrus.Level) journal.Priority {
	switch l {
	case logrus.PanicLevel, logrus.FatalLevel:
		return journal.PriCrit
	case logrus.ErrorLevel:
		return journal.PriErr
	case logrus.WarnLevel:
		return journal.PriWarning
	case logrus.InfoLevel:
		return journal.PriInfo
	default:
		return journal.PriDebug
	}
}
