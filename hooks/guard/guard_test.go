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
	options := []byte(strings.Repeat("\x01\x01\x01\x01", words))
	return byhandtest.IPv4{Src: peer4, Dst: host4, Protocol: protocol, Options: options}.Packet(nil)
}

func header6() []byte { return byhandtest.IPv6{Src: peer6, Dst: host6}.Packet(nil) }

// fragment makes one with n bytes of data.
func fragment(header []byte, offset, n int, more bool) []byte {
	return byhandtest.Fragment(header, byhandtest.Data(n), 1, offset, more)
}

func TestGuard(t *testing.T) {
	type fate struct {
		Fate   hooks.Fate
		Reason string
	}
	delivered := fate{hooks.Delivered, ""}
	tooLong := fate{hooks.Guarded, guard.ReasonFragmentTooLong}
	options := fate{hooks.Guarded, guard.ReasonFragmentOptions}
	for _, test := range []struct {
		name   string
		packet []byte
		want   fate
	}{
		{"whole ping", fragment(header4(1, 0), 0, 100, false), delivered},
		{"whole ping with options", fragment(header4(1, 2), 0, 100, false), delivered},
		{"whole ping as long as can be", fragment(header4(1, 0), 0, 65515, false), delivered},
		{"first fragment", fragment(header4(1, 0), 0, 1480, true), delivered},
		{"last fragment up to the limit", fragment(header4(1, 0), 65488, 27, false), delivered},
		{"last fragment past the limit", fragment(header4(1, 0), 65488, 28, false), tooLong},
		{"middle fragment past the limit", fragment(header4(1, 0), 65504, 16, true), tooLong},
		{"the highest offset", fragment(header4(1, 0), 65528, 1480, false), tooLong},
		{"the header counts", fragment(header4(17, 10), 65472, 4, false), tooLong},
		{"the header counts, on the limit", fragment(header4(17, 10), 65472, 3, false), delivered},
		{"UDP past the limit", fragment(header4(17, 0), 65488, 28, false), tooLong},
		{"options in the first fragment", fragment(header4(1, 1), 0, 1480, true), options},
		{"options in a later fragment", fragment(header4(1, 1), 1480, 1480, true), options},
		{"options in the last fragment", fragment(header4(1, 10), 2960, 1, false), options},
		{"options in a fragment of UDP", fragment(header4(17, 1), 0, 1456, true), delivered},
		{"IPv6 up to the limit", fragment(header6(), 65528, 7, false), delivered},
		{"IPv6 past the limit is netstack's to refuse", fragment(header6(), 65528, 8, false), delivered},
		{"too short for a header", []byte{0x45, 0, 0, 20}, delivered},
		{"nothing", nil, delivered},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p hooks.Packet
			p.Set(hooks.Inbound, test.packet, time.Now())
			guard.Guard{}.Inbound(&p)
			if diff := cmp.Diff(test.want, fate{p.Fate, p.Reason}); diff != "" {
				t.Error(diff)
			}
			if p.Stopped() != (test.want != delivered) {
				t.Errorf("stopped: %v", p.Stopped())
			}
			p.Set(hooks.Outbound, test.packet, time.Now())
			guard.Guard{}.Outbound(&p)
			if p.Stopped() {
				t.Error("stopped outbound")
			}
		})
	}
}

func TestDropReasons(t *testing.T) {
	documented := guard.DropReasons()
	for _, reason := range []string{guard.ReasonFragmentTooLong, guard.ReasonFragmentOptions} {
		if documented[reason] == "" {
			t.Errorf("%s is not documented", reason)
		}
	}
	if len(documented) != 2 {
		t.Errorf("documented: %v", documented)
	}
}
