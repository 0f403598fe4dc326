package byhand_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
)

// TestSolicitations has the checks of RFC 4861 §7.1.1, and what answers the
// solicitations that pass them.
func TestSolicitations(t *testing.T) {
	const group = "ff02::1:ff00:2"
	named := []byte{1, 1, 2, 0, 0, 0, 0, 1}
	answer := func(dst string, flags uint8) []byte {
		return bt.Neighbour{Advertisement: true, Flags: flags, Target: host6}.Packet(host6, dst)
	}
	bad := silence(byhand.ReasonBadSolicitation)
	for _, test := range []struct {
		name   string
		packet []byte
		want   verdict
		reply  []byte
	}{
		{"unicast", bt.Neighbour{Target: host6}.Packet(peer6, host6), must, answer(peer6, 0x40)},
		{"to the group", bt.Neighbour{Target: host6, Options: named}.Packet(peer6, group), must, answer(peer6, 0x40)},
		{"to the group, without a link address", bt.Neighbour{Target: host6}.Packet(peer6, group), must, answer(peer6, 0x40)},
		{"from nobody yet", bt.Neighbour{Target: host6}.Packet("::", group), must, answer("ff02::1", 0)},
		{"for another", bt.Neighbour{Target: "fd00:172::1:2"}.Packet(peer6, group), silence(byhand.ReasonOthersNeighbour), nil},
		{"hop limit", bt.Neighbour{Target: host6, HopLimit: 254}.Packet(peer6, host6), bad, nil},
		{"code", bt.Neighbour{Target: host6, Code: 1}.Packet(peer6, host6), bad, nil},
		{"for a group", bt.Neighbour{Target: "ff02::1"}.Packet(peer6, host6), bad, nil},
		{"option of length 0", bt.Neighbour{Target: host6, Options: make([]byte, 8)}.Packet(peer6, host6), bad, nil},
		{"option past the end", bt.Neighbour{Target: host6, Options: []byte{1, 2, 0, 0, 0, 0, 0, 0}}.Packet(peer6, host6), bad, nil},
		{"half an option", bt.Neighbour{Target: host6, Options: []byte{1, 1, 0, 0}}.Packet(peer6, host6), bad, nil},
		{"from nobody, with a link address", bt.Neighbour{Target: host6, Options: named}.Packet("::", group), bad, nil},
		{"from nobody, to one", bt.Neighbour{Target: host6}.Packet("::", host6), bad, nil},
		{"checksum", bt.Neighbour{Target: host6, Spoil: 1}.Packet(peer6, host6), silence(byhand.ReasonBadICMPChecksum), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := servingHost()
			got := inbound(h, test.packet, epoch)
			checkPrediction(t, h, got)
			if verdictOf(got) != test.want {
				t.Errorf("%v, want %v", verdictOf(got), test.want)
			}
			if diff := cmp.Diff(test.reply, got.Reply); diff != "" {
				t.Error(diff)
			}
		})
	}
	whole := bt.Neighbour{Target: host6, Options: named}.Packet(peer6, host6)
	h := servingHost()
	for i, f := range bt.Split(whole, 1, 8) {
		if got := verdictOf(inbound(h, f, epoch)); i == 1 && got != bad {
			t.Errorf("in fragments: %v", got)
		}
	}
}
