package guard

// Restart takes note that netstack begins anew: of the fragments, the connections and
// their routes, and the headers that it knew it knows nothing. What comes of a
// connection of before is netstack's to reset, unmended; and of a fragment of before
// nobody is told when its time is up. Call it while netstack gets no packet. It is safe
// to call beside all else.
func (g *Guard) Restart() {
	g.replies.restart()
	g.asked.restart()
	g.hand.restart()
	m := g.current.Load()
	if m.flows != nil {
		m.flows.restart()
	}
	if m.routes != nil {
		m.routes.restart()
	}
}

func (r *replies) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = nil
}

func (h *headers) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.last[:])
}

func (h *hand) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host.Restart()
}

func (fs *flows) restart() {
	for i := range fs.locks {
		fs.locks[i].Lock()
		defer fs.locks[i].Unlock()
	}
	fs.rows = new([flowRows][flowPlaces]flow)
}

func (rs *routes) restart() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.any.Store(false)
	clear(rs.last[:])
}
