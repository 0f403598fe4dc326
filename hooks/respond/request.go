package respond

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"netstackd/hooks/wire"
)

// A Request is an echo request that waits for its reply.
type Request struct {
	// ID numbers the requests of a Desk from 1, in the order in which they came.
	ID uint64
	// Packet is the whole request, an IP packet, put together if it came in
	// fragments. It must not be changed.
	Packet []byte
	// Received is when the packet that completed it was seen.
	Received time.Time
	// Given says that Next has returned it.
	Given bool
	// Tries counts the replies that were judged against it and refused.
	Tries int
}

// A request is a Question at a Desk.
type request struct {
	Question
	id    uint64
	key   key
	given bool
	tries int
	// answered and dropped say why it waits no longer.
	answered, dropped bool
}

func (r *request) public() Request {
	return Request{ID: r.id, Packet: r.Packet, Received: r.Received, Given: r.given, Tries: r.tries}
}

// requestCost is what a request takes beside its bytes, about.
const requestCost = 256

// cost is what a request counts for, in bytes.
func (r *request) cost() int { return len(r.Packet) + len(r.Hand) + requestCost }

// data is what the reply has to bring back.
func (r *request) data() []byte { return data(r.Hand) }

// A key is what a reply shares with its request, whatever address it is sent
// from: who asked, and identifier and sequence number.
type key struct {
	peer netip.Addr
	word uint32
}

// keyOf returns the key of an echo reply, and whether it is long enough to have one.
func keyOf(reply *wire.Packet) (key, bool) {
	d := reply.Data()
	if len(d) < 8 {
		return key{}, false
	}
	// With a source route the requester is where the route ends.
	return key{reply.FinalDst(), binary.BigEndian.Uint32(d[4:])}, true
}

// data returns what an echo message carries behind its header.
func data(packet []byte) []byte {
	var p wire.Packet
	p.Decode(packet)
	if d := p.Data(); len(d) >= 8 {
		return d[8:]
	}
	return nil
}

// likeness says how near a reply is to that made by hand, to find the request
// that a damaged one was meant for.
func (r *request) likeness(reply *wire.Packet) int {
	var hand wire.Packet
	hand.Decode(r.Hand)
	n := 0
	if reply.Version == hand.Version {
		n++
	}
	if reply.Dst == hand.Dst {
		n += 2
	}
	if reply.Src == hand.Src {
		n++
	}
	a, b := reply.Data(), hand.Data()
	if len(a) < 8 {
		return n
	}
	if bytes.Equal(a[4:6], b[4:6]) {
		n += 2
	}
	if bytes.Equal(a[6:8], b[6:8]) {
		n += 4
	}
	if bytes.Equal(a[8:], b[8:]) {
		n += 2
	}
	return n
}
