package torture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// Bounds of the inbound packets that are kept: those that something is still said of
// have come lately, or are fragments, of which one may be of a minute ago.
const (
	mostRecent    = 4096
	mostFragments = 1 << 15
)

// A captured reads the capture that netstackd writes while it runs, and tells a tracer
// of each packet and each comparison but the matches, as netstackd's own would be told.
type captured struct {
	tracer trace.Tracer
	// pings is the number of the last of our pings that was seen.
	pings atomic.Uint32

	// The following are the reader's until done is closed.
	done chan struct{}
	err  error
	// results are how many comparisons it was told of.
	results results
	// recent are inbound packets by number; order and fragments are the numbers of
	// those that are kept, the oldest first.
	recent           map[uint64]*inbound
	order, fragments []uint64
}

// results count comparisons.
type results struct{ match, differ, missing, unexpected uint64 }

// An inbound is a packet of the capture.
type inbound struct {
	remark remark
	time   time.Time
	packet wire.Packet
}

func newCaptured(tracer trace.Tracer) *captured {
	return &captured{tracer: tracer, done: make(chan struct{}), recent: map[uint64]*inbound{}}
}

// start reads a pipe to its end, and closes it.
func (c *captured) start(pipe *os.File) {
	go func() {
		defer close(c.done)
		c.err = errors.Join(c.read(pipe), pipe.Close())
	}()
}

// wait waits until all is read.
func (c *captured) wait(patience time.Duration) error {
	select {
	case <-c.done:
		return c.err
	case <-time.After(patience):
		return fmt.Errorf("the capture has no end in %v", patience)
	}
}

func (c *captured) read(from io.Reader) (err error) {
	defer func() {
		if err != nil {
			// Whoever writes must not wait for a reader that is gone.
			_, _ = io.Copy(io.Discard, from)
		}
	}()
	r, err := pcapgo.NewNgReader(from, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return fmt.Errorf("read capture: %w", err)
	}
	for {
		b, info, options, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(options.Comments) != 1 {
			err = fmt.Errorf("a packet with %d comments", len(options.Comments))
		}
		var m remark
		if err == nil {
			m, err = parseRemark(options.Comments[0])
		}
		if err != nil {
			return fmt.Errorf("read capture: %w", err)
		}
		c.packet(m, info.Timestamp, b)
	}
}

// packet takes a packet and what is said of it.
func (c *captured) packet(m remark, at time.Time, b []byte) {
	p := &inbound{remark: m, time: at}
	p.packet.Decode(b)
	p.packet.Trailing = m.trailing
	if m.direction == hooks.Inbound {
		c.keep(p)
		if seq, ok := pingOf(&p.packet, wire.ICMPv4EchoRequest, wire.ICMPv6EchoRequest); ok {
			c.pings.Store(seq)
		}
	}
	c.tracer.Packet(&trace.Packet{
		Time: at, Seq: m.seq, Direction: m.direction, Len: len(b) + m.trailing, Packet: p.packet, Fate: m.fate, Reason: m.reason,
	})
	for i := range m.compared {
		// It stands beside the request and beside the reply, which comes later.
		if e := &m.compared[i]; e.Reply == m.seq || e.Reply == 0 && e.Request == m.seq {
			c.compare(e, p)
		}
	}
}

// keep keeps an inbound packet for a while.
func (c *captured) keep(p *inbound) {
	order, most := &c.order, mostRecent
	if p.packet.Fragment.IsFragment() {
		order, most = &c.fragments, mostFragments
	}
	c.recent[p.remark.seq] = p
	if *order = append(*order, p.remark.seq); len(*order) > 2*most {
		for _, seq := range (*order)[:most] {
			delete(c.recent, seq)
		}
		*order = slices.Clone((*order)[most:])
	}
}

// compare tells of a comparison, the last of whose packets is p.
func (c *captured) compare(e *trace.Comparison, p *inbound) {
	switch e.Result {
	case trace.Match:
		c.results.match++
		return
	case trace.Differ:
		c.results.differ++
	case trace.Missing:
		c.results.missing++
	case trace.Unexpected:
		c.results.unexpected++
	}
	if request := c.recent[e.Request]; request != nil {
		e.RequestBytes = c.whole(request)
	}
	if e.Replied {
		e.ReplyByHand = quoting(&p.packet, e.RequestBytes)
	}
	c.tracer.Compare(e)
}

