package filter

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	atEnd   kind = iota
	symbol       // punctuation
	keyword      // a word with a meaning of its own
	number       // a number, or a name for one
	dotted       // two, three or four bytes of an IPv4 address
	colons       // an IPv6 address
	name         // any other word
	bad          // what cannot stand in any expression; problem says why
)

// A token is one word of the expression.
type token struct {
	kind    kind
	text    string // as the parser sees it: "and" for "&&", "=" for "=="
	word    string // as written
	offset  int    // in the expression, in bytes
	value   uint32 // of a number; the bytes given of a dotted one, right-justified
	bits    int    // how many of them a dotted one gives: 16, 24 or 32
	addr    netip.Addr
	problem string
}

// scan cuts the expression into tokens, the last of which is atEnd. Like the
// scanner of libpcap it takes the longest token that can begin at a place, so
// that "3-1" is one word and "3 -1" is three.
func scan(expr string) []token {
	var tokens []token
	for i := 0; i < len(expr); {
		if strings.IndexByte(" \r\n\t", expr[i]) >= 0 {
			i++
			continue
		}
		tok := scanOne(expr[i:])
		tok.offset = i
		i += len(tok.word)
		tokens = append(tokens, tok)
	}
	return append(tokens, token{kind: atEnd, offset: len(expr)})
}

// scanOne returns the token that s, which is not empty, begins with.
func scanOne(s string) token {
	n := wordLength(s)
	if addr, length := address6(s); length > n {
		return token{kind: colons, word: s[:length], addr: addr}
	}
	if length := linkAddressLength(s); length > n {
		return token{kind: bad, word: s[:length], problem: problemLinkAddress}
	}
	if n > 0 {
		return wordToken(s[:n])
	}
	if s[0] == '\\' {
		n := strings.IndexAny(s, " !()\n\t")
		if n < 0 {
			n = len(s)
		}
		if n > 1 {
			return token{kind: name, text: s[1:n], word: s[:n]}
		}
		return token{kind: bad, word: s[:1], problem: `expected a name after the backslash, as in ip proto \tcp`}
	}
	if len(s) > 1 {
		switch s[:2] {
		case "&&":
			return token{kind: keyword, text: "and", word: s[:2]}
		case "||":
			return token{kind: keyword, text: "or", word: s[:2]}
		case "==":
			return token{kind: symbol, text: "=", word: s[:2]}
		case ">=", "<=", "!=", "<<", ">>":
			return token{kind: symbol, text: s[:2], word: s[:2]}
		}
	}
	if s[0] == '!' {
		return token{kind: keyword, text: "not", word: s[:1]}
	}
	if strings.IndexByte("+-*/%:[]<>()&|^=", s[0]) >= 0 {
		return token{kind: symbol, text: s[:1], word: s[:1]}
	}
	_, n = utf8.DecodeRuneInString(s)
	return token{kind: bad, word: s[:n], problem: "expected a word, a number, an address or an operator"}
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isHexadecimal(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// wordLength returns the length of the word that s begins with, or 0. A word
// begins with a letter or digit, may hold '-', '_' and '.', and ends with a
// letter, digit or '.'.
func wordLength(s string) int {
	if !isAlphanumeric(s[0]) {
		return 0
	}
	n := 1
	for n < len(s) && (isAlphanumeric(s[n]) || strings.IndexByte("-_.", s[n]) >= 0) {
		n++
	}
	for s[n-1] == '-' || s[n-1] == '_' {
		n--
	}
	return n
}

// address6 returns the longest IPv6 address that s begins with and its length,
// or 0.
func address6(s string) (netip.Addr, int) {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	n, separators := 0, 0
	for n < len(s) && n < longest && (isHexadecimal(s[n]) || s[n] == ':' || s[n] == '.') {
		if s[n] == ':' {
			separators++
		}
		n++
	}
	if separators < 2 {
		return netip.Addr{}, 0
	}
	for ; n > 1; n-- {
		if addr, err := netip.ParseAddr(s[:n]); err == nil && addr.Is6() {
			return addr, n
		}
	}
	return netip.Addr{}, 0
}

const problemLinkAddress = "a link-layer address, and packets here begin at the IP header; expected an IP address"

// linkAddressLength returns the length of the link-layer address written with
// colons that s begins with, or 0.
func linkAddressLength(s string) int {
	n := 0
	for group := range 6 {
		if group > 0 {
			if n >= len(s) || s[n] != ':' {
				return 0
			}
			n++
		}
		digits := 0
		for digits < 2 && n < len(s) && isHexadecimal(s[n]) {
			n++
			digits++
		}
		if digits == 0 {
			return 0
		}
	}
	return n
}

// isLinkAddress reports whether the word is what libpcap takes for a link-layer
// address: 6 groups of one or two hexadecimal digits between '-' or '.', three
// of four between '.', or 12 digits.
func isLinkAddress(word string) bool {
	groups := func(separator string, count, least, most int) bool {
		parts := strings.Split(word, separator)
		for _, part := range parts {
			if len(part) < least || len(part) > most || !allHexadecimal(part) {
				return false
			}
		}
		return len(parts) == count
	}
	return groups("-", 6, 1, 2) || groups(".", 6, 1, 2) || groups(".", 3, 4, 4) ||
		len(word) == 12 && allHexadecimal(word)
}

func allHexadecimal(s string) bool {
	for i := range len(s) {
		if !isHexadecimal(s[i]) {
			return false
		}
	}
	return true
}

// wordToken decides what a word is, in libpcap's order.
func wordToken(word string) token {
	tok := token{text: word, word: word}
	value, named := numberNames[word]
	switch {
	case isKeyword(word):
		tok.kind = keyword
	case named:
		tok.kind, tok.value = number, value
	case isLinkAddress(word):
		tok.kind, tok.problem = bad, problemLinkAddress
	case isNumber(word):
		return numberToken(tok)
	case isDotted(word):
		return dottedToken(tok)
	default:
		tok.kind = name
	}
	return tok
}

// isNumber reports whether s is digits alone, or 0x and hexadecimal digits.
func isNumber(s string) bool {
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		return allHexadecimal(s[2:])
	}
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return false
		}
	}
	return s != ""
}

// isDotted reports whether s is two to four numbers with dots between them.
func isDotted(s string) bool {
	parts := strings.Split(s, ".")
	for _, part := range parts {
		if !isNumber(part) {
			return false
		}
	}
	return 2 <= len(parts) && len(parts) <= 4
}

// numberToken reads a number as C does: 0x begins a hexadecimal one, 0 an octal
// one.
func numberToken(tok token) token {
	digits, base := tok.word, 10
	switch {
	case len(digits) > 1 && digits[1]|0x20 == 'x':
		digits, base = digits[2:], 16
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	value, err := strconv.ParseUint(digits, base, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		tok.kind, tok.problem = bad, "expected a number of at most 32 bits"
	case err != nil:
		tok.kind, tok.problem = bad, "expected octal digits after the leading 0"
	default:
		tok.kind, tok.value = number, uint32(value)
	}
	return tok
}

// dottedToken reads the bytes of an IPv4 address. A leading 0 means nothing.
func dottedToken(tok token) token {
	tok.kind = dotted
	for part := range strings.SplitSeq(tok.word, ".") {
		value, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			tok.kind, tok.problem = bad, "expected an IPv4 address of decimal bytes, each at most 255"
			return tok
		}
		tok.value = tok.value<<8 | uint32(value)
		tok.bits += 8
	}
	return tok
}
