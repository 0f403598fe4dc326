package filter

// A guarded value is a value and the tests that must hold before it is
// computed, in order.
type guarded struct {
	value  value
	guards []node
}

// A rank is how tightly an operator binds. libpcap's grammar gives none to '%'
// and '^': whatever operator stands beside one of them, the right one of the
// two is applied first.
type rank int8

const (
	outermost rank = iota - 1
	unranked
	orRank
	andRank
	shiftRank
	sumRank
	productRank
	minusRank
)

// before reports whether an operator of rank r is applied before one of rank
// next that stands right of it.
func (r rank) before(next rank) bool {
	return r > unranked && next > unranked && r >= next
}

var operators = map[string]rank{
	"|": orRank, "&": andRank, "<<": shiftRank, ">>": shiftRank, "+": sumRank, "-": sumRank,
	"*": productRank, "/": productRank, "%": unranked, "^": unranked,
}

const (
	problemValue    = "expected a value: a number, len, or an accessor such as tcp[13]"
	problemRelation = "expected a comparison: one of = == != < <= > >="
)

func isRelation(tok token) bool {
	switch tok.text {
	case "=", "!=", "<", "<=", ">", ">=":
		return tok.kind == symbol
	}
	return false
}

// afterValue reads what may follow a number or a value: the rest of the value,
// and a comparison, which makes it a test.
func (p *parser) afterValue(u unit) (unit, error) {
	left, extended, err := p.restOfValue(u.value, outermost)
	if err != nil {
		return unit{}, err
	}
	if extended {
		u.kind, u.value = aValue, left
	}
	tok := p.peek()
	if !isRelation(tok) {
		return u, nil
	}
	p.next()
	right, err := p.operand()
	if err != nil {
		return unit{}, err
	}
	if right, _, err = p.restOfValue(right, outermost); err != nil {
		return unit{}, err
	}
	n, err := p.checked(tok, &relation{
		guards: joined(left.guards, right.guards),
		left:   left.value, operator: tok.text, right: right.value,
	})
	return unit{kind: aTest, node: n, tok: u.tok}, err
}

// joined returns a and b in a slice of its own.
func joined(a, b []node) []node {
	return append(append([]node(nil), a...), b...)
}

// beginsValue reports whether the next token begins a value, as no other test
// does.
func (p *parser) beginsValue() bool {
	tok := p.peek()
	_, protocol := protocols[tok.text]
	return tok.kind == number || tok.is("-") || tok.is("len") || tok.is("length") ||
		protocol && tok.kind == keyword && p.tokens[p.at+1].is("[")
}

// operand reads one value without operators, or one in parentheses, or the
// negative of a value.
func (p *parser) operand() (guarded, error) {
	tok := p.peek()
	if err := p.enter(tok); err != nil {
		return guarded{}, err
	}
	defer p.leave()
	switch {
	case tok.is("("):
		p.next()
		v, err := p.wholeValue()
		if err != nil {
			return guarded{}, err
		}
		return v, p.expect(")", "expected an operator or )")
	case !p.beginsValue():
		return guarded{}, p.stranger(tok, problemValue)
	case tok.kind == number:
		p.next()
		return guarded{value: constant(tok.value)}, nil
	case tok.is("-"):
		return p.minus()
	case tok.is("len"), tok.is("length"):
		p.next()
		p.sized = true
		return guarded{value: length{}}, nil
	}
	return p.accessor()
}

// wholeValue reads a value with its operators.
func (p *parser) wholeValue() (guarded, error) {
	v, err := p.operand()
	if err != nil {
		return guarded{}, err
	}
	v, _, err = p.restOfValue(v, outermost)
	return v, err
}

// minus reads '-' and a value.
func (p *parser) minus() (guarded, error) {
	tok := p.next()
	v, err := p.operand()
	if err != nil {
		return guarded{}, err
	}
	if v, _, err = p.restOfValue(v, minusRank); err != nil {
		return guarded{}, err
	}
	if c, ok := v.value.(constant); ok {
		return guarded{value: -c}, nil
	}
	v.value = minus{v.value}
	return v, p.checkHeight(tok, v.value)
}

