package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A SyntaxError says why an expression was refused, and where. The text of
// Error is one line.
type SyntaxError struct {
	Expr    string // the whole expression
	Offset  int    // of the word that was refused, in bytes; len(Expr) at the end
	Word    string // that word as it was written, "" at the end
	Problem string // what was expected, or why the word is refused
}

var _ error = (*SyntaxError)(nil)

// maxQuoted is the most bytes of the offending word that Error repeats.
const maxQuoted = 40

// Error returns the place, the word and the problem, in one line.
func (e *SyntaxError) Error() string {
	word := "the end"
	switch {
	case len(e.Word) > maxQuoted:
		word = strconv.Quote(e.Word[:maxQuoted]) + "…"
	case e.Word != "":
		word = strconv.Quote(e.Word)
	}
	return fmt.Sprintf("parse filter: offset %d: %s: %s", e.Offset, word, e.Problem)
}

// Caret returns two lines without a line end: the expression, and below it a
// caret under the first character of the offending word. Control characters of
// the expression are shown as spaces, so that it stays one line.
func (e *SyntaxError) Caret() string {
	shown := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
	}
	// Each byte that is not UTF-8 is shown as one U+FFFD, and counted as one.
	column := utf8.RuneCountInString(e.Expr[:e.Offset])
	return shown(e.Expr) + "\n" + strings.Repeat(" ", column) + "^"
}
