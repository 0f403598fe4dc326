package wire

import (
	"fmt"
	"strconv"
)

// ProtocolName returns the name of an IPv4 protocol or IPv6 next header number
// as the standards write it ("ICMP", "TCP", "IPv6 Hop-by-Hop Options"), or
// "protocol 200" for one it does not know (IANA, "Protocol Numbers").
func ProtocolName(protocol uint8) string {
	switch protocol {
	case ProtocolHopByHop:
		return "IPv6 Hop-by-Hop Options"
	case ProtocolICMPv4:
		return "ICMP"
	case 2:
		return "IGMP"
	case 4:
		return "IPv4 in IP"
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	case 33:
		return "DCCP"
	case 41:
		return "IPv6 in IP"
	case ProtocolRouting:
		return "IPv6 Routing Header"
	case ProtocolFragment:
		return "IPv6 Fragment Header"
	case 47:
		return "GRE"
	case 50:
		return "ESP"
	case ProtocolAH:
		return "AH"
	case ProtocolICMPv6:
		return "ICMPv6"
	case ProtocolNoNext:
		return "IPv6 No Next Header"
	case ProtocolDestination:
		return "IPv6 Destination Options"
	case 89:
		return "OSPF"
	case 103:
		return "PIM"
	case 112:
		return "VRRP"
	case 115:
		return "L2TP"
	case 132:
		return "SCTP"
	case ProtocolMobility:
		return "Mobility Header"
	case 136:
		return "UDP-Lite"
	case ProtocolHIP:
		return "HIP"
	case ProtocolShim6:
		return "Shim6"
	case 253, 254:
		return "experiment " + strconv.Itoa(int(protocol)) // RFC 3692
	case 255:
		return "reserved 255"
	}
	return "protocol " + strconv.Itoa(int(protocol))
}

// TCPFlagString returns TCP flags in tcpdump's habit: F S R P for FIN SYN RST
// PSH, a dot for ACK, U E W e for URG ECE CWR AE, and "none" if none is set.
// Bits above TCPAe are ignored.
func TCPFlagString(flags uint16) string {
	const letters = "FSRP.UEWe" // from bit 0 up
	var b [len(letters)]byte
	out := b[:0]
	for i := range len(letters) {
		if flags>>i&1 != 0 {
			out = append(out, letters[i])
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return string(out)
}

// TCPFlagNames returns the flags by their names in RFC 9293 §3.1, in the
// order in which they stand in the header: "ACK, SYN", or "none".
func TCPFlagNames(flags uint16) string {
	names := [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"}
	out := ""
	for i := len(names) - 1; i >= 0; i-- {
		if flags>>i&1 == 0 {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += names[i]
	}
	if out == "" {
		return "none"
	}
	return out
}

// IPv4OptionName returns the name of an IPv4 option type (IANA, "IP Option
// Numbers").
func IPv4OptionName(typ uint8) string {
	switch typ {
	case OptionEnd:
		return "End of Option List"
	case OptionNop:
		return "No Operation"
	case OptionRecordRoute:
		return "Record Route"
	case OptionTimestamp:
		return "Internet Timestamp"
	case 82:
		return "Traceroute"
	case 130:
		return "Security"
	case OptionLooseSourceRoute:
		return "Loose Source Route"
	case 134:
		return "Commercial Security"
	case 136:
		return "Stream Identifier"
	case OptionStrictSourceRoute:
		return "Strict Source Route"
	case OptionRouterAlert:
		return "Router Alert"
	}
	return fmt.Sprintf("option %d", typ)
}

// IPv6OptionName returns the name of an option in an IPv6 Hop-by-Hop or
// Destination Options header (IANA, "Destination Options and Hop-by-Hop
// Options").
func IPv6OptionName(typ uint8) string {
	switch typ {
	case 0x00:
		return "Pad1"
	case 0x01:
		return "PadN"
	case 0x04:
		return "Tunnel Encap. Limit"
	case 0x05:
		return "Router Alert"
	case 0x07:
		return "CALIPSO"
	case 0x11, 0x31:
		return "IOAM"
	case 0x26:
		return "Quick-Start"
	case 0x30:
		return "Minimum Path MTU"
	case 0x63, 0x23:
		return "RPL Option"
	case 0x6d:
		return "MPL Option"
	case 0xc2:
		return "Jumbo Payload"
	case 0xc9:
		return "Home Address"
	}
	return fmt.Sprintf("option 0x%02x", typ)
}

// TCPOptionName returns the name of a TCP option kind (IANA, "TCP Option Kind
// Numbers").
func TCPOptionName(kind uint8) string {
	switch kind {
	case 0:
		return "End of Option List"
	case 1:
		return "No-Operation"
	case 2:
		return "Maximum Segment Size"
	case 3:
		return "Window Scale"
	case 4:
		return "SACK Permitted"
	case 5:
		return "SACK"
	case 8:
		return "Timestamps"
	case 19:
		return "MD5 Signature"
	case 28:
		return "User Timeout"
	case 29:
		return "TCP-AO"
	case 30:
		return "Multipath TCP"
	case 34:
		return "Fast Open Cookie"
	case 172, 174:
		return "AccECN"
	}
	return fmt.Sprintf("option %d", kind)
}

// PortName returns the name of a few well-known ports, or the empty string.
func PortName(port uint16) string {
	switch port {
	case 7:
		return "echo"
	case 9:
		return "discard"
	case 13:
		return "daytime"
	case 19:
		return "chargen"
	case 22:
		return "ssh"
	case 25:
		return "smtp"
	case 53:
		return "dns"
	case 67, 68:
		return "dhcp"
	case 80:
		return "http"
	case 123:
		return "ntp"
	case 443:
		return "https"
	case 546, 547:
		return "dhcpv6"
	case 5201:
		return "iperf3"
	case 5353:
		return "mdns"
	}
	return ""
}
