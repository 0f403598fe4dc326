package compare_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/wire"
)

// standing is a netstack that does something else while it is given a packet.
type standing struct {
	sink
	meanwhile func()
}

func (s *standing) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	s.meanwhile()
}

// TestStandsStill: netstack that stands still with a request in its hands is not
// accused before it had its time, however late that is; one that has returned is.
func TestStandsStill(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers bool
		want    compare.Counts
	}{
		{"and answers then", true, compare.Counts{Match: 1}},
		{"and does not answer", false, compare.Counts{Missing: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench()
			e := hooks.New(sink{}, b.ledger, hooks.Options{}, b.comparer)
			request, reply := linkPacket(t, request4(echo), wire.Offload{}), stackPacket(t, reply4(echo), wire.Offload{})
			e.Attach(&standing{meanwhile: func() {
				for range 10 {
					b.pass()
					if got := b.comparer.Counts(); got != (compare.Counts{}) {
						t.Fatalf("while it stands still: %+v", got)
					}
				}
				if test.answers {
					_, _ = e.WritePackets(reply)
				}
			}})
			e.DeliverNetworkPacket(header.IPv4ProtocolNumber, request)
			b.pass()
			if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStandsStillAlone: a request that netstack has returned from is settled while it
// stands still with another.
func TestStandsStillAlone(t *testing.T) {
	b := newBench()
	netstack := &standing{meanwhile: func() {}}
	e := hooks.New(sink{}, b.ledger, hooks.Options{}, b.comparer)
	e.Attach(netstack)
	another := bt.Echo{ID: 9, Seq: 1}
	first, second := linkPacket(t, request4(echo), wire.Offload{}), linkPacket(t, request4(another), wire.Offload{})
	e.DeliverNetworkPacket(header.IPv4ProtocolNumber, first)
	b.now = b.now.Add(time.Millisecond)
	b.comparer.Sweep(b.now)
	netstack.meanwhile = func() {
		b.pass()
		if diff := cmp.Diff(compare.Counts{Missing: 1}, b.comparer.Counts()); diff != "" {
			t.Error(diff)
		}
	}
	e.DeliverNetworkPacket(header.IPv4ProtocolNumber, second)
}
