package guard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

var addrs = []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")}

// newNetstack returns one behind the chain, and the chain's ledger.
func newNetstack(t *testing.T, chain ...hooks.Hook) (*comparetest.Netstack, *hooks.Ledger) {
	t.Helper()
	ledger := hooks.NewLedger(hooks.DropReasons(), guard.DropReasons())
	n, err := comparetest.New(ledger, addrs, chain...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n, ledger
}

// A ping is an ICMPv4 echo request to be sent in fragments.
type ping struct {
	id uint16
	// message is the length of the ICMP message in bytes.
	message int
	// options gives those of fragment i of n.
	options func(i, n int) []byte
	// last is the length of the last fragment's data; 0 leaves it as it comes.
	last int
	// reverse sends the last fragment first.
	reverse bool
}

// fragments returns its fragments, of 1,400 bytes: the arithmetic is the same
// for every size.
func (p ping) fragments() [][]byte {
	message := byhandtest.Echo{ID: 7, Seq: p.id, Data: byhandtest.Data(p.message - 8)}.Request4()
	cuts := byhandtest.Every(1400, len(message))
	if p.last > 0 {
		edge := (len(message) - p.last) / 8 * 8
		cuts = slices.DeleteFunc(cuts, func(c int) bool { return c >= edge })
		cuts = append(cuts, edge)
	}
	var out [][]byte
	from := 0
	for i, to := range append(cuts, len(message)) {
		var options []byte
		if p.options != nil {
			options = p.options(i, len(cuts)+1)
		}
		out = append(out, byhandtest.Fragment(headerWith(1, options), message[from:to], uint32(p.id), from, to < len(message)))
		from = to
	}
	if p.reverse {
		slices.Reverse(out)
	}
	return out
}

// reply joins the fragments of an IPv4 reply, or returns nil.
func reply(t *testing.T, fragments [][]byte) *wire.Packet {
	t.Helper()
	var r byhand.Reassembler
	for _, b := range fragments {
		var p wire.Packet
		if !p.Decode(b) {
			t.Fatalf("netstack sent %v", p.Problem)
		}
		if !p.Fragment.IsFragment() {
			return &p
		}
		if whole, _ := r.Add(&p, time.Time{}); whole != nil {
			var d wire.Packet
			d.Decode(whole)
			return &d
		}
	}
	return nil
}

// TestLongestPing: `ping -s 65507` is answered through the guard, over both
// families, and so is what IPv6 has room for beyond that.
func TestLongestPing(t *testing.T) {
	n, ledger := newNetstack(t, guard.New(guard.Config{}))
	for _, b := range (ping{id: 1, message: 8 + 65507}).fragments() {
		n.Inbound(b)
	}
	got := reply(t, n.Outbound())
	if got == nil || got.ICMP.Type != wire.ICMPv4EchoReply || !bytes.Equal(got.Data()[8:], byhandtest.Data(65507)) {
		t.Errorf("65,507 bytes over IPv4: reply is %+v", got)
	}
	for _, size := range []int{65507, 65535 - 8} {
		request := byhandtest.IPv6{Src: peer6, Dst: host6}.Packet(
			byhandtest.Echo{ID: 7, Seq: 1, Data: byhandtest.Data(size)}.Request6(peer6, host6))
		for _, b := range byhandtest.Split(request, uint32(size), byhandtest.Every(1400, size+8)...) {
			n.Inbound(b)
		}
		got := reply(t, n.Outbound())
		if got == nil || got.ICMP.Type != wire.ICMPv6EchoReply || !bytes.Equal(got.Data()[8:], byhandtest.Data(size)) {
			t.Errorf("%d bytes over IPv6: reply is %+v", size, got)
		}
	}
	if drops := ledger.Totals().Drops; len(drops) != 0 {
		t.Errorf("dropped: %v", drops)
	}
}

// ways are where a ping may have which options.
var ways = []struct {
	name    string
	options func(i, n int) []byte
}{
	{"none", func(int, int) []byte { return nil }},
	{"record route first", func(i, _ int) []byte { return pick(i == 0, recordRoute) }},
	{"record route later", func(i, _ int) []byte { return pick(i == 1, recordRoute) }},
	{"record route last", func(i, n int) []byte { return pick(i == n-1, recordRoute) }},
	{"record route in all", func(int, int) []byte { return recordRoute }},
	{"record route in all but the first", func(i, _ int) []byte { return pick(i != 0, recordRoute) }},
	{"time stamp first", func(i, _ int) []byte { return pick(i == 0, stamps) }},
	{"router alert in all", func(int, int) []byte { return routerAlert }},
	{"unknown option first", func(i, _ int) []byte { return pick(i == 0, unknown) }},
	{"several first", func(i, _ int) []byte { return pick(i == 0, mixed) }},
}

func pick(b bool, options []byte) []byte {
	if b {
		return options
	}
	return nil
}

// border calls f with pings on both sides of the border at which netstack panics:
// every length of the message, however the last fragment lies over the limit,
// options here and there, the last fragment first and last.
func border(f func(name string, p ping)) {
	id := uint16(0)
	for _, way := range ways {
		for length := 65470; length <= 65537; length++ {
			id++
			last := []int{0, 1, 20, 30, 1400}[int(id)%5]
			p := ping{id: id, message: length, options: way.options, last: last, reverse: id%2 == 0}
			f(fmt.Sprintf("message of %d bytes, last fragment %d, reverse %v, %s", length, last, p.reverse, way.name), p)
		}
	}
}

// TestBorder: on both sides of the border at which netstack panics, what kills it
// bare is dropped, and what does not is answered as it is bare.
func TestBorder(t *testing.T) {
	bare := victim(t, bareBorder)
	n, ledger := newNetstack(t, guard.New(guard.Config{}))
	deaths, answers := 0, 0
	border(func(name string, p ping) {
		before := ledger.Totals().InFates[hooks.Guarded]
		for _, b := range p.fragments() {
			n.Inbound(b)
		}
		got := "silent"
		if reply(t, n.Outbound()) != nil {
			got = "answered"
		}
		guarded := ledger.Totals().InFates[hooks.Guarded] - before
		want := bare[name]
		switch want {
		case "dead":
			deaths++
			if got == "answered" || guarded == 0 {
				t.Errorf("%s: kills bare, here %s, %d guarded", name, got, guarded)
			}
		case "answered", "silent":
			answers++
			// What no datagram can be long enough for may be dropped in any case.
			if got != want || guarded > 0 && p.message <= 65515 {
				t.Errorf("%s: bare %s, here %s, %d guarded", name, want, got, guarded)
			}
		default:
			t.Fatalf("%s: bare it is %q", name, want)
		}
	})
	if deaths == 0 || answers == 0 {
		t.Errorf("%d deaths, %d answers", deaths, answers)
	}
	drops := ledger.Totals().Drops
	if drops[guard.ReasonFragmentTooLong] == 0 || drops[guard.ReasonReplyTooLong] == 0 || len(drops) != 2 {
		t.Errorf("dropped: %v", drops)
	}
}

// TestOtherProtocols shows that only ICMP needs the rule: what overflows under
// another protocol does not harm netstack.
func TestOtherProtocols(t *testing.T) {
	n, _ := newNetstack(t, guard.New(guard.Config{}))
	for protocol := range 256 {
		if protocol == wire.ProtocolICMPv4 {
			continue
		}
		for _, length := range []int{65475, 65476, 65515, 65535} {
			data := byhandtest.Data(length)
			binary.BigEndian.PutUint16(data[4:], uint16(length)) // UDP's length
			cuts := byhandtest.Every(16384, length)
			from := 0
			for i, to := range append(cuts, length) {
				n.Inbound(byhandtest.Fragment(headerWith(uint8(protocol), pick(i == 0, recordRoute)), data[from:to], uint32(protocol), from, to < length))
				from = to
			}
			n.Outbound()
		}
	}
	n.Inbound(byhandtest.IPv4{Src: peer4, Dst: host4}.Packet(byhandtest.Echo{}.Request4()))
	if len(n.Outbound()) != 1 {
		t.Error("netstack does not answer any more")
	}
}
