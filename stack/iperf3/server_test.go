package iperf3

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sansCPU compares results without what differs from run to run.
var sansCPU = cmp.Options{
	cmpopts.IgnoreFields(results{}, "CPUTotal", "CPUUser", "CPUSystem"),
	cmpopts.IgnoreUnexported(results{}, streamResult{}),
}

// TestToServer: two streams to the server, of one of which something comes in
// the omitted time.
func TestToServer(t *testing.T) {
	bubble(t, func(r *rig) {
		control := r.begin("a", `{"tcp":true,"parallel":2,"time":3,"omit":1,"len":1000,"TOS":8,"window":4096,"congestion":"reno"}`)
		r.hear(control, createStreams)
		one, two := r.stream("a"), r.stream("a")
		r.hear(control, testStart, testRunning)
		r.say(one, make([]byte, 5000))
		time.Sleep(time.Second + time.Millisecond)
		r.say(one, make([]byte, 777))
		r.say(two, make([]byte, 200_000))
		time.Sleep(3 * time.Second)
		got := r.end(control)
		want := results{HasRetransmits: -1, Congestion: "carrier pigeon", Streams: []streamResult{
			{ID: 1, Bytes: 777, Retransmits: -1, End: 3.001},
			{ID: 3, Bytes: 200_000, Retransmits: -1, End: 3.001},
		}}
		if diff := cmp.Diff(want, got, sansCPU, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Error(diff)
		}
		if c := r.server.Counters(); c != (Counters{Tests: 1}) {
			t.Errorf("%+v", c)
		}
	})
}

// drain reads a connection to its end, and says how much that was.
func drain(c *end) <-chan int64 {
	n := make(chan int64, 1)
	go func() {
		count, _ := io.Copy(io.Discard, c)
		n <- count
	}()
	return n
}

