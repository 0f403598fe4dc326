package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// An aspect is what kind of thing an id names.
type aspect uint8

const (
	noAspect aspect = iota // there are no qualifiers
	anAddress
	aHost
	aNet
	aPort
	aPortRange
	aProto
)

// Qualifiers say what is asked of an id. An id without any inherits those in
// force before it.
type qualifiers struct {
	protocol  string // "" if none
	direction direction
	aspect    aspect
}

// set reports whether there are any.
func (q qualifiers) set() bool { return q.aspect != noAspect }

func beginsQualifiers(tok token) bool {
	_, ok := aspects[tok.text]
	return tok.kind == keyword && (ok || tok.text == "src" || tok.text == "dst")
}

var aspects = map[string]aspect{
	"host": aHost, "net": aNet, "port": aPort, "portrange": aPortRange, "proto": aProto,
}

// qualifiers reads a direction and an aspect, of which one at least is there.
// They follow the word of a protocol, or the zero token.
func (p *parser) qualifiers(word token) (qualifiers, error) {
	q := qualifiers{protocol: word.text, aspect: anAddress}
	tok := p.peek()
	switch {
	case tok.is("src"), tok.is("dst"):
		direction, err := p.direction()
		if err != nil {
			return q, err
		}
		q.direction = direction
		tok = p.peek()
		if aspects[tok.text] == aProto && tok.kind == keyword {
			return q, p.fail(tok, "a protocol has no direction; expected host, net, port, portrange or an address")
		}
	case !beginsQualifiers(tok):
		return q, p.fail(tok, problemTest)
	}
	if aspect, ok := aspects[tok.text]; ok && tok.kind == keyword {
		p.next()
		q.aspect = aspect
	}
	return q, p.agree(q, tok)
}

// direction reads src, dst, or both of them with "and" or "or" between.
func (p *parser) direction() (direction, error) {
	first, second, d := p.next(), "dst", source
	if first.text == "dst" {
		second, d = "src", destination
	}
	tok := p.peek()
	if !tok.is("and") && !tok.is("or") {
		return d, nil
	}
	p.next()
	d = either
	if tok.is("and") {
		d = both
	}
	return d, p.expect(second, fmt.Sprintf("expected %s, as in %s %s %s", second, first.text, tok.text, second))
}

// agree checks that the protocol can qualify the aspect, of which tok is the
// word.
func (p *parser) agree(q qualifiers, tok token) error {
	switch q.protocol {
	case "":
		return nil
	case "ip", "ip6":
		if q.aspect != aPort && q.aspect != aPortRange {
			return nil
		}
		return p.fail(tok, fmt.Sprintf("%s has no ports; expected tcp, udp, sctp or nothing before it", q.protocol))
	case "tcp", "udp", "sctp":
		if q.aspect == aPort || q.aspect == aPortRange {
			return nil
		}
		if q.aspect == anAddress {
			return p.fail(tok, fmt.Sprintf("%s has no addresses; expected port or portrange", q.protocol))
		}
	}
	want := "ip, ip6 or nothing before it"
	if q.aspect == aPort || q.aspect == aPortRange {
		want = "tcp, udp, sctp or nothing before it"
	}
	return p.fail(tok, fmt.Sprintf("cannot follow %s; expected %s", q.protocol, want))
}

// id reads what the qualifiers ask for: one id, "not" and an id, or several in
// parentheses.
func (p *parser) id(quals qualifiers) (node, error) {
	tok := p.peek()
	if err := p.enter(tok); err != nil {
		return nil, err
	}
	defer p.leave()
	switch {
	case tok.kind == number:
		p.next()
		return p.numberID(unit{value: guarded{value: constant(tok.value)}, tok: tok}, quals)
	case isName(tok):
		return p.nameID(quals)
	case tok.is("not"):
		p.next()
		n, err := p.id(quals)
		if err != nil {
			return nil, err
		}
		return p.negate(tok, n)
	case tok.is("("):
		p.next()
		n, err := p.firstID(quals)
		if err != nil {
			return nil, err
		}
		if n, err = p.restOfIDs(n, quals); err != nil {
			return nil, err
		}
		return n, p.expect(")", "expected and, or, or )")
	}
	if _, ok := protocolNumbers[tok.text]; ok && quals.aspect == aProto {
		return nil, p.fail(tok, fmt.Sprintf("a keyword; expected a backslash before it, as in proto \\%s", tok.text))
	}
	return nil, p.fail(tok, quals.want())
}

