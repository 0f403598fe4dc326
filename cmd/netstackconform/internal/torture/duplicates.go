package torture

import (
	"hash/maphash"
	"net/netip"

	"netstackd/hooks/wire"
)

// mostPlaces is how many fragments are kept in mind: more than come while a datagram waits
// for the rest of it.
const mostPlaces = 1 << 14

// duplicates knows who has sent an IPv6 fragment with the place of another and other data:
// netstack takes it for a duplicate, and goes on with what it has.
type duplicates struct {
	seed maphash.Seed
	// places are the fragments that came, by the hash of their data, and senders who sent
	// another in the place of one; either gets the next, and the second is of those before.
	places  [2]map[placeOf]uint64
	senders [2]map[netip.Addr]bool
}

// A placeOf is where a fragment belongs.
type placeOf struct {
	src, dst netip.Addr
	id       uint32
	offset   int
	length   int
}

// note keeps a packet in mind if it is a fragment over IPv6.
func (s *duplicates) note(p *wire.Packet) {
	if p.Version != 6 || !p.Fragment.IsFragment() {
		return
	}
	if len(s.places[0]) >= mostPlaces || s.places[0] == nil {
		if s.places[0] == nil {
			s.seed = maphash.MakeSeed()
		}
		s.places = [2]map[placeOf]uint64{{}, s.places[0]}
		s.senders = [2]map[netip.Addr]bool{{}, s.senders[0]}
	}
	data := behindFragmentHeader(p)
	at := placeOf{p.Src, p.Dst, p.Fragment.ID, p.Fragment.Offset, len(data)}
	sum := maphash.Bytes(s.seed, data)
	before, ok := s.places[0][at]
	if !ok {
		before, ok = s.places[1][at]
	}
	if ok && before != sum {
		s.senders[0][p.Src] = true
		return // netstack keeps the first
	}
	s.places[0][at] = sum
}

// of reports whether somebody is one of them.
func (s *duplicates) of(sender netip.Addr) bool { return s.senders[0][sender] || s.senders[1][sender] }

// behindFragmentHeader returns a fragment's data: headers may be among them.
func behindFragmentHeader(p *wire.Packet) []byte {
	for _, e := range p.IPv6.Extensions[:p.IPv6.Count] {
		if e.Protocol == wire.ProtocolFragment {
			return p.Bytes[min(len(p.Bytes), int(e.Offset+e.Len)):]
		}
	}
	return p.Data()
}
