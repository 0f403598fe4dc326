package serve

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestCrowd: a new connection takes the place of the one that has been longest
// without a request in work, and of none that has one.
func TestCrowd(t *testing.T) {
	c := newCrowd(nil, 2)
	conns := map[string]net.Conn{}
	admit := func(name string, want bool) {
		t.Helper()
		conn, other := net.Pipe()
		t.Cleanup(func() { conn.Close(); other.Close() })
		conns[name] = conn
		if got := c.admit(conn); got != want {
			t.Errorf("%s admitted: %v, want %v", name, got, want)
		}
	}
	closed := func(name string, want bool) {
		t.Helper()
		// A pipe that is open has no reader here: it times out.
		_ = conns[name].SetWriteDeadline(time.Now().Add(time.Millisecond))
		_, err := conns[name].Write([]byte{0})
		if e, ok := err.(net.Error); (ok && e.Timeout()) == want {
			t.Errorf("%s closed: %v (%v), want %v", name, !want, err, want)
		}
	}
	admit("a", true)
	admit("b", true)
	c.follow(conns["a"], http.StateActive)
	admit("c", true) // in the place of b
	closed("a", false)
	closed("b", true)
	c.follow(conns["b"], http.StateClosed) // the server finds out
	c.follow(conns["c"], http.StateActive)
	admit("d", false)
	c.follow(conns["a"], http.StateIdle)
	admit("d", true) // in the place of a
	closed("a", true)
	closed("c", false)
	c.follow(conns["c"], http.StateHijacked)
	admit("e", true)
	closed("d", false)
	c.follow(conns["d"], http.StateClosed)
	c.follow(conns["e"], http.StateClosed)
	if len(c.places) != 0 || c.waiting.Len() != 0 {
		t.Errorf("%d places and %d waiting are left", len(c.places), c.waiting.Len())
	}
}
