package iperf3

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// rig is a server and what a client needs, inside a bubble of fake time.
type rig struct {
	t      *testing.T
	server *Server
	pipes  *pipes
	wire   *wire
	served chan error
}

// bubble runs f with a rig, and then wants the server to end at once.
func bubble(t *testing.T, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		r := &rig{t: t, pipes: newPipes(), wire: &wire{}, served: make(chan error, 1)}
		r.server = NewServer(Config{Datagrams: r.wire, MaxWindow: 8 << 20, Log: log})
		go func() { r.served <- r.server.Serve(r.pipes) }()
		f(r)
		begin := time.Now()
		close(r.pipes.done)
		<-r.served
		if took := time.Since(begin); took > grace {
			t.Errorf("the server took %v to end", took)
		}
		if now := r.server.running(); now != nil {
			t.Error("the server has ended and still has a test")
		}
		if r.wire.open != 0 {
			t.Errorf("%d paths are open", r.wire.open)
		}
	})
}

// aCookie is a cookie of one letter.
func aCookie(letter string) []byte { return []byte(strings.Repeat(letter, cookieSize-1) + "\x00") }

// say writes to the server.
func (r *rig) say(c *end, b []byte) {
	r.t.Helper()
	if err := writeAll(c, b); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// hear wants these bytes from the server.
func (r *rig) hear(c *end, want ...state) {
	r.t.Helper()
	for i, w := range want {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil || state(b[0]) != w {
			r.t.Fatalf("state %d of %v: got %d, %v", i, want, int8(b[0]), err)
		}
	}
}

// rest is all that the server says until it closes.
func (r *rig) rest(c *end) []byte {
	r.t.Helper()
	b, err := io.ReadAll(c)
	if err != nil && err != errReset {
		r.t.Fatalf("read the rest: %v", err)
	}
	c.Close()
	return b
}

// begin opens a control connection and hands over parameters.
func (r *rig) begin(letter string, parameters string) *end {
	r.t.Helper()
	c := r.pipes.dial()
	r.say(c, aCookie(letter))
	r.hear(c, paramExchange)
	r.say(c, frame([]byte(parameters)))
	return c
}

// stream opens a TCP stream.
func (r *rig) stream(letter string) *end {
	r.t.Helper()
	c := r.pipes.dial()
	r.say(c, aCookie(letter))
	return c
}

// clientResults are enough of a client's results.
const clientResults = `{"cpu_util_total":1,"cpu_util_user":1,"cpu_util_system":0,"sender_has_retransmits":0,"streams":[]}`

// end goes from TEST_END to the end, and returns the server's results.
func (r *rig) end(control *end) results {
	r.t.Helper()
	r.say(control, []byte{byte(testEnd)})
	r.hear(control, exchangeResults)
	r.say(control, frame([]byte(clientResults)))
	message, err := readMessage(control, maxResults)
	if err != nil {
		r.t.Fatal(err)
	}
	var got results
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		r.t.Fatal(err)
	}
	r.hear(control, displayResults)
	r.say(control, []byte{byte(iperfDone)})
	if b := r.rest(control); len(b) != 0 {
		r.t.Errorf("the server said %v after the end", b)
	}
	return got
}
