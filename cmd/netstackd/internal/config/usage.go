package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const usageHead = `Usage: netstackd -addr PREFIX [flags] [filter expression]
       netstackd explain HEX|FILE.pcap[ng] [filter expression]

netstackd is one IP host in one process: it opens a TUN device, runs gVisor's
netstack behind it, and shows its work.

`

const usageTail = `
The filter expression limits what is traced and captured, not what is counted. It
is the part of pcap-filter that tells IP packets: 'icmp or tcp port 80'. In the file
and the environment its name is filter.

explain tells packets apart byte by byte: those of a capture, or one in hex.

Exit status: 0 after SIGINT or SIGTERM, 1 after a failure, 2 for wrong usage.

Try:  netstackd -addr 172.16.0.2/24 -trace compare &  ping -c 3 172.16.0.2
`

// The layout of the usage, in characters.
const (
	usageIndent = 23
	usageWidth  = 88
	noBreak     = "\u00a0"
)

// Usage is what -help prints: each setting with its help.
func Usage() string {
	var b strings.Builder
	b.WriteString(usageHead)
	for _, s := range settings() {
		if s.expression {
			continue
		}
		line := "  -" + s.name
		if s.takes != "" {
			line += " " + s.takes
		}
		line = fmt.Sprintf("%-*s", usageIndent-1, line)
		if utf8.RuneCountInString(line) >= usageIndent+3 {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", usageIndent-1)
		}
		// A default is not torn from its word.
		help := strings.ReplaceAll(s.help, "(default ", "(default"+noBreak)
		for _, word := range strings.Split(help, " ") {
			word = strings.ReplaceAll(word, noBreak, " ")
			if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > usageWidth {
				b.WriteString(line + "\n")
				line = strings.Repeat(" ", usageIndent-1)
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	b.WriteString(usageTail)
	return b.String()
}
