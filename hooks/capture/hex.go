package capture

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// ParseHex parses a packet in hex digits of either case. Between bytes there
// may be spaces, new lines and colons; 0x may stand before any of them. Lines
// that begin with # are comments. What tcpdump -x and -xx print is understood
// as well: an offset before a line ("0x0010:"), which must be right, and after
// one the text that -X adds behind two spaces.
//
// An error is one line that names the place, counting lines and characters
// from 1, and the character found there.
func ParseHex(s string) ([]byte, error) {
	var b []byte
	number := 0
	for line := range strings.Lines(s) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		p := hexLine{line: []rune(line), number: number}
		var err error
		if b, err = p.parse(b); err != nil {
			return nil, fmt.Errorf("parse hex: %w", err)
		}
		if len(b) > maxPacket {
			return nil, fmt.Errorf("parse hex: more than %d bytes", maxPacket)
		}
	}
	if len(b) == 0 {
		return nil, errors.New("parse hex: no digits")
	}
	return b, nil
}

// A hexLine is one line, and the place in it.
type hexLine struct {
	line   []rune
	number int // from 1
	at     int // from 0
}

// parse appends the bytes of the line to b.
func (p *hexLine) parse(b []byte) ([]byte, error) {
	if err := p.offset(len(b)); err != nil {
		return nil, err
	}
	high, begin := rune(0), 0 // a digit that waits for its other, and where
	for ; p.at < len(p.line); p.at++ {
		c := p.line[p.at]
		v, ok := hexDigit(c)
		switch {
		case ok && high != 0:
			h, _ := hexDigit(high)
			b = append(b, h<<4|v)
			high = 0
		case ok && p.prefix():
			p.at++
		case ok:
			high, begin = c, p.at
		case c != ':' && !unicode.IsSpace(c):
			return nil, p.failed(p.at, "is no hexadecimal digit")
		case high != 0:
			return nil, p.failed(begin, "stands alone: a byte has two digits")
		}
	}
	if high != 0 {
		return nil, p.failed(begin, "stands alone: a byte has two digits")
	}
	return b, nil
}

// prefix reports whether 0x stands here, before a digit and behind no other
// one.
func (p *hexLine) prefix() bool {
	if p.at+2 >= len(p.line) || p.line[p.at] != '0' || unicode.ToLower(p.line[p.at+1]) != 'x' {
		return false
	}
	if p.at > 0 && p.line[p.at-1] != ':' && !unicode.IsSpace(p.line[p.at-1]) {
		return false
	}
	_, before := hexDigit(p.line[p.at+2])
	return before
}

// offset passes over an offset as tcpdump prints it, "0x0010:", which must be
// n, and cuts off the text behind the bytes of such a line.
func (p *hexLine) offset(n int) error {
	for p.at < len(p.line) && unicode.IsSpace(p.line[p.at]) {
		p.at++
	}
	begin := p.at
	rest := string(p.line[begin:])
	digits, after, found := strings.Cut(rest, ":")
	if !found || !strings.HasPrefix(digits, "0x") || len(digits) < len("0x0000") || after != "" && after[0] != ' ' {
		return nil
	}
	v, err := strconv.ParseUint(digits[2:], 16, 32)
	if err != nil {
		return nil // the digits tell what is wrong
	}
	if int(v) != n {
		return p.failed(begin, fmt.Sprintf("begins the offset %s, but %d bytes stand before it", digits, n))
	}
	p.at += len(digits) + 1
	for p.at < len(p.line) && p.line[p.at] == ' ' {
		p.at++
	}
	if data, _, text := strings.Cut(string(p.line[p.at:]), "  "); text {
		p.line = p.line[:p.at+len([]rune(data))]
	}
	return nil
}

// failed tells what is wrong with the character at an index.
func (p *hexLine) failed(at int, what string) error {
	return fmt.Errorf("line %d, character %d: %q %s", p.number, at+1, p.line[at], what)
}

// hexDigit returns the value of a digit.
func hexDigit(c rune) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return byte(c - '0'), true
	case c >= 'a' && c <= 'f':
		return byte(c - 'a' + 10), true
	case c >= 'A' && c <= 'F':
		return byte(c - 'A' + 10), true
	}
	return 0, false
}
