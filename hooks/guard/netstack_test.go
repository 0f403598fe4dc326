package guard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
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
	// options gives the words of options of fragment i of n.
	options func(i, n int) int
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
		words := 0
		if p.options != nil {
			words = p.options(i, len(cuts)+1)
		}
		out = append(out, byhandtest.Fragment(header4(1, words), message[from:to], uint32(p.id), from, to < len(message)))
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
	n, ledger := newNetstack(t, guard.Guard{})
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

// TestBorder walks both sides of the border at which netstack panics: every
// length of the message, however the last fragment lies over the limit,
// options in no fragment, some and all, the last fragment first and last.
func TestBorder(t *testing.T) {
	n, ledger := newNetstack(t, guard.Guard{})
	id := uint16(0)
	for length := 65500; length <= 65535; length++ {
		for _, last := range []int{0, 1, 20, 30, 1400} {
			for name, options := range map[string]func(i, n int) int{
				"none":    nil,
				"first":   func(i, _ int) int { return pick(i == 0) },
				"later":   func(i, _ int) int { return pick(i == 1) },
				"last":    func(i, n int) int { return pick(i == n-1) },
				"all":     func(int, int) int { return 10 },
				"all but": func(i, _ int) int { return pick(i != 0) },
			} {
				id++
				p := ping{id: id, message: length, options: options, last: last, reverse: id%2 == 0}
				for _, b := range p.fragments() {
					n.Inbound(b)
				}
				got := reply(t, n.Outbound())
				if want := length <= 65515 && options == nil; (got != nil) != want {
					t.Errorf("message of %d bytes, last fragment %d, options %s: answered is %v", length, last, name, got != nil)
				}
			}
		}
	}
	drops := ledger.Totals().Drops
	if drops[guard.ReasonFragmentTooLong] == 0 || drops[guard.ReasonFragmentOptions] == 0 {
		t.Errorf("dropped: %v", drops)
	}
}

func pick(b bool) int {
	if b {
		return 10
	}
	return 0
}

// TestOtherProtocols shows that only ICMP needs the rule about options: what
// overflows with them under another protocol does not harm netstack.
func TestOtherProtocols(t *testing.T) {
	n, _ := newNetstack(t, guard.Guard{})
	for protocol := range 256 {
		if protocol == wire.ProtocolICMPv4 {
			continue
		}
		for _, length := range []int{65475, 65476, 65515} {
			data := byhandtest.Data(length)
			binary.BigEndian.PutUint16(data[4:], uint16(length)) // UDP's length
			cuts := byhandtest.Every(16384, length)
			from := 0
			for i, to := range append(cuts, length) {
				n.Inbound(byhandtest.Fragment(header4(uint8(protocol), pick(i == 0)), data[from:to], uint32(protocol), from, to < length))
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

// bareVariable, set in the environment, makes the test binary the victim.
const bareVariable = "GUARD_TEST_BARE"

// killBareNetstack sends the ping of death to a netstack without a guard.
func killBareNetstack() {
	n, err := comparetest.New(hooks.NewLedger(), addrs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, b := range (ping{id: 1, message: 65516}).fragments() {
		n.Inbound(b)
	}
	fmt.Println("alive")
}

// TestBareNetstackDies keeps the guard's reason in view. When it fails, gVisor
// has mended the defect, and the guard can go.
func TestBareNetstackDies(t *testing.T) {
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), bareVariable+"=1")
	var stdout, stderr bytes.Buffer
	victim.Stdout, victim.Stderr = &stdout, &stderr
	err := victim.Run()
	if err == nil {
		t.Fatalf("netstack survived: %s", stdout.String())
	}
	if want := "expected to parse IPv4 header we just created"; !bytes.Contains(stderr.Bytes(), []byte(want)) {
		t.Errorf("died of something else: %v\n%s", err, stderr.String())
	}
}
