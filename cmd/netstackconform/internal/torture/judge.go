package torture

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"netstackd/hooks"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// A Difference is a comparison that is no match.
type Difference struct {
	Result trace.Result
	Due    string
	Reason string
	RFC    string
	// Diffs are those in fields that must not differ.
	Diffs []trace.Diff
	// Request is what asked, put together if it came in fragments; nil if nothing
	// did. Reply is what netstack said, the last fragment of it, and Hand what the
	// reference host says; nil if nothing.
	Request, Reply, Hand []byte
	// Asked and Said are the decoding of the first two.
	Asked, Said wire.Packet
	// Trailing counts the bytes that came behind the packet that asked, and Fragment is
	// what that said of being one.
	Trailing int
	Fragment wire.Fragment
	// Duplicated says that who is replied to has sent an IPv6 fragment with the place of
	// another and other data.
	Duplicated bool
}

// name tells differences of one sort from those of others.
func (d *Difference) name() string {
	words := []string{string(d.Result)}
	if len(d.Request) > 0 {
		words = append(words, fmt.Sprintf("IPv%d", d.Asked.Version), kindOf(&d.Asked))
	}
	var fields []string
	for _, diff := range d.Diffs {
		fields = append(fields, diff.Field)
	}
	if len(fields) > 0 {
		words = append(words, strings.Join(fields, ", "))
	}
	if d.Fragment.IsFragment() {
		words = append(words, "in fragments")
	}
	if d.Reason != "" {
		words = append(words, d.Reason)
	}
	if len(d.Reply) > 0 && d.Result != trace.Differ {
		words = append(words, "got", kindOf(&d.Said))
	}
	return strings.Join(append(words, "("+d.RFC+")"), " ")
}

// kindOf says in a word or two what a packet is.
func kindOf(p *wire.Packet) string {
	switch p.Upper {
	case wire.LayerICMPv4, wire.LayerICMPv6:
		return fmt.Sprintf("%s %d", p.Upper, p.ICMP.Type)
	case "":
		return "of no known protocol"
	}
	return string(p.Upper)
}

