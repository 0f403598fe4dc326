package wire

import "strconv"

// ICMPTypeName returns what an ICMP message is, in words: "echo request",
// "destination unreachable: port unreachable". Version is that of IP: 4 means
// ICMPv4, anything else ICMPv6. What has no name is told by number: "type 99",
// "echo request, code 5" (IANA, "ICMP Parameters", "ICMPv6 Parameters").
func ICMPTypeName(version uint8, typ, code uint8) string {
	name, coded := icmpv6Type(typ)
	if version == 4 {
		name, coded = icmpv4Type(typ)
	}
	if name == "" {
		name = "type " + strconv.Itoa(int(typ))
	}
	if what := ICMPCodeName(version, typ, code); what != "" && coded {
		return name + ": " + what
	}
	if code != 0 || coded {
		return name + ", code " + strconv.Itoa(int(code))
	}
	return name
}

// ICMPCodeName returns the meaning of a code of an ICMP type whose codes have
// one ("port unreachable"), or the empty string. Version is as for
// ICMPTypeName.
func ICMPCodeName(version uint8, typ, code uint8) string {
	if version == 4 {
		return icmpv4Code(typ, code)
	}
	return icmpv6Code(typ, code)
}

// ICMPIsError reports whether a type is an error message, which quotes the
// packet that it is about. RFC 1122 §3.2.2 lists those of ICMPv4; those of
// ICMPv6 are all under 128 (RFC 4443 §2.1).
func ICMPIsError(version uint8, typ uint8) bool {
	if version != 4 {
		return typ < 128
	}
	switch typ {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}

// icmpv4Type returns the name of a type and whether its codes have meanings.
func icmpv4Type(typ uint8) (name string, coded bool) {
	switch typ {
	case ICMPv4EchoReply:
		return "echo reply", false
	case 3:
		return "destination unreachable", true
	case 4:
		return "source quench", false
	case 5:
		return "redirect", true
	case ICMPv4EchoRequest:
		return "echo request", false
	case 9:
		return "router advertisement", false
	case 10:
		return "router solicitation", false
	case 11:
		return "time exceeded", true
	case 12:
		return "parameter problem", true
	case 13:
		return "timestamp request", false
	case 14:
		return "timestamp reply", false
	case 15:
		return "information request", false
	case 16:
		return "information reply", false
	case 17:
		return "address mask request", false
	case 18:
		return "address mask reply", false
	case 30:
		return "traceroute", false
	case 40:
		return "photuris", true
	case 42:
		return "extended echo request", false
	case 43:
		return "extended echo reply", true
	}
	return "", false
}

func icmpv4Code(typ, code uint8) string {
	var names []string
	switch typ {
	case 3:
		names = []string{
			"network unreachable", "host unreachable", "protocol unreachable", "port unreachable",
			"fragmentation needed and DF set", "source route failed", "destination network unknown",
			"destination host unknown", "source host isolated",
			"destination network administratively prohibited",
			"destination host administratively prohibited",
			"network unreachable for type of service", "host unreachable for type of service",
			"communication administratively prohibited", "host precedence violation",
			"precedence cutoff in effect",
		}
	case 5:
		names = []string{
			"for the network", "for the host",
			"for the type of service and network", "for the type of service and host",
		}
	case 11:
		names = []string{"time to live exceeded in transit", "fragment reassembly time exceeded"}
	case 12:
		names = []string{"pointer indicates the error", "missing a required option", "bad length"}
	case 40:
		names = []string{
			"bad SPI", "authentication failed", "decompression failed",
			"decryption failed", "need authentication", "need authorization",
		}
	case 43:
		names = extendedEchoCodes()
	}
	if int(code) < len(names) {
		return names[code]
	}
	return ""
}

// extendedEchoCodes are those of RFC 8335 §3, one list for both families.
func extendedEchoCodes() []string {
	return []string{
		"no error", "malformed query", "no such interface",
		"no such table entry", "multiple interfaces satisfy query",
	}
}

// icmpv6Type returns the name of a type and whether its codes have meanings.
func icmpv6Type(typ uint8) (name string, coded bool) {
	switch typ {
	case 1:
		return "destination unreachable", true
	case 2:
		return "packet too big", false
	case 3:
		return "time exceeded", true
	case 4:
		return "parameter problem", true
	case ICMPv6EchoRequest:
		return "echo request", false
	case ICMPv6EchoReply:
		return "echo reply", false
	case 130:
		return "multicast listener query", false
	case 131:
		return "multicast listener report", false
	case 132:
		return "multicast listener done", false
	case 133:
		return "router solicitation", false
	case 134:
		return "router advertisement", false
	case 135:
		return "neighbor solicitation", false
	case 136:
		return "neighbor advertisement", false
	case 137:
		return "redirect", false
	case 138:
		return "router renumbering", false
	case 139:
		return "node information query", false
	case 140:
		return "node information response", false
	case 141:
		return "inverse neighbor solicitation", false
	case 142:
		return "inverse neighbor advertisement", false
	case 143:
		return "multicast listener report v2", false
	case 144:
		return "home agent address discovery request", false
	case 145:
		return "home agent address discovery reply", false
	case 146:
		return "mobile prefix solicitation", false
	case 147:
		return "mobile prefix advertisement", false
	case 148:
		return "certification path solicitation", false
	case 149:
		return "certification path advertisement", false
	case 151:
		return "multicast router advertisement", false
	case 152:
		return "multicast router solicitation", false
	case 153:
		return "multicast router termination", false
	case 155:
		return "RPL control message", false
	case 157:
		return "duplicate address request", false
	case 158:
		return "duplicate address confirmation", false
	case 160:
		return "extended echo request", false
	case 161:
		return "extended echo reply", true
	}
	return "", false
}

func icmpv6Code(typ, code uint8) string {
	var names []string
	switch typ {
	case 1:
		names = []string{
			"no route to destination", "communication administratively prohibited",
			"beyond scope of source address", "address unreachable", "port unreachable",
			"source address failed ingress/egress policy", "reject route to destination",
			"error in source routing header", "headers too long",
		}
	case 3:
		names = []string{"hop limit exceeded in transit", "fragment reassembly time exceeded"}
	case 4:
		names = []string{
			"erroneous header field", "unrecognized next header", "unrecognized IPv6 option",
			"first fragment has incomplete header chain", "SR upper-layer header error",
			"unrecognized next header by intermediate node", "extension header too big",
			"extension header chain too long", "too many extension headers",
			"too many options in extension header", "option too big",
		}
	case 161:
		names = extendedEchoCodes()
	}
	if int(code) < len(names) {
		return names[code]
	}
	return ""
}
