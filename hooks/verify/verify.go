package verify

import (
	"sync"
	"sync/atomic"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// ReasonBadPartialChecksum is the reason of a packet whose checksum was left to
// hardware and whose field does not hold what that expects. The other reasons
// are those of the reference host, which would have netstack discard the same.
const ReasonBadPartialChecksum = "bad-partial-checksum"

// DropReasons documents the reasons of this package in one line.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonBadPartialChecksum: "a TCP or UDP checksum was left to offload, and its field does not hold the pseudo-header's sum (virtio 1.3 §5.1.6.2)",
	}
}

// A Verifier is the hook. Its zero value is ready. It is safe for concurrent
// use; nothing but fragments waits for another packet.
type Verifier struct {
	dropped atomic.Uint64

	mu sync.Mutex
	// fragments puts together what is to be TCP or UDP, guarded by mu.
	fragments byhand.Reassembler
}

var _ hooks.Hook = (*Verifier)(nil)

// Dropped returns how many packets the hook has dropped.
func (v *Verifier) Dropped() uint64 { return v.dropped.Load() }

// Expire forgets the fragments that have waited too long at now, which otherwise the
// next one does.
func (v *Verifier) Expire(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fragments.Expire(now)
}

// Inbound drops a packet with a wrong checksum that netstack would not verify.
func (v *Verifier) Inbound(p *hooks.Packet) {
	if p.Stopped() {
		return
	}
	reason := ""
	for _, c := range p.Checks() {
		if reason = wrong(&p.Packet, c); reason != "" {
			break
		}
	}
	if reason == "" && p.Fragment.IsFragment() {
		reason = v.reassemble(p)
	}
	if reason != "" {
		v.dropped.Add(1)
		p.Drop(hooks.Dropped, reason)
	}
}

// Outbound lets everything pass.
func (*Verifier) Outbound(*hooks.Packet) {}

// wrong returns the reason to drop p for one of its sums, or "".
func wrong(p *wire.Packet, c wire.Check) string {
	if c.Verdict != wire.Bad {
		return ""
	}
	switch c.Layer {
	case wire.LayerIPv4:
		return byhand.ReasonBadIPv4Checksum
	case wire.LayerTCP, wire.LayerUDP:
	default:
		return ""
	}
	switch {
	case p.IPv6.Count > 0, p.IPv4.HasOptions():
		// They come first, and may call for an error whatever the sum: it is
		// for netstack to judge both.
		return ""
	case p.Offload.Partial:
		return ReasonBadPartialChecksum
	case p.Offload.Validated:
		return ""
	case c.Layer == wire.LayerTCP:
		return byhand.ReasonBadTCPChecksum
	}
	return byhand.ReasonBadUDPChecksum
}

// reassemble files a fragment, and returns the reason to drop it if it completes
// a datagram with a wrong sum. Where another host may hold other fragments it is
// for netstack to judge, and so are bytes behind the packet, which netstack may
// count.
func (v *Verifier) reassemble(p *hooks.Packet) string {
	if !p.Problem.IsZero() || p.Trailing > 0 || !mayCarry(&p.Packet) {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	whole, outcome := v.fragments.Add(&p.Packet, p.Time)
	switch outcome {
	case byhand.Complete, byhand.CompleteCongested, byhand.CompleteMarked:
	default:
		return ""
	}
	var d wire.Packet
	d.Decode(whole)
	var checks [2]wire.Check
	for _, c := range d.Checksums(checks[:0]) {
		if c.Layer != wire.LayerIPv4 {
			p.NoteReassembled(c)
			return wrong(&d, c)
		}
	}
	return ""
}

// mayCarry reports whether a fragment may be of a TCP segment or UDP datagram:
// over IPv6 the first fragment tells.
func mayCarry(p *wire.Packet) bool {
	if p.Version == 6 {
		return p.Protocol != wire.ProtocolICMPv6
	}
	return p.Protocol == wire.ProtocolTCP || p.Protocol == wire.ProtocolUDP
}