// TestFromServer: the server sends as much as the client wants, no more, and
// ends the stream before it asks for results, since the client reads to the end
// first.
func TestFromServer(t *testing.T) {
	for _, test := range []struct {
		parameters string
		want       int64
	}{
		{`{"tcp":true,"reverse":true,"num":1000000,"len":131072}`, 8 * 131072},
		{`{"tcp":true,"reverse":true,"blockcount":3,"len":1000}`, 3000},
		{`{"tcp":true,"reverse":true,"time":1,"bandwidth":8000000,"len":1000}`, -1},
		{`{"tcp":true,"reverse":true,"time":1,"fqrate":8000000,"len":1000,"burst":10}`, -1},
	} {
		t.Run(test.parameters, func(t *testing.T) {
			bubble(t, func(r *rig) {
				control := r.begin("a", test.parameters)
				r.hear(control, createStreams)
				one := r.stream("a")
				n := drain(one)
				r.hear(control, testStart, testRunning)
				time.Sleep(time.Second)
				got := r.end(control)
				received := <-n
				if test.want >= 0 && received != test.want {
					t.Errorf("received %d, want %d", received, test.want)
				}
				// 8 Mbit for a second, and one burst ahead.
				if test.want < 0 && (received < 990_000 || received > 1_012_000) {
					t.Errorf("received %d at 1 MB/s in 1 s", received)
				}
				want := results{HasRetransmits: 1, Congestion: "carrier pigeon", Streams: []streamResult{
					{ID: 1, Bytes: uint64(received), Retransmits: 2, End: 1},
				}}
				if diff := cmp.Diff(want, got, sansCPU); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestBothWays: which stream goes which way is settled by the order in which the
// client has opened them, not by that in which they are accepted or their cookies read.
func TestBothWays(t *testing.T) {
	bubble(t, func(r *rig) {
		control := r.begin("a", `{"tcp":true,"bidirectional":true,"time":1,"num":1000,"len":1000}`)
		r.hear(control, createStreams)
		first, late := r.pipes.open()
		second := r.pipes.dial()
		r.pipes.queue <- late
		synctest.Wait()
		r.say(second, aCookie("a"))
		synctest.Wait()
		r.say(first, aCookie("a"))
		r.hear(control, testStart, testRunning)
		n := drain(second)
		r.say(first, make([]byte, 500))
		time.Sleep(time.Second)
		got := r.end(control)
		want := results{HasRetransmits: 1, Congestion: "carrier pigeon", Streams: []streamResult{
			{ID: 1, Bytes: 500, Retransmits: -1, End: 1},
			{ID: 3, Bytes: 1000, Retransmits: 3, End: 1},
		}}
		if diff := cmp.Diff(want, got, sansCPU); diff != "" {
			t.Error(diff)
		}
		if n := <-n; n != 1000 {
			t.Errorf("received %d", n)
		}
	})
}

// TestBusy: a second client is refused while the first's test runs, its streams
// too, and one stream too many.
func TestBusy(t *testing.T) {
	bubble(t, func(r *rig) {
		control := r.begin("a", `{"tcp":true,"time":1,"len":1000}`)
		r.hear(control, createStreams)
		other := r.pipes.dial()
		r.say(other, aCookie("b"))
		r.hear(other, accessDenied)
		if b := r.rest(other); len(b) != 0 {
			t.Errorf("more than a refusal: %v", b)
		}
		r.stream("a")
		r.hear(control, testStart, testRunning)
		late := r.stream("a")
		r.hear(late, accessDenied)
		late.Close()
		r.end(control)
		if c := r.server.Counters(); c != (Counters{Tests: 1, Busy: 2}) {
			t.Errorf("%+v", c)
		}
	})
}

// TestKilled: whenever a client is gone, the next one is served at once.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		name string
		kill func(*rig) *end
	}{
		{"after the cookie", func(r *rig) *end {
			c := r.pipes.dial()
			r.say(c, aCookie("a"))
			return c
		}},
		{"in the parameters", func(r *rig) *end {
			c := r.pipes.dial()
			r.say(c, append(aCookie("a"), 0, 0, 1, 0, '{'))
			return c
		}},
		{"before the streams", func(r *rig) *end { return r.begin("a", `{"tcp":true,"len":1000}`) }},
		{"among the streams", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000,"parallel":3}`)
			r.hear(c, createStreams)
			r.stream("a")
			return c
		}},
		{"in the test", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000,"reverse":true}`)
			r.hear(c, createStreams)
			r.stream("a")
			r.hear(c, testStart, testRunning)
			time.Sleep(time.Second)
			return c
		}},
		{"before its results", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.stream("a")
			r.hear(c, testStart, testRunning)
			r.say(c, []byte{byte(testEnd)})
			r.hear(c, exchangeResults)
			return c
		}},
		{"by control-C", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.stream("a")
			r.hear(c, testStart, testRunning)
			r.say(c, []byte{byte(clientTerminate)})
			return c
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				c := test.kill(r)
				next := r.pipes.dial() // already under way
				c.Close()
				begin := time.Now()
				r.say(next, aCookie("b"))
				r.hear(next, paramExchange)
				if took := time.Since(begin); took > grace {
					t.Errorf("the next client waited %v", took)
				}
				next.Close()
			})
		})
	}
}

// TestLateStream: a stream that comes when its test is over does not begin one.
func TestLateStream(t *testing.T) {
	bubble(t, func(r *rig) {
		control := r.begin("a", `{"tcp":true,"len":1000,"parallel":2}`)
		r.hear(control, createStreams)
		control.Close()
		synctest.Wait()
		late := r.stream("a")
		r.hear(late, accessDenied)
		late.Close()
		// But it is no ban.
		time.Sleep(stepPatience)
		again := r.begin("a", `{"tcp":true,"len":1000}`)
		r.hear(again, createStreams)
		r.stream("a")
		r.hear(again, testStart, testRunning)
		r.end(again)
		again = r.begin("a", `{"tcp":true,"len":1000}`)
		r.hear(again, createStreams)
		again.Close()
	})
}

// told is what a client is told: a state, and the number behind SERVER_ERROR.
func told(b []byte) (state, int) {
	if len(b) == 9 && binary.BigEndian.Uint32(b[5:]) == 0 {
		return state(b[0]), int(binary.BigEndian.Uint32(b[1:]))
	}
	if len(b) == 1 {
		return state(b[0]), 0
	}
	return 0, -len(b)
}

