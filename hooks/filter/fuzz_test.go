package filter

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzCompile: an expression is refused with an error that points into it, or
// understood as one that String can tell.
func FuzzCompile(f *testing.F) {
	c := wholePackets()
	f.Fuzz(func(t *testing.T, expr string) {
		filter, err := Compile(expr)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || filter != nil {
				t.Fatalf("%q: filter %v, error %v", expr, filter, err)
			}
			checkSyntaxError(t, expr, syntax)
			return
		}
		again := checkCanonical(t, filter)
		for i, packet := range c.packets {
			if got, want := again.Match(packet), filter.Match(packet); got != want {
				t.Fatalf("%q is %v of %s, but its String, %q, is %v", expr, want, c.names[i], again, got)
			}
		}
	})
}

// FuzzMatch: whatever the bytes, every filter of the table says of them what
// libpcap's program does, and changes none.
func FuzzMatch(f *testing.F) {
	tcpdump := findTcpdump(f)
	type judged struct {
		filter  *Filter
		program *program
	}
	var table []judged
	for _, row := range expressions {
		filter, err := Compile(row.expr)
		if err != nil {
			f.Fatalf("%q: %v", row.expr, err)
		}
		program, err := compileBPF(tcpdump, row.expr, "-O")
		if err != nil {
			f.Fatalf("%q: tcpdump: %v", row.expr, err)
		}
		table = append(table, judged{filter, program})
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		before := bytes.Clone(packet)
		for _, j := range table {
			if got, want := j.filter.Match(packet), j.program.match(t, packet); got != want {
				t.Errorf("%q of %x: Match is %v, tcpdump's program says %v", j.filter, packet, got, want)
			}
			checkHeads(t, j.filter, packet)
		}
		if !bytes.Equal(before, packet) {
			t.Errorf("%x was changed into %x", before, packet)
		}
	})
}
