package faults

import (
	"fmt"
	"strconv"
	"strings"
)

// finest is the greatest denominator of an Amount: a ten-millionth of a percent
// is the least that can be said.
const finest = 1_000_000_000

// An Amount is a probability: N of Of packets. The zero Amount is never.
type Amount struct{ N, Of uint64 }

// String returns the amount as [Parse] takes it: in percent if seven decimals
// say it exactly, else as a fraction.
func (a Amount) String() string {
	switch {
	case a.Of == 0 || a.N == 0:
		return "0%"
	case finest%a.Of != 0:
		return fmt.Sprintf("%d/%d", a.N, a.Of)
	}
	const percent = finest / 100
	parts := a.N * (finest / a.Of)
	s := strconv.FormatUint(parts/percent, 10)
	if decimals := strings.TrimRight(fmt.Sprintf("%07d", parts%percent), "0"); decimals != "" {
		s += "." + decimals
	}
	return s + "%"
}

// parseAmount reads 1%, 0.1% or 1/1000. It reports what is wanted if it cannot.
func parseAmount(s string) (a Amount, want string) {
	const form = "an amount such as 1%, 0.1% or 1/1000"
	var ok bool
	if number, isPercent := strings.CutSuffix(s, "%"); isPercent {
		whole, decimals, pointed := strings.Cut(number, ".")
		if len(decimals) > 7 {
			return Amount{}, "at most seven decimals"
		}
		if pointed && decimals == "" {
			return Amount{}, form
		}
		a.Of = 100
		for range decimals {
			a.Of *= 10
		}
		a.N, ok = digits(whole + decimals)
		ok = ok && whole != ""
	} else {
		over, under, _ := strings.Cut(s, "/")
		var under1 bool
		a.N, ok = digits(over)
		a.Of, under1 = digits(under)
		ok = ok && under1 && a.Of > 0
	}
	switch {
	case !ok:
		return Amount{}, form
	case a.Of > finest:
		return Amount{}, fmt.Sprintf("at most %d behind the stroke", finest)
	case a.N > a.Of:
		return Amount{}, "an amount of at most 100%"
	}
	return a.reduced(), ""
}

// digits reads a decimal number without sign.
func digits(s string) (uint64, bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// reduced returns the same amount in its lowest terms.
func (a Amount) reduced() Amount {
	d, r := a.Of, a.N
	for r != 0 {
		d, r = r, d%r
	}
	return Amount{a.N / d, a.Of / d}
}
