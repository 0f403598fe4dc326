package byhand_test

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

// epoch is when the tests' clocks start.
var epoch = time.Unix(1_000_000, 0)

func newHost() *byhand.Host { return hostWith(host4+"/24", host6+"/64") }

func hostWith(prefixes ...string) *byhand.Host {
	var addrs []netip.Prefix
	for _, p := range prefixes {
		addrs = append(addrs, netip.MustParsePrefix(p))
	}
	return byhand.New(addrs)
}

// servingHost is newHost with an opinion of ports: 7 and 9 are open.
func servingHost() *byhand.Host {
	open := []uint16{7, 9}
	return byhand.NewHost(byhand.Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")},
		TCPPorts:  open, UDPPorts: open,
	})
}

// inbound gives a host one packet.
func inbound(h *byhand.Host, packet []byte, now time.Time) byhand.Prediction {
	var p wire.Packet
	p.Decode(packet)
	var checks [2]wire.Check
	return h.Inbound(&p, p.Checksums(checks[:0]), now)
}

// request is a sound echo request between two addresses of one family.
func request(src, dst string) []byte {
	if netip.MustParseAddr(src).Is4() {
		return request4(src, dst)
	}
	return request6(src, dst)
}

// request4 and request6 are sound echo requests between two addresses.
func request4(src, dst string, options ...byte) []byte {
	return byhandtest.IPv4{Src: src, Dst: dst, ID: 0x1234, Options: options}.Packet(echo.Request4())
}

func request6(src, dst string, extensions ...byhandtest.Extension) []byte {
	return byhandtest.IPv6{Src: src, Dst: dst, Extensions: extensions}.Packet(echo.Request6(src, dst))
}

var echo = byhandtest.Echo{ID: 13, Seq: 1, Data: byhandtest.Data(56)}

// bits is a packet from hexadecimal digits.
func bits(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verdict is what a test looks at first in a prediction.
type verdict struct {
	Expect byhand.Expectation
	Reason string
}

func verdictOf(p byhand.Prediction) verdict { return verdict{p.Expect, p.Reason} }

var (
	must    = verdict{Expect: byhand.MustReply}
	due     = func(reason string) verdict { return verdict{byhand.MustReply, reason} }
	free    = func(reason string) verdict { return verdict{byhand.MayReply, reason} }
	may     = verdict{Expect: byhand.MayReply}
	noView  = verdict{Expect: byhand.NoOpinion}
	held    = verdict{Expect: byhand.Held}
	silence = func(reason string) verdict { return verdict{byhand.Silence, reason} }
)
