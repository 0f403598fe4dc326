package stack

import (
	"fmt"
	"html"
	"net/netip"
	"strings"
)

// page is what the HTTP service says, made once for the services that there are.
type page struct{ text, html []byte }

const pageSubtitle = "One IP host in one process: gVisor's netstack behind a TUN device."

func makePage(about About, prefixes []netip.Prefix, services []definition) *page {
	title := strings.TrimSpace(about.Program + " " + about.Version)
	if title == "" {
		title = "netstack host"
	}
	sections := []section{{heading: "Addresses"}, {heading: "Services"}}
	for _, p := range prefixes {
		sections[0].rows = append(sections[0].rows, []string{p.String()})
	}
	for _, d := range services {
		sections[1].rows = append(sections[1].rows, []string{d.name, d.transports(), d.about})
	}
	if len(about.Components) > 0 {
		built := section{heading: "Built with"}
		for _, c := range about.Components {
			built.rows = append(built.rows, []string{c.Name, c.Version})
		}
		sections = append(sections, built)
	}
	return &page{text: []byte(asText(title, sections)), html: []byte(asHTML(title, sections))}
}

// transports is "TCP and UDP port 7".
func (d *definition) transports() string {
	var on []string
	if d.streams() {
		on = append(on, "TCP")
	}
	if d.datagrams() {
		on = append(on, "UDP")
	}
	return fmt.Sprintf("%s port %d", strings.Join(on, " and "), d.port)
}

// section is a heading and rows of cells, all of the same number.
type section struct {
	heading string
	rows    [][]string
}

func asText(title string, sections []section) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", title, pageSubtitle)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n%s\n", s.heading)
		widths := map[int]int{}
		for _, row := range s.rows {
			for i, cell := range row {
				widths[i] = max(widths[i], len(cell))
			}
		}
		for _, row := range s.rows {
			var line strings.Builder
			for i, cell := range row {
				fmt.Fprintf(&line, "  %-*s", widths[i], cell)
			}
			fmt.Fprintln(&b, strings.TrimRight(line.String(), " "))
		}
	}
	return b.String()
}

func asHTML(title string, sections []section) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}td{padding-right:1.5em;vertical-align:top}</style>
<h1>%[1]s</h1>
<p>%s</p>
`, html.EscapeString(title), html.EscapeString(pageSubtitle))
	for _, s := range sections {
		fmt.Fprintf(&b, "<h2>%s</h2>\n<table>\n", html.EscapeString(s.heading))
		for _, row := range s.rows {
			b.WriteString("<tr>")
			for _, cell := range row {
				fmt.Fprintf(&b, "<td>%s</td>", html.EscapeString(cell))
			}
			b.WriteString("</tr>\n")
		}
		b.WriteString("</table>\n")
	}
	return b.String()
}