// A Finding is differences of one sort: how many, and the first of them.
type Finding struct {
	// Name is the case that lists them, or what they are.
	Name  string `json:"name"`
	Count uint64 `json:"count"`
	// Forms are the ways in which the comparison tells of them.
	Forms []string `json:"forms,omitempty"`
	// Request, Reply and Hand are in hex, of the first.
	Request string `json:"request,omitempty"`
	Reply   string `json:"reply,omitempty"`
	Hand    string `json:"hand,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// mostFindings bounds how many sorts are told apart.
const mostFindings = 1000

// A Judge takes comparisons, and sorts those that are no match into those that a
// case of the catalogue lists and those that none does. It is safe for concurrent
// use.
type Judge struct {
	mu             sync.Mutex
	listed, others map[string]*Finding
	// mended counts differences that the guard took out again.
	mended uint64
	// ignored are solicitations and pings to which no answer comes.
	ignored ignored
	// duplicates are IPv6 fragments with the place of another and other data.
	duplicates duplicates
	// last are the bytes of the last outbound packet. asked is the number of the last
	// inbound one, trailing how many bytes came behind it, fragment its place.
	last     []byte
	asked    uint64
	trailing int
	fragment wire.Fragment
}

var _ trace.Tracer = (*Judge)(nil)

// NewJudge returns one that has seen nothing.
func NewJudge() *Judge { return &Judge{listed: map[string]*Finding{}, others: map[string]*Finding{}} }

// WantsBytes implements trace.Tracer.
func (*Judge) WantsBytes() bool { return true }

// WantsWorking implements trace.Tracer.
func (*Judge) WantsWorking() bool { return true }

// Packet implements trace.Tracer.
func (j *Judge) Packet(p *trace.Packet) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p.Direction == hooks.Outbound {
		j.last = p.Packet.Bytes
		return
	}
	j.asked, j.trailing, j.fragment = p.Seq, p.Packet.Trailing, p.Packet.Fragment
	j.ignored.note(&p.Packet)
	j.duplicates.note(&p.Packet)
}

// Compare implements trace.Tracer.
func (j *Judge) Compare(c *trace.Comparison) {
	if c.Result == trace.Match {
		return
	}
	d := &Difference{Result: c.Result, Due: c.Due, Reason: c.Reason, RFC: c.RFC, Request: c.RequestBytes, Hand: c.ReplyByHand}
	detail := make([]string, 0, len(c.Diffs))
	for _, diff := range c.Diffs {
		if diff.Class == trace.Must {
			d.Diffs = append(d.Diffs, diff)
			detail = append(detail, fmt.Sprintf("%s at %d: netstack %s, by hand %s", diff.Field, diff.Offset, diff.Netstack, diff.Hand))
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	// The events of both came just before.
	if c.Replied {
		d.Reply = j.last
	}
	if c.Request == j.asked {
		d.Trailing, d.Fragment = j.trailing, j.fragment
	}
	if len(c.Mended) > 0 && d.restored() {
		j.mended++
		return
	}
	j.add(d, strings.Join(detail, "; "))
}

// restored reports whether an error that quotes what a mend had changed on its way in
// left with a quote of what came.
func (d *Difference) restored() bool {
	if !d.only("quote", "quote length") || len(d.Reply) == 0 || len(d.Hand) == 0 {
		return false
	}
	var said, hand wire.Packet
	if !said.Decode(d.Reply) || !hand.Decode(d.Hand) || len(said.Data()) < 8 || len(hand.Data()) < 8 {
		return false
	}
	a, b := said.Data()[8:], hand.Data()[8:]
	n := min(len(a), len(b))
	return bytes.Equal(a[:n], b[:n])
}

// add counts a difference. j.mu is held.
func (j *Judge) add(d *Difference, detail string) {
	if len(d.Request) > 0 {
		d.Asked.Decode(d.Request)
	}
	if len(d.Reply) > 0 {
		d.Said.Decode(d.Reply)
	}
	d.apart()
	where, name := j.others, ""
	d.Duplicated = j.duplicates.of(d.Said.Dst)
	c := listedBy(d)
	if c == "" && d.Result == trace.Missing {
		c = j.ignored.instead(&d.Asked)
	}
	if c != "" {
		where, name = j.listed, c
	} else {
		name = d.name()
	}
	f := where[name]
	if f == nil {
		if len(where) >= mostFindings {
			name, d, detail = "others", &Difference{}, ""
		}
		if f = where[name]; f == nil {
			f = &Finding{Name: name, Detail: detail, Request: hexOf(d.Request), Reply: hexOf(d.Reply), Hand: hexOf(d.Hand)}
			where[name] = f
		}
	}
	f.Count++
	if form := d.form(); !slices.Contains(f.Forms, form) {
		f.Forms = append(f.Forms, form)
	}
}

// form is what a comparison says without the packets that it is about.
func (d *Difference) form() string {
	words := []string{string(d.Result), d.Reason, d.RFC}
	for _, diff := range d.Diffs {
		words = append(words, diff.Field)
	}
	return strings.Join(words, "; ")
}

// mostHex is how many bytes of a packet are shown.
const mostHex = 1600

func hexOf(b []byte) string {
	if len(b) > mostHex {
		return fmt.Sprintf("%s… (%d bytes)", hex.EncodeToString(b[:mostHex]), len(b))
	}
	return hex.EncodeToString(b)
}

// tell writes into an outcome what a case lists and what none does, most frequent
// first.
func (j *Judge) tell(o *Outcome) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o.Listed, o.Findings, o.Mended = sorted(j.listed), sorted(j.others), j.mended
}

func sorted(m map[string]*Finding) []Finding {
	var all []Finding
	for _, f := range m {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Finding) int {
		if a.Count != b.Count {
			return cmp.Compare(b.Count, a.Count)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}