func (p *parser) checkHeight(tok token, v value) error {
	if v.height() > maxHeight {
		return p.tooDeep(tok)
	}
	return nil
}

// restOfValue reads the operators and values behind left that belong to it when
// an operator of rank before stands in front of it. It reports whether there
// were any.
func (p *parser) restOfValue(left guarded, before rank) (guarded, bool, error) {
	for extended := false; ; extended = true {
		tok := p.peek()
		r, ok := operators[tok.text]
		if tok.kind != symbol || !ok || before.before(r) {
			return left, extended, nil
		}
		p.next()
		right, err := p.rightOperand(tok, r)
		if err != nil {
			return guarded{}, false, err
		}
		if left, err = p.operation(tok, left, right); err != nil {
			return guarded{}, false, err
		}
	}
}

func (p *parser) rightOperand(tok token, r rank) (guarded, error) {
	if err := p.enter(tok); err != nil {
		return guarded{}, err
	}
	defer p.leave()
	right, err := p.operand()
	if err != nil {
		return guarded{}, err
	}
	right, _, err = p.restOfValue(right, r)
	return right, err
}

// operation returns the two values with the operator between them. Of their
// guards only the left ones stay: that is libpcap's doing, and matters where
// two protocols meet, as in ip[2:2] - tcp[12].
func (p *parser) operation(tok token, left, right guarded) (guarded, error) {
	b, constantRight := right.value.(constant)
	switch tok.text {
	case "/", "%":
		if constantRight && b == 0 {
			return guarded{}, p.fail(tok, "a division by 0; expected another divisor")
		}
	case "<<", ">>":
		if constantRight && b > 31 {
			return guarded{}, p.fail(tok, "a shift by more than 31 bits; expected at most 31")
		}
	}
	if a, ok := left.value.(constant); ok && constantRight {
		v, _ := calculate(uint32(a), tok.text, uint32(b))
		return guarded{value: constant(v)}, nil
	}
	o := &operation{
		operator: tok.text, left: left.value, right: right.value,
		deep: max(left.value.height(), right.value.height()) + 1,
	}
	return guarded{value: o, guards: left.guards}, p.checkHeight(tok, o)
}

// accessor reads the word of a protocol, an index, and a size.
func (p *parser) accessor() (guarded, error) {
	tok := p.next()
	word := protocols[tok.text]
	if !word.index {
		return guarded{}, p.fail(tok, "its bytes cannot be read; expected ip, ip6, icmp, icmp6, igmp, tcp, udp, sctp, pim or vrrp before [")
	}
	p.next() // the bracket, as beginsValue saw
	index, err := p.wholeValue()
	if err != nil {
		return guarded{}, err
	}
	a := &accessor{word: tok.text, index: index.value, size: 1}
	if p.peek().is(":") {
		p.next()
		size := p.next()
		if size.kind != number || size.value != 1 && size.value != 2 && size.value != 4 {
			return guarded{}, p.fail(size, "expected a size of 1, 2 or 4 bytes")
		}
		a.size = int(size.value)
	}
	if err := p.expect("]", "expected an operator, : or ]"); err != nil {
		return guarded{}, err
	}
	ip, ip6 := versionTest{scope: onlyIPv4}, versionTest{scope: onlyIPv6}
	v := guarded{value: a}
	switch {
	case word.itself:
		v.guards = joined(index.guards, []node{versionTest{scope: word.scope}})
	case tok.text == "icmp6":
		a.base = behindHeader6
		v.guards = joined(index.guards, []node{ip6, nextICMPv6{}})
	default:
		a.base = transportHeader
		v.guards = append(joined([]node{ip}, index.guards), word.test(), firstFragment{})
	}
	return v, p.checkHeight(tok, a)
}
