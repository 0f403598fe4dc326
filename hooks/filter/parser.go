package filter

import "strings"

// A parser reads one expression, by recursive descent and with one token of
// look-ahead. It follows the grammar of libpcap (grammar.y) to the letter:
// what it accepts libpcap accepts, and understands the same.
type parser struct {
	expr   string
	tokens []token
	at     int // index of the next token
	depth  int // of the recursion
	// sized says that the expression asks for the packet's length.
	sized bool
}

// maxDepth bounds the recursion of the parser, and maxHeight how deep the text
// of the result nests. An expression that passes both passes them again in the
// form that String gives it: there a unit of height costs at most 3 of depth.
const (
	maxDepth  = 1000
	maxHeight = 100
)

func (p *parser) peek() token { return p.tokens[p.at] }

// next returns the next token and steps over it, but never over the end.
func (p *parser) next() token {
	tok := p.tokens[p.at]
	if tok.kind != atEnd {
		p.at++
	}
	return tok
}

// is reports whether the token is the keyword or the symbol of that text.
func (t token) is(text string) bool {
	return (t.kind == keyword || t.kind == symbol) && t.text == text
}

// expect steps over the keyword or symbol, or fails.
func (p *parser) expect(text, problem string) error {
	if tok := p.peek(); !tok.is(text) {
		return p.fail(tok, problem)
	}
	p.next()
	return nil
}

// fail returns the error that points at the token. A word that cannot stand
// anywhere brings its own problem.
func (p *parser) fail(tok token, problem string) error {
	if tok.kind == bad {
		problem = tok.problem
	} else if reason, ok := refusals[tok.text]; ok && tok.kind == keyword {
		problem = reason
	}
	return &SyntaxError{Expr: p.expr, Offset: tok.offset, Word: tok.word, Problem: problem}
}

// stranger is fail for a token that may be a name out of place.
func (p *parser) stranger(tok token, problem string) error {
	switch {
	case tok.kind == dotted || tok.kind == colons:
		problem = problemQualifier
	case tok.kind == name && strings.Contains(tok.text, "-"):
		problem = "an unknown word, as - belongs to it; expected spaces around an operator"
	case tok.kind == name:
		problem = "an unknown word; " + problem
	}
	return p.fail(tok, problem)
}

