package filter

// numberNames are the words that stand for a number wherever one may stand:
// offsets of fields, and values of the ICMP type and of the TCP flags.
var numberNames = map[string]uint32{
	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
	"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6type": 0, "icmp6code": 1,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141,
	"icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152,
	"icmp6-multicastrouterterm": 153,

	"tcpflags": 13,
	"tcp-fin":  0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,
}

// The protocol numbers that the code itself names.
const (
	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44
	protoICMPv6   = 58
	protoSCTP     = 132
)

// protocolNumbers are the names that "proto" knows, those of Debian's
// /etc/protocols. Those that are keywords too must be written with a backslash.
var protocolNumbers = map[string]uint8{
	"hopopt": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": protoTCP, "udp": protoUDP,
	"dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": protoFragment, "rsvp": 46,
	"gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": protoICMPv6, "ipv6-nonxt": 59,
	"ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ipip": 94, "pim": 103, "ipcomp": 108,
	"vrrp": 112, "l2tp": 115, "sctp": protoSCTP, "udplite": 136,
}

// A service is what a port name stands for. Its protocol is that of Debian's
// /etc/services: libpcap matches it together with the number, and matches any
// transport when the name is there for both TCP and UDP.
type service struct {
	port      uint16
	transport transport
}

var services = map[string]service{
	"echo": {7, anyTransport}, "discard": {9, anyTransport}, "daytime": {13, anyTransport},
	"chargen": {19, anyTransport}, "ftp-data": {20, onlyTCP}, "ftp": {21, onlyTCP},
	"ssh": {22, onlyTCP}, "telnet": {23, onlyTCP}, "smtp": {25, onlyTCP},
	"domain": {53, anyTransport}, "bootps": {67, onlyUDP}, "bootpc": {68, onlyUDP},
	"tftp": {69, onlyUDP}, "http": {80, onlyTCP}, "pop3": {110, onlyTCP},
	"ntp": {123, onlyUDP}, "imap": {143, onlyTCP}, "snmp": {161, anyTransport},
	"bgp": {179, onlyTCP}, "https": {443, anyTransport}, "mdns": {5353, onlyUDP},
}
