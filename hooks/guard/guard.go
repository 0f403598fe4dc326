package guard

import (
	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// The reasons that the guard gives.
const (
	ReasonFragmentTooLong = "guard-fragment-too-long"
	ReasonFragmentOptions = "guard-fragment-options"
)

// DropReasons documents each reason in one line.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonFragmentTooLong: "IPv4 fragment that ends past 65,535 bytes with its header: reassembled, it would overflow (RFC 791 §3.1)",
		ReasonFragmentOptions: "fragment of an ICMPv4 message with IP options: reassembled, the reply's header could overflow",
	}
}

// maxDatagram is the length in bytes of the longest IPv4 datagram, header
// included (RFC 791 §3.1, total length).
const maxDatagram = 65535

// A Guard is the hook. It keeps no state and is safe for concurrent use.
type Guard struct{}

var _ hooks.Hook = Guard{}

// Inbound drops a packet that would harm netstack.
func (Guard) Inbound(p *hooks.Packet) {
	if reason := judge(&p.Packet); reason != "" {
		p.Drop(hooks.Guarded, reason)
	}
}

// Outbound lets everything pass.
func (Guard) Outbound(*hooks.Packet) {}

// judge returns the reason to keep p from netstack, or "". Over IPv6 there is
// none: netstack discards what would exceed the payload length, and says so in
// the parameter problem that RFC 8200 §4.5 asks for.
func judge(p *wire.Packet) string {
	if p.Version != 4 || !p.Fragment.IsFragment() || p.Payload == 0 {
		return ""
	}
	if p.Fragment.Offset+len(p.Bytes) > maxDatagram {
		return ReasonFragmentTooLong
	}
	if p.Protocol == wire.ProtocolICMPv4 && p.IPv4.HasOptions() {
		return ReasonFragmentOptions
	}
	return ""
}