// enter goes one level deeper, at the token. leave comes back.
func (p *parser) enter(tok token) error {
	p.depth++
	if p.depth > maxDepth {
		return p.tooDeep(tok)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) tooDeep(tok token) error {
	return p.fail(tok, "nested too deep; expected a simpler expression")
}

// What a unit can turn out to be.
type unitKind uint8

const (
	aTest   unitKind = iota // a whole test
	aNumber                 // a number: the id of a test, or a value
	aValue                  // a value that is no number alone
	aName                   // an address or a name, or "not" and an id: the id of a test
	someIDs                 // ids in parentheses
)

// A unit is the smallest thing that "and" and "or" can join, or the beginning
// of one: whether "(80" begins a list of ports or a comparison is not known
// before what comes after.
type unit struct {
	kind  unitKind
	node  node       // unless aNumber or aValue
	quals qualifiers // of a test: what an id after it inherits
	value guarded    // if aNumber or aValue
	tok   token      // its first
}

const (
	problemTest      = "expected a test, such as tcp, host 192.0.2.1, port 80 or ip[8] < 5"
	problemQualifier = "expected a qualifier before it, as in host 192.0.2.1 or tcp port 80"
)

// expression reads tests joined by "and" and "or". quals is what stands in
// force before it.
func (p *parser) expression(quals qualifiers) (unit, error) {
	u, err := p.unit(quals, false)
	if err != nil {
		return unit{}, err
	}
	if u.kind != aTest {
		return unit{}, p.fail(p.peek(), problemRelation)
	}
	return p.restOfExpression(u)
}

// restOfExpression reads what follows the first test.
func (p *parser) restOfExpression(left unit) (unit, error) {
	for {
		tok := p.peek()
		if !tok.is("and") && !tok.is("or") {
			return left, nil
		}
		p.next()
		right, err := p.unit(left.quals, true)
		if err != nil {
			return unit{}, err
		}
		switch right.kind {
		case aNumber:
			if right.node, err = p.numberID(right, left.quals); err != nil {
				return unit{}, err
			}
		case aValue:
			return unit{}, p.fail(p.peek(), problemRelation)
		}
		if right.kind == aTest {
			left.quals = right.quals
		}
		if left.node, err = p.join(tok, left.node, right.node); err != nil {
			return unit{}, err
		}
	}
}

// join joins two tests by the token, "and" or "or".
func (p *parser) join(tok token, left, right node) (node, error) {
	return p.checked(tok, join(left, tok.is("or"), right))
}

// negate returns "not" and the test.
func (p *parser) negate(tok token, n node) (node, error) {
	return p.checked(tok, negation{n})
}

func (p *parser) checked(tok token, n node) (node, error) {
	if n.height() > maxHeight {
		return nil, p.tooDeep(tok)
	}
	return n, nil
}

// unit reads one unit. ids says whether an id may stand here, which would
// inherit quals.
func (p *parser) unit(quals qualifiers, ids bool) (unit, error) {
	tok := p.peek()
	if err := p.enter(tok); err != nil {
		return unit{}, err
	}
	defer p.leave()
	switch {
	case tok.is("not"):
		return p.not(quals, ids)
	case tok.is("("):
		u, err := p.group(quals, ids)
		if err != nil || u.kind != aNumber && u.kind != aValue {
			return u, err
		}
		return p.afterValue(u)
	case p.beginsValue():
		kind := aValue
		if tok.kind == number {
			kind = aNumber
		}
		value, err := p.operand()
		if err != nil {
			return unit{}, err
		}
		return p.afterValue(unit{kind: kind, value: value, tok: tok})
	case tok.kind == keyword:
		node, quals, err := p.test()
		return unit{kind: aTest, node: node, quals: quals, tok: tok}, err
	case ids && quals.set() && isName(tok):
		node, err := p.nameID(quals)
		return unit{kind: aName, node: node, tok: tok}, err
	}
	return unit{}, p.stranger(tok, problemTest)
}

// not reads "not" and a unit.
func (p *parser) not(quals qualifiers, ids bool) (unit, error) {
	tok := p.next()
	u, err := p.unit(quals, ids)
	if err != nil {
		return unit{}, err
	}
	switch u.kind {
	case aValue:
		return unit{}, p.fail(p.peek(), problemRelation)
	case aNumber:
		if !ids {
			return unit{}, p.fail(p.peek(), problemRelation)
		}
		if u.node, err = p.numberID(u, quals); err != nil {
			return unit{}, err
		}
	}
	if u.kind != aTest {
		u.kind = aName
	}
	u.tok = tok
	u.node, err = p.negate(tok, u.node)
	return u, err
}

// group reads a unit in parentheses. After it the qualifiers that stood in
// force before it stand again.
func (p *parser) group(quals qualifiers, ids bool) (unit, error) {
	open := p.next()
	// A list of ids does not begin with another one.
	u, err := p.unit(quals, ids && !p.peek().is("("))
	if err != nil {
		return unit{}, err
	}
	problem := "expected and, or, or )"
	switch u.kind {
	case aTest:
		if u, err = p.restOfExpression(u); err != nil {
			return unit{}, err
		}
	case aNumber:
		tok := p.peek()
		if !ids || !tok.is("and") && !tok.is("or") {
			problem = "expected an operator, a comparison or )"
			break
		}
		if u.node, err = p.numberID(u, quals); err != nil {
			return unit{}, err
		}
		u.kind = someIDs
		if u.node, err = p.restOfIDs(u.node, quals); err != nil {
			return unit{}, err
		}
	case aValue:
		problem = "expected an operator, a comparison or )"
	case aName:
		u.kind = someIDs
		if u.node, err = p.restOfIDs(u.node, quals); err != nil {
			return unit{}, err
		}
	}
	u.quals, u.tok = quals, open
	return u, p.expect(")", problem)
}

// test reads a test that begins with a keyword, and returns the qualifiers that
// an id after it inherits: none, unless the test has some of its own.
func (p *parser) test() (node, qualifiers, error) {
	tok := p.peek()
	word, named := protocols[tok.text]
	switch {
	case tok.is("less"), tok.is("greater"):
		p.next()
		limit := p.next()
		if limit.kind != number {
			return nil, qualifiers{}, p.fail(limit, "expected a length in bytes")
		}
		p.sized = true
		r := &relation{left: length{}, operator: "<=", right: constant(limit.value)}
		if tok.text == "greater" {
			r.operator = ">="
		}
		return r, qualifiers{}, nil
	case tok.is("multicast"):
		return nil, qualifiers{}, p.fail(tok, "about a link-layer address; expected ip or ip6 before it")
	case !named:
		quals, err := p.qualifiers(token{})
		if err != nil {
			return nil, qualifiers{}, err
		}
		n, err := p.id(quals)
		return n, quals, err
	}
	p.next()
	switch after := p.peek(); {
	case after.is("multicast"):
		if !word.itself {
			return nil, qualifiers{}, p.fail(after, "expected ip or ip6 before it")
		}
		p.next()
		return multicastTest{scope: word.scope}, qualifiers{}, nil
	case beginsQualifiers(after):
		quals, err := p.qualifiers(tok)
		if err != nil {
			return nil, qualifiers{}, err
		}
		n, err := p.id(quals)
		return n, quals, err
	case after.kind == number || isName(after):
		return nil, qualifiers{}, p.stranger(after, problemQualifier)
	}
	return word.test(), qualifiers{}, nil
}
