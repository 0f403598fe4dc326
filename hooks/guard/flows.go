package guard

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// ofFlows are the mends that need to know how far a TCP connection is.
const ofFlows = mendUnsentAck | mendShutWindow | mendOldTimestamp | mendSegmentRoute

// A flow is what is known of a connection, from what netstack has sent.
type flow struct {
	// tag tells it from the others in its row. 0 is one that is free.
	tag uint32
	// used is when it was last written or read, in seconds.
	used uint32
	// next is SND.NXT: what was sent ends before it. told is RCV.NXT as the peer
	// was last told, and window the window with that; edge is the end of all windows
	// that it was ever told of.
	next, told, window, edge uint32
	// shift is the window's scale.
	shift uint8
	// open says that the peer has acknowledged something, so that it is no more
	// about to open.
	open bool
	// stamped says that there are timestamps, of which recent is TS.Recent, and since
	// when in seconds.
	stamped       bool
	recent, since uint32
	// ahead says that an acknowledgment was delivered ahead of a segment, and which.
	ahead                bool
	aheadAck, aheadWidth uint32
}

// flows remembers connections from their SYN on, in a table of fixed size, 2 MiB, of
// which the system gives memory for the parts in use. One that is not remembered any
// more is not mended: who is in the table never gets less than netstack alone would
// give. A flood of SYN pushes out its own: what is about to open goes first.
type flows struct {
	seed maphash.Seed
	// locks guard the rows, each those of its number and all that are a multiple of
	// their count away.
	locks [256]sync.Mutex
	rows  *[flowRows][flowPlaces]flow
}

const (
	flowRows   = 1 << 13
	flowPlaces = 8
)

func newFlows() *flows {
	return &flows{seed: maphash.MakeSeed(), rows: new([flowRows][flowPlaces]flow)}
}

// with calls f with a connection, while nobody else has it. If there is none, one is
// made if make is true, or f is not called.
func (fs *flows) with(own, peer netip.Addr, ownPort, peerPort uint16, now uint32, make bool, f func(*flow)) {
	sum := fs.hash(own, peer, ownPort, peerPort)
	tag, at := uint32(sum>>32)|1, sum%flowRows
	lock := &fs.locks[at%uint64(len(fs.locks))]
	lock.Lock()
	defer lock.Unlock()
	row := &fs.rows[at]
	victim := &row[0]
	for i := range row {
		e := &row[i]
		if e.tag == tag {
			e.used = now
			f(e)
			return
		}
		if e.lessThan(victim) {
			victim = e
		}
	}
	if make {
		*victim = flow{tag: tag, used: now}
		f(victim)
	}
}

// lessThan reports whether one is rather to be forgotten than another: one that is
// free, then one that is about to open, then the one that has been unused longest.
func (e *flow) lessThan(f *flow) bool {
	switch {
	case (e.tag == 0) != (f.tag == 0):
		return e.tag == 0
	case e.open != f.open:
		return !e.open
	}
	return int32(e.used-f.used) < 0
}

func (fs *flows) hash(own, peer netip.Addr, ownPort, peerPort uint16) uint64 {
	var k [36]byte
	b := k[:0]
	if own.Is4() {
		x, y := own.As4(), peer.As4()
		b = append(append(b, x[:]...), y[:]...)
	} else {
		x, y := own.As16(), peer.As16()
		b = append(append(b, x[:]...), y[:]...)
	}
	b = append(b, byte(ownPort>>8), byte(ownPort), byte(peerPort>>8), byte(peerPort))
	return maphash.Bytes(fs.seed, b)
}

// sent notes a segment that netstack has sent.
func (fs *flows) sent(p *hooks.Packet) {
	flags, length := p.TCP.Flags, uint32(max(p.DataLen()-p.TCP.DataOffset, 0))
	if flags&wire.TCPRst != 0 || p.Fragment.IsFragment() {
		return
	}
	opens := flags&wire.TCPSyn != 0
	if opens || flags&wire.TCPFin != 0 {
		length++
	}
	end := p.TCP.Seq + length
	fs.with(p.Src, p.Dst, p.TCP.SrcPort, p.TCP.DstPort, uint32(p.Time.Unix()), opens, func(f *flow) {
		if opens {
			*f = flow{tag: f.tag, used: f.used, next: end, told: p.TCP.Ack, edge: p.TCP.Ack + uint32(p.TCP.Window)}
			if s, ok := byhand.TCPOption(&p.Packet, byhand.TCPOptionWindowScale); ok && len(s) == 1 {
				f.shift = min(s[0], maxWindowShift)
			}
			// What the answer to a SYN echoes is the first; before that there is none.
			if s, ok := byhand.TCPOption(&p.Packet, byhand.TCPOptionTimestamps); ok && len(s) == 8 && flags&wire.TCPAck != 0 {
				f.stamped, f.recent, f.since = true, binary.BigEndian.Uint32(s[4:]), f.used
			}
			f.window = uint32(p.TCP.Window) // that of a SYN is not scaled (RFC 7323 §2.2)
			return
		}
		f.next = later(f.next, end)
		if flags&wire.TCPAck == 0 || before(p.TCP.Ack, f.told) {
			return
		}
		f.told, f.window = p.TCP.Ack, uint32(p.TCP.Window)<<f.shift
		f.edge = later(f.edge, f.told+f.window)
	})
}

// maxWindowShift is the greatest that counts (RFC 7323 §2.3).
const maxWindowShift = 14

// before reports whether a comes before b in sequence (RFC 9293 §3.4), and later is
// the one that does not.
func before(a, b uint32) bool { return int32(a-b) < 0 }

func later(a, b uint32) uint32 {
	if before(a, b) {
		return b
	}
	return a
}

// recentLasts is how long TS.Recent is one, in seconds: 24 days (RFC 7323 §5.5).
const recentLasts = 24 * 24 * 60 * 60

// old reports whether a timestamp is of before the last one, and takes it for that
// if it is not and its segment is where one is due (RFC 7323 §4.3).
func (f *flow) old(stamp, seq, now uint32) bool {
	if before(stamp, f.recent) && now-f.since < recentLasts {
		return true
	}
	if !before(f.told, seq) {
		f.recent, f.since = stamp, now
	}
	return false
}

// shuts reports whether netstack, which takes the window for what it told last, drops
// a segment that is within a window it told of before, or comes to a window that is
// shut.
func (f *flow) shuts(seq, length uint32) bool {
	if before(seq, f.told-1) || before(f.edge, seq) {
		return false // RFC 9293 has it dropped
	}
	if f.window == 0 {
		return length > 0 || seq != f.told
	}
	return !before(seq, f.told) && seq-f.told >= f.window
}
