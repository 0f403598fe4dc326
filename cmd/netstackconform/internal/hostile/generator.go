package hostile

import (
	"math/rand/v2"
	"net/netip"
)

// A Kind says what sort of packet one was before it was spoiled.
type Kind string

// The kinds.
const (
	Echo      Kind = "echo"
	Error     Kind = "error"
	Query     Kind = "query"
	UDP       Kind = "udp"
	TCP       Kind = "tcp"
	Connected Kind = "tcp-connected"
	Neighbour Kind = "neighbour"
	Extension Kind = "extension"
	Option    Kind = "option"
	Fragments Kind = "fragments"
	Super     Kind = "super-segment"
	Noise     Kind = "noise"
)

// A Packet is one for the inbound way.
type Packet struct {
	Kind Kind
	// Bytes begin with the IP header, if there is one. They are the receiver's.
	Bytes []byte
	// Header is what the link says of it, where it says anything.
	Header Header
}

// A Group is packets that belong together and go in a row.
type Group struct {
	Packets []Packet
	// Opening is not nil if the packets open a connection and others follow.
	Opening *Opening
}

// A Config says at whom the packets are aimed.
type Config struct {
	// Seed makes the packets what they are, and Part tells those of one run from
	// those of another with the same seed.
	Seed, Part uint64
	// Host4 and Host6 are the host's addresses.
	Host4, Host6 netip.Addr
	// Open are the ports that it listens on, over TCP and UDP.
	Open []uint16
}

// A Generator makes packets without end. It is not safe for concurrent use.
type Generator struct {
	cfg Config
	r   *rand.Rand
	// next numbers what has to be told apart: identifications, ports.
	next uint32
}

// New returns a generator.
func New(c Config) *Generator {
	return &Generator{cfg: c, r: rand.New(rand.NewPCG(c.Seed, c.Part))}
}

// recipes are how often each kind is made, and how.
var recipes = []struct {
	kind   Kind
	weight int
	make   func(g *Generator) [][]byte
}{
	{Echo, 20, (*Generator).echo},
	{Error, 8, (*Generator).icmpError},
	{Query, 4, (*Generator).query},
	{UDP, 12, (*Generator).udp},
	{TCP, 16, (*Generator).tcp},
	{Neighbour, 8, (*Generator).neighbour},
	{Extension, 12, (*Generator).extensions},
	{Option, 10, (*Generator).options},
	{Fragments, 4, (*Generator).storm},
	{Noise, 3, (*Generator).noise},
}

// The kinds that bring more than bytes have a weight beside the recipes'.
const (
	superWeight   = 3
	openingWeight = 1
)

// Kinds are all that there are, in the order of reports.
func Kinds() []Kind {
	var kinds []Kind
	for _, r := range recipes {
		kinds = append(kinds, r.kind)
	}
	return append(kinds, Super, Connected)
}

// Next makes the next group, of at least one packet.
func (g *Generator) Next() Group {
	total := superWeight + openingWeight
	for _, r := range recipes {
		total += r.weight
	}
	n := g.r.IntN(total)
	for _, r := range recipes {
		if n -= r.weight; n < 0 {
			var group Group
			for _, b := range r.make(g) {
				group.Packets = append(group.Packets, Packet{Kind: r.kind, Bytes: b, Header: g.header(b)})
			}
			return group
		}
	}
	if n -= superWeight; n < 0 {
		return Group{Packets: []Packet{g.super()}}
	}
	return g.open()
}

// noise is bytes without sense, behind a right first byte more often than not.
func (g *Generator) noise() [][]byte {
	b := g.bytes(1 + g.r.IntN(200))
	switch g.r.IntN(4) {
	case 0:
		b[0] = 0x45
	case 1:
		b[0] = 0x60
	case 2:
		b[0] = 4<<4 | b[0]&0xf
	}
	return [][]byte{b}
}

// bytes returns n random bytes.
func (g *Generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := g.r.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}

// chance is true n times of a hundred.
func (g *Generator) chance(n int) bool { return g.r.IntN(100) < n }

// number returns one that no packet of this generator has had for a while.
func (g *Generator) number() uint32 {
	g.next++
	return g.next
}

// one returns any of the values.
func one[T any](g *Generator, of []T) T { return of[g.r.IntN(len(of))] }

// size is a length of data: small most often, sometimes none, sometimes what just
// fits, or does not, into a packet of 1,500 bytes.
func (g *Generator) size() int {
	switch g.r.IntN(10) {
	case 0:
		return 0
	case 1:
		return 1400 + g.r.IntN(80)
	case 2:
		return g.r.IntN(1400)
	}
	return g.r.IntN(120)
}
