package filter

import (
	"encoding/binary"
	"strconv"
)

// A value is an arithmetic expression: unsigned, of 32 bits, modulo 2^32. It is
// immutable.
type value interface {
	// eval computes it for the packet, and reports false where that needs a
	// byte past the packet's end or divides by 0. It allocates nothing.
	eval(packet []byte) (uint32, bool)
	// String returns an expression of the subset that means the same.
	String() string
	// height is how deep String nests.
	height() int
}

// A constant is a number.
type constant uint32

var _ value = constant(0)

func (c constant) eval([]byte) (uint32, bool) { return uint32(c), true }
func (c constant) String() string             { return strconv.FormatUint(uint64(c), 10) }
func (constant) height() int                  { return 0 }

// A length is "len", the length of the packet in bytes.
type length struct{}

var _ value = length{}

func (length) eval(packet []byte) (uint32, bool) { return uint32(len(packet)), true }
func (length) String() string                    { return "len" }
func (length) height() int                       { return 0 }

// A base is the header that an accessor counts from.
type base uint8

const (
	networkHeader   base = iota
	transportHeader      // behind the IPv4 header and its options
	behindHeader6        // behind the fixed header of IPv6
)

// An accessor is bytes of the packet as a number, most significant first. What
// packet has such bytes is for its guards to say.
type accessor struct {
	word  string // the protocol
	base  base
	index value
	size  int // 1, 2 or 4
}

var _ value = (*accessor)(nil)

func (a *accessor) eval(packet []byte) (uint32, bool) {
	index, ok := a.index.eval(packet)
	if !ok {
		return 0, false
	}
	at := uint64(index)
	switch a.base {
	case transportHeader:
		if len(packet) == 0 {
			return 0, false
		}
		// BPF adds in 32 bits, so that tcp[-1] is the byte before the header.
		at = uint64(index + uint32(headerLength4(packet)))
	case behindHeader6:
		at += header6
	}
	if at+uint64(a.size) > uint64(len(packet)) {
		return 0, false
	}
	switch a.size {
	case 1:
		return uint32(packet[at]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(packet[at:])), true
	}
	return binary.BigEndian.Uint32(packet[at:]), true
}

func (a *accessor) String() string {
	text := a.word + "[" + a.index.String()
	if a.size > 1 {
		text += ":" + strconv.Itoa(a.size)
	}
	return text + "]"
}

func (a *accessor) height() int { return a.index.height() + 1 }

// A minus is the negative of a value.
type minus struct{ operand value }

var _ value = minus{}

func (m minus) eval(packet []byte) (uint32, bool) {
	v, ok := m.operand.eval(packet)
	return -v, ok
}

func (m minus) String() string { return "-" + groupedValue(m.operand) }
func (m minus) height() int    { return m.operand.height() + 1 }

// An operation is two values and what joins them.
type operation struct {
	operator    string
	left, right value
	deep        int
}

var _ value = (*operation)(nil)

func (o *operation) eval(packet []byte) (uint32, bool) {
	left, ok := o.left.eval(packet)
	if !ok {
		return 0, false
	}
	right, ok := o.right.eval(packet)
	if !ok {
		return 0, false
	}
	return calculate(left, o.operator, right)
}

// calculate applies the operator. It reports false for a division by 0.
func calculate(left uint32, operator string, right uint32) (uint32, bool) {
	switch operator {
	case "+":
		return left + right, true
	case "-":
		return left - right, true
	case "*":
		return left * right, true
	case "&":
		return left & right, true
	case "|":
		return left | right, true
	case "^":
		return left ^ right, true
	case "<<": // a shift by 32 or more gives 0, in Go as in libpcap
		return left << right, true
	case ">>":
		return left >> right, true
	}
	if right == 0 {
		return 0, false
	}
	if operator == "/" {
		return left / right, true
	}
	return left % right, true
}

func (o *operation) String() string {
	return groupedValue(o.left) + " " + o.operator + " " + groupedValue(o.right)
}

func (o *operation) height() int { return o.deep }

// groupedValue returns the value's text as one operand.
func groupedValue(v value) string {
	switch v.(type) {
	case *operation, minus:
		return "(" + v.String() + ")"
	}
	return v.String()
}

// A relation compares two values, if every guard holds.
type relation struct {
	guards      []node
	left, right value
	operator    string
}

var _ node = (*relation)(nil)

func (r *relation) eval(packet []byte) result {
	for _, guard := range r.guards {
		if g := guard.eval(packet); g != yes {
			return g
		}
	}
	left, ok := r.left.eval(packet)
	if !ok {
		return fails
	}
	right, ok := r.right.eval(packet)
	if !ok {
		return fails
	}
	switch r.operator {
	case "=":
		return verdict(left == right)
	case "!=":
		return verdict(left != right)
	case "<":
		return verdict(left < right)
	case "<=":
		return verdict(left <= right)
	case ">":
		return verdict(left > right)
	}
	return verdict(left >= right)
}

func (r *relation) String() string {
	operator := r.operator
	if operator == "=" {
		operator = "=="
	}
	return r.left.String() + " " + operator + " " + r.right.String()
}

func (r *relation) height() int { return max(r.left.height(), r.right.height()) }

// firstFragment is the guard of bytes behind an IPv4 header: that the packet is
// no fragment other than the first.
type firstFragment struct{ leaf }

var _ node = firstFragment{}

func (firstFragment) eval(packet []byte) result {
	if len(packet) < offFragment4+2 {
		return fails
	}
	return verdict(!isLaterFragment(packet))
}

func (firstFragment) String() string { return "ip[6:2] & 0x1fff = 0" }

// nextICMPv6 is the guard of icmp6[…]: that ICMPv6 follows the fixed header.
type nextICMPv6 struct{ leaf }

var _ node = nextICMPv6{}

func (nextICMPv6) eval(packet []byte) result {
	if len(packet) <= offNext6 {
		return fails
	}
	return verdict(packet[offNext6] == protoICMPv6)
}

func (nextICMPv6) String() string { return "ip6[6] = 58" }
