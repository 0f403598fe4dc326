package byhand_test

import (
	"testing"
	"time"

	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// Extension headers, by what is in them.
func hopByHop(options ...byte) bt.Extension {
	return bt.Extension{Protocol: wire.ProtocolHopByHop, Body: append([]byte{byte((len(options)+2)/8) - 1}, options...)}
}

func destination(options ...byte) bt.Extension {
	e := hopByHop(options...)
	e.Protocol = wire.ProtocolDestination
	return e
}

func routing(kind, left byte) bt.Extension {
	return bt.Extension{Protocol: wire.ProtocolRouting, Body: []byte{0, kind, left, 0, 0, 0, 0}}
}

func atomic() bt.Extension {
	return bt.Extension{Protocol: wire.ProtocolFragment, Body: []byte{0, 0, 0, 0, 0, 0, 9}}
}

func TestExtensions(t *testing.T) {
	option, reported := silence(byhand.ReasonUnknownIPv6Option), due(byhand.ReasonUnknownIPv6Option)
	for _, test := range []struct {
		name       string
		extensions []bt.Extension
		want       verdict
	}{
		{"padding of n", []bt.Extension{hopByHop(1, 4, 0, 0, 0, 0)}, must},
		{"padding of one", []bt.Extension{destination(0, 0, 0, 0, 0, 0)}, must},
		{"unknown option, skip", []bt.Extension{destination(0x1e, 4, 1, 2, 3, 4)}, must},
		{"unknown option, discard", []bt.Extension{destination(0x5e, 4, 1, 2, 3, 4)}, option},
		{"unknown option, discard and report", []bt.Extension{hopByHop(0x9e, 4, 1, 2, 3, 4)}, reported},
		{"unknown option, discard and report unless to a group", []bt.Extension{hopByHop(0xde, 4, 1, 2, 3, 4)}, reported},
		{"unknown option behind padding", []bt.Extension{destination(0, 1, 1, 0, 0xc2, 0)}, reported},
		{"option past the header", []bt.Extension{destination(1, 5, 0, 0, 0, 0)}, option},
		{"option without length", []bt.Extension{destination(1, 3, 0, 0, 0, 1)}, option},
		{"router alert", []bt.Extension{hopByHop(5, 2, 0, 0, 1, 0)}, must},
		{"router alert of the wrong length", []bt.Extension{hopByHop(5, 4, 0, 0, 0, 0)}, may},
		{"two router alerts", []bt.Extension{hopByHop(5, 2, 0, 0, 5, 2, 0, 0, 1, 4, 0, 0, 0, 0)}, may},
		{"routing, done", []bt.Extension{routing(0, 0)}, must},
		{"routing, unknown and done", []bt.Extension{routing(77, 0)}, must},
		{"routing of type 0, to go on", []bt.Extension{routing(0, 1)}, due(byhand.ReasonRoutingHeader)},
		{"routing, unknown and to go on", []bt.Extension{routing(77, 1)}, due(byhand.ReasonRoutingHeader)},
		{"hop-by-hop in the second place", []bt.Extension{destination(1, 4, 0, 0, 0, 0), hopByHop(1, 4, 0, 0, 0, 0)}, due(byhand.ReasonMisplacedExtension)},
		{"two hop-by-hop", []bt.Extension{hopByHop(1, 4, 0, 0, 0, 0), hopByHop(1, 4, 0, 0, 0, 0)}, due(byhand.ReasonMisplacedExtension)},
		{"all that a host must know", []bt.Extension{hopByHop(1, 4, 0, 0, 0, 0), destination(1, 4, 0, 0, 0, 0), routing(0, 0), atomic()}, must},
		{"atomic fragment", []bt.Extension{atomic()}, must},
		{"two fragment headers", []bt.Extension{atomic(), atomic()}, held},
		{"authentication", []bt.Extension{{Protocol: wire.ProtocolAH, Body: make([]byte, 7)}}, verdict{}},
		{"mobility, which is not spoken here", []bt.Extension{{Protocol: wire.ProtocolMobility, Body: make([]byte, 7)}}, due(byhand.ReasonUnknownProtocol)},
		{"mobility, longer than the packet", []bt.Extension{{Protocol: wire.ProtocolMobility, Body: append([]byte{200}, make([]byte, 6)...)}}, due(byhand.ReasonUnknownProtocol)},
		{"shim6 before what is wrong", []bt.Extension{{Protocol: wire.ProtocolShim6, Body: make([]byte, 7)}, hopByHop(0x9e, 4, 1, 2, 3, 4)}, due(byhand.ReasonUnknownProtocol)},
		{"shim6 behind what is wrong", []bt.Extension{destination(0x9e, 4, 1, 2, 3, 4), {Protocol: wire.ProtocolShim6, Body: make([]byte, 7)}}, reported},
		{"option past the header that would be reported", []bt.Extension{destination(0x9e, 5, 0, 0, 0, 0)}, verdict{byhand.MayReply, byhand.ReasonUnknownIPv6Option}},
		{"experiment", []bt.Extension{{Protocol: 253, Body: make([]byte, 7)}}, held},
		{"more than are kept", many(20), may},
		{"past the packet", []bt.Extension{{Protocol: wire.ProtocolDestination, Body: []byte{200, 1, 4, 0, 0, 0, 0}}}, silence(wire.ReasonBadExtension)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := inbound(newHost(), request6(peer6, host6, test.extensions...), epoch)
			if v := verdictOf(got); v != test.want {
				t.Errorf("%v, want %v", v, test.want)
			}
			var reply wire.Packet
			if test.want == must && (!reply.Decode(got.Reply) || reply.IPv6.Count != 0 || reply.ICMP.Type != wire.ICMPv6EchoReply) {
				t.Errorf("reply %+v", reply)
			}
		})
	}
}

func many(n int) (out []bt.Extension) {
	for range n {
		out = append(out, destination(1, 4, 0, 0, 0, 0))
	}
	return out
}

// TestOpaque: what cannot be read leaves a doubt, for as long as it takes to
// answer.
func TestOpaque(t *testing.T) {
	h := newHost()
	if h.Doubts(epoch) {
		t.Error("doubts from the start")
	}
	inbound(h, request6(peer6, host6, atomic(), atomic()), epoch)
	if !h.Doubts(epoch) || h.Doubts(epoch.Add(time.Second)) {
		t.Error("doubts not, or not only, for a second")
	}
}
