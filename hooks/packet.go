package hooks

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks/wire"
)

// A Packet is one packet on its way through the chain. The embedded decoding
// and its bytes are valid only during the hook's call.
//
// Of a packet with a partial checksum, whose payload nobody has to look at, Bytes
// may end with the headers: All returns them all.
type Packet struct {
	wire.Packet

	Direction Direction
	// Time is when the chain saw the packet.
	Time time.Time
	// Len is the length received or made, in bytes, before anything was cut.
	Len int

	// Fate and Reason are the packet's as far as it is known: Delivered or
	// Sent until a hook says otherwise.
	Fate   Fate
	Reason string

	// Seq is the packet's number in traces, once a hook has given it one.
	Seq uint64
	// Answer is nil but for an outbound packet that is not netstack's.
	Answer *Answer

	// Untraced says that the packet is to be counted and judged, but not
	// written down.
	Untraced bool
	// Followers are who follow along and get its events, traced or not.
	Followers Followers

	// Answerers are those who answer echo requests, as it is when the packet comes: the
	// hook that has put them there, hooks/respond, knows who they are.
	Answerers any

	checks      [2]wire.Check
	nchecks     int
	reassembled bool
	stopped     bool
	held        bool
	// delivered says that the endpoint delivers the packet, and takes it out of those
	// that within counts, if there is one, when that is over.
	delivered bool
	within    *atomic.Int64

	// mends are the names of those that have changed or ended the packet's way,
	// instead is what is forwarded in its place, nil if it is itself, and ahead what
	// is delivered before it, nil if nothing is.
	mends          []string
	instead, ahead []byte

	// scratch joins the bytes of a packet that lies in several views, and buffer
	// is where those that are missing lie.
	scratch []byte
	buffer  *stack.PacketBuffer
}

// Followers are some of those that follow the packets while they pass: the hook
// that has put them there, hooks/live, knows whom it means. The zero Followers are
// nobody.
type Followers struct {
	// Of is the list that Mask has a bit for each of.
	Of   any
	Mask uint64
	// Snap is how many of the packet's bytes, the first ones, they want at most.
	Snap int
}

// A Matcher tells by a packet's bytes whether it is wanted. It is safe for concurrent
// use.
type Matcher interface {
	Match(packet []byte) bool
	// MatchHead is Match for a packet of which there are only the first bytes. If
	// the rest could make a difference it has not decided.
	MatchHead(head []byte) (match, decided bool)
}

// Match reports whether m matches the packet. Its bytes are joined only if m needs
// more of them than there are.
func (p *Packet) Match(m Matcher) bool {
	if p.Missing > 0 {
		if match, decided := m.MatchHead(p.Bytes); decided {
			return match
		}
	}
	return m.Match(p.All())
}

// Clone returns a copy of the packet's first bytes, n at most. It does not join them.
func (p *Packet) Clone(n int) []byte {
	n = min(n, len(p.Bytes)+p.Missing)
	b := append(make([]byte, 0, n), p.Bytes[:min(n, len(p.Bytes))]...)
	if len(b) == n || p.buffer == nil {
		return b
	}
	// Bytes are those of the first view that has any.
	views, offset := p.buffer.AsViewList()
	offset += len(b)
	for v := views.Front(); v != nil && len(b) < n; v = v.Next() {
		part := v.AsSlice()
		if offset < len(part) {
			b = append(b, part[offset:min(len(part), offset+n-len(b))]...)
		}
		offset = max(0, offset-len(part))
	}
	return b
}

// All returns the packet's bytes, joined if they are not yet.
func (p *Packet) All() []byte {
	if p.Missing > 0 && p.buffer != nil {
		n := len(p.Bytes) + p.Missing
		p.Bytes, p.Missing = p.contiguous(p.buffer)[:n:n], 0
	}
	return p.Bytes
}

// Checks returns the packet's checksums, as judged by hand. If Reassembled, the
// last is that of the datagram which this fragment completes.
func (p *Packet) Checks() []wire.Check { return p.checks[:p.nchecks] }

// Reassembled reports whether a hook has noted the checksum of the datagram
// which this fragment completes.
func (p *Packet) Reassembled() bool { return p.reassembled }

// NoteReassembled notes the upper layer's checksum of the datagram which this
// fragment completes. The ledger counts it once the packet has passed the chain.
func (p *Packet) NoteReassembled(c wire.Check) {
	if !p.reassembled && p.nchecks < len(p.checks) {
		p.checks[p.nchecks] = c
		p.nchecks++
		p.reassembled = true
	}
}

// vouched reports whether nothing is left for netstack to verify: each sum that
// receive offload keeps it from verifying is there, and is right, or the kernel
// vouches for it. ICMP sums it verifies in any case.
func (p *Packet) vouched() bool {
	if !p.Problem.IsZero() || p.Fragment.IsFragment() || p.Trailing > 0 {
		return false
	}
	// What has no name here netstack may read on in: it takes protocols 253 and
	// 254 for extension headers.
	judged := p.Upper == wire.LayerICMPv4 || p.Upper == wire.LayerICMPv6
	for _, c := range p.Checks() {
		switch {
		case c.Layer == wire.LayerTCP || c.Layer == wire.LayerUDP:
			judged = c.Verdict != wire.Bad || p.Offload.Validated && !p.Offload.Partial
		case c.Layer == wire.LayerIPv4 && c.Verdict == wire.Bad:
			return false
		}
	}
	// Netstack counts the header's destination, and takes no notice of a route.
	return judged && (p.Offload.Partial || p.FinalDst() == p.Dst)
}

