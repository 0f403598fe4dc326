package wire

import "testing"

func TestNames(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{ProtocolName(1), "ICMP"},
		{ProtocolName(58), "ICMPv6"},
		{ProtocolName(6), "TCP"},
		{ProtocolName(200), "protocol 200"},
		{ICMPTypeName(4, 8, 0), "echo request"},
		{ICMPTypeName(4, 0, 0), "echo reply"},
		{ICMPTypeName(4, 8, 5), "echo request, code 5"},
		{ICMPTypeName(4, 3, 3), "destination unreachable: port unreachable"},
		{ICMPTypeName(4, 3, 15), "destination unreachable: precedence cutoff in effect"},
		{ICMPTypeName(4, 3, 16), "destination unreachable, code 16"},
		{ICMPTypeName(4, 5, 3), "redirect: for the type of service and host"},
		{ICMPTypeName(4, 11, 1), "time exceeded: fragment reassembly time exceeded"},
		{ICMPTypeName(4, 12, 0), "parameter problem: pointer indicates the error"},
		{ICMPTypeName(4, 99, 0), "type 99"},
		{ICMPTypeName(4, 99, 7), "type 99, code 7"},
		{ICMPTypeName(6, 128, 0), "echo request"},
		{ICMPTypeName(6, 129, 0), "echo reply"},
		{ICMPTypeName(6, 1, 4), "destination unreachable: port unreachable"},
		{ICMPTypeName(6, 2, 0), "packet too big"},
		{ICMPTypeName(6, 4, 3), "parameter problem: first fragment has incomplete header chain"},
		{ICMPTypeName(6, 135, 0), "neighbor solicitation"},
		{ICMPTypeName(6, 143, 0), "multicast listener report v2"},
		{IPv4OptionName(7), "Record Route"},
		{IPv4OptionName(131), "Loose Source Route"},
		{IPv4OptionName(99), "option 99"},
		{IPv6OptionName(0xc2), "Jumbo Payload"},
		{IPv6OptionName(0x99), "option 0x99"},
		{TCPOptionName(2), "Maximum Segment Size"},
		{TCPOptionName(99), "option 99"},
		{PortName(19), "chargen"},
		{PortName(20000), ""},
		// As tcpdump prints them.
		{TCPFlagString(TCPSyn), "S"},
		{TCPFlagString(TCPSyn | TCPAck), "S."},
		{TCPFlagString(TCPPsh | TCPAck), "P."},
		{TCPFlagString(TCPFin | TCPPsh | TCPAck), "FP."},
		{TCPFlagString(TCPRst), "R"},
		{TCPFlagString(TCPAck), "."},
		{TCPFlagString(0), "none"},
		{TCPFlagString(TCPAck | TCPEce), ".E"},
		{TCPFlagString(0x1ff), "FSRP.UEWe"},
		{TCPFlagString(0xfe00), "none"},
		{TCPFlagNames(TCPSyn | TCPAck), "ACK, SYN"},
		{TCPFlagNames(0), "none"},
		{TCPFlagNames(0x1ff), "AE, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestICMPIsError(t *testing.T) {
	for typ := range 256 {
		want := typ == 3 || typ == 4 || typ == 5 || typ == 11 || typ == 12
		if got := ICMPIsError(4, uint8(typ)); got != want {
			t.Errorf("ICMPIsError(4, %d) = %v", typ, got)
		}
		if got := ICMPIsError(6, uint8(typ)); got != (typ < 128) {
			t.Errorf("ICMPIsError(6, %d) = %v", typ, got)
		}
	}
}
