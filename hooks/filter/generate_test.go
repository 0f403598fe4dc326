package filter

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A generator makes random expressions of the subset, as tokens. Some tokens
// are two words, so that no edit puts a name where tcpdump would look it up.
type generator struct {
	r    *rand.Rand
	out  []string
	left int // tests it may still make
}

func randomExpression(r *rand.Rand, tests int) []string {
	g := &generator{r: r, left: tests}
	g.expression(0)
	return g.out
}

func (g *generator) put(tokens ...string) { g.out = append(g.out, tokens...) }

func (g *generator) pick(tokens ...string) string { return tokens[g.r.IntN(len(tokens))] }

func (g *generator) expression(depth int) {
	ids := g.term(depth)
	for g.left > 0 && g.r.IntN(4) > 0 {
		g.put(g.pick("and", "or", "&&", "||"))
		if ids != nil && g.r.IntN(2) == 0 {
			ids(depth)
			continue
		}
		ids = g.term(depth)
	}
}

// term makes a test, and returns what makes an id that may follow it.
func (g *generator) term(depth int) func(depth int) {
	g.left--
	switch n := g.r.IntN(12); {
	case n == 0:
		g.put(g.pick("not", "!"))
		return g.term(depth)
	case n == 1 && depth < 3:
		g.put("(")
		g.expression(depth + 1)
		g.put(")")
		return nil
	case n < 4:
		g.put(g.pick("ip", "ip6", "icmp", "icmp6", "tcp", "udp", "sctp", "igmp", "ah", "esp", "pim", "vrrp"))
		return nil
	case n < 9:
		return g.primitive()
	case n == 9:
		g.put(g.pick("less", "greater"), strconv.Itoa(g.r.IntN(80)))
		return nil
	case n == 10:
		g.put(g.pick("ip", "ip6"), "multicast")
		return nil
	}
	g.value(0)
	g.put(g.pick("=", "==", "!=", "<", "<=", ">", ">="))
	g.value(0)
	return nil
}

func (g *generator) primitive() func(depth int) {
	var id func()
	direction := []string{"", "src", "dst", "src or dst", "dst or src", "src and dst", "dst and src"}[g.r.IntN(7)]
	put := func(tokens ...string) {
		g.put(slices.DeleteFunc(tokens, func(s string) bool { return s == "" })...)
	}
	switch g.r.IntN(6) {
	case 0:
		put(g.pick("", "ip"), direction, "host")
		id = func() { g.put(g.pick("10.0.0.1", "172.16.0.2", "192.0.2.9", "172.16", "10.0.0", "10", "0x0a000001")) }
	case 1:
		put(g.pick("", "ip6"), direction, "host")
		id = func() {
			g.put(g.pick("fd00:172::1", "2001:db8::80", "ff02::16", "::", "::1", "::ffff:10.0.0.1", "fe80::1", "1:2:3:4:5:6:7::"))
		}
	case 2:
		put(direction, "net")
		id = func() {
			g.put(g.pick("10", "172.16", "10.0.0", "172.16.0.0 / 12", "10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1",
				"172.16.0.0 mask 255.255.0.0", "10.0.0.1 mask 255.0.0.255", "fd00::/8", "2001:db8::/33", "::/0", "ff00:: / 8"))
		}
	case 3, 4:
		protocol := g.pick("", "tcp", "udp", "sctp")
		if g.r.IntN(3) == 0 {
			// The range stays with its word: alone, it is a host name.
			put(protocol, direction, g.pick("portrange 50-100", "portrange 8080-80", "portrange 0-65535"))
			return nil
		}
		put(protocol, direction, "port")
		id = func() { g.put(g.pick("80", "443", "53", "5353", "7", "0x50", "022", "65535")) }
	default:
		put(g.pick("", "ip", "ip6"), "proto")
		id = func() { g.put(g.pick("6", "17", "1", "58", "44", "132", "0", "47")) }
	}
	var ids func(depth int)
	ids = func(depth int) {
		g.left--
		switch n := g.r.IntN(8); {
		case n == 0:
			g.put("not")
			ids(depth)
		case n == 1 && depth < 3:
			g.put("(")
			if g.r.IntN(4) == 0 {
				g.put("not")
				ids(depth + 1)
			} else {
				id()
			}
			for g.r.IntN(2) == 0 {
				g.put(g.pick("and", "or"))
				ids(depth + 1)
			}
			g.put(")")
		default:
			id()
		}
	}
	ids(0)
	return ids
}

