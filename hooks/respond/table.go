package respond

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"netstackd/hooks"
)

// freshFor is how long after a change there may be replies to what was asked before: no
// fragment waits longer for the rest of its datagram (RFC 8200 §4.5).
const freshFor = time.Minute

// A table is who answers what, from one change to the next. It does not change.
type table struct {
	addresses []netip.Prefix
	byDefault string
	forAddr   map[netip.Addr]string
	shadows   []string
	// others says that somebody else than netstack is live, asks that anybody is asked:
	// netstack does its work without.
	others, asks bool
	// before is who answered before the change, until what is asked is noted, so that the
	// reply to what is not was asked before. It is nil if there was no change.
	before *table
	until  time.Time
}

func newTable(c *Config) *table {
	t := &table{addresses: c.Addresses, byDefault: c.Default, forAddr: c.For, shadows: c.Shadows}
	t.others = slices.ContainsFunc(t.live(), func(name string) bool { return name != Netstack })
	t.asks = t.others || len(t.shadows) > 0
	return t
}

// Change has others answer from the next packet on, of c.Desks and those that need none:
// it takes Default, For and Shadows. Who was asked before may answer yet, and a reply of
// netstack's to what was asked before is sent or kept as it would have been. It waits for
// no packet, and none for it.
func (a *Answerers) Change(c Config) {
	c.Addresses = a.addresses
	a.use(newTable(&c))
}

// use puts a table in the place of the one that is.
func (a *Answerers) use(t *table) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if old := a.table.Load(); old != nil {
		now := time.Now()
		t.before, t.until = old, now.Add(freshFor)
		if old.fresh(now) {
			t.before = old.before // all since then is noted
		}
		if t.before.before != nil {
			first := *t.before
			first.before = nil
			t.before = &first
		}
	}
	if t.asks {
		scored := slices.Clone(a.scored)
		for _, name := range append(t.live(), t.shadows...) {
			if !slices.Contains(scored, name) {
				scored = append(scored, name)
			}
		}
		a.scored = scored
	}
	a.table.Store(t)
}

// tableOf returns the table that a packet was seen with by the hook of Suppress, which is
// the first to see it.
func (a *Answerers) tableOf(p *hooks.Packet) *table {
	if t, ok := p.Answerers.(*table); ok {
		return t
	}
	return a.table.Load()
}

// Live returns who answers an echo request to dst now, as it stands in traces.
func (a *Answerers) Live(dst netip.Addr) string { return kindOf(a.table.Load().to(dst)) }

// LiveOf returns who is asked about an echo request to dst that p completes, as it stands
// in traces.
func (a *Answerers) LiveOf(p *hooks.Packet, dst netip.Addr) string {
	return kindOf(a.tableOf(p).to(dst))
}

// Shadowed reports whether a name is one of Shadows.
func (a *Answerers) Shadowed(name string) bool {
	return slices.Contains(a.table.Load().shadows, name)
}

func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ":")
	return kind
}

// fresh reports whether there may be replies yet to what was asked before the change.
func (t *table) fresh(now time.Time) bool { return t.before != nil && now.Before(t.until) }

// rests reports whether there is nothing to do.
func (t *table) rests(now time.Time) bool { return !t.asks && !t.fresh(now) }

// scores reports whether netstack is scored for what who answers.
func (t *table) scores(who string) bool {
	return t.asks && who == Netstack || slices.Contains(t.shadows, Netstack)
}

// live lists who is live for some address.
func (t *table) live() (names []string) {
	for _, p := range t.addresses {
		if name := t.of(p.Addr()); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// of returns who answers what is sent to an address of the host.
func (t *table) of(addr netip.Addr) string {
	if name, ok := t.forAddr[addr]; ok {
		return name
	}
	return t.byDefault
}

// to returns who answers what is sent to dst: of a broadcast or multicast address
// whoever does so for the host's first address of the family.
func (t *table) to(dst netip.Addr) string {
	for _, p := range t.addresses {
		if p.Addr() == dst {
			return t.of(dst)
		}
	}
	for _, p := range t.addresses {
		if p.Addr().Is4() == dst.Is4() {
			return t.of(p.Addr())
		}
	}
	return t.byDefault
}
