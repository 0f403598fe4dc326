package serve

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// A crowd keeps the connections of a server within a bound. One that is over it
// takes the place of the one that has been longest without a request in work: a
// client that sends half a header, or keeps its connection for later, keeps nobody
// out. If every connection has a request in work, the new one is closed.
//
// It is the server's listener, and follow its ConnState.
type crowd struct {
	net.Listener
	most int

	mu sync.Mutex // guards what follows
	// places are the connections there are, each with its element of waiting, or
	// nil while it has a request in work.
	places map[net.Conn]*list.Element
	// waiting are the connections without a request in work, longest first.
	waiting list.List
}

func newCrowd(l net.Listener, most int) *crowd {
	return &crowd{Listener: l, most: most, places: map[net.Conn]*list.Element{}}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil || c.admit(conn) {
			return conn, err
		}
		conn.Close()
	}
}

// admit makes room for a connection, if there is none, and takes it in.
func (c *crowd) admit(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.places) >= c.most {
		longest := c.waiting.Front()
		if longest == nil {
			return false
		}
		other := longest.Value.(net.Conn)
		c.forget(other)
		other.Close()
	}
	c.places[conn] = c.waiting.PushBack(conn)
	return true
}

// forget ends what is known of a connection. c.mu is held.
func (c *crowd) forget(conn net.Conn) {
	if e := c.places[conn]; e != nil {
		c.waiting.Remove(e)
	}
	delete(c.places, conn)
}

// follow learns of a connection's state.
func (c *crowd) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.places[conn]; !ok {
		return // its place was taken
	}
	switch state {
	case http.StateActive, http.StateIdle:
		c.forget(conn)
		c.places[conn] = nil
		if state == http.StateIdle {
			c.places[conn] = c.waiting.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	}
}