// TestStalls: a client that stops in the middle holds the server for a bounded
// time, and hears why it has to go.
func TestStalls(t *testing.T) {
	stalls := []struct {
		name string
		to   func(*rig) *end
		code int
		most time.Duration
	}{
		{"in the cookie", func(r *rig) *end {
			c := r.pipes.dial()
			r.say(c, []byte("aaa"))
			return c
		}, -1, stepPatience},
		{"before the parameters", func(r *rig) *end {
			c := r.pipes.dial()
			r.say(c, aCookie("a"))
			r.hear(c, paramExchange)
			return c
		}, errReceiveParams, stepPatience},
		{"before the streams", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			return c
		}, errStreamAccept, stepPatience},
		{"among the streams", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000,"parallel":3}`)
			r.hear(c, createStreams)
			time.Sleep(5 * time.Second)
			r.stream("a")
			return c
		}, errStreamAccept, 2 * stepPatience},
		{"in a cookie of a stream", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.say(r.pipes.dial(), aCookie("a")[:36])
			return c
		}, errStreamAccept, stepPatience},
		{"in the test", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.say(r.stream("a"), make([]byte, 100_000))
			r.hear(c, testStart, testRunning)
			return c
		}, errNoMessage, silence + 2*tick},
		{"in the test, reading nothing", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000,"reverse":true}`)
			r.hear(c, createStreams)
			r.stream("a")
			r.hear(c, testStart, testRunning)
			return c
		}, errNoMessage, silence + 2*tick},
		{"at the end of the test", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000,"time":5,"reverse":true,"bandwidth":8000}`)
			r.hear(c, createStreams)
			drain(r.stream("a"))
			r.hear(c, testStart, testRunning)
			return c
		}, errDurationExpired, 5*time.Second + overtime + 2*tick},
		{"before its results", func(r *rig) *end {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.stream("a")
			r.hear(c, testStart, testRunning)
			r.say(c, []byte{byte(testEnd)})
			r.hear(c, exchangeResults)
			return c
		}, errReceiveResults, stepPatience},
	}
	for _, test := range stalls {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				c := test.to(r)
				begin := time.Now()
				said, code := told(r.rest(c))
				if took := time.Since(begin); took > test.most+lastWords {
					t.Errorf("it took %v, want at most %v", took, test.most)
				}
				if test.code == -1 {
					if said != 0 || code != 0 {
						t.Errorf("told %d, %d", said, code)
					}
				} else if said != serverError || code != test.code {
					t.Errorf("told %d, %d, want SERVER_ERROR, %d", said, code, test.code)
				}
				next := r.begin("b", `{"tcp":true,"len":1000}`)
				r.hear(next, createStreams)
				next.Close()
			})
		})
	}
}

// TestStallHoldsNobody: who has sent no cookie keeps nobody out.
func TestStallHoldsNobody(t *testing.T) {
	bubble(t, func(r *rig) {
		for range 100 {
			r.pipes.dial()
		}
		begin := time.Now()
		c := r.begin("a", `{"tcp":true,"len":1000}`)
		r.hear(c, createStreams)
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v", took)
		}
		c.Close()
	})
}

// TestGarbage: what is no cookie is reset without a word.
func TestGarbage(t *testing.T) {
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: 172.16.0.2:5201\r\n\r\n",
		strings.Repeat("\x00", 37),
		strings.Repeat("a", 37),
		strings.Repeat("a", 35) + "\x80\x00",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("r", 40),
	} {
		bubble(t, func(r *rig) {
			c := r.pipes.dial()
			r.say(c, []byte(garbage))
			if b := r.rest(c); len(b) != 0 {
				t.Errorf("%q: told %q", garbage, b)
			}
			if c := r.server.Counters(); c != (Counters{NoCookie: 1}) {
				t.Errorf("%q: %+v", garbage, c)
			}
		})
	}
}

// TestUnexpected: states that come at the wrong time, or do not exist.
func TestUnexpected(t *testing.T) {
	for _, s := range []state{0, testStart, paramExchange, 77, -1} {
		bubble(t, func(r *rig) {
			c := r.begin("a", `{"tcp":true,"len":1000}`)
			r.hear(c, createStreams)
			r.say(c, []byte{byte(s)})
			if said, code := told(r.rest(c)); said != serverError || code != errMessage {
				t.Errorf("state %d: told %d, %d", s, said, code)
			}
		})
	}
}

// TestClose: a client whose test is running hears that the server ends.
func TestClose(t *testing.T) {
	var c *end
	bubble(t, func(r *rig) {
		c = r.begin("a", `{"tcp":true,"len":1000,"reverse":true,"bandwidth":1000}`)
		r.hear(c, createStreams)
		r.stream("a")
		r.hear(c, testStart, testRunning)
	})
	if b := c.in.data; len(b) != 1 || state(b[0]) != serverTerminate {
		t.Errorf("told %v, want SERVER_TERMINATE", b)
	}
}