// firstID reads the first id of a list in parentheses. It has no parentheses
// itself, unless they hold a number alone.
func (p *parser) firstID(quals qualifiers) (node, error) {
	open := 0
	for p.peek().is("(") {
		p.next()
		open++
	}
	tok := p.peek()
	if open > 0 && tok.kind != number {
		return nil, p.fail(tok, quals.want())
	}
	n, err := p.id(quals)
	for ; err == nil && open > 0; open-- {
		err = p.expect(")", "expected )")
	}
	return n, err
}

// restOfIDs reads what follows the first id of a list in parentheses.
func (p *parser) restOfIDs(left node, quals qualifiers) (node, error) {
	for {
		tok := p.peek()
		if !tok.is("and") && !tok.is("or") {
			return left, nil
		}
		p.next()
		right, err := p.id(quals)
		if err != nil {
			return nil, err
		}
		if left, err = p.join(tok, left, right); err != nil {
			return nil, err
		}
	}
}

// want says what id the qualifiers ask for.
func (q qualifiers) want() string {
	switch q.aspect {
	case noAspect:
		return problemQualifier
	case aNet:
		return "expected a network, such as 10.0.0.0/8, 172.16 or 2001:db8::/32"
	case aPort:
		return "expected a port number of at most 65535, or the name of a well-known port"
	case aPortRange:
		return "expected two port numbers, as in portrange 8000-8080"
	case aProto:
		return "expected a protocol number of at most 255, or a name such as gre or \\tcp"
	}
	return "expected an address, such as 192.0.2.1 or 2001:db8::1"
}

// numberID returns the test for the unit, which is a number.
func (p *parser) numberID(u unit, quals qualifiers) (node, error) {
	v := uint32(u.value.value.(constant))
	after := p.peek()
	switch quals.aspect {
	case anAddress, aHost:
		return p.address4(u.tok, quals, v, ^uint32(0))
	case aNet:
		if after.is("/") || after.is("mask") {
			return nil, p.fail(after, "cannot follow a number alone; expected more of the address, as in 10.0.0.0/8")
		}
		mask := ^uint32(0)
		for v != 0 && v>>24 == 0 { // 10 is 10.0.0.0/8
			v, mask = v<<8, mask<<8
		}
		return p.address4(u.tok, quals, v, mask)
	case aPort, aPortRange:
		if after.is("-") {
			return nil, p.fail(after, "expected no spaces in a range, as in portrange 8000-8080")
		}
		if v <= 65535 {
			return portTest{
				transport: transports[quals.protocol], direction: quals.direction,
				low: uint16(v), high: uint16(v),
			}, nil
		}
	case aProto:
		if v <= 255 {
			return protocolTest{scope: protocols[quals.protocol].scope, number: uint8(v)}, nil
		}
	}
	return nil, p.fail(u.tok, quals.want())
}

var transports = map[string]transport{"": anyTransport, "tcp": onlyTCP, "udp": onlyUDP, "sctp": onlySCTP}

// isName reports whether the token is an id that is no number.
func isName(tok token) bool {
	return tok.kind == name || tok.kind == dotted || tok.kind == colons
}

// nameID reads an id that is no number.
func (p *parser) nameID(quals qualifiers) (node, error) {
	tok := p.next()
	switch tok.kind {
	case dotted:
		return p.dottedID(tok, quals)
	case colons:
		return p.colonsID(tok, quals)
	}
	switch quals.aspect {
	case aPort:
		return p.portName(tok, quals)
	case aPortRange:
		if low, high, ok := portRange(tok.text); ok {
			return portTest{
				transport: transports[quals.protocol], direction: quals.direction,
				low: min(low, high), high: max(low, high),
			}, nil
		}
	case aProto:
		if v, ok := protocolNumbers[tok.text]; ok {
			return protocolTest{scope: protocols[quals.protocol].scope, number: v}, nil
		}
	case anAddress, aHost:
		return nil, p.fail(tok, "host names are not looked up; "+quals.want())
	case aNet:
		return nil, p.fail(tok, "network names are not looked up; "+quals.want())
	}
	return nil, p.fail(tok, quals.want())
}

