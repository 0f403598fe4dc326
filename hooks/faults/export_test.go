package faults

import "netstackd/hooks/wire"

// Flip flips the bit of b, in place, that random chooses.
func Flip(b []byte, random uint64) (f Fault, ok bool) {
	var p wire.Packet
	p.Decode(b)
	ok = flip(&p, random, &f)
	return f, ok
}

// Reach returns how many bytes of b can be flipped.
func Reach(b []byte) int {
	var p wire.Packet
	p.Decode(b)
	var r reach
	r.set(&p)
	return r.total
}

// Cut returns the length to which random cuts b.
func Cut(b []byte, random uint64) (int, bool) {
	var p wire.Packet
	p.Decode(b)
	return cut(&p, random)
}
