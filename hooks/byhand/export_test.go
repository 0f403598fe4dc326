package byhand

// Bounds returns what the host's reassembly holds: bytes, datagrams, and
// entries in the order of their age.
func (h *Host) Bounds() (held, pending, order int) { return h.inward.Bounds() }

// Bounds is that of a Host.
func (r *Reassembler) Bounds() (held, pending, order int) {
	return r.held, len(r.pending), r.order.Len()
}
