package filter

// A result is what a test says of a packet.
type result uint8

const (
	// fails: the test had to read past the end of the packet. As in BPF the
	// whole filter then does not match, whatever stands around the test.
	fails result = iota
	no
	yes
)

func verdict(b bool) result {
	if b {
		return yes
	}
	return no
}

// A node is one test of the tree. It is immutable.
type node interface {
	// eval tests the packet. It borrows it and allocates nothing.
	eval(packet []byte) result
	// String returns an expression of the subset that means the same.
	String() string
	// height is how deep String nests.
	height() int
}

// A leaf is embedded by the nodes whose text has no parentheses.
type leaf struct{}

func (leaf) height() int { return 0 }

// A chain is tests joined by "and" and "or", which have equal precedence and
// associate to the left.
type chain struct {
	first node
	rest  []link
	deep  int
}

type link struct {
	or   bool
	node node
}

var _ node = (*chain)(nil)

// join returns the chain "left and right", or "left or right". It takes over
// left.
func join(left node, or bool, right node) node {
	c, ok := left.(*chain)
	if !ok {
		c = &chain{first: left, deep: left.height()}
	}
	if n := len(c.rest); n > 0 && c.rest[n-1].or != or {
		c.deep++ // the parentheses that String puts around what stands before
	}
	c.deep = max(c.deep, right.height()+1)
	c.rest = append(c.rest, link{or, right})
	return c
}

func (c *chain) eval(packet []byte) result {
	r := c.first.eval(packet)
	for _, l := range c.rest {
		if r == fails {
			return fails
		}
		if (r == no) == l.or {
			r = l.node.eval(packet)
		}
	}
	return r
}

func (c *chain) String() string {
	var out []byte
	for i, l := range c.rest {
		switch {
		case i == 0:
			out = append(out, c.first.String()...)
		case c.rest[i-1].or != l.or:
			out = append(append([]byte{'('}, out...), ')')
		}
		if l.or {
			out = append(out, " or "...)
		} else {
			out = append(out, " and "...)
		}
		out = append(out, grouped(l.node)...)
	}
	return string(out)
}

func (c *chain) height() int { return c.deep }

// grouped returns the node's text as one operand.
func grouped(n node) string {
	if _, ok := n.(*chain); ok {
		return "(" + n.String() + ")"
	}
	return n.String()
}

// A negation is "not" and a test.
type negation struct{ node node }

var _ node = negation{}

func (n negation) eval(packet []byte) result {
	switch n.node.eval(packet) {
	case yes:
		return no
	case no:
		return yes
	}
	return fails
}

func (n negation) String() string { return "not " + grouped(n.node) }

func (n negation) height() int { return n.node.height() + 1 }
