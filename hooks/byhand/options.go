package byhand

import (
	"encoding/binary"
	"net/netip"
	"time"

	"netstackd/hooks/wire"
)

// replyOptions are the IPv4 options of an echo reply, padded to whole words,
// and the address that the reply goes to first.
type replyOptions struct {
	bytes []byte
	to    netip.Addr
	// full is the offset of what says that there is no room for an entry, if
	// the request is to be discarded for that, else 0.
	full int
}

// replyOptions carries the options of an echo request over to its reply (RFC
// 1122 §3.2.2.6): record route and timestamp are updated to include this host,
// a source route is reversed, and every other option is left out. It is not
// sound if an option is damaged in a way that allows a parameter problem
// instead of an answer.
func (h *Host) replyOptions(p *wire.Packet) (replyOptions, bool) {
	r := replyOptions{to: p.Src}
	self := h.addrs.self(p.Dst)
	routes, sound := onceOnly(p)
	for at := 20; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			break
		}
		raw := append([]byte(nil), p.Bytes[o.Offset:o.Offset+o.Len]...)
		switch o.Type {
		case wire.OptionRecordRoute:
			ok := recordRoute(raw, self)
			if !ok && sound {
				r.full = noRoomForRoute(o.Offset, raw)
			}
			sound = ok && sound
			r.bytes = append(r.bytes, raw...)
		case wire.OptionTimestamp:
			ok := recordTimestamp(raw, self, h.now)
			if !ok && sound {
				r.full = noRoomForTimestamp(o.Offset, raw)
			}
			sound = ok && sound
			r.bytes = append(r.bytes, raw...)
		case wire.OptionLooseSourceRoute, wire.OptionStrictSourceRoute:
			to, ok := reverseRoute(raw, p.Src)
			if ok && routes == 1 {
				r.to = to
				r.bytes = append(r.bytes, raw...)
			}
			sound = ok && sound
		}
		at += o.Len
	}
	for len(r.bytes)%4 != 0 {
		r.bytes = append(r.bytes, wire.OptionEnd)
	}
	return r, sound
}

// onceOnly counts the source routes, and reports whether each option that
// "appears at most once in a datagram" (RFC 791 §3.1) keeps to that, and a
// router alert to its length. Of source
// routes there must be one at most, of whatever kind (RFC 1122 §3.2.1.8 (c)).
func onceOnly(p *wire.Packet) (routes int, sound bool) {
	var seen [256]bool
	sound = true
	for at := 20; at < p.IPv4.HeaderLen; {
		o, ok := p.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			break
		}
		switch o.Type {
		case wire.OptionLooseSourceRoute, wire.OptionStrictSourceRoute:
			routes++
		case wire.OptionRecordRoute, wire.OptionTimestamp, optionSecurity, optionStreamID:
			sound = sound && !seen[o.Type]
			seen[o.Type] = true
		case wire.OptionRouterAlert:
			sound = sound && o.Len == 4 // RFC 2113 §2.1
		}
		at += o.Len
	}
	return routes, sound && routes <= 1
}

// Options without an effect here (RFC 791 §3.1).
const (
	optionSecurity = 130
	optionStreamID = 136
)

// recordRoute enters self into a record route option, if there is room (RFC
// 791 §3.1). The pointer counts octets from 1, and the first slot is at 4. An
// option without a single slot is no sound one.
func recordRoute(o []byte, self netip.Addr) bool {
	if len(o) < 7 || o[2] < 4 {
		return false
	}
	at := int(o[2]) - 1
	if at >= len(o) {
		return true // full: passed on unchanged
	}
	if at+4 > len(o) {
		return false
	}
	a := self.As4()
	copy(o[at:], a[:])
	o[2] += 4
	return true
}

// noRoomForRoute returns the offset of the pointer of a record route option at
// an offset: "If there is some room but not enough room for a full address to be
// inserted, the original datagram is considered to be in error and is discarded"
// (RFC 791 §3.1). It returns 0 of an option with other faults.
func noRoomForRoute(at int, o []byte) int {
	if len(o) < 7 || o[2] < 4 || int(o[2]) > len(o) {
		return 0
	}
	return at + 2
}

