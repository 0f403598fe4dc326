package capture_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/capture"
)

// TestParseHex shows what is understood.
func TestParseHex(t *testing.T) {
	for s, want := range map[string]string{
		"4500":                                  "4500",
		"45 00 aB\tCd":                          "4500abcd",
		" 45:00:ab:cd\n":                        "4500abcd",
		"4500\r\nabcd\r\n":                      "4500abcd",
		"0x4500abcd":                            "4500abcd",
		"0X45 0x00 0xab":                        "4500ab",
		"0x45:0x00":                             "4500",
		"# a comment\n45\n  # another\n00":      "4500",
		"00 0x00 0 x":                           "",
		"\t0x0000:  4500 0054\n\t0x0004:  8128": "450000548128",
		"0x0000:  4500 0054  E..T\n0x0004:  81": "4500005481",
		"0x0000:  45  zz 0x\n0x0001: 00":        "4500",
	} {
		got, err := capture.ParseHex(s)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %x, want an error", s, got)
			}
			continue
		}
		if hex.EncodeToString(got) != want || err != nil {
			t.Errorf("%q is %x, %v, want %s", s, got, err, want)
		}
	}
}

// TestParseHexErrors: each names the place and what is there, in one line.
func TestParseHexErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                            "no digits",
		" \n# 45\n":                   "no digits",
		"450":                         "line 1, character 3: '0' stands alone: a byte has two digits",
		"45 0 00":                     "line 1, character 4: '0' stands alone: a byte has two digits",
		"45\n4:5":                     "line 2, character 1: '4' stands alone: a byte has two digits",
		"4\n5":                        "line 1, character 1: '4' stands alone: a byte has two digits",
		"45 0g":                       "line 1, character 5: 'g' is no hexadecimal digit",
		"45\n 00 §":                   "line 2, character 5: '§' is no hexadecimal digit",
		"45\x00":                      `line 1, character 3: '\x00' is no hexadecimal digit`,
		"45\xff":                      `line 1, character 3: '�' is no hexadecimal digit`,
		"0x":                          "line 1, character 2: 'x' is no hexadecimal digit",
		"00x45":                       "line 1, character 3: 'x' is no hexadecimal digit",
		"0x0x45":                      "line 1, character 4: 'x' is no hexadecimal digit",
		"0x0000:  45\n0x0010:  00":    "line 2, character 1: '0' begins the offset 0x0010, but 1 bytes stand before it",
		"45,00":                       "line 1, character 3: ',' is no hexadecimal digit",
		strings.Repeat("00", 1<<18+1): "more than 262144 bytes",
		"0xfffffffffffffffff: 4500":   "line 1, character 19: 'f' stands alone: a byte has two digits",
	} {
		got, err := capture.ParseHex(s)
		if err == nil || err.Error() != "parse hex: "+want {
			t.Errorf("%.40q is %.10x, %v, want %s", s, got, err, want)
		}
	}
}

// TestParseTcpdump: what tcpdump prints with -x and -X is the packet.
func TestParseTcpdump(t *testing.T) {
	need(t, "tcpdump")
	all := samples(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		e := packet(1, hooks.Inbound, all[name], hooks.Delivered, "")
		if e.Packet.Version != 4 && e.Packet.Version != 6 {
			continue
		}
		path := write(t, e)
		for _, flag := range []string{"-x", "-X"} {
			var lines strings.Builder
			for line := range strings.Lines(tool(t, "tcpdump", "-n", flag, "-r", filepath.Clean(path))) {
				if strings.HasPrefix(line, "\t0x") {
					fmt.Fprint(&lines, line)
				}
			}
			got, err := capture.ParseHex(lines.String())
			if err != nil || string(got) != string(e.Packet.Bytes) {
				t.Errorf("%s: %v\n%x from\n%s", name, err, got, &lines)
			}
		}
	}
}
