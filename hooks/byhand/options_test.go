package byhand_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// TestOptions gives the options of a request, in hexadecimal, and those of its
// reply. The host is 172.16.0.2, ac100002; the peer is 172.16.0.1, ac100001.
func TestOptions(t *testing.T) {
	const noon = "02932e00" // the time of the request, in milliseconds
	for _, test := range []struct {
		name, request, reply string
		to                   string // where the reply goes first; empty: the peer
		pointer              byte   // that of a parameter problem, instead of a reply
		code                 byte   // that of a destination unreachable, instead of a reply
		want                 verdict
	}{
		{name: "no-operation and padding", request: "0101010000000000", want: must},
		{name: "behind the end nothing counts", request: "00070700ac100009", want: must},

		{name: "record route with room", request: "07070400000000" + "00", reply: "070708ac100002" + "00", want: must},
		{name: "record route, second slot", request: "070b08ac10000900000000" + "00", reply: "070b0cac100009ac100002" + "00", want: must},
		{name: "record route behind no-operation", request: "0107070400000000", reply: "070708ac10000200", want: must},
		{name: "record route full", request: "070708ac100009" + "00", reply: "070708ac100009" + "00", want: must},
		{name: "record route far past its end", request: "0707ffac100009" + "00", reply: "0707ffac100009" + "00", want: must},
		{name: "record route, pointer at the header", request: "07070300000000" + "00", reply: "07070300000000" + "00", want: may},
		{name: "record route, half a slot left", request: "070706ac100009" + "00", pointer: 22, want: free(wire.ReasonBadOption)},
		{name: "record route without a slot", request: "07030400", reply: "07030400", want: may},
		{name: "record route of two bytes", request: "07020000", reply: "07020000", want: may},
		{name: "record route twice", request: "0707040000000007070400000000" + "0000",
			reply: "070708ac100002070708ac100002" + "0000", want: may},

		{name: "timestamps alone", request: "4408050000000000", reply: "44080900" + noon, want: must},
		{name: "timestamps alone, second", request: "440c09000a0b0c0d00000000", reply: "440c0d000a0b0c0d" + noon, want: must},
		{name: "timestamps and addresses", request: "440c05010000000000000000", reply: "440c0d01ac100002" + noon, want: must},
		{name: "timestamp of a prespecified host, us", request: "440c0503ac10000200000000", reply: "440c0d03ac100002" + noon, want: must},
		{name: "timestamp of a prespecified host, another", request: "440c0503ac10000900000000", reply: "440c0503ac10000900000000", want: must},
		{name: "timestamps full", request: "4408090000000001", reply: "4408091000000001", want: must},
		{name: "timestamps full, prespecified", request: "440c0d03ac10000900000001", reply: "440c0d03ac10000900000001", want: must},
		{name: "timestamps overflow for the 15th time", request: "440809e000000001", reply: "440809f000000001", want: must},
		{name: "timestamps overflow too often", request: "440809f000000001", pointer: 23, want: free(wire.ReasonBadOption)},
		{name: "timestamp, half a slot left", request: "4408070000000000", pointer: 22, want: free(wire.ReasonBadOption)},
		{name: "timestamp, no room for the address", request: "4408050100000000", pointer: 22, want: free(wire.ReasonBadOption)},
		{name: "timestamp, pointer at the header", request: "4408040000000000", reply: "4408040000000000", want: may},
		{name: "timestamp, unknown flag", request: "4408050200000000", reply: "4408050200000000", want: may},
		{name: "timestamp of three bytes", request: "44030500", reply: "44030500", want: may},
		{name: "timestamp twice", request: "44080500000000004408050000000000",
			reply: "44080900" + noon + "44080900" + noon, want: may},

		{name: "loose source route, completed", request: "830b0c0a0000010a000002" + "00",
			reply: "830b040a000001ac100001" + "00", to: "10.0.0.2", want: must},
		{name: "strict source route, one hop", request: "8907080a000001" + "00",
			reply: "890704ac100001" + "00", to: "10.0.0.1", want: must},
		{name: "source route, not completed", request: "830b080a0000010a000002" + "00", want: free(byhand.ReasonSourceRoute), code: 5},
		{name: "strict source route, not begun", request: "8907040a000001" + "00", want: free(byhand.ReasonSourceRoute), code: 5},
		{name: "source route, pointer amid an address", request: "830b060a0000010a000002" + "00", want: may},
		{name: "source route, half an address", request: "830a0b0a0000010a0000" + "0000", want: may},
		{name: "source route without a hop", request: "83030400", want: may},
		{name: "two source routes", request: "8307080a000001" + "8907080a000002" + "0000", want: may},

		{name: "unknown", request: "5e04aabb", want: must},
		{name: "unknown, twice", request: "5e04aabb5e04aabb", want: must},
		{name: "stream identifier", request: "8804aabb", want: must},
		{name: "stream identifier, twice", request: "8804aabb8804aabb", want: may},
		{name: "router alert", request: "94040000", want: must},
		{name: "router alert of a reserved value", request: "94040001", want: must},
		{name: "router alert of the wrong length", request: "94030001", want: may},

		{name: "several", request: "01" + "07070400000000" + "5e04aabb" + "4408050000000000",
			reply: "070708ac100002" + "44080900" + noon + "00", want: must},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := request4(peer4, host4, bits(t, test.request)...)
			got := inbound(newHost(), request, epoch.Truncate(24*time.Hour).Add(12*time.Hour))
			if diff := cmp.Diff(test.want, verdictOf(got)); diff != "" {
				t.Error(diff)
			}
			var reply wire.Packet
			if !reply.Decode(got.Reply) && test.want == must {
				t.Fatalf("reply %x: %v", got.Reply, reply.Problem)
			}
			if test.pointer != 0 {
				if reply.ICMP.Type != 12 || reply.Data()[4] != test.pointer {
					t.Errorf("reply %x, want a parameter problem at %d", got.Reply, test.pointer)
				}
				return
			}
			if test.code != 0 {
				if reply.ICMP.Type != 3 || reply.ICMP.Code != test.code {
					t.Errorf("reply %x, want unreachable, code %d", got.Reply, test.code)
				}
				return
			}
			header := int(got.Reply[0]&0xf) * 4
			if diff := cmp.Diff(test.reply, hex.EncodeToString(got.Reply[20:header])); diff != "" {
				t.Error(diff)
			}
			to := test.to
			if to == "" {
				to = peer4
			}
			if reply.Dst.String() != to {
				t.Errorf("reply goes to %v, want %v", reply.Dst, to)
			}
			var checks [2]wire.Check
			for _, c := range reply.Checksums(checks[:0]) {
				if c.Verdict != wire.OK {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}
