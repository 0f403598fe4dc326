package filter

import "strings"

// ownWords are the keywords of the subset, other than the protocols.
var ownWords = wordSet(`and or not src dst host net mask port portrange proto
	less greater len length multicast`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}

// refusals say why a keyword of pcap-filter is not one of the subset.
var refusals = refusedWords(map[string]string{
	`link ether ppp slip fddi tr wlan arp rarp atalk aarp decnet lat sca moprc mopdl
	iso esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui llc
	gateway radio type subtype direction dir address1 addr1 address2 addr2 address3
	addr3 address4 addr4 ra ta
	lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci connectmsg metaconnect
	fisu lssu lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls`: "not in this subset: packets here begin at the IP header; expected a test of IP or of what it carries",
	`vlan mpls pppoed pppoes geneve vxlan`: "not in this subset, which looks into no encapsulation; expected a test of the outermost IP header or of what it carries",
	`inbound outbound ifindex on ifname rset ruleset rnr rulenum srnr subrulenum reason
	action`: "not in this subset: it is not told by a packet's bytes; expected a test of them",
	`broadcast`:  "not in this subset: the network's mask is not in a packet; expected its address, as in dst host 192.0.2.255",
	`protochain`: "not in this subset, which follows no chain of headers; expected proto",
	`igrp carp`:  "not in this subset; expected ip proto and a number",
	`byte`:       "not in this subset; expected an accessor, such as ip[0]",
})

func refusedWords(reasons map[string]string) map[string]string {
	words := map[string]string{}
	for list, reason := range reasons {
		for word := range strings.FieldsSeq(list) {
			words[word] = reason
		}
	}
	return words
}

// isKeyword reports whether libpcap takes the word for a keyword. Such a word
// is a name only with a backslash before it.
func isKeyword(word string) bool {
	_, protocol := protocols[word]
	_, refused := refusals[word]
	return ownWords[word] || protocol || refused
}