// value makes an arithmetic expression. libpcap has 16 registers for it.
func (g *generator) value(depth int) {
	if depth < 4 && g.r.IntN(3) == 0 {
		g.value(depth + 1)
		g.put(g.pick("+", "-", "*", "&", "|", "^", "<<", ">>", "/", "%"))
		g.value(depth + 1)
		return
	}
	switch n := g.r.IntN(8); {
	case n == 0:
		g.put("len")
	case n == 1 && depth < 4:
		g.put("-")
		g.value(depth + 1)
	case n == 2 && depth < 4:
		g.put("(")
		g.value(depth + 1)
		g.put(")")
	case n < 6 && depth < 4:
		g.put(g.pick("ip", "ip6", "icmp", "icmp6", "tcp", "udp", "sctp", "igmp", "pim", "vrrp"), "[")
		if g.r.IntN(4) == 0 {
			g.value(depth + 2)
		} else {
			g.put(strconv.Itoa(g.r.IntN(50)))
		}
		if g.r.IntN(3) == 0 {
			g.put(":", g.pick("1", "2", "4"))
		}
		g.put("]")
	default:
		g.put(g.pick("0", "1", "2", "4", "8", "0xf", "017", "80", "255", "0xffffffff", "tcp-syn", "icmp-echo", "tcpflags", strconv.Itoa(g.r.IntN(100))))
	}
}

// joinTokens returns the tokens with spaces between them, of which some that the
// scanner does not need are missing.
func joinTokens(r *rand.Rand, tokens []string) string {
	punctuation := func(c byte) bool { return strings.IndexByte("()[]:+*/%&|^=<>!", c) >= 0 }
	var out []byte
	for i, token := range tokens {
		if i > 0 {
			before := out[len(out)-1]
			if !punctuation(before) && !punctuation(token[0]) || r.IntN(2) == 0 {
				out = append(out, ' ')
			}
		}
		out = append(out, token...)
	}
	return string(out)
}

// edit returns the tokens with one or two of them lost, doubled, swapped,
// put into parentheses, or joined by a stranger.
func edit(r *rand.Rand, tokens []string) []string {
	strangers := []string{
		"(", ")", "not", "!", "and", "or", "src", "dst", "host", "net", "port", "portrange", "proto", "mask", "/",
		"ip", "ip6", "tcp", "udp", "icmp", "[", "]", ":", "len", "less", "greater", "multicast", "-", "+", "%", "&",
		"|", "=", "<", "!=", "80", "443", "6", "10.0.0.1", "172.16", "fd00:172::1", "icmptype", "0",
	}
	for range 1 + r.IntN(2) {
		i := r.IntN(len(tokens) + 1)
		switch n := r.IntN(5); {
		case n == 0 || i == len(tokens):
			tokens = slices.Insert(tokens, i, strangers[r.IntN(len(strangers))])
		case n == 1 && len(tokens) > 1:
			tokens = slices.Delete(tokens, i, i+1)
		case n == 2:
			tokens = slices.Insert(tokens, i, tokens[i])
		case n == 3:
			j := r.IntN(len(tokens))
			tokens[i], tokens[j] = tokens[j], tokens[i]
		default:
			j := i + r.IntN(len(tokens)-i) + 1
			tokens = slices.Insert(tokens, j, ")")
			tokens = slices.Insert(tokens, i, "(")
		}
	}
	return tokens
}
