package byhand_test

import (
	"testing"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// marked sets the ECN field of a packet.
func marked(b []byte, ecn byte) []byte {
	if b[0]>>4 == 4 {
		b[1] = b[1]&^3 | ecn
		bt.SetHeaderChecksum(b)
	} else {
		b[1] = b[1]&^0x30 | ecn<<4
	}
	return b
}

// TestReassemblyECN: "Reassembly of a fragmented packet MUST NOT lose
// indications of congestion", nor give one to a sender that knows nothing of
// it, nor change the field if all fragments agree (RFC 3168 §5.3).
func TestReassemblyECN(t *testing.T) {
	const notECT, ect1, ect0, ce = 0, 1, 2, 3
	for _, test := range []struct {
		first, last byte
		want        byhand.Outcome
		ecn         byte
	}{
		{notECT, notECT, byhand.Complete, notECT},
		{ect1, ect1, byhand.Complete, ect1},
		{ect0, ect0, byhand.Complete, ect0},
		{ce, ce, byhand.Complete, ce},
		{ect0, ce, byhand.CompleteCongested, ce},
		{ce, ect0, byhand.Complete, ce},
		{ect1, ce, byhand.CompleteCongested, ce},
		{notECT, ce, byhand.CompleteMarked, 0},
		{ce, notECT, byhand.CompleteMarked, 0},
	} {
		for _, whole := range [][]byte{ping4(40), ping6(40)} {
			f := bt.Split(whole, 77, 24)
			var r byhand.Reassembler
			add(&r, marked(f[0], test.first), epoch)
			got, outcome := add(&r, marked(f[1], test.last), epoch)
			if outcome != test.want {
				t.Errorf("%d and %d: outcome %v, want %v", test.first, test.last, outcome, test.want)
				continue
			}
			var p wire.Packet
			p.Decode(got)
			ecn, checks := p.IPv4.TOS&3|p.IPv6.TrafficClass&3, p.Checksums(nil)
			for _, c := range checks {
				if c.Verdict != wire.OK {
					t.Errorf("%d and %d: %s checksum %s", test.first, test.last, c.Layer, c.Verdict)
				}
			}
			if outcome != byhand.CompleteMarked && ecn != test.ecn {
				t.Errorf("%d and %d: %d in IPv%d, want %d", test.first, test.last, ecn, p.Version, test.ecn)
			}
		}
	}
}
