package hooks_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks"
)

// TestMends: what a mend edits or replaces goes on in the packet's place while the
// hooks behind see the packet itself; what it withholds goes nowhere; each is
// counted under its name, once for each packet, and a name that nobody knows is
// counted, too.
func TestMends(t *testing.T) {
	ledger := hooks.NewLedger(map[string]string{"edits": "", "replaces": "", "withholds": ""})
	mender := &spy{name: "mender", log: &spyLog{}, do: func(p *hooks.Packet) {
		switch {
		case bytes.HasSuffix(p.All(), []byte("edit")):
			b := p.Edit("edits")
			copy(b[len(b)-4:], "EDIT")
			b = p.Edit("edits") // the same, a second time
			b[len(b)-1] = '!'
		case bytes.HasSuffix(p.All(), []byte("replace")):
			p.Replace("replaces", packet("another"))
		case bytes.HasSuffix(p.All(), []byte("withhold")):
			p.Withhold("withholds")
			p.Withhold("unheard of")
		case bytes.HasSuffix(p.All(), []byte("unknown")):
			p.Edit("unheard of")
		}
	}}
	behind := &spyLog{}
	c, n := newChild(), &netstack{}
	e := hooks.New(c, ledger, hooks.Options{}, mender, &spy{name: "behind", log: behind})
	e.Attach(n)
	packets := []string{"edit", "replace", "withhold", "unknown", "untouched"}
	for _, text := range packets {
		deliver(t, e, packet(text))
	}
	for _, text := range packets {
		l := list(outbound(packet(text), 2))
		if k, err := e.WritePackets(l); k != 1 || err != nil {
			t.Errorf("WritePackets: %d, %v, want 1, nil", k, err)
		}
		l.DecRef()
	}
	edited := packet("edit")
	copy(edited[len(edited)-4:], "EDI!")
	want := [][]byte{edited, packet("another"), packet("unknown"), packet("untouched")}
	if diff := cmp.Diff(want, n.delivered); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, c.written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	for i, s := range behind.seen {
		if text := packets[i%len(packets)]; s.Bytes != string(packet(text)) {
			t.Errorf("the hook behind saw %q of %s", s.Bytes, text)
		}
	}
	totals := ledger.Totals()
	counts := map[string]uint64{"edits": 2, "replaces": 2, "withholds": 2, hooks.ReasonUnknown: 2}
	if diff := cmp.Diff(counts, totals.Mends); diff != "" {
		t.Errorf("mends (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{"withholds": 2}, totals.Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
	byDirection := map[string]uint64{}
	for _, m := range ledger.Details().Mends {
		byDirection[string(m.Direction)+" "+m.Mend] = m.N
	}
	if byDirection["in edits"] != 1 || byDirection["out edits"] != 1 || len(byDirection) != 8 {
		t.Errorf("mends by direction: %v", byDirection)
	}
}
