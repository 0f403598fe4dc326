package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/guard"
)

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

// header4 is a header of IPv4 with as many words of no-operation as options.
func header4(protocol uint8, words int) []byte {
	return headerWith(protocol, []byte(strings.Repeat("\x01\x01\x01\x01", words)))
}

func headerWith(protocol uint8, options []byte) []byte {
	return byhandtest.IPv4{Src: peer4, Dst: host4, Protocol: protocol, Options: options}.Packet(nil)
}

func header6() []byte { return byhandtest.IPv6{Src: peer6, Dst: host6}.Packet(nil) }

// fragment makes one of an echo request with n bytes of data.
func fragment(header []byte, offset, n int, more bool) []byte {
	data := byhandtest.Data(n)
	if offset == 0 && n > 0 {
		data[0] = 8
	}
	return byhandtest.Fragment(header, data, 1, offset, more)
}

// verdict shows a packet to a guard and returns its fate and reason.
func verdict(g *guard.Guard, packet []byte, now time.Time) fate {
	var p hooks.Packet
	p.Set(hooks.Inbound, packet, now)
	g.Inbound(&p)
	return fate{p.Fate, p.Reason}
}

type fate struct {
	Fate   hooks.Fate
	Reason string
}

var (
	delivered = fate{hooks.Delivered, ""}
	tooLong   = fate{hooks.Guarded, guard.ReasonFragmentTooLong}
	replyLong = fate{hooks.Guarded, guard.ReasonReplyTooLong}
	inDoubt   = fate{hooks.Guarded, guard.ReasonFragmentInDoubt}
)

// Options as they come.
var (
	recordRoute = append([]byte{7, 39, 4}, make([]byte, 37)...)
	stamps      = append([]byte{68, 12, 5, 0}, make([]byte, 8)...)
	routerAlert = []byte{148, 4, 0, 0}
	unknown     = append([]byte{25, 40}, make([]byte, 38)...)
	mixed       = append([]byte{25, 9, 0, 0, 0, 0, 0, 0, 0}, append(stamps, 1, 0, 7)...)
)

