package stack

// Beat shows that netstack still finds a packet's way: it looks for that of a reply to
// a neighbour, which takes the locks that a packet's way takes, and returns when it has
// them. It makes no packet. Who is not sure that it returns calls it from a goroutine of
// its own. It returns as well when netstack panics, and while it is rebuilt.
func (h *Host) Beat() {
	if i := h.current(); i != nil {
		i.ask(WhereCount, i.findRoute)
	}
}

func (i *instance) findRoute() {
	own := i.prefixes[0].Addr()
	route, err := i.stack.FindRoute(nicID, fromAddr(own), fromAddr(own.Next()), protocolOf(own), false /* multicastLoop */)
	if err == nil { // else the host is not started yet, or closed
		route.Release()
	}
}
