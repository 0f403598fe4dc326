package filter

// A Filter is a compiled expression. It is immutable: any number of goroutines
// may use it at once. The zero Filter matches every packet.
type Filter struct {
	root node // nil for the empty expression
	// sized says that it asks for the packet's length.
	sized bool
}

// Compile compiles expr, an expression of the subset of pcap-filter(7) that
// the package comment lists. The empty expression, or one of nothing but white
// space, matches every packet. An expression that is not of the subset is
// refused with a *[SyntaxError] that points at the place.
func Compile(expr string) (*Filter, error) {
	p := &parser{expr: expr, tokens: scan(expr)}
	if p.peek().kind == atEnd {
		return &Filter{}, nil
	}
	root, err := p.expression(qualifiers{})
	if err != nil {
		return nil, err
	}
	if tok := p.peek(); tok.kind != atEnd {
		return nil, p.fail(tok, "expected and, or, or the end")
	}
	return &Filter{root: root.node, sized: p.sized}, nil
}

// Match reports whether packet, which begins at its IP header, satisfies the
// expression. Its length is taken to be len(packet), also for len, less and
// greater. Match borrows the packet for the call, changes nothing, allocates
// nothing and never panics, whatever the bytes.
func (f *Filter) Match(packet []byte) bool {
	return f.root == nil || f.root.eval(packet) == yes
}

// MatchHead is Match for a packet of which there are only the first bytes. decided
// says that the rest makes no difference: if not, match means nothing.
func (f *Filter) MatchHead(head []byte) (match, decided bool) {
	switch {
	case f.root == nil:
		return true, true
	case f.sized:
		return false, false
	}
	// A test that has to read past the end says so, and the whole filter with it.
	r := f.root.eval(head)
	return r == yes, r != fails
}

// String returns the expression as it was understood: with every qualifier that
// was inherited, with parentheses where "and" meets "or", with names of numbers
// resolved. Compile accepts it, and gives an equivalent filter whose String is
// the same.
func (f *Filter) String() string {
	if f.root == nil {
		return ""
	}
	return f.root.String()
}
