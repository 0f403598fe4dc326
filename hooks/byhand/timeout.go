package byhand

import (
	"time"

	"netstackd/hooks/wire"
)

// A Timeout is what is due about a datagram that did not become whole.
type Timeout struct {
	// Prediction's Request is the first fragment, or its start.
	Prediction
	// Mark is that of the first fragment, and Since when its datagram began.
	Mark  uint64
	Since time.Time
	// Until is when the error about it is there at last.
	Until time.Time
}

// Mark gives the next packet a number, by which its Timeout knows it.
func (h *Host) Mark(n uint64) { h.inward.mark = n }

// Timeouts appends to dst what is due about each datagram whose time to become
// whole is up, or very soon: a time exceeded, if its first fragment is there (RFC
// 1122 §3.3.2, RFC 8200 §4.5). Each is told of once. Where fragments are in
// doubt, then or up to Until, there is no opinion.
func (h *Host) Timeouts(now time.Time, dst []Timeout) []Timeout {
	for e := h.inward.order.Front(); e != nil; e = e.Next() {
		d := e.Value.(*datagram)
		timeout, m, r := timeout4, errorMessage{kind: type4TimeExceeded, code: codeReassembly}, rule{ReasonReassemblyTimeout, "RFC 1122 §3.3.2", Must}
		if d.version == 6 {
			timeout, m.kind, r.rfc, r.requirement = timeout6, type6TimeExceeded, "RFC 8200 §4.5", Should
		}
		age := now.Sub(d.since)
		if age < timeout4-timeoutSlack {
			break // and so are all behind it
		}
		if d.told || age < timeout-timeoutSlack {
			continue
		}
		d.told = true
		if d.first == nil || d.doubt || h.inward.Doubtful(now) || age > timeout {
			continue
		}
		var p wire.Packet
		p.Decode(d.first)
		if pr := h.report(&p, m, r); pr.Expect == MustReply || pr.Expect == MayReply {
			dst = append(dst, Timeout{pr, d.mark, d.since, d.since.Add(timeout + timeoutSlack)})
		}
	}
	return dst
}

// Pending reports whether fragments wait for the rest of their datagram at now.
func (h *Host) Pending(now time.Time) bool {
	h.inward.Expire(now)
	return len(h.inward.pending) > 0
}
