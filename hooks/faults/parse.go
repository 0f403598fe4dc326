package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"netstackd/hooks"
)

// Words of a rule that are no kinds and no protocols.
const (
	wordInbound  = "inbound"
	wordOutbound = "outbound"
	wordAny      = "any"
	wordSeed     = "seed"
)

// maxQuoted bounds in bytes what an error repeats of a rule.
const maxQuoted = 120

// Parse reads a rule, as the package's documentation writes them. The error is
// one line that says what was expected and quotes what stood there.
func Parse(rule string) (Rule, error) {
	r, want, got := parse(rule)
	if want != "" {
		return Rule{}, fmt.Errorf("parse inject rule %s: want %s, got %s", quote(rule), want, quote(got))
	}
	return r, nil
}

func quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.Quote(s[:maxQuoted]) + "..."
	}
	return strconv.Quote(s)
}

// parse returns the rule, or what was wanted and what was there instead.
func parse(rule string) (r Rule, want, got string) {
	words := strings.Fields(rule)
	everything := false
	for i, word := range words {
		protocol := slices.Index(protocolNames, word)
		switch {
		case strings.Contains(word, "="):
			if i != len(words)-1 {
				return r, "the faults as one last word, with commas and no spaces", strings.Join(words[i:], " ")
			}
			want, got = r.parseFaults(word)
			return r, want, got
		case word == wordInbound || word == wordOutbound:
			if r.Direction != "" {
				return r, "one direction, or none for both", strings.Join(words[:i+1], " ")
			}
			r.Direction = hooks.Inbound
			if word == wordOutbound {
				r.Direction = hooks.Outbound
			}
		case protocol >= 0 && !everything:
			r.Protocols |= 1 << protocol
		case word == wordAny && r.Protocols == 0:
			everything = true
		case protocol >= 0 || word == wordAny:
			return r, "any, or protocols by name", strings.Join(words[:i+1], " ")
		default:
			return r, "inbound, outbound, any, " + strings.Join(protocolNames, ", ") + ", or a fault such as corrupt=1%", word
		}
	}
	return r, "a fault such as corrupt=1% at the end", strings.Join(words, " ")
}

// parseFaults reads the last word of a rule.
func (r *Rule) parseFaults(word string) (want, got string) {
	seeded := false
	for fault := range strings.SplitSeq(word, ",") {
		name, value, _ := strings.Cut(fault, "=")
		if name == wordSeed {
			n, ok := digits(value)
			if !ok {
				return "a whole number from 0 to 18446744073709551615 as seed", value
			}
			if seeded {
				return "one seed", word
			}
			seeded, r.Seed = true, n
			continue
		}
		kind := Kind(name)
		if !slices.Contains(kinds, kind) {
			return "corrupt, drop, duplicate, reorder, delay, truncate or seed, each with = and a value", fault
		}
		if slices.ContainsFunc(r.Faults, func(s Spec) bool { return s.Kind == kind }) {
			return name + " once in a rule", word
		}
		s, want, got := parseSpec(kind, value)
		if want != "" {
			return name + " with " + want, got
		}
		r.Faults = append(r.Faults, s)
	}
	if len(r.Faults) == 0 {
		return "a fault beside the seed", word
	}
	return "", ""
}

// parseSpec reads what stands behind a kind's equals sign.
func parseSpec(kind Kind, value string) (s Spec, want, got string) {
	s.Kind = kind
	amount, detail, detailed := strings.Cut(value, ":")
	if s.Amount, want = parseAmount(amount); want != "" {
		return s, want, amount
	}
	switch {
	case kind == Delay:
		s.Delay = DefaultDelay
		if detailed {
			d, err := time.ParseDuration(detail)
			if err != nil || d < minDelay || d > maxDelay {
				return s, "a time from 1us to 1m behind the colon, such as 20ms", detail
			}
			s.Delay = d
		}
	case kind == Reorder:
		s.Depth = DefaultDepth
		if detailed {
			n, ok := digits(detail)
			if !ok || n < 1 || n > maxDepth {
				return s, fmt.Sprintf("a number of packets from 1 to %d behind the colon", maxDepth), detail
			}
			s.Depth = int(n)
		}
	case detailed:
		return s, "an amount alone", value
	}
	return s, "", ""
}