// portName returns the test for the name of a port.
func (p *parser) portName(tok token, quals qualifiers) (node, error) {
	s, ok := services[tok.text]
	if !ok {
		if _, _, ok := portRange(tok.text); ok {
			return nil, p.fail(tok, "a range of ports; expected portrange instead of port")
		}
		return nil, p.fail(tok, quals.want())
	}
	asked := transports[quals.protocol]
	switch {
	case asked == anyTransport:
		asked = s.transport
	case s.transport != anyTransport && s.transport != asked:
		return nil, p.fail(tok, fmt.Sprintf("a port of %sonly; expected its number, %d", s.transport, s.port))
	}
	return portTest{transport: asked, direction: quals.direction, low: s.port, high: s.port}, nil
}

// portRange reads two decimal numbers with '-' between them, as they are in one
// word.
func portRange(word string) (low, high uint16, ok bool) {
	first, second, ok := strings.Cut(word, "-")
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(second, 10, 16)
	return uint16(a), uint16(b), ok && err1 == nil && err2 == nil
}

// dottedID returns the test for the token, two to four bytes of an IPv4
// address, and reads the length or the mask that may follow.
func (p *parser) dottedID(tok token, quals qualifiers) (node, error) {
	switch quals.aspect {
	case anAddress, aHost, aNet:
	default:
		return nil, p.fail(tok, quals.want())
	}
	addr := tok.value << (32 - tok.bits)
	mask := ^uint32(0) << (32 - tok.bits) // 172.16 is 172.16.0.0/16, for host too
	after := p.peek()
	switch {
	case after.is("/"):
		p.next()
		bits := p.next()
		if bits.kind != number || bits.value > 32 {
			return nil, p.fail(bits, "expected a prefix length of at most 32")
		}
		mask = ^uint32(0) << (32 - bits.value)
	case after.is("mask"):
		p.next()
		given := p.next()
		if given.kind != dotted {
			return nil, p.fail(given, "expected a mask, such as 255.255.0.0")
		}
		mask = given.value << (32 - given.bits)
	default:
		return p.address4(tok, quals, addr, mask)
	}
	if quals.aspect != aNet {
		return nil, p.fail(after, "a prefix length or mask needs net; expected net instead of host")
	}
	if addr&^mask != 0 {
		return nil, p.fail(tok, "has bits set behind the mask; expected the network's own address")
	}
	return p.address4(tok, quals, addr, mask)
}

// address4 returns the test for an IPv4 address.
func (p *parser) address4(tok token, quals qualifiers, addr, mask uint32) (node, error) {
	if quals.protocol == "ip6" {
		return nil, p.fail(tok, "an IPv4 address cannot follow ip6; expected an IPv6 one")
	}
	return address4Test{direction: quals.direction, addr: addr, mask: mask}, nil
}

// colonsID returns the test for the token, an IPv6 address, and reads the
// length that may follow.
func (p *parser) colonsID(tok token, quals qualifiers) (node, error) {
	switch quals.aspect {
	case anAddress, aHost, aNet:
	default:
		return nil, p.fail(tok, quals.want())
	}
	bits := 128
	if slash := p.peek(); slash.is("/") {
		p.next()
		given := p.next()
		if given.kind != number || given.value > 128 {
			return nil, p.fail(given, "expected a prefix length of at most 128")
		}
		bits = int(given.value)
		if bits < 128 && quals.aspect != aNet {
			return nil, p.fail(slash, "a prefix length needs net; expected net instead of host")
		}
	}
	if quals.protocol == "ip" {
		return nil, p.fail(tok, "an IPv6 address cannot follow ip; expected an IPv4 one")
	}
	prefix := netip.PrefixFrom(tok.addr, bits)
	if prefix.Masked().Addr() != tok.addr {
		return nil, p.fail(tok, "has bits set behind the prefix; expected the network's own address")
	}
	return newAddress6(quals.direction, prefix), nil
}
