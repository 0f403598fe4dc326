package byhand

import (
	"hash/maphash"
	"net/netip"

	"netstackd/hooks/wire"
)

// flowBits is the size of the memory of flows: 1 MiB. With a hundred thousand
// flows in it, one new flow of a thousand is taken for a known one; with a
// million, one of twenty.
const flowBits = 1 << 23

// flows remembers between whom there may be a TCP connection. It never forgets
// one that it was told of, but when all begins anew, and may take others for known, which costs an
// opinion and never makes a wrong one: a Bloom filter with two hashes, seeded so
// that nobody can aim at it. Its size is fixed, whatever comes.
type flows struct {
	seed maphash.Seed
	bits []uint64
	// blind says that there may be connections that it was not told of.
	blind bool
}

func newFlows() *flows {
	return &flows{seed: maphash.MakeSeed(), bits: make([]uint64, flowBits/64)}
}

// places returns those of the bits of a flow, between the host's address and
// port and a peer's.
func (f *flows) places(own, peer netip.Addr, ownPort, peerPort uint16) (a, b uint64) {
	var k [36]byte
	x, y := own.As16(), peer.As16()
	copy(k[:], x[:])
	copy(k[16:], y[:])
	k[32], k[33], k[34], k[35] = byte(ownPort>>8), byte(ownPort), byte(peerPort>>8), byte(peerPort)
	sum := maphash.Bytes(f.seed, k[:])
	return sum % flowBits, sum >> 32 % flowBits
}

// inbound returns the places of the flow that an inbound segment belongs to.
func (f *flows) inbound(p *wire.Packet) (a, b uint64) {
	return f.places(p.Dst, p.Src, p.TCP.DstPort, p.TCP.SrcPort)
}

// known reports whether there may be such a flow.
func (f *flows) known(a, b uint64) bool {
	return f.blind || f.bits[a/64]>>(a%64)&1 != 0 && f.bits[b/64]>>(b%64)&1 != 0
}

// add remembers a flow.
func (f *flows) add(a, b uint64) {
	f.bits[a/64] |= 1 << (a % 64)
	f.bits[b/64] |= 1 << (b % 64)
}

// restart forgets all flows: there are none any more.
func (f *flows) restart() {
	clear(f.bits)
	f.blind = false
}
