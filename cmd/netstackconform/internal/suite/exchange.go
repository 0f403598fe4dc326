package suite

import (
	"slices"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// An Exchange is one case at one host. Its methods make packets, which a case
// may then damage; they all come from the case's own addresses, unless told.
type Exchange struct {
	// Peer4 and Peer6 are the case's own addresses.
	Peer4, Peer6 string
	// Via4 is an address beyond the link that is the case's alone, for a source
	// route.
	Via4 string
	// Port is its source port, and ID its identifier.
	Port, ID uint16

	// Echoes are the echo messages made in this step.
	Echoes []byhandtest.Echo
	// Request is the datagram that replies to this step quote; if nil it is
	// the first packet sent.
	Request []byte
	// Got are the replies of the steps before.
	Got []*wire.Packet

	// bulk says that no events are noted.
	bulk   bool
	seq    uint16
	sent   [][]byte
	events []Event
	inbox  chan item
}

// Echo returns the echo message with n bytes of data and a sequence number of
// its own.
func (x *Exchange) Echo(n int) byhandtest.Echo {
	x.seq++
	e := byhandtest.Echo{ID: x.ID, Seq: x.seq, Data: byhandtest.Data(n)}
	x.Echoes = append(x.Echoes, e)
	return e
}

// V4 completes a header: from the case to the host, if it does not say.
func (x *Exchange) V4(h byhandtest.IPv4) byhandtest.IPv4 {
	if h.Src == "" {
		h.Src = x.Peer4
	}
	if h.Dst == "" {
		h.Dst = Host4
	}
	if h.ID == 0 {
		x.seq++
		h.ID = x.seq
	}
	return h
}

// V6 is V4 over IPv6.
func (x *Exchange) V6(h byhandtest.IPv6) byhandtest.IPv6 {
	if h.Src == "" {
		h.Src = x.Peer6
	}
	if h.Dst == "" {
		h.Dst = Host6
	}
	return h
}

// Ping4 makes an echo request with n bytes of data under a header.
func (x *Exchange) Ping4(h byhandtest.IPv4, n int) []byte {
	return x.V4(h).Packet(x.Echo(n).Request4())
}

// Ping6 is Ping4 over IPv6.
func (x *Exchange) Ping6(h byhandtest.IPv6, n int) []byte {
	h = x.V6(h)
	return h.Packet(x.Echo(n).Request6(h.Src, h.Dst))
}

// UDP4 makes a datagram with n bytes of data.
func (x *Exchange) UDP4(port uint16, n int) []byte {
	return byhandtest.UDP{SrcPort: x.Port, DstPort: port, Data: byhandtest.Data(n)}.Packet(x.Peer4, Host4)
}

// UDP6 is UDP4 over IPv6.
func (x *Exchange) UDP6(port uint16, n int) []byte {
	return byhandtest.UDP{SrcPort: x.Port, DstPort: port, Data: byhandtest.Data(n)}.Packet(x.Peer6, Host6)
}

// TCP4 makes a segment from the case's port.
func (x *Exchange) TCP4(s byhandtest.TCP) []byte {
	s.SrcPort = x.Port
	return s.Packet(x.Peer4, Host4)
}

// TCP6 is TCP4 over IPv6.
func (x *Exchange) TCP6(s byhandtest.TCP) []byte {
	s.SrcPort = x.Port
	return s.Packet(x.Peer6, Host6)
}

// Last returns the last reply, or an empty packet if none came yet.
func (x *Exchange) Last() *wire.Packet {
	if len(x.Got) == 0 {
		return &wire.Packet{}
	}
	return x.Got[len(x.Got)-1]
}

// quoted is the datagram that replies quote.
func (x *Exchange) quoted() []byte {
	if x.Request != nil || len(x.sent) == 0 {
		return x.Request
	}
	return x.sent[0]
}

// begin forgets the last step.
func (x *Exchange) begin() { x.Echoes, x.Request, x.sent = nil, nil, nil }

func (x *Exchange) note(step int, toHost bool, packet []byte) {
	if x.bulk {
		return
	}
	x.events = append(x.events, Event{Step: step, ToHost: toHost, Packet: slices.Clone(packet)})
}
