package byhand

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"netstackd/hooks/wire"
)

// TCP options (RFC 9293 §3.2, RFC 7323, RFC 2018).
const (
	tcpOptionEnd           = 0
	tcpOptionNop           = 1
	TCPOptionMSS           = 2
	TCPOptionWindowScale   = 3
	TCPOptionSACKPermitted = 4
	TCPOptionTimestamps    = 8
)

// MayHold reports whether the judged host may have a connection to which an
// outbound segment belongs, so that it may have been sent for more reasons than
// the last segment that came.
func (h *Host) MayHold(p *wire.Packet) bool {
	if h.tcpPorts == nil {
		return true
	}
	f := h.flows
	return h.held(p.TCP.SrcPort) && f.known(f.places(p.Src, p.Dst, p.TCP.SrcPort, p.TCP.DstPort))
}

// held reports whether there may be connections to a port of the host: it is open,
// changes, or was open once.
func (h *Host) held(port uint16) bool {
	return h.tcpPorts.open(port) || h.changing.open(port) || h.former.open(port)
}

// tcp judges a sound segment for this host (RFC 9293 §3.10.7). Of a segment
// that may belong to a connection it has no opinion.
func (h *Host) tcp(p *wire.Packet) Prediction {
	if h.tcpPorts == nil {
		return Prediction{}
	}
	flags := p.TCP.Flags
	if s, ok := h.unconnectable(p); ok {
		return s
	}
	a, b := h.flows.inbound(p)
	if h.changing.open(p.TCP.DstPort) {
		if flags&wire.TCPSyn != 0 {
			h.flows.add(a, b)
		}
		return Prediction{}
	}
	if h.held(p.TCP.DstPort) && h.flows.known(a, b) {
		return Prediction{}
	}
	if !h.tcpPorts.open(p.TCP.DstPort) {
		if flags&wire.TCPRst != 0 {
			return h.refused(p, silence(ReasonClosedPort, "RFC 9293 §3.10.7.1"))
		}
		if flags&wire.TCPSyn != 0 {
			h.refusals.note(a, b)
		}
		return h.reset(p, ReasonClosedPort, "RFC 9293 §3.10.7.1")
	}
	// In LISTEN (RFC 9293 §3.10.7.2), the one state without a connection.
	const rfc = "RFC 9293 §3.10.7.2"
	switch {
	case flags&wire.TCPRst != 0:
		return h.refused(p, silence(ReasonNoConnection, rfc))
	case flags&wire.TCPAck != 0:
		return h.reset(p, ReasonNoConnection, rfc)
	case flags&wire.TCPSyn == 0:
		return h.refused(p, silence(ReasonNoConnection, rfc))
	}
	h.flows.add(a, b)
	pr := Prediction{Expect: MustReply, Requirement: Must, Form: SynAck, RFC: rfc, Request: *p, Reply: h.synAck(p)}
	if !h.sure(p) {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// badSegment judges a segment for this host whose checksum is wrong: whatever a
// sound one like it would have brought must not come.
func (h *Host) badSegment(p *wire.Packet, s Prediction) Prediction {
	s.Request = *p
	if h.tcpPorts == nil || !h.addrs.owns(p.Dst) {
		return s
	}
	if h.changing.open(p.TCP.DstPort) || h.held(p.TCP.DstPort) && h.flows.known(h.flows.inbound(p)) {
		return s
	}
	const kind = wire.TCPSyn | wire.TCPAck | wire.TCPRst
	if h.tcpPorts.open(p.TCP.DstPort) && p.TCP.Flags&kind == wire.TCPSyn {
		s.Form, s.Forbidden = SynAck, h.synAck(p)
		return s
	}
	return h.refused(p, s)
}

// unconnectable judges by its addresses a segment that cannot belong to a
// connection (RFC 9293 §3.9.2.3).
func (h *Host) unconnectable(p *wire.Packet) (Prediction, bool) {
	switch {
	case p.Src.IsUnspecified(), thisNetwork.Contains(p.Src):
		return h.refused(p, silence(ReasonUnspecifiedRequester, "RFC 9293 §3.9.2.3")), true
	case !h.addrs.owns(p.Dst):
		return h.refused(p, silence(ReasonSegmentToMany, "RFC 9293 §3.9.2.3")), true
	}
	return Prediction{}, false
}

// refused adds to a prediction of silence the reset that must not come.
func (h *Host) refused(p *wire.Packet, s Prediction) Prediction {
	s.Request, s.Form, s.Forbidden = *p, Reset, h.resetSegment(p)
	return s
}

// reset predicts a reset.
func (h *Host) reset(p *wire.Packet, reason, rfc string) Prediction {
	pr := Prediction{
		Expect: MustReply, Requirement: Must, Form: Reset, Reason: reason, RFC: rfc,
		Request: *p, Reply: h.resetSegment(p),
	}
	if !h.sure(p) {
		pr.Expect, pr.Requirement = MayReply, May
	}
	return pr
}

// sure reports whether nothing about a packet's addresses and options lets a
// host discard it, or report a problem instead.
func (h *Host) sure(p *wire.Packet) bool {
	if h.addrs.mayDiscard(p.Src) {
		return false
	}
	if p.Version == 6 {
		return plainExtensions(p)
	}
	return !p.IPv4.HasOptions() || h.plainOptions(p)
}

// resetSegment builds the reset that answers a segment (RFC 9293 §3.5.2): it
// takes its place in the peer's sequence from what the segment acknowledges, or
// acknowledges the segment if that does not say.
func (h *Host) resetSegment(p *wire.Packet) []byte {
	if p.TCP.Flags&wire.TCPAck != 0 {
		return h.segment(p, p.TCP.Ack, 0, wire.TCPRst, nil)
	}
	return h.segment(p, 0, p.TCP.Seq+segmentLen(p), wire.TCPRst|wire.TCPAck, nil)
}

// segmentLen is SEG.LEN: the data, and one each for SYN and FIN (RFC 9293
// §3.4).
func segmentLen(p *wire.Packet) uint32 {
	n := uint32(p.DataLen() - p.TCP.DataOffset)
	for _, f := range [...]uint16{wire.TCPSyn, wire.TCPFin} {
		if p.TCP.Flags&f != 0 {
			n++
		}
	}
	return n
}

// synAck builds the answer to a SYN (RFC 9293 §3.10.7.2), with a maximum segment
// size, and all other options that the SYN offers and that this host knows. The
// sequence number and the window are the host's own: here they mean nothing.
func (h *Host) synAck(p *wire.Packet) []byte {
	options := []byte{TCPOptionMSS, 4, 5, 180} // 1,460
	if p.Version == 6 {
		options[3] = 160
	}
	for _, o := range []struct {
		kind uint8
		make []byte
	}{
		{TCPOptionWindowScale, []byte{tcpOptionNop, TCPOptionWindowScale, 3, 0}},
		{TCPOptionSACKPermitted, []byte{tcpOptionNop, tcpOptionNop, TCPOptionSACKPermitted, 2}},
		{TCPOptionTimestamps, []byte{tcpOptionNop, tcpOptionNop, TCPOptionTimestamps, 10, 0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		if data, ok := TCPOption(p, o.kind); ok {
			if o.kind == TCPOptionTimestamps && len(data) == 8 {
				copy(o.make[8:], data[:4]) // the echo of the peer's (RFC 7323 §3.2)
			}
			options = append(options, o.make...)
		}
	}
	b := h.segment(p, 0, p.TCP.Seq+1, wire.TCPSyn|wire.TCPAck, options)
	if p.Version == 4 {
		// For path MTU discovery (RFC 1191 §3).
		b[6] = 0x40
		b = returned(p, b)
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(b[:int(b[0]&0xf)*4]))
	}
	return b
}

// returned sends an answer back by the source route by which its request came, if
// it came by one (RFC 9293 §3.9.2.1). The header's checksum is then to be made.
func returned(p *wire.Packet, b []byte) []byte {
	hop, route := ReturnRoute(p)
	if route == nil {
		return b
	}
	to := hop.As4()
	copy(b[16:], to[:])
	b = slices.Insert(b, 20, route...)
	b[0] = 4<<4 | byte(5+len(route)/4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// ReturnRoute returns the options with the route back to the sender of a packet that
// came by a source route, whole words, and the first hop of it; nil if it came by
// none, or by one that is not completed.
func ReturnRoute(p *wire.Packet) (hop netip.Addr, route []byte) {
	o, ok := sourceRoute(p)
	if !ok {
		return hop, nil
	}
	route = slices.Clone(p.Bytes[o.Offset : o.Offset+o.Len])
	if hop, ok = reverseRoute(route, p.Src); !ok {
		return hop, nil
	}
	for len(route)%4 != 0 {
		route = append(route, wire.OptionEnd)
	}
	return hop, route
}

// segment builds one from the host to the sender of p.
func (h *Host) segment(p *wire.Packet, seq, ack uint32, flags uint16, options []byte) []byte {
	src, n := h.addrs.self(p.Dst), 20+len(options)
	var b []byte
	if p.Version == 4 {
		b = h.header4(src, p.Src, wire.ProtocolTCP, n)
	} else {
		b = h.header6(src, p.Src, wire.ProtocolTCP, n)
	}
	s := b[len(b)-n:]
	binary.BigEndian.PutUint16(s, p.TCP.DstPort)
	binary.BigEndian.PutUint16(s[2:], p.TCP.SrcPort)
	binary.BigEndian.PutUint32(s[4:], seq)
	binary.BigEndian.PutUint32(s[8:], ack)
	binary.BigEndian.PutUint16(s[12:], uint16(n/4)<<12|flags)
	copy(s[20:], options)
	binary.BigEndian.PutUint16(s[16:], ^wire.Sum(s, wire.PseudoHeader(src, p.Src, wire.ProtocolTCP, n)))
	return b
}

// TCPOption returns the data of the first option of a kind in a segment's
// header. What comes behind an option that is damaged is not seen.
func TCPOption(p *wire.Packet, kind uint8) (data []byte, ok bool) {
	b := p.Data()
	if p.Upper != wire.LayerTCP || p.TCP.DataOffset < 20 || p.TCP.DataOffset > len(b) {
		return nil, false
	}
	for b = b[20:p.TCP.DataOffset]; len(b) > 0 && b[0] != tcpOptionEnd; {
		if b[0] == tcpOptionNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return nil, false
		}
		if b[0] == kind {
			return b[2:b[1]], true
		}
		b = b[b[1]:]
	}
	return nil, false
}
