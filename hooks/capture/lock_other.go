//go:build !darwin && !freebsd && !linux

package capture

import "os"

// heldElsewhere is for systems with flock(2).
func heldElsewhere(*os.File) bool { return false }
