package wire

import "fmt"

// problemWords tells p's problem in plain words: what was seen, against what
// limit, and what a host does about it.
func problemWords(p *Packet) string {
	seen, limit := p.Problem.Seen, p.Problem.Limit
	switch p.Problem.Reason {
	case ReasonTooShort:
		return fmt.Sprintf("Only %s arrived, and the smallest header has %d. A host drops it and says nothing.",
			count(seen, "byte"), limit)
	case ReasonBadVersion:
		return fmt.Sprintf("The first four bits say version %d; only 4 and 6 exist. A host drops it and says "+
			"nothing (RFC 1122 §3.2.1.1).", seen)
	case ReasonBadHeaderLength:
		if seen < ipv4HeaderLen {
			return fmt.Sprintf("IHL says that the header has %d bytes, but the fields that every header has "+
				"take %d. A host drops it (RFC 1812 §5.2.2).", seen, limit)
		}
		return fmt.Sprintf("IHL says that the header has %d bytes, but only %d arrived. A host drops it "+
			"(RFC 1812 §5.2.2).", seen, limit)
	case ReasonBadTotalLength:
		return fmt.Sprintf("Total Length says %s for header and data together, but the header alone has %d. "+
			"A host drops it (RFC 1812 §5.2.2).", count(seen, "byte"), limit)
	case ReasonTruncated:
		return fmt.Sprintf("By its own length the packet has %d bytes, but only %d arrived: %d are missing. "+
			"A host drops it; here it is explained as far as it goes.", seen, limit, seen-limit)
	case ReasonBadOption:
		if seen < 2 {
			return fmt.Sprintf("An option claims a length of %d, but its type and length bytes alone take 2, and "+
				"the header has %s left for it. A host may answer with an ICMP Parameter Problem "+
				"(RFC 1122 §3.2.2.5).", seen, count(limit, "byte"))
		}
		return fmt.Sprintf("An option claims %d bytes, but the header has only %d left. A host may answer with "+
			"an ICMP Parameter Problem (RFC 1122 §3.2.2.5).", seen, limit)
	case ReasonBadExtension:
		if seen < limit {
			return fmt.Sprintf("An extension header should begin here; it takes at least %d bytes, and the packet has "+
				"%d left (RFC 8200 §4).", limit, seen)
		}
		return fmt.Sprintf("An extension header has %d bytes, but the packet has only %d left "+
			"(RFC 8200 §4).", seen, limit)
	case ReasonBadFragment:
		return fmt.Sprintf("More fragments follow, so this one's data must be a multiple of %d bytes, the unit of "+
			"the offset; it has %d (RFC 791 §3.2; RFC 8200 §4.5: answered with a Parameter Problem).", limit, seen)
	case ReasonShortICMP, ReasonShortTCP, ReasonShortUDP:
		return fmt.Sprintf("%s left for the %s header, which takes at least %d. A host drops it and says "+
			"nothing.", leftWords(seen), ProtocolName(p.Protocol), limit)
	case ReasonBadUDPLength:
		if seen < udpHeaderLen {
			return fmt.Sprintf("UDP's Length says %d, but the UDP header alone has %d bytes (RFC 768).", seen, limit)
		}
		return fmt.Sprintf("UDP's Length says %d, but IP carries only %d bytes for it (RFC 768).", seen, limit)
	case ReasonBadTCPDataOffset:
		if seen < tcpHeaderLen {
			return fmt.Sprintf("Data Offset says that the TCP header has %d bytes, but the fields that every header "+
				"has take %d (RFC 9293 §3.1).", seen, limit)
		}
		return fmt.Sprintf("Data Offset says that the TCP header has %d bytes, but the segment has only %d "+
			"(RFC 9293 §3.1).", seen, limit)
	}
	return p.Problem.Error()
}

func leftWords(n int) string {
	switch n {
	case 0:
		return "No byte is"
	case 1:
		return "1 byte is"
	}
	return fmt.Sprintf("%d bytes are", n)
}
