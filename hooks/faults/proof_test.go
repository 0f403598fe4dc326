package faults_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/faults"
	"netstackd/hooks/wire"
)

// finder is a hook that notes the packets with a bad checksum.
type finder struct {
	mu sync.Mutex
	// The following are guarded by mu.
	bad  map[uint64]wire.Layer // the outermost bad layer by the packet's key
	seen int
}

var _ hooks.Hook = (*finder)(nil)

func (f *finder) Inbound(*hooks.Packet) {}

func (f *finder) Outbound(p *hooks.Packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	for _, c := range p.Checks() {
		if c.Verdict == wire.Bad {
			f.bad[faults.Key(p.Bytes)] = c.Layer
			return
		}
	}
}

// traffic returns n outbound packets of every kind and many sizes, no two
// alike.
func traffic(n int) [][]byte {
	random := rand.New(rand.NewPCG(3, 4))
	var out [][]byte
	for i := 0; len(out) < n; i++ {
		id, seq := uint16(i), uint32(i)
		data := bt.Data(4 + random.IntN(600))
		if random.IntN(20) == 0 {
			data = bt.Data(1400)
		}
		for k := range 4 {
			data[k] = byte(seq >> (8 * k))
		}
		echo := bt.Echo{ID: uint16(i >> 16), Seq: id, Data: data}
		switch i % 14 {
		case 0, 1:
			out = append(out, v4(id, 1).Packet(echo.Reply4()))
		case 2:
			out = append(out, v4(id, 1, recordRoute...).Packet(echo.Reply4()))
		case 3, 4:
			out = append(out, v6(58).Packet(echo.Reply6(host6, peer6)))
		case 5:
			out = append(out, v6(58, bt.Extension{Protocol: 0, Body: padding}).Packet(echo.Reply6(host6, peer6)))
		case 6:
			out = append(out, v4(id, 6).Packet(tcp(host4, peer4, seq, data)))
		case 7:
			out = append(out, v6(6).Packet(tcp(host6, peer6, seq, data)))
		case 8:
			out = append(out, v4(id, 17).Packet(udp(host4, peer4, data)))
		case 9:
			out = append(out, v6(17).Packet(udp(host6, peer6, data)))
		case 10:
			b := udp(host4, peer4, data)
			b[6], b[7] = 0, 0
			out = append(out, v4(id, 17).Packet(b))
		case 11:
			out = append(out, bt.Split(v4(id, 1).Packet(echo.Reply4()), seq, bt.Every(200, len(data))...)...)
		case 12:
			// Only the first of a datagram: the others of two may be alike.
			out = append(out, bt.Split(v6(58).Packet(echo.Reply6(host6, peer6)), seq, 8)[0])
		case 13:
			out = append(out, v4(id, 6, sourceRoute...).Packet(tcp(host4, "10.0.0.1", seq, data)))
		}
	}
	return out[:n]
}

// TestTheHookSees is the proof: of 120,000 outbound packets 1 % are corrupted,
// and the hook reports exactly those, no more and no fewer, each in the layer
// where the bit was flipped. GVisor's arithmetic, which shares no code with
// either, agrees about every packet on the link.
func TestTheHookSees(t *testing.T) {
	const n = 120_000
	find, c, log := &finder{bad: map[uint64]wire.Layer{}}, newChild(), &faultLog{}
	ledger := hooks.NewLedger(hooks.DropReasons(), faults.DropReasons())
	e := faults.New(hooks.New(c, ledger, hooks.Options{}, find), parsed(t, "outbound corrupt=1%"), faults.Options{Seed: 20, Injected: log.add})
	e.Attach(&netstack{})
	defer e.Attach(nil)
	for batch := range slices.Chunk(traffic(n), 16) {
		l := list(batch...)
		if k, err := e.WritePackets(l); k != len(batch) || err != nil {
			t.Fatalf("WritePackets: %d, %v", k, err)
		}
		l.DecRef()
	}
	injected := map[uint64]wire.Layer{}
	layers, headers := map[wire.Layer]int{}, 0
	for _, f := range log.take() {
		injected[f.Key] = f.Layer
		layers[f.Layer]++
		if f.Offset < 20 {
			headers++
		}
	}
	if diff := gocmp.Diff(injected, find.bad); diff != "" {
		t.Errorf("bad packets (-injected +seen by the hook):\n%s", diff)
	}
	counts := e.Counters().Out
	t.Logf("%d of %d packets were corrupted, %d could not be: %v; %d in their first 20 bytes",
		len(injected), n, counts.Unfit, layers, headers)
	if uint64(len(injected)) != counts.Faults[faults.Corrupt] || find.seen != n || counts.Packets != n {
		t.Errorf("%d packets are injected, %d seen, counted %+v", len(injected), find.seen, counts)
	}
	// 1 % is 1,200, with a standard deviation of 34.
	if hit := counts.Faults[faults.Corrupt] + counts.Unfit; hit < 1000 || hit > 1400 {
		t.Errorf("the dice chose %d of %d packets, want about 1 %%", hit, n)
	}
	want := []wire.Layer{wire.LayerICMPv4, wire.LayerICMPv6, wire.LayerIPv4, wire.LayerTCP, wire.LayerUDP}
	if diff := gocmp.Diff(want, slices.SortedFunc(maps.Keys(layers), cmp.Compare)); diff != "" || headers < 20 {
		t.Errorf("layers, and %d in headers (-want +got):\n%s", headers, diff)
	}
	bad := map[uint64]bool{}
	for _, b := range c.take() {
		if judge(b) != "" {
			bad[faults.Key(b)] = true
		}
	}
	if len(bad) != len(injected) {
		t.Errorf("gVisor's arithmetic finds %d bad packets, want %d", len(bad), len(injected))
	}
	for key := range bad {
		if _, ok := injected[key]; !ok {
			t.Errorf("a packet is bad that was not corrupted")
		}
	}
}
