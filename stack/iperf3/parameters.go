package iperf3

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// What a client may ask for. The limits are iperf3's own (iperf.h), but for
// maxWindow, which is the largest buffer that Config allows.
const (
	maxSeconds       = 86400
	maxOmit          = 600
	maxStreams       = 128
	maxBlock         = 1 << 20
	minDatagram      = 16
	maxDatagram      = 65535 - 8 - 20
	maxMSS           = 32<<10 - 1
	maxBurst         = 1000
	defaultBlock     = 128 << 10
	defaultDatagram  = 1460
	defaultPacing    = time.Millisecond
	longestPacing    = time.Second
	congestionLength = 16 // TCP_CA_NAME_MAX
)

// parameters are what the client wants of a test, checked.
type parameters struct {
	udp           bool
	reverse       bool // the server sends
	bidirectional bool // both send, each over streams of its own
	streams       int  // of each direction
	duration      time.Duration
	omit          time.Duration
	bytes         uint64 // the test ends after so many, 0: no limit
	blocks        uint64 // likewise
	block         int    // bytes of one write, or of one datagram
	rate          uint64 // bits a second of each stream, 0: no limit
	burst         int    // blocks sent between two looks at the clock
	pacing        time.Duration
	window        int // bytes of each socket buffer, 0: as it is
	tos           uint8
	congestion    string // wanted, empty: as it is
	wideCounters  bool   // datagrams count in 64 bits
	dontFragment  bool
	output        bool // send what an iperf3 server would print
}

// sends and receives report what the server does in the test.
func (p *parameters) sends() bool    { return p.reverse || p.bidirectional }
func (p *parameters) receives() bool { return !p.reverse }

// total is how many streams the client opens.
func (p *parameters) total() int {
	if p.bidirectional {
		return 2 * p.streams
	}
	return p.streams
}

// parseParameters reads the parameters of iperf3's send_parameters. Members it
// does not know are ignored, as are those that mean nothing here (title, Nagle's
// algorithm, which is off, zero copy, GSO). maxWindow is in bytes. An error is a
// refusal.
func parseParameters(message []byte, maxWindow int) (*parameters, error) {
	var all map[string]any
	if err := json.Unmarshal(message, &all); err != nil || all == nil {
		return nil, &refusal{errReceiveParams, "parameters are no JSON object"}
	}
	m := members{all: all}
	p := &parameters{
		udp:           m.flag("udp"),
		reverse:       m.flag("reverse"),
		bidirectional: m.flag("bidirectional"),
		omit:          time.Duration(m.number("omit", 0, 0, maxOmit, errOmit)) * time.Second,
		duration:      time.Duration(m.number("time", 0, 0, maxSeconds, errDuration)) * time.Second,
		streams:       int(m.number("parallel", 1, 1, maxStreams, errStreams)),
		bytes:         uint64(m.number("num", 0, 0, math.MaxInt64, errReceiveParams)),
		blocks:        uint64(m.number("blockcount", 0, 0, math.MaxInt64, errReceiveParams)),
		window:        int(m.number("window", 0, 0, math.MaxInt32, errBufferSize)),
		rate:          uint64(m.number("bandwidth", 0, 0, math.MaxInt64, errReceiveParams)),
		burst:         int(m.number("burst", 0, 1, maxBurst, errBurst)),
		tos:           uint8(m.number("TOS", 0, 0, math.MaxUint8, errTOS)),
		wideCounters:  m.number("udp_counters_64bit", 0, math.MinInt64, math.MaxInt64, errReceiveParams) != 0,
		dontFragment:  m.number("dont_fragment", 0, math.MinInt64, math.MaxInt64, errReceiveParams) != 0,
		output:        m.number("get_server_output", 0, math.MinInt64, math.MaxInt64, errReceiveParams) != 0,
		congestion:    m.text("congestion", congestionLength),
	}
	// Checked like the rest and left to the client: what it says in its SYN
	// binds the server, and after the handshake it is too late.
	m.number("MSS", 0, 0, maxMSS, errMSS)
	// Pacing by fair queueing is a matter of the kernel's; what netstack can do
	// for it is not to send faster.
	if fair := uint64(m.number("fqrate", 0, 0, math.MaxInt64, errReceiveParams)); fair > 0 && (p.rate == 0 || fair < p.rate) {
		p.rate = fair
	}
	p.pacing = min(longestPacing, time.Microsecond*time.Duration(
		m.number("pacing_timer", int64(defaultPacing/time.Microsecond), 0, math.MaxInt32, errReceiveParams)))
	if p.udp {
		p.block = int(m.number("len", defaultDatagram, 0, math.MaxInt64, errUDPBlockSize))
	} else {
		p.block = int(m.number("len", defaultBlock, 1, maxBlock, errBlockSize))
	}
	switch {
	case m.err != nil:
		return nil, m.err
	case m.flag("sctp"):
		return nil, &refusal{errNoSCTP, "there is no SCTP here"}
	case p.reverse && p.bidirectional:
		return nil, &refusal{errReverseBidir, "both reverse and bidirectional"}
	case p.window > maxWindow:
		return nil, &refusal{errBuffer, fmt.Sprintf("window of %d bytes, expected at most %d", p.window, maxWindow)}
	case p.udp && p.block == 0:
		p.block = defaultDatagram
	case p.udp && (p.block < minDatagram || p.block > maxDatagram):
		return nil, &refusal{errUDPBlockSize, fmt.Sprintf("datagrams of %d bytes, expected %d to %d", p.block, minDatagram, maxDatagram)}
	}
	return p, nil
}

// members reads the members of a JSON object and keeps the first refusal.
type members struct {
	all map[string]any
	err error
}

func (m *members) refuse(code int32, format string, args ...any) {
	if m.err == nil {
		m.err = &refusal{code, fmt.Sprintf(format, args...)}
	}
}

// flag is true for a member that is true. Like iperf3, it takes everything else
// for false.
func (m *members) flag(name string) bool {
	value, _ := m.all[name].(bool)
	return value
}

// number is a number from low to high, its fraction cut off, or unset when there
// is none.
func (m *members) number(name string, unset, low, high int64, code int32) int64 {
	value, ok := m.all[name]
	if !ok {
		return unset
	}
	number, ok := value.(float64)
	if !ok {
		m.refuse(errReceiveParams, "%s is %T, expected a number", name, value)
		return unset
	}
	// Compared before it is converted: what does not fit an int64 has no
	// defined conversion. 2^63 itself does not fit.
	number = math.Trunc(number)
	if number < float64(low) || number > float64(high) || number >= math.MaxInt64 {
		m.refuse(code, "%s is %v, expected %d to %d", name, number, low, high)
		return unset
	}
	return int64(number)
}

// text is a string of at most so many bytes.
func (m *members) text(name string, most int) string {
	value, ok := m.all[name]
	if !ok {
		return ""
	}
	text, ok := value.(string)
	if !ok || len(text) > most {
		m.refuse(errReceiveParams, "%s is no string of at most %d bytes", name, most)
		return ""
	}
	return text
}
