package tap

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"netstackd/hooks/filter"
)

// The formats.
const (
	pcapng = "pcapng"
	ndjson = "json"
)

const (
	// maxFilter bounds a filter, in bytes: it is tried on every packet.
	maxFilter = 1024
	// maxSnap is the longest packet that there is in a capture, in bytes, as it is
	// for tcpdump -s.
	maxSnap = 1 << 18
	// maxQuoted is how much of a wrong value is repeated, in bytes.
	maxQuoted = 40
)

// A query is what a reader asks for.
type query struct {
	format string
	filter *filter.Filter
	// count is after how many packets it is enough, duration after how long; 0 is
	// never.
	count    uint64
	duration time.Duration
	// snap is how many bytes of a packet are wanted; 0 is all.
	snap int
}

// parseQuery reads the query of an URL. An error is one line that says what was
// expected.
func parseQuery(raw string) (query, error) {
	q := query{format: pcapng, filter: &filter.Filter{}}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fmt.Errorf("read query: %w: encode it, as in: curl -G --data-urlencode 'filter=icmp or tcp port 80'", err)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the same complaint each time
	for _, name := range names {
		if len(values[name]) > 1 {
			return query{}, fmt.Errorf("%s is there %d times: expected once", short(name), len(values[name]))
		}
		if err := q.set(name, values[name][0]); err != nil {
			return query{}, err
		}
	}
	if q.snap != 0 && q.format != pcapng {
		return query{}, errors.New("snaplen is of format=pcapng: as JSON no packet has its bytes")
	}
	return q, nil
}

// set takes one value in.
func (q *query) set(name, value string) (err error) {
	expected := ""
	switch name {
	case "filter":
		if len(value) > maxFilter {
			return fmt.Errorf("a filter of %d bytes: expected %d at most", len(value), maxFilter)
		}
		q.filter, err = filter.Compile(value)
		return err
	case "format":
		if q.format = value; value != pcapng && value != ndjson {
			expected = "pcapng or json"
		}
	case "count":
		if q.count, err = strconv.ParseUint(value, 10, 63); err != nil || q.count == 0 {
			expected = "a number of packets, from 1"
		}
	case "duration":
		if q.duration, err = time.ParseDuration(value); err != nil || q.duration <= 0 {
			expected = "a duration, as in 30s"
		}
	case "snaplen":
		if q.snap, err = strconv.Atoi(value); err != nil || q.snap < 0 || q.snap > maxSnap {
			expected = fmt.Sprintf("bytes of each packet, up to %d, or 0 for all", maxSnap)
		}
	default:
		return fmt.Errorf("unknown parameter %s: expected filter, format, count, duration or snaplen; "+
			"an & in a filter is %%26, which curl -G --data-urlencode makes", short(name))
	}
	if expected != "" {
		return fmt.Errorf("%s=%s: expected %s", name, short(value), expected)
	}
	return nil
}

// short quotes a value, or its beginning.
func short(value string) string {
	if len(value) > maxQuoted {
		return strconv.QuoteToASCII(value[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(value)
}