// Drop ends the packet's way: it will not be forwarded. The first drop counts.
func (p *Packet) Drop(fate Fate, reason string) {
	if !p.stopped {
		p.Fate, p.Reason, p.stopped = fate, reason, true
	}
}

// Suppress ends the way of a reply that netstack has made and another answerer
// gives: it is judged like any other, and not sent.
func (p *Packet) Suppress() { p.Drop(Suppressed, "") }

// Stopped reports whether a hook has dropped the packet.
func (p *Packet) Stopped() bool { return p.stopped }

// Expect notes the fate that the packet will meet further on: netstack will
// discard it, say. It is forwarded all the same.
func (p *Packet) Expect(fate Fate, reason string) {
	if !p.stopped {
		p.Fate, p.Reason = fate, reason
	}
}

// Hold says that the hook which calls it will settle the packet's fate in the
// ledger itself, once it is known. The packet is forwarded all the same. The
// hook stands behind every one that may drop, for it would not learn of that.
// Within counts the packet from now on until netstack has returned from it: what it
// answers at once it has answered then.
func (p *Packet) Hold(within *atomic.Int64) {
	p.held = true
	if p.delivered {
		within.Add(1)
		p.within = within
	}
}

// Set makes p the packet in b, which it borrows: decoded, its checksums
// judged, not yet seen by any hook.
func (p *Packet) Set(d Direction, b []byte, now time.Time) {
	p.SetOffloaded(d, b, wire.Offload{}, now)
}

// SetOffloaded is Set for a packet of which o says what was left to hardware.
func (p *Packet) SetOffloaded(d Direction, b []byte, o wire.Offload, now time.Time) {
	p.decode(d, b, now)
	p.Offload = o
	p.judge()
}

// decode is the part of Set before the checksums.
func (p *Packet) decode(d Direction, b []byte, now time.Time) {
	p.Decode(b)
	p.begin(d, len(b), now)
}

// decodeBuffer is decode for a packet in a buffer. What was left to hardware is
// read from there, if it counts. A packet whose payload nobody will sum is not
// joined: to copy a super-segment costs more than all else here.
func (p *Packet) decodeBuffer(d Direction, pkt *stack.PacketBuffer, offloaded bool, now time.Time) {
	if offloaded && pkt.GSOOptions.NeedsCsum {
		head := firstView(pkt)
		n := pkt.Size()
		if p.DecodeHead(head, n-len(head)) && p.Upper == wire.LayerTCP && !p.Fragment.IsFragment() && p.Trailing == 0 {
			if p.Offload = p.offload(pkt); p.Offload.Partial {
				p.begin(d, n, now)
				p.buffer = pkt
				return
			}
		}
	}
	p.decode(d, p.contiguous(pkt), now)
	if offloaded {
		p.Offload = p.offload(pkt)
	}
}

func (p *Packet) begin(d Direction, n int, now time.Time) {
	p.Direction, p.Time, p.Len = d, now, n
	p.buffer, p.Seq, p.Answer = nil, 0, nil
	p.mends, p.instead, p.ahead = nil, nil, nil
	p.delivered, p.within = false, nil
	p.Fate, p.Reason, p.Untraced, p.stopped, p.held = Delivered, "", false, false, false
	p.Followers, p.Answerers = Followers{}, nil
	if d == Outbound {
		p.Fate = Sent
	}
}

// judge is the part of Set that judges the checksums.
func (p *Packet) judge() { p.nchecks, p.reassembled = len(p.Checksums(p.checks[:0])), false }

// firstView returns the bytes of the first view that has any: netstack's headers
// lie in one.
func firstView(pkt *stack.PacketBuffer) []byte {
	views, offset := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if offset < len(b) {
			return b[offset:]
		}
		offset -= len(b)
	}
	return nil
}

// contiguous returns the packet's bytes in one piece: the packet's own if they
// lie in one view, as they do inbound, else a copy in p.scratch.
func (p *Packet) contiguous(pkt *stack.PacketBuffer) []byte {
	views, offset := pkt.AsViewList()
	p.scratch = p.scratch[:0]
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if offset >= len(b) {
			offset -= len(b)
			continue
		}
		b = b[offset:]
		offset = 0
		if len(p.scratch) == 0 && v.Next() == nil {
			return b
		}
		p.scratch = append(p.scratch, b...)
	}
	return p.scratch
}

// udpChecksumOffset is that of the checksum in a UDP header, in bytes (RFC 768).
const udpChecksumOffset = 6

// offload reads what pkt says about work left undone. A checksum is partial if
// the place that pkt gives for it is that of p's own, and p is a super-segment
// if it has more data than one segment may.
func (p *Packet) offload(pkt *stack.PacketBuffer) wire.Offload {
	// To which bytes that would apply, if some are behind the packet, nobody says:
	// netstack looks itself.
	o := wire.Offload{Validated: pkt.RXChecksumValidated && p.Trailing == 0}
	g := &pkt.GSOOptions
	if g.NeedsCsum && int(g.L3HdrLen) == p.Payload {
		o.Partial = p.Upper == wire.LayerTCP && g.CsumOffset == header.TCPChecksumOffset ||
			p.Upper == wire.LayerUDP && g.CsumOffset == udpChecksumOffset
	}
	if p.Upper == wire.LayerTCP && (g.Type == stack.GSOTCPv4 || g.Type == stack.GSOTCPv6) &&
		p.DataLen()-p.TCP.DataOffset > int(g.MSS) {
		o.SegmentSize = int(g.MSS)
	}
	return o
}
