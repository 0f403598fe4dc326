package link

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

func addr(local string, peer ...string) Address {
	a := Address{Local: netip.MustParsePrefix(local)}
	if len(peer) > 0 {
		a.Peer = netip.MustParseAddr(peer[0])
	}
	return a
}

func TestJudge(t *testing.T) {
	four, six := addr("172.16.0.1/24"), addr("fd00:172::1/64")
	both := []Address{four, six}
	up := State{Name: "netstack0", Up: true, MTU: 1500}
	with := func(change func(*State)) State {
		s := up
		change(&s)
		return s
	}
	const (
		info = logrus.InfoLevel
		warn = logrus.WarnLevel
	)
	for _, tc := range []struct {
		name   string
		first  bool
		last   State
		now    State
		kernel []Address
		want   []notice
	}{
		{name: "nothing", last: up, now: up, kernel: both},
		{name: "first sight", first: true, now: with(func(s *State) { s.Up = false }), kernel: both},
		{
			name: "down", last: up, now: with(func(s *State) { s.Up = false }), kernel: both,
			want: []notice{{warn, "the device is down: no packet passes until it is up again", logrus.Fields{"command": "ip link set dev netstack0 up"}}},
		},
		{
			name: "up, an address lost", last: with(func(s *State) { s.Up = false }),
			now: with(func(s *State) { s.Missing = []Address{six} }), kernel: both,
			want: []notice{
				{info, "the device is up", nil},
				{warn, "the kernel's side of the device lost addresses", logrus.Fields{"command": "ip -6 addr add fd00:172::1/64 dev netstack0 nodad"}},
			},
		},
		{
			name: "still lost", last: with(func(s *State) { s.Missing = both }), now: with(func(s *State) { s.Missing = both }), kernel: both,
		},
		{
			name: "both lost", last: up, now: with(func(s *State) { s.Missing = both }), kernel: both,
			want: []notice{{warn, "the kernel's side of the device lost addresses", logrus.Fields{
				"command": "ip addr add 172.16.0.1/24 dev netstack0 && ip -6 addr add fd00:172::1/64 dev netstack0 nodad",
			}}},
		},
		{
			name: "back", last: with(func(s *State) { s.Missing = both }), now: up, kernel: both,
			want: []notice{{info, "the kernel's side of the device has its addresses again", nil}},
		},
		{
			name: "MTU", last: up, now: with(func(s *State) { s.MTU = 9000 }), kernel: both,
			want: []notice{{info, "the device's MTU changed", logrus.Fields{"mtu": 9000, "was": 1500}}},
		},
		{
			name: "MTU too small for IPv6", last: up, now: with(func(s *State) { s.MTU = 1279; s.Missing = []Address{six} }), kernel: both,
			want: []notice{
				{info, "the device's MTU changed", logrus.Fields{"mtu": 1279, "was": 1500}},
				{warn, "the kernel took IPv6 off the device, whose MTU is below 1280", logrus.Fields{
					"mtu": 1279, "command": "ip link set dev netstack0 mtu 1280 && ip -6 addr add fd00:172::1/64 dev netstack0 nodad",
				}},
			},
		},
		{
			name: "smaller still", last: with(func(s *State) { s.MTU = 1279; s.Missing = []Address{six} }),
			now: with(func(s *State) { s.MTU = 1000; s.Missing = []Address{six} }), kernel: both,
			want: []notice{{info, "the device's MTU changed", logrus.Fields{"mtu": 1000, "was": 1279}}},
		},
		{
			name: "MTU large enough again", last: with(func(s *State) { s.MTU = 1000; s.Missing = []Address{six} }),
			now: with(func(s *State) { s.MTU = 1280; s.Missing = []Address{six} }), kernel: both,
			want: []notice{
				{info, "the device's MTU changed", logrus.Fields{"mtu": 1280, "was": 1000}},
				{warn, "the kernel's side of the device lost addresses", logrus.Fields{"command": "ip -6 addr add fd00:172::1/64 dev netstack0 nodad"}},
			},
		},
		{
			name: "a small MTU without IPv6", last: up, now: with(func(s *State) { s.MTU = 1000 }), kernel: []Address{four},
			want: []notice{{info, "the device's MTU changed", logrus.Fields{"mtu": 1000, "was": 1500}}},
		},
		{
			name: "lost, then the MTU hides it", last: with(func(s *State) { s.Missing = []Address{six} }),
			now: with(func(s *State) { s.MTU = 1000; s.Missing = []Address{six} }), kernel: []Address{four},
			want: []notice{{info, "the device's MTU changed", logrus.Fields{"mtu": 1000, "was": 1500}}},
		},
		{
			name: "renamed, point-to-point", last: up,
			now: with(func(s *State) {
				s.Name = "a b"
				s.Missing = []Address{addr("10.0.0.1/32", "10.9.9.9"), addr("fd00::1/128", "fd00::9")}
			}),
			kernel: both,
			want: []notice{
				{info, "the device was renamed", logrus.Fields{"name": "a b", "was": "netstack0"}},
				{warn, "the kernel's side of the device lost addresses", logrus.Fields{
					"command": "ip addr add 10.0.0.1 peer 10.9.9.9/32 dev 'a b' && ip -6 addr add fd00::1 peer fd00::9/128 dev 'a b' nodad",
				}},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := judge(!tc.first, tc.last, tc.now, tc.kernel)
			if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(notice{})); d != "" {
				t.Errorf("notices (-want +got):\n%s", d)
			}
		})
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"netstack0": "netstack0", "eth0.100": "eth0.100", "": "''", "a;b": "'a;b'", "$x": "'$x'", "it's": `'it'\''s'`, "tün": "'tün'",
	} {
		if got := shellQuote(in); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", in, got, want)
		}
	}
}
