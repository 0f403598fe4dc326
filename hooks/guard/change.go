package guard

// Change has the guard do what mode says from the next packet on. It waits for no packet,
// and none for it.
//
// What is turned on goes by what it sees from then on: of a TCP connection that was there
// before, of a datagram of which fragments have come, of a header that has passed, it knows
// nothing, and mends nothing for which it would have to. The mends that stay remember what
// they knew.
func (g *Guard) Change(mode Mode) {
	g.changing.Lock()
	defer g.changing.Unlock()
	old := g.current.Load()
	m := *old
	m.on, m.mends = mode.On, mode.Mends
	// What nobody has kept up to date is of no use, and may be wrong.
	begins := func(needs Mends) bool { return m.mends&needs != 0 && old.mends&needs == 0 }
	if begins(ofFlows) {
		m.flows = newFlows()
	}
	if begins(mendSegmentRoute) {
		m.routes = new(routes)
	}
	if begins(ofFragments) {
		g.hand.restart()
	}
	if begins(mendQuotedOptions) {
		g.asked.restart()
	}
	if m.on && !old.on {
		g.replies.restart()
	}
	if m.mends&ofFlows == 0 {
		m.flows = nil
	}
	if !m.mends.has(mendSegmentRoute) {
		m.routes = nil
	}
	g.current.Store(&m)
}
