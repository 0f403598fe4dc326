package link

import (
	"fmt"
	"slices"
	"strings"
)

// Offload says whether super-segments and unfinished checksums pass between the
// kernel and netstack.
type Offload string

// The values of Offload.
const (
	// OffloadAuto offloads what the device can, and says why if it cannot.
	OffloadAuto Offload = "auto"
	// OffloadOn is an error where the device cannot.
	OffloadOn Offload = "on"
	// OffloadOff moves single packets with whole checksums, through wireguard/tun.
	OffloadOff Offload = "off"
)

// ParseOffload reads a value of Offload.
func ParseOffload(s string) (Offload, error) {
	all := []string{string(OffloadAuto), string(OffloadOn), string(OffloadOff)}
	if slices.Contains(all, s) {
		return Offload(s), nil
	}
	return "", fmt.Errorf("expected %s or %s", strings.Join(all[:2], ", "), all[2])
}

// gsoMaxSize is the length in bytes that netstack keeps its super-segments
// under, headers included: what Linux takes by default (GSO_LEGACY_MAX_SIZE in
// include/linux/netdevice.h).
const gsoMaxSize = 65536