// whole returns the bytes of a request, put together if it came in fragments of which
// this was the last.
func (c *captured) whole(last *inbound) []byte {
	if !last.packet.Fragment.IsFragment() {
		return last.packet.Bytes
	}
	var r byhand.Reassembler
	b := last.packet.Bytes
	for _, seq := range slices.Sorted(slices.Values(c.fragments)) {
		f := c.recent[seq]
		if seq > last.remark.seq || !f.sameDatagram(last) || f.remark.kept() {
			continue
		}
		if whole, _ := r.Add(&f.packet, f.time); whole != nil {
			b = whole
		}
	}
	return b
}

// sameDatagram reports whether two fragments may be of one.
func (p *inbound) sameDatagram(q *inbound) bool {
	a, b := &p.packet, &q.packet
	return a.Src == b.Src && a.Dst == b.Dst && a.Fragment.ID == b.Fragment.ID && (a.Version == 6 || a.Protocol == b.Protocol)
}

// quoting is what an error that quotes a request would say by hand, of which a capture
// has no copy: the header of what was said, and the request as it came. It is nil if
// what was said is no error.
func quoting(said *wire.Packet, request []byte) []byte {
	if said.Upper != wire.LayerICMPv4 && said.Upper != wire.LayerICMPv6 || len(request) == 0 || len(said.Data()) < 8 {
		return nil
	}
	return append(slices.Clone(said.Bytes[:said.Payload+8]), request...)
}

// A remark is the comment on a packet: what hooks/capture's doc.go says of it.
type remark struct {
	seq       uint64
	direction hooks.Direction
	fate      hooks.Fate
	reason    string
	trailing  int
	compared  []trace.Comparison
}

// kept reports whether the hooks kept the packet from netstack and from the
// comparison.
func (m *remark) kept() bool {
	return m.fate == hooks.Guarded || m.fate == hooks.Mended || m.fate == hooks.Dropped && strings.HasPrefix(m.reason, "bad-")
}

// parseRemark takes a comment apart.
func parseRemark(text string) (m remark, err error) {
	for rest := text; rest != "" && err == nil; {
		var key, value string
		if key, value, rest, err = nextPair(rest); err != nil {
			break
		}
		err = m.set(key, value)
	}
	if err == nil && (m.seq == 0 || m.direction == "") {
		err = errors.New("it numbers no packet")
	}
	if err != nil {
		err = fmt.Errorf("comment %q: %w", text, err)
	}
	return m, err
}

// nextPair splits the first key=value off.
func nextPair(s string) (key, value, rest string, err error) {
	key, s, ok := strings.Cut(s, "=")
	if !ok {
		return "", "", "", fmt.Errorf("%q is no pair", key)
	}
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", "", err
		}
		value, err = strconv.Unquote(quoted)
		return key, value, strings.TrimPrefix(s[len(quoted):], " "), err
	}
	value, rest, _ = strings.Cut(s, " ")
	return key, value, rest, nil
}

// set takes note of a pair. Those behind the key compare are of the comparison that it
// begins.
func (m *remark) set(key, value string) (err error) {
	if key == "compare" {
		m.compared = append(m.compared, trace.Comparison{Result: trace.Result(value)})
	}
	var c *trace.Comparison
	if n := len(m.compared); n > 0 {
		c = &m.compared[n-1]
	}
	switch {
	case key == "seq":
		m.seq, err = strconv.ParseUint(value, 10, 64)
	case key == "dir":
		m.direction = hooks.Direction(value)
	case key == "fate":
		m.fate = hooks.Fate(value)
	case key == "reason":
		m.reason = value
	case key == "trailing":
		m.trailing, err = strconv.Atoi(value)
	case c == nil:
	case key == "request":
		c.Request, err = strconv.ParseUint(value, 10, 64)
	case key == "reply":
		c.Reply, err = strconv.ParseUint(value, 10, 64)
		c.Replied = true
	case key == "due":
		c.Due = value
	case key == "compare.reason":
		c.Reason = value
	case key == "rfc":
		c.RFC = value
	case key == "compare.mended":
		c.Mended = strings.Split(value, ",")
	case key == "diffs":
		c.Diffs, err = parseDiffs(value)
	}
	return err
}

// aDiff is field@offset:netstack/hand:class. The values may have any of these signs
// in them, but not what stands between two diffs.
var aDiff = regexp.MustCompile(`^([^@]+)@(\d+):(.*?)/(.*?):(must|may)(?:,|$)`)

func parseDiffs(s string) (diffs []trace.Diff, err error) {
	for s != "" {
		m := aDiff.FindStringSubmatch(s)
		if m == nil {
			return nil, fmt.Errorf("%q is no difference", s)
		}
		offset, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, err
		}
		diffs = append(diffs, trace.Diff{Field: m[1], Offset: offset, Netstack: m[3], Hand: m[4], Class: trace.Class(m[5])})
		s = s[len(m[0]):]
	}
	return diffs, nil
}
