package respond

import (
	"time"

	"github.com/sirupsen/logrus"
)

// FIFOConfig says where a FIFO is.
type FIFOConfig struct {
	// Dir is the directory that the FIFOs are made in.
	Dir  string
	Desk *Desk
	Log  logrus.FieldLogger
	// Wait is how long READ waits; 0 means 30 seconds.
	Wait time.Duration
}
