//go:build !linux

package link

import (
	"fmt"
	"runtime"
	"time"
)

// startOffloading fails: virtio-net headers are Linux's.
func startOffloading(*Device, *counters, time.Duration) (packetMover, error) {
	return nil, fmt.Errorf("a virtio-net header is Linux's, and this is %s", runtime.GOOS)
}