// noRoomForTimestamp is noRoomForRoute of a timestamp option, which may also be
// full once too often: "or the overflow count itself overflows". Of prespecified
// addresses the RFC does not say what it means.
func noRoomForTimestamp(at int, o []byte) int {
	if len(o) < 8 || o[2] < 5 || o[3]&0xf > timestampsAndAddresses {
		return 0
	}
	if int(o[2]) > len(o) {
		return at + 3
	}
	return at + 2
}

// Flags of the timestamp option (RFC 791 §3.1).
const (
	timestampsOnly         = 0
	timestampsAndAddresses = 1
	timestampsPrespecified = 3
)

// recordTimestamp enters self and the time into a timestamp option: milliseconds
// since midnight UT (RFC 791 §3.1), which another host's need not be.
func recordTimestamp(o []byte, self netip.Addr, now time.Time) bool {
	if len(o) < 4 || o[2] < 5 {
		return false
	}
	at, flag := int(o[2])-1, o[3]&0xf
	if flag != timestampsOnly && flag != timestampsAndAddresses && flag != timestampsPrespecified {
		return false
	}
	slot := 4
	if flag != timestampsOnly {
		slot = 8
	}
	if at >= len(o) {
		if o[3]>>4 == 15 {
			return false // the overflow count overflows
		}
		if flag != timestampsPrespecified {
			o[3] += 0x10
		}
		return true
	}
	if at+slot > len(o) {
		return false
	}
	a := self.As4()
	switch flag {
	case timestampsAndAddresses:
		copy(o[at:], a[:])
	case timestampsPrespecified:
		if [4]byte(o[at:at+4]) != a {
			return true
		}
	}
	midnight := now.UTC().Truncate(24 * time.Hour)
	binary.BigEndian.PutUint32(o[at+slot-4:], uint32(now.Sub(midnight).Milliseconds()))
	o[2] += byte(slot)
	return true
}

// routedOn reports whether a datagram has a source route that is not completed: this
// host is on the way, and not where it ends (RFC 1122 §3.2.1.8 (c)). What several
// routes mean is each host's own affair.
func routedOn(p *wire.Packet) bool {
	o, ok := sourceRoute(p)
	if !ok {
		return false
	}
	pointer := int(p.Bytes[o.Offset+2])
	return o.Len >= 7 && o.Len%4 == 3 && pointer >= 4 && pointer <= o.Len-3 && pointer%4 == 0
}

// sourceRoute returns the source route of a packet; it reports false if there is none,
// or more than one.
func sourceRoute(p *wire.Packet) (o wire.Option, ok bool) {
	if p.Version != 4 || !p.IPv4.HasOptions() {
		return o, false
	}
	routes, _ := onceOnly(p)
	for at := 20; at < p.IPv4.HeaderLen && routes == 1; at += o.Len {
		if o, ok = p.Option(at); !ok || o.Type == wire.OptionEnd {
			break
		}
		if o.Type == wire.OptionLooseSourceRoute || o.Type == wire.OptionStrictSourceRoute {
			return o, true
		}
	}
	return wire.Option{}, false
}

// reverseRoute turns a completed source route around and returns where the
// reply goes first: the last hop of the request becomes the destination, and
// the requester the last of the route (RFC 1122 §3.2.1.8 (c)). A route that is
// not completed, or holds half an address, is not for us to reverse.
func reverseRoute(o []byte, requester netip.Addr) (netip.Addr, bool) {
	if len(o) < 7 || (len(o)-3)%4 != 0 || int(o[2]) <= len(o) {
		return netip.Addr{}, false
	}
	n := (len(o) - 3) / 4
	hops := make([][4]byte, 0, n+1)
	for i := n - 1; i >= 0; i-- {
		hops = append(hops, [4]byte(o[3+4*i:]))
	}
	hops = append(hops, requester.As4())
	for i, hop := range hops[1:] {
		copy(o[3+4*i:], hop[:])
	}
	o[2] = 4
	return netip.AddrFrom4(hops[0]), true
}
