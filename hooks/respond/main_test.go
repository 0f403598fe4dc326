package respond_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/refs"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
	"netstackd/hooks/respond/spawn"
)

// spawner has this test binary be the spawner of its own tests.
const spawner = "spawner"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == spawner {
		if err := spawn.Serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	refs.SetLeakMode(refs.LeaksPanic)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		refs.DoLeakCheck() // panics
		os.Exit(code)
	}))
}

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

var addrs = []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")}

// goldenRequest is a ping as a kernel sent it, and goldenReply what is due.
const (
	goldenRequest = "45000054812840004001615dac100001ac100002" +
		"080054f5000d0001a1fb006a0000000041c4000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
	goldenReply = "45000054812840004001615dac100002ac100001" +
		"00005cf5000d0001a1fb006a0000000041c4000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
)

// bits is the packet that is written in hex.
func bits(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request4 and reply4 are an echo over IPv4, the seventh of identifier 9 by
// default.
func request4(e bt.Echo) []byte { return bt.IPv4{Src: peer4, Dst: host4}.Packet(e.Request4()) }
func reply4(e bt.Echo) []byte   { return bt.IPv4{Src: host4, Dst: peer4}.Packet(e.Reply4()) }

func request6(e bt.Echo) []byte {
	return bt.IPv6{Src: peer6, Dst: host6}.Packet(e.Request6(peer6, host6))
}

func reply6(e bt.Echo) []byte {
	return bt.IPv6{Src: host6, Dst: peer6}.Packet(e.Reply6(host6, peer6))
}

// A bench is a Desk with a clock, and what was sent.
type bench struct {
	*respond.Desk
	now  time.Time
	sent [][]byte
	said []hooks.Answer
}

func newBench(t *testing.T, c respond.DeskConfig) *bench {
	t.Helper()
	b := &bench{now: time.Unix(1_000_000, 0)}
	c.Name = "fifo:/somewhere"
	c.Now = func() time.Time { return b.now }
	c.Send = func(reply []byte, a hooks.Answer) error {
		b.sent = append(b.sent, append([]byte(nil), reply...))
		b.said = append(b.said, a)
		return nil
	}
	b.Desk = respond.NewDesk(c)
	t.Cleanup(b.Close)
	return b
}

// ask puts a request to the desk.
func (b *bench) ask(t *testing.T, packet []byte) {
	t.Helper()
	q, ok := respond.NewQuestion(byhand.New(addrs), packet, b.now)
	if !ok {
		t.Fatalf("%x is no echo request for this host", packet)
	}
	b.Ask(q)
}
