package hooks_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

func sum[K comparable](m map[K]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// checkSums wants every packet to have one fate, and every drop one reason.
func checkSums(t *testing.T, totals hooks.Totals) {
	t.Helper()
	if got := sum(totals.InFates); got != totals.In {
		t.Errorf("the fates %v add up to %d, of %d packets in", totals.InFates, got, totals.In)
	}
	if got := sum(totals.OutFates); got != totals.Out {
		t.Errorf("the fates %v add up to %d, of %d packets out", totals.OutFates, got, totals.Out)
	}
	drops := totals.InFates[hooks.Dropped] + totals.InFates[hooks.Guarded] + totals.OutFates[hooks.Dropped]
	if got := sum(totals.Drops); got != drops {
		t.Errorf("the reasons %v add up to %d, of %d drops", totals.Drops, got, drops)
	}
}

// TestSettle counts every fate in both directions, with reasons that are known
// and that are not. Nothing is lost, whatever the name.
func TestSettle(t *testing.T) {
	const unknown = hooks.ReasonUnknown
	for _, tt := range []struct {
		direction hooks.Direction
		fate      hooks.Fate
		reason    string
		want      hooks.Fate
		drop      string
	}{
		{hooks.Inbound, hooks.Delivered, "", hooks.Delivered, ""},
		{hooks.Inbound, hooks.Answered, "", hooks.Answered, ""},
		{hooks.Inbound, hooks.Dropped, reasonTest, hooks.Dropped, reasonTest},
		{hooks.Inbound, hooks.Guarded, reasonTest, hooks.Guarded, reasonTest},
		{hooks.Inbound, hooks.Dropped, "never heard of", hooks.Dropped, unknown},
		{hooks.Inbound, hooks.Dropped, "", hooks.Dropped, unknown},
		{hooks.Inbound, hooks.Sent, "", hooks.Dropped, unknown},
		{hooks.Inbound, "lost", reasonTest, hooks.Dropped, unknown},
		{hooks.Outbound, hooks.Sent, "", hooks.Sent, ""},
		{hooks.Outbound, hooks.Dropped, reasonTest, hooks.Dropped, reasonTest},
		{hooks.Outbound, hooks.Guarded, reasonTest, hooks.Dropped, unknown},
		// What was not dropped has no reason to be.
		{hooks.Inbound, hooks.Delivered, reasonTest, hooks.Delivered, ""},
	} {
		ledger := newLedger()
		ledger.Settle(tt.direction, tt.fate, tt.reason)
		totals := ledger.Totals()
		fates, other := totals.InFates, totals.OutFates
		if tt.direction == hooks.Outbound {
			fates, other = other, fates
		}
		if fates[tt.want] != 1 || sum(fates) != 1 || sum(other) != 0 {
			t.Errorf("%s, %s, %q: counted %v and on the other side %v, want one %s",
				tt.direction, tt.fate, tt.reason, fates, other, tt.want)
		}
		want := map[string]uint64{}
		if tt.drop != "" {
			want[tt.drop] = 1
		}
		if diff := cmp.Diff(want, totals.Drops); diff != "" {
			t.Errorf("%s, %s, %q: drops (-want +got):\n%s", tt.direction, tt.fate, tt.reason, diff)
		}
	}
}

// TestVerdicts: the ledger counts the checksums of each packet, and those that
// it is told of.
func TestVerdicts(t *testing.T) {
	ledger := newLedger()
	e := hooks.New(newChild(), ledger, hooks.Options{})
	e.Attach(&netstack{})
	good := packet("good")
	bad := packet("bad")
	bad[10] ^= 1
	deliver(t, e, good)
	deliver(t, e, bad)
	deliver(t, e, good[:19]) // no header, no checksum
	l := list(outbound(good))
	defer l.DecRef()
	if _, err := e.WritePackets(l); err != nil {
		t.Fatal(err)
	}
	ledger.Judge([]wire.Check{
		{Layer: wire.LayerUDP, Verdict: wire.Absent}, {Layer: wire.LayerTCP, Verdict: wire.Partial}, {Layer: wire.LayerICMPv6, Verdict: wire.OK},
	})
	totals := ledger.Totals()
	want := map[wire.Verdict]uint64{wire.OK: 3, wire.Bad: 1, wire.Absent: 1, wire.Partial: 1}
	if diff := cmp.Diff(want, totals.Verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if in := uint64(len(good) + len(bad) + 19); totals.InBytes != in || totals.OutBytes != uint64(len(good)) {
		t.Errorf("%d bytes in, %d out, want %d and %d", totals.InBytes, totals.OutBytes, in, len(good))
	}
	checkSums(t, totals)
}

// TestTotalsAreACopy: who gets the totals may do with them what they like.
func TestTotalsAreACopy(t *testing.T) {
	ledger := newLedger()
	totals := ledger.Totals()
	totals.InFates[hooks.Delivered], totals.Drops["x"], totals.Verdicts[wire.OK] = 7, 7, 7
	if again := ledger.Totals(); sum(again.InFates)+sum(again.Drops)+sum(again.Verdicts) != 0 {
		t.Errorf("the ledger counts %+v", again)
	}
}

// TestDropReasons: each reason is one line, and the list holds those of wire.
func TestDropReasons(t *testing.T) {
	reasons := hooks.DropReasons()
	for name := range wire.Reasons() {
		if reasons[name] == "" {
			t.Errorf("%s of hooks/wire is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		if line := reasons[name]; line == "" || strings.Contains(line, "\n") {
			t.Errorf("%s is documented as %q, want one line", name, line)
		}
	}
}

// TestDetails: packets are counted by what they are, checksums by their layer and
// drops by direction and fate; fragments count for their protocol, and what is no
// IP for none.
func TestDetails(t *testing.T) {
	ledger := newLedger()
	e := hooks.New(newChild(), ledger, hooks.Options{})
	e.Attach(&netstack{})
	fragment := func(protocol byte) []byte {
		b := packet("fragments")
		b[7], b[9] = 1, protocol // at offset 8
		return b
	}
	six := make([]byte, 40)
	six[0], six[6] = 0x60, wire.ProtocolICMPv6
	for _, b := range [][]byte{
		fragment(wire.ProtocolTCP), fragment(wire.ProtocolUDP), fragment(wire.ProtocolICMPv4), fragment(wire.ProtocolICMPv6),
		six, {0x50}, {},
	} {
		deliver(t, e, b)
	}
	ledger.Settle(hooks.Inbound, hooks.Guarded, reasonTest)
	ledger.Settle(hooks.Inbound, hooks.Dropped, reasonTest)
	ledger.Settle(hooks.Outbound, hooks.Dropped, reasonTest)
	d := ledger.Details()
	got := map[string]uint64{}
	for _, k := range d.Packets {
		if k.Packets > 0 {
			got[fmt.Sprintf("%s %d %s", k.Direction, k.Version, k.Protocol)] = k.Packets
		}
	}
	for _, c := range d.Checksums {
		if c.N > 0 {
			got[fmt.Sprintf("%s %s", c.Layer, c.Verdict)] = c.N
		}
	}
	for _, f := range d.Fates {
		if f.N > 0 && f.Fate != hooks.Delivered {
			got[fmt.Sprintf("%s %s %s", f.Direction, f.Fate, f.Reason)] = f.N
		}
	}
	want := map[string]uint64{
		"in 4 tcp": 1, "in 4 udp": 1, "in 4 icmpv4": 1, "in 4 other": 1, "in 6 icmpv6": 1, "in 0 other": 2,
		"ipv4 bad":                 4,
		"in guarded " + reasonTest: 1, "in dropped " + reasonTest: 1, "out dropped " + reasonTest: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if drops := ledger.Totals().Drops[reasonTest]; drops != 3 {
		t.Errorf("%d drops in all, want 3", drops)
	}
}
