package capture

import (
	"time"

	"netstackd/hooks/trace"
)

const (
	// holdFor is how long a packet waits for its comparison at most. The
	// comparer reports both in one go, so this is far longer than it takes.
	holdFor = 100 * time.Millisecond
	// holdLen bounds the packets that wait.
	holdLen = 16
)

// A heldPacket waits for the comparisons that belong to it.
type heldPacket struct {
	packet   *trace.Packet
	compared []*trace.Comparison
	// events is how many events its block stands for: the packet itself, and
	// the comparisons that are accounted with it.
	events uint64
	// until is when it is written at the latest.
	until time.Time
}

// held are the last packets, the oldest first.
type held struct {
	packets [holdLen]heldPacket
	n       int
}

func (h *held) full() bool  { return h.n == holdLen }
func (h *held) empty() bool { return h.n == 0 }

// due reports whether the oldest packet has waited long enough.
func (h *held) due(now time.Time) bool { return h.n > 0 && !h.packets[0].until.After(now) }

// next returns when the oldest packet is due, if there is one.
func (h *held) next() (time.Time, bool) { return h.packets[0].until, h.n > 0 }

// add holds a packet. There must be room.
func (h *held) add(p *trace.Packet, now time.Time) {
	h.packets[h.n] = heldPacket{packet: p, events: 1, until: now.Add(holdFor)}
	h.n++
}

// release gives back the oldest packet. There must be one.
func (h *held) release() heldPacket {
	p := h.packets[0]
	copy(h.packets[:], h.packets[1:h.n])
	h.n--
	h.packets[h.n] = heldPacket{}
	return p
}

// compare adds a comparison to its request and to its reply, and reports
// whether either is there.
func (h *held) compare(c *trace.Comparison) bool {
	reply := h.reply(c)
	var last *heldPacket
	for i := range h.packets[:h.n] {
		if p := &h.packets[i]; i == reply || c.Request != 0 && p.packet.Seq == c.Request {
			p.compared = append(p.compared, c)
			last = p
		}
	}
	if last == nil {
		return false
	}
	last.events++
	return true
}

// reply returns the index of the reply, or -1.
func (h *held) reply(c *trace.Comparison) int {
	for i := h.n - 1; i >= 0 && c.Reply != 0; i-- {
		if h.packets[i].packet.Seq == c.Reply {
			return i
		}
	}
	return -1
}
