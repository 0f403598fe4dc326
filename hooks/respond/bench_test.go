package respond_test

import (
	"fmt"
	"net/netip"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/respond"
)

// BenchmarkPing answers one ping, by whoever is live and with whoever shadows.
func BenchmarkPing(b *testing.B) {
	for _, c := range []struct {
		live    string
		shadows []string
	}{
		{"", nil},
		{respond.Netstack, nil},
		{respond.Netstack, both},
		{respond.ByHand, nil},
		{respond.ByHand, both},
	} {
		b.Run(fmt.Sprintf("live=%s/shadows=%d", c.live, len(c.shadows)), func(b *testing.B) {
			ledger := hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons())
			var chain []hooks.Hook
			a := respond.New(respond.Config{Addresses: addrs, Default: c.live, Shadows: c.shadows, For: map[netip.Addr]string{}})
			if c.live != "" {
				chain = append(chain, a.Suppress(), a.Ask())
			}
			n, err := comparetest.New(ledger, addrs, chain...)
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			a.Connect(n.Chain())
			n.Outbound()
			request := request4(bt.Echo{ID: 1, Seq: 1, Data: bt.Data(56)})
			b.ReportAllocs()
			for b.Loop() {
				n.Inbound(request)
				if out := n.Outbound(); len(out) != 1 {
					b.Fatalf("%d replies", len(out))
				}
			}
		})
	}
}
