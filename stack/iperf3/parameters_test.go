package iperf3

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// window is the largest socket buffer in these tests.
const window = 8 << 20

func TestParameters(t *testing.T) {
	for _, test := range []struct {
		name, message string
		want          parameters
	}{
		{
			// As iperf 3.12 sends them.
			"reverse",
			`{"tcp":true,"omit":0,"time":1,"num":0,"blockcount":0,"parallel":1,"reverse":true,"len":131072,"pacing_timer":1000,"client_version":"3.12"}`,
			parameters{reverse: true, streams: 1, duration: time.Second, block: 131072, pacing: time.Millisecond},
		},
		{
			"UDP",
			`{"udp":true,"omit":2,"time":10,"num":0,"blockcount":0,"parallel":8,"bidirectional":true,"len":1448,"bandwidth":50000000,"burst":10,"pacing_timer":500,"TOS":32,"get_server_output":1,"udp_counters_64bit":1,"dont_fragment":1}`,
			parameters{
				udp: true, bidirectional: true, streams: 8, duration: 10 * time.Second, omit: 2 * time.Second, block: 1448,
				rate: 50000000, burst: 10, pacing: 500 * time.Microsecond, tos: 32, output: true, wideCounters: true, dontFragment: true,
			},
		},
		{"nothing", `{}`, parameters{streams: 1, block: defaultBlock, pacing: defaultPacing}},
		{"UDP and nothing", `{"udp":true}`, parameters{udp: true, streams: 1, block: defaultDatagram, pacing: defaultPacing}},
		{"UDP, length 0", `{"udp":true,"len":0}`, parameters{udp: true, streams: 1, block: defaultDatagram, pacing: defaultPacing}},
		{"pacing of an hour", `{"pacing_timer":2000000000}`, parameters{streams: 1, block: defaultBlock, pacing: longestPacing}},
		{"what it does not know", `{"title":"x","gso":1,"new":{"a":[1,2]},"tcp":"yes","len":1.9e3,"nodelay":true,"MSS":1400}`, parameters{streams: 1, block: 1900, pacing: defaultPacing}},
		{"fair queueing", `{"bandwidth":100,"fqrate":50,"len":1}`, parameters{streams: 1, block: 1, rate: 50, pacing: defaultPacing}},
		{"all at their most", `{"time":86400,"omit":600,"parallel":128,"len":1048576,"window":8388608,"num":9007199254740992,"burst":1000,"congestion":"a234567890123456"}`, parameters{
			streams: 128, block: 1 << 20, duration: 24 * time.Hour, omit: 10 * time.Minute, window: 8 << 20, bytes: 1 << 53, burst: 1000,
			congestion: "a234567890123456", pacing: defaultPacing,
		}},
	} {
		got, err := parseParameters([]byte(test.message), window)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if diff := cmp.Diff(test.want, *got, cmp.AllowUnexported(parameters{})); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// absurd are parameters that are refused, each with the number of the message
// that the client prints.
var absurd = []struct {
	message string
	code    int32
}{
	{``, errReceiveParams},
	{`null`, errReceiveParams},
	{`[]`, errReceiveParams},
	{`7`, errReceiveParams},
	{`{"len":1000`, errReceiveParams},
	{`{"len":1000}x`, errReceiveParams},
	{strings.Repeat("[", 8000), errReceiveParams},
	{`{"len":0}`, errBlockSize},
	{`{"len":-1}`, errBlockSize},
	{`{"len":2147483648}`, errBlockSize},
	{`{"len":1048577}`, errBlockSize},
	{`{"len":1e300}`, errBlockSize},
	{`{"len":"big"}`, errReceiveParams},
	{`{"len":null}`, errReceiveParams},
	{`{"udp":true,"len":15}`, errUDPBlockSize},
	{`{"udp":true,"len":-5}`, errUDPBlockSize},
	{`{"udp":true,"len":65508}`, errUDPBlockSize},
	{`{"parallel":10000}`, errStreams},
	{`{"parallel":129}`, errStreams},
	{`{"parallel":0}`, errStreams},
	{`{"parallel":-1}`, errStreams},
	{`{"parallel":0.9}`, errStreams},
	{`{"time":-1}`, errDuration},
	{`{"time":86401}`, errDuration},
	{`{"omit":601}`, errOmit},
	{`{"omit":-1}`, errOmit},
	{`{"num":-1}`, errReceiveParams},
	{`{"num":9223372036854775808}`, errReceiveParams},
	{`{"blockcount":-1}`, errReceiveParams},
	{`{"bandwidth":-1}`, errReceiveParams},
	{`{"bandwidth":1e19}`, errReceiveParams},
	{`{"fqrate":-1}`, errReceiveParams},
	{`{"burst":0}`, errBurst},
	{`{"burst":1001}`, errBurst},
	{`{"TOS":256}`, errTOS},
	{`{"TOS":-1}`, errTOS},
	{`{"MSS":32768}`, errMSS},
	{`{"window":-1}`, errBufferSize},
	{`{"window":8388609}`, errBuffer},
	{`{"window":1e12}`, errBufferSize},
	{`{"congestion":"12345678901234567"}`, errReceiveParams},
	{`{"congestion":7}`, errReceiveParams},
	{`{"pacing_timer":-1}`, errReceiveParams},
	{`{"sctp":true}`, errNoSCTP},
	{`{"reverse":true,"bidirectional":true}`, errReverseBidir},
}

func TestAbsurdParameters(t *testing.T) {
	for _, test := range absurd {
		_, err := parseParameters([]byte(test.message), window)
		var why *refusal
		if !errors.As(err, &why) || why.code != test.code {
			t.Errorf("%.40s: %v, want iperf3 error %d", test.message, err, test.code)
		}
		bubble(t, func(r *rig) {
			message := test.message
			if message == "" {
				message = " "
			}
			if said, code := told(r.rest(r.begin("a", message))); said != serverError || int32(code) != test.code {
				t.Errorf("%.40s: told %d, %d, want SERVER_ERROR, %d", test.message, said, code, test.code)
			}
		})
	}
}

// TestAnnouncedLength: what is announced too long is refused before it comes.
func TestAnnouncedLength(t *testing.T) {
	for _, head := range []string{"\x40\x00\x00\x00", "\xff\xff\xff\xff", "\x00\x00\x20\x01", "\x00\x00\x00\x00"} {
		bubble(t, func(r *rig) {
			c := r.pipes.dial()
			r.say(c, append(aCookie("a"), head...))
			r.hear(c, paramExchange)
			if said, code := told(r.rest(c)); said != serverError || code != errReceiveParams {
				t.Errorf("%q: told %d, %d", head, said, code)
			}
		})
	}
}

// FuzzParameters: whatever comes, there are parameters within their bounds, or a
// refusal.
func FuzzParameters(f *testing.F) {
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > maxParameters {
			return
		}
		p, err := parseParameters(message, window)
		if err != nil {
			var why *refusal
			if !errors.As(err, &why) || why.code <= 0 || p != nil {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		within := func(name string, n, low, high int64) {
			if n < low || n > high {
				t.Errorf("%s is %d, want %d to %d", name, n, low, high)
			}
		}
		within("streams", int64(p.streams), 1, maxStreams)
		within("duration", int64(p.duration), 0, int64(24*time.Hour))
		within("omit", int64(p.omit), 0, int64(10*time.Minute))
		within("pacing", int64(p.pacing), 0, int64(time.Second))
		within("window", int64(p.window), 0, window)
		within("burst", int64(p.burst), 0, maxBurst)
		if p.bytes > math.MaxInt64 || p.blocks > math.MaxInt64 || p.rate > math.MaxInt64 || len(p.congestion) > congestionLength {
			t.Errorf("%+v", p)
		}
		if p.udp {
			within("block", int64(p.block), minDatagram, maxDatagram)
		} else {
			within("block", int64(p.block), 1, maxBlock)
		}
		if p.reverse && p.bidirectional || p.total() > 2*maxStreams {
			t.Errorf("%+v", p)
		}
	})
}
