package byhand_test

import (
	"net/netip"
	"testing"

	"netstackd/hooks/byhand"
)

// TestDestination says whom the host takes itself for.
func TestDestination(t *testing.T) {
	notOurs := silence(byhand.ReasonNotOurs)
	for _, test := range []struct {
		host, dst string
		want      verdict
	}{
		{"172.16.0.2/24", "172.16.0.2", must},
		{"172.16.0.2/24", "172.16.0.3", notOurs},
		{"172.16.0.2/24", "172.16.0.255", may},
		{"172.16.0.2/24", "172.16.1.255", notOurs},
		{"172.16.0.2/24", "172.16.0.0", may}, // the 0-form, RFC 1122 §3.3.6
		{"172.16.0.2/24", "0.0.0.0", may},
		{"172.16.0.2/24", "255.255.255.255", may},
		{"172.16.0.2/24", "224.0.0.1", may},
		{"172.16.0.2/24", "239.255.255.255", may},
		{"172.16.0.2/24", "240.0.0.1", notOurs},
		{"10.1.2.3/8", "10.255.255.255", may},
		{"10.1.2.3/12", "10.15.255.255", may},
		{"10.1.2.3/12", "10.31.255.255", notOurs},
		{"172.16.0.2/30", "172.16.0.3", may},
		{"172.16.0.2/30", "172.16.0.0", may},
		{"172.16.0.2/31", "172.16.0.2", must},
		{"172.16.0.2/31", "172.16.0.3", notOurs}, // a pair has no broadcast
		{"172.16.0.2/32", "172.16.0.2", must},
		{"172.16.0.2/32", "172.16.0.3", notOurs},
		{"172.16.0.3/24", "172.16.0.3", must},
		{"fd00:172::2/64", "255.255.255.255", notOurs}, // no IPv4 host at all
		{"fd00:172::2/64", "224.0.0.1", notOurs},

		{"fd00:172::2/64", "fd00:172::2", must},
		{"fd00:172::2/64", "fd00:172::3", notOurs},
		{"fd00:172::2/64", "fd00:172::ffff:ffff:ffff:ffff", notOurs},
		{"fd00:172::2/64", "ff02::1", may},
		{"fd00:172::2/64", "ff01::1", may},
		{"fd00:172::2/64", "ff02::2", notOurs},
		{"fd00:172::2/64", "ff05::1", notOurs},
		{"fd00:172::2/64", "ff02::1:ff00:2", may},
		{"fd00:172::2/64", "ff02::1:ff00:3", notOurs},
		{"fd00:172::1234:5678:9abc/64", "ff02::1:ff78:9abc", may},
		{"172.16.0.2/24", "ff02::1", notOurs},
	} {
		src := peer6
		if netip.MustParseAddr(test.dst).Is4() {
			src = "192.0.2.1"
		}
		if got := verdictOf(inbound(hostWith(test.host), request(src, test.dst), epoch)); got != test.want {
			t.Errorf("%s asked for %s: %v, want %v", test.host, test.dst, got, test.want)
		}
	}
}

// TestSource says whom the host must answer; silence is in TestSilence.
func TestSource(t *testing.T) {
	for _, test := range []struct {
		src  string
		want verdict
	}{
		{"8.8.8.8", must},
		{"10.0.0.255", must}, // a broadcast elsewhere, which we cannot know
		{"172.16.0.0", may},
		{"172.16.0.2", may}, // our own
		{"240.0.0.1", may},
		{"255.255.255.254", may},
		{"2001:db8::1", must},
		{"fe80::1", must},
		{host6, may},
		{"::ffff:192.0.2.1", may},
	} {
		dst := host6
		if netip.MustParseAddr(test.src).Is4() {
			dst = host4
		}
		if got := verdictOf(inbound(newHost(), request(test.src, dst), epoch)); got != test.want {
			t.Errorf("from %s: %v, want %v", test.src, got, test.want)
		}
	}
}

func TestOwns(t *testing.T) {
	h := newHost()
	for addr, want := range map[string]bool{host4: true, host6: true, peer4: false, "172.16.0.255": false, "ff02::1": false} {
		if got := h.Owns(netip.MustParseAddr(addr)); got != want {
			t.Errorf("owns %s: %v", addr, got)
		}
	}
}