func TestGuard(t *testing.T) {
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    fate // of the last
	}{
		{"whole ping", [][]byte{fragment(header4(1, 0), 0, 100, false)}, delivered},
		{"whole ping with options", [][]byte{fragment(header4(1, 2), 0, 100, false)}, delivered},
		{"whole ping as long as can be", [][]byte{fragment(header4(1, 0), 0, 65515, false)}, delivered},
		{"first fragment", [][]byte{fragment(header4(1, 0), 0, 1480, true)}, delivered},
		{"last fragment up to the limit", [][]byte{fragment(header4(1, 0), 65488, 27, false)}, delivered},
		{"last fragment past the limit", [][]byte{fragment(header4(1, 0), 65488, 28, false)}, tooLong},
		{"middle fragment past the limit", [][]byte{fragment(header4(1, 0), 65504, 16, true)}, tooLong},
		{"the highest offset", [][]byte{fragment(header4(1, 0), 65528, 1480, false)}, tooLong},
		{"options of its own do not count", [][]byte{fragment(header4(1, 10), 65488, 27, false)}, delivered},
		{"UDP past the limit does no harm", [][]byte{fragment(header4(17, 0), 65488, 28, false)}, delivered},

		{"options in the first fragment", [][]byte{fragment(header4(1, 1), 0, 1480, true)}, delivered},
		{"options in a later fragment", [][]byte{fragment(header4(1, 1), 1480, 1480, true)}, delivered},
		{"options, and the end where they fit", [][]byte{
			fragment(header4(1, 10), 0, 1440, true), fragment(header4(1, 0), 65464, 11, false)}, delivered},
		{"options, and the end where they do not", [][]byte{
			fragment(header4(1, 10), 0, 1440, true), fragment(header4(1, 0), 65464, 12, false)}, replyLong},
		{"the end where they do not, and options", [][]byte{
			fragment(header4(1, 0), 65464, 12, false), fragment(header4(1, 10), 0, 1440, true)}, replyLong},
		{"some options, and the end where they fit", [][]byte{
			fragment(headerWith(1, stamps), 0, 1440, true), fragment(header4(1, 0), 65496, 7, false)}, delivered},
		{"some options, and the end where they do not", [][]byte{
			fragment(headerWith(1, stamps), 0, 1440, true), fragment(header4(1, 0), 65496, 8, false)}, replyLong},
		{"an option that does not come back", [][]byte{
			fragment(headerWith(1, unknown), 0, 1440, true), fragment(header4(1, 0), 65488, 27, false)}, delivered},
		{"options of which some come back", [][]byte{
			fragment(headerWith(1, mixed), 0, 1440, true), fragment(header4(1, 0), 65488, 11, false)}, delivered},
		{"options of which too much comes back", [][]byte{
			fragment(headerWith(1, mixed), 0, 1440, true), fragment(header4(1, 0), 65488, 12, false)}, replyLong},
		{"a second first fragment, with options", [][]byte{
			fragment(header4(1, 0), 0, 1440, true), fragment(header4(1, 0), 65488, 27, false),
			fragment(header4(1, 1), 0, 1440, true)}, replyLong},
		{"a second first fragment, without options", [][]byte{
			fragment(header4(1, 1), 0, 1440, true), fragment(header4(1, 0), 0, 1440, true),
			fragment(header4(1, 0), 65488, 27, false)}, replyLong},
		{"not an echo request", [][]byte{
			byhandtest.Fragment(header4(1, 10), make([]byte, 1440), 1, 0, true), fragment(header4(1, 0), 65488, 27, false)}, delivered},
		{"of another datagram", [][]byte{
			byhandtest.Fragment(header4(1, 10), append([]byte{8}, make([]byte, 1439)...), 2, 0, true),
			fragment(header4(1, 0), 65488, 27, false)}, delivered},
		{"of another host", [][]byte{
			fragment(byhandtest.IPv4{Src: "172.16.0.3", Dst: host4, Protocol: 1, Options: recordRoute}.Packet(nil), 0, 1440, true),
			fragment(header4(1, 0), 65488, 27, false)}, delivered},

		{"IPv6 up to the limit", [][]byte{fragment(header6(), 65528, 7, false)}, delivered},
		{"IPv6 past the limit is netstack's to refuse", [][]byte{fragment(header6(), 65528, 8, false)}, delivered},
		{"no data", [][]byte{fragment(header4(1, 10), 0, 0, true)}, delivered},
		{"too short for a header", [][]byte{{0x45, 0, 0, 20}}, delivered},
		{"nothing", [][]byte{nil}, delivered},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, now := guard.New(guard.Config{}), time.Now()
			last := len(test.packets) - 1
			for _, b := range test.packets[:last] {
				if got := verdict(g, b, now); got != delivered {
					t.Errorf("an earlier one: %v", got)
				}
			}
			if diff := cmp.Diff(test.want, verdict(g, test.packets[last], now)); diff != "" {
				t.Error(diff)
			}
			var p hooks.Packet
			p.Set(hooks.Outbound, test.packets[last], now)
			g.Outbound(&p)
			if p.Stopped() || p.Instead() != nil {
				t.Error("touched outbound")
			}
		})
	}
}

func TestDropReasons(t *testing.T) {
	documented := guard.DropReasons()
	want := []string{guard.ReasonFragmentTooLong, guard.ReasonReplyTooLong, guard.ReasonFragmentInDoubt}
	for _, m := range guard.List() {
		want = append(want, m.Name)
	}
	for _, reason := range want {
		if documented[reason] == "" {
			t.Errorf("%s is not documented", reason)
		}
	}
	if len(documented) != len(want) {
		t.Errorf("documented: %v", documented)
	}
}
