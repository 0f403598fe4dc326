package faults

import (
	"math/rand/v2"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// peek is how many bytes of a packet in several views are joined to tell its
// protocol: as many as headers have, save for very long chains of extensions.
const peek = 256

// dice are a rule's, in one direction.
type dice struct {
	Rule
	index int
	rand  *rand.Rand // guarded by store.mu, so that packets throw in turn
}

// A way is one direction through the injector. It is safe for concurrent use.
type way struct {
	*tally
	store

	direction hooks.Direction
	rules     []dice // those that hold for the direction
	asks      bool   // some rule names protocols
	damages   bool   // some rule alters bytes
	holds     bool   // some rule holds packets back
	patience  time.Duration
	injected  func(Fault)
	scratch   sync.Pool // *scratch
}

// scratch is what it takes to look at a packet.
type scratch struct {
	packet wire.Packet
	bytes  []byte
}

func (w *way) init(d hooks.Direction, rules []Rule, o Options, forward func([]parcel)) {
	w.tally = newTally()
	w.store.init(o.Queue, forward)
	w.direction, w.patience, w.injected = d, o.Patience, o.Injected
	w.scratch.New = func() any { return &scratch{bytes: make([]byte, 0, peek)} }
	for i, r := range rules {
		if !r.holdsFor(d) {
			continue
		}
		seed, stream := r.Seed, uint64(2*i)
		if seed == 0 {
			seed = o.Seed
		}
		if d == hooks.Outbound {
			stream++
		}
		w.rules = append(w.rules, dice{Rule: r, index: i, rand: rand.New(rand.NewPCG(seed, stream))})
		w.asks = w.asks || r.Protocols != 0
		w.damages = w.damages || r.damages()
		w.holds = w.holds || r.holds()
	}
}

// protocols returns the names that fit a packet.
func (w *way) protocols(pkt *stack.PacketBuffer) Protocols {
	s := w.scratch.Get().(*scratch)
	defer w.scratch.Put(s)
	s.bytes = appendBytes(s.bytes[:0], pkt, peek)
	s.packet.Decode(s.bytes)
	if p := &s.packet; p.Version == 6 && isExtension(p.Protocol) && pkt.Size() > peek {
		// The chain of extension headers goes on behind the bytes joined.
		p.Decode(bytesOf(pkt))
	}
	names := protocolsOf(&s.packet)
	s.packet = wire.Packet{}
	return names
}

// isExtension reports whether a protocol is that of an IPv6 extension header.
func isExtension(protocol uint8) bool {
	switch protocol {
	case wire.ProtocolHopByHop, wire.ProtocolRouting, wire.ProtocolFragment, wire.ProtocolAH,
		wire.ProtocolDestination, wire.ProtocolMobility, wire.ProtocolHIP, wire.ProtocolShim6:
		return true
	}
	return false
}

// A hit is a fault that the dice have chosen. The zero hit is none.
type hit struct {
	Spec
	rule   int
	random uint64 // of Corrupt and Truncate: where
}

// A plan is what is to be done to one packet.
type plan struct {
	number            uint64
	loss, again, late hit
}

func (p *plan) empty() bool { return p.loss.Kind == "" && p.again.Kind == "" && p.late.Kind == "" }

// throwLocked throws the dice for a packet.
func (w *way) throwLocked(p *plan, names Protocols) {
	for i := range w.rules {
		r := &w.rules[i]
		if r.Protocols != 0 && r.Protocols&names == 0 {
			continue
		}
		for _, s := range r.Faults {
			if s.Amount.Of == 0 || r.rand.Uint64N(s.Amount.Of) >= s.Amount.N {
				continue
			}
			h := hit{Spec: s, rule: r.index}
			place := &p.loss
			switch s.Kind {
			case Corrupt, Truncate:
				h.random = r.rand.Uint64()
			case Duplicate:
				place = &p.again
			case Reorder, Delay:
				place = &p.late
			}
			if place.Kind == "" {
				*place = h
			}
		}
	}
}

// inject does to a packet what the dice say. If that is nothing it reports
// false, and the packet goes on as it is; else the parcels go on in its place,
// in order. The packet remains the caller's.
func (w *way) inject(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) (parcels []parcel, changed bool) {
	var names Protocols
	if w.asks {
		names = w.protocols(pkt)
	}
	var p plan
	w.mu.Lock()
	if !w.open {
		w.mu.Unlock()
		return nil, false
	}
	p.number = w.packets.Add(1)
	w.throwLocked(&p, names)
	var follow []parcel
	if p.loss.Kind != Drop && p.late.Kind == "" {
		follow = w.passLocked()
	}
	w.mu.Unlock()

	vouched := w.direction == hooks.Inbound && (w.damages || w.holds) && (pkt.RXChecksumValidated || pkt.GSOOptions.NeedsCsum)
	if p.empty() && len(follow) == 0 && !vouched {
		return nil, false
	}
	return append(w.act(p, parcel{pkt: pkt, protocol: protocol, first: true}, vouched), follow...), true
}

// act carries a plan out and returns what goes on.
func (w *way) act(p plan, goes parcel, vouched bool) (parcels []parcel) {
	b := bytesOf(goes.pkt)
	var packet wire.Packet
	packet.Decode(b)
	f := Fault{Direction: w.direction, Packet: p.number, Protocols: protocolsOf(&packet)}
	if vouched && complete(&packet) {
		w.completed.Add(1)
		goes = w.swap(goes, rebuilt(goes.pkt, b))
	}
	if p.loss.Kind == Drop {
		goes.discard()
		f.Reason = ReasonDrop
		w.report(f, p.loss, b)
		return nil
	}
	if p.again.Kind != "" {
		again := goes
		again.pkt, again.own, again.first = rebuilt(goes.pkt, b), true, false
		parcels = append(parcels, again)
		w.report(f, p.again, b)
	}
	goes, b = w.damage(f, p.loss, goes, &packet, b)
	if p.late.Kind == "" {
		// The copy comes behind.
		return append([]parcel{goes}, parcels...)
	}
	w.delay(f, p.late, goes, b)
	return parcels
}

// delay holds a packet back whose bytes are b.
func (w *way) delay(f Fault, h hit, goes parcel, b []byte) {
	if f.Reason = w.reserve(); f.Reason != "" {
		w.lost(f.Reason, 1)
		goes.discard()
		w.report(f, h, b)
		return
	}
	w.report(f, h, b)
	if !goes.own {
		goes = w.swap(goes, rebuilt(goes.pkt, b))
	}
	depth, d := 0, h.delay()
	if h.Kind == Reorder {
		depth, d = h.depth(), w.patience
	}
	if !w.keep(goes, depth, d) {
		w.lost(ReasonDetached, 1)
		goes.discard()
	}
}

// damage does what a hit of Corrupt or Truncate says to a packet whose bytes
// are b, and returns what goes on and its bytes.
func (w *way) damage(f Fault, h hit, goes parcel, packet *wire.Packet, b []byte) (parcel, []byte) {
	done := false
	switch {
	case h.Kind == "":
		return goes, b
	case w.direction == hooks.Outbound && goes.pkt.GSOOptions.NeedsCsum:
		// The Endpoint offers no offload, so netstack cannot have left a sum
		// to others. Who has would have the damage mended.
	case h.Kind == Corrupt:
		done = flip(packet, h.random, &f)
	case h.Kind == Truncate:
		var length int
		if length, done = cut(packet, h.random); done {
			b = b[:length]
		}
	}
	if !done {
		w.unfit.Add(1)
		return goes, b
	}
	goes = w.swap(goes, damaged(goes.pkt, b))
	w.report(f, h, b)
	return goes, b
}

// swap puts a packet in another's place.
func (w *way) swap(p parcel, pkt *stack.PacketBuffer) parcel {
	p.discard()
	p.pkt, p.own = pkt, true
	return p
}

// report counts a fault and tells of it, before the packet goes on.
func (w *way) report(f Fault, h hit, b []byte) {
	w.faults[h.Kind].Add(1)
	if h.Kind == Drop {
		w.lost(f.Reason, 1)
	}
	if w.injected == nil {
		return
	}
	f.Kind, f.Rule, f.Key, f.Len = h.Kind, h.rule, Key(b), len(b)
	w.injected(f)
}
