package tap

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestQuery: what a reader may ask for.
func TestQuery(t *testing.T) {
	for _, test := range []struct {
		raw    string
		filter string
		want   query
	}{
		{"", "", query{format: pcapng}},
		{"filter=", "", query{format: pcapng}},
		{"filter=icmp%20or+udp&format=json", "icmp or udp", query{format: ndjson}},
		{"count=1&duration=1m30s&snaplen=96&format=pcapng", "", query{format: pcapng, count: 1, duration: 90 * time.Second, snap: 96}},
		{"snaplen=0&format=json", "", query{format: ndjson}},
		{"snaplen=262144", "", query{format: pcapng, snap: 1 << 18}},
	} {
		got, err := parseQuery(test.raw)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		filter := got.filter.String()
		got.filter = nil
		if got != test.want || filter != test.filter {
			t.Errorf("%s: %+v, filter %q; want %+v, %q", test.raw, got, filter, test.want, test.filter)
		}
	}
}

// TestQueryRefusals: whatever is wrong is said in one line, with what was expected.
func TestQueryRefusals(t *testing.T) {
	const unknown = ": expected filter, format, count, duration or snaplen; an & in a filter is %26, which curl -G --data-urlencode makes"
	for raw, want := range map[string]string{
		"filter=icpm":            `parse filter: offset 0: "icpm": an unknown word; expected a test, such as tcp, host 192.0.2.1, port 80 or ip[8] < 5`,
		"filter=icmp+and":        `parse filter: offset 8: the end: expected a test, such as tcp, host 192.0.2.1, port 80 or ip[8] < 5`,
		"filter=%zz":             `read query: invalid URL escape "%zz": encode it, as in: curl -G --data-urlencode 'filter=icmp or tcp port 80'`,
		"filter=a;b":             `read query: invalid semicolon separator in query: encode it, as in: curl -G --data-urlencode 'filter=icmp or tcp port 80'`,
		"filter=tcp[13]&2!=0":    `unknown parameter "2!"` + unknown,
		"format=pcap":            `format="pcap": expected pcapng or json`,
		"format=":                `format="": expected pcapng or json`,
		"count=0":                `count="0": expected a number of packets, from 1`,
		"count=-1":               `count="-1": expected a number of packets, from 1`,
		"count=":                 `count="": expected a number of packets, from 1`,
		"count=1&count=2":        `"count" is there 2 times: expected once`,
		"duration=30":            `duration="30": expected a duration, as in 30s`,
		"duration=-1s":           `duration="-1s": expected a duration, as in 30s`,
		"duration=0s":            `duration="0s": expected a duration, as in 30s`,
		"snaplen=262145":         `snaplen="262145": expected bytes of each packet, up to 262144, or 0 for all`,
		"snaplen=96&format=json": `snaplen is of format=pcapng: as JSON no packet has its bytes`,
		"x":                      `unknown parameter "x"` + unknown,
		"%00%0a=1":               `unknown parameter "\x00\n"` + unknown,
		"format=" + url.QueryEscape(strings.Repeat("é", 500)): `format="` + strings.Repeat(`\u00e9`, 20) + `"…: expected pcapng or json`,
		"filter=" + strings.Repeat("(", 1025):                 `a filter of 1025 bytes: expected 1024 at most`,
	} {
		if _, err := parseQuery(raw); err == nil || err.Error() != want {
			t.Errorf("%.60s:\n got %v\nwant %s", raw, err, want)
		}
	}
}

// FuzzQuery: a query is refused in one line, or what it says is in its bounds.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "filter=icmp&format=json&count=3&duration=1s", "snaplen=96", "filter=%28%29", "a=b;c", "count=99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 3*maxFilter {
				t.Errorf("refused with %q", err)
			}
			return
		}
		if q.format != pcapng && q.format != ndjson || q.snap < 0 || q.snap > maxSnap || q.duration < 0 || q.filter == nil {
			t.Errorf("accepted as %+v", q)
		}
	})
}
