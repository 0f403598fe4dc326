package suite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A puppet is a host that answers echo requests as its manners say.
type puppet struct {
	mu sync.Mutex
	// The following are guarded by mu.
	sink   func([]byte)
	died   error
	starts int
	// manner is what it does to a packet from a case; sentinels it answers
	// by itself, unless mute.
	manner func(p *puppet, b []byte)
	mute   bool
	// startErr is of the next start.
	startErr error
}

func (*puppet) Name() string { return "puppet" }

func (p *puppet) Start(sink func([]byte)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sink, p.died = sink, nil
	p.starts++
	return p.startErr
}

func (p *puppet) Send(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.died != nil {
		return p.died
	}
	var d wire.Packet
	d.Decode(b)
	switch {
	case d.Src == sentinelAddr && p.mute:
	case d.Src == sentinelAddr:
		p.sink(pongTo(b))
	case p.manner != nil:
		p.manner(p, b)
	}
	return nil
}

func (*puppet) Wait(d time.Duration) { time.Sleep(d) }

func (p *puppet) Died() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

func (*puppet) Stop() error { return nil }

// pongTo is the reply to an echo request over IPv4 without options.
func pongTo(request []byte) []byte {
	b := append([]byte(nil), request...)
	copy(b[12:16], request[16:20])
	copy(b[16:20], request[12:16])
	b[6] &= 0x7f
	byhandtest.SetHeaderChecksum(b)
	b[20], b[22], b[23] = 0, 0, 0
	sum := byhandtest.Checksum(b[20:])
	b[22], b[23] = byte(sum>>8), byte(sum)
	return b
}

// The manners.
func answers(p *puppet, b []byte) { p.sink(pongTo(b)) }
func answersTwice(p *puppet, b []byte) {
	p.sink(pongTo(b))
	p.sink(pongTo(b))
}
func dies(p *puppet, _ []byte) { p.died = errors.New("it died: of a test") }
func spoils(p *puppet, b []byte) {
	reply := pongTo(b)
	reply[22] ^= 1
	p.sink(reply)
}
func answersElsewhere(p *puppet, b []byte) {
	reply := pongTo(b)
	copy(reply[16:20], []byte{172, 16, 253, 9})
	byhandtest.SetHeaderChecksum(reply)
	p.sink(reply)
}
func answersInFragments(p *puppet, b []byte) {
	for _, f := range byhandtest.Split(pongTo(b), 9, 24) {
		p.sink(f)
	}
}

func ask(x *Exchange) [][]byte { return [][]byte{x.Ping4(byhandtest.IPv4{}, 40)} }

func runAt(h Host, cases ...Case) *HostResult {
	var all []*Case
	index := map[*Case]int{}
	for i := range cases {
		index[&cases[i]] = i
		all = append(all, &cases[i])
	}
	return Run(context.Background(), h, all, func(c *Case) int { return index[c] })
}

func TestVerdicts(t *testing.T) {
	quiet := func(*puppet, []byte) {}
	for _, test := range []struct {
		name   string
		manner func(*puppet, []byte)
		want   Want
		status Status
		reason string
	}{
		{"reply as wanted", answers, Reply(EchoReply(0)), Pass, ""},
		{"silence as wanted", quiet, Silence(), Pass, ""},
		{"silence instead of a reply", quiet, Reply(EchoReply(0)), Deviate, "wanted an echo reply; silence"},
		{"a reply instead of silence", answers, Silence(), Deviate, "wanted silence; came: echo reply"},
		{"two replies", answersTwice, Reply(EchoReply(0)), Deviate, "wanted an echo reply; came besides: echo reply"},
		{"two replies wanted", answersTwice, Replies(EchoReply(0), EchoReply(0)), Pass, ""},
		{"one of two", answers, Replies(EchoReply(0), EchoReply(0)), Deviate, "wanted an echo reply; an echo reply; silence"},
		{"a spoiled reply", spoils, Reply(EchoReply(0)), Deviate, "checksum"},
		{"a spoiled reply is no silence", spoils, Silence(), Deviate, "wanted silence"},
		{"a reply to somebody else", answersElsewhere, Reply(EchoReply(0)), Deviate, "the reply goes to 172.16.253.9"},
		{"a reply to somebody else is no silence", answersElsewhere, Silence(), Deviate, "came: echo reply"},
		{"a reply in fragments", answersInFragments, Reply(EchoReply(0)), Pass, ""},
		{"either: reply", answers, AnyOf(Silence(), Reply(EchoReply(0))), Pass, ""},
		{"either: silence", quiet, AnyOf(Silence(), Reply(EchoReply(0))), Pass, ""},
		{"either: something else", spoils, AnyOf(Silence(), Reply(EchoReply(0))), Deviate, "checksum"},
		{"another message", answers, Reply(Error(Unreachable4, 3)), Deviate, "another message: echo reply"},
		{"death", dies, Silence(), Killed, "killed the host: it died: of a test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &puppet{manner: test.manner}
			got := runAt(p, Case{ID: "it", Steps: []Step{{Send: ask, Want: test.want}}}).Results[0]
			if got.Status != test.status || !strings.Contains(got.Reason, test.reason) || (test.reason == "") != (got.Reason == "") {
				t.Errorf("%s, %q, want %s, %q", got.Status, got.Reason, test.status, test.reason)
			}
			if len(got.Events) == 0 || !got.Events[0].ToHost {
				t.Errorf("events: %v", got.Events)
			}
		})
	}
}

// TestRestart wants a host that dies to be started again, the next case to be
// run at it, and the deadly one to come last.
func TestRestart(t *testing.T) {
	var order []string
	var mu sync.Mutex
	step := func(name string) []Step {
		return []Step{{Send: func(x *Exchange) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return ask(x)
		}, Want: Silence()}}
	}
	p := &puppet{manner: func(p *puppet, b []byte) {
		if order[len(order)-1] != "harmless" && order[len(order)-1] != "slow" {
			dies(p, b)
		}
	}}
	r := runAt(p,
		Case{ID: "deadly", Deadly: true, Steps: step("deadly")},
		Case{ID: "surprise", Steps: step("surprise")},
		Case{ID: "harmless", Steps: step("harmless")})
	var got []string
	for _, one := range r.Results {
		got = append(got, fmt.Sprintf("%s %s", one.Case.ID, one.Status))
	}
	if diff := cmp.Diff([]string{"deadly killed", "surprise killed", "harmless pass"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"surprise", "harmless", "deadly"}, order); diff != "" {
		t.Error(diff)
	}
	if p.starts != 3 || r.Failed != "" {
		t.Errorf("%d starts, failed: %q", p.starts, r.Failed)
	}
}

// TestSlowBesideDeath wants slow cases that were under way when a host died to
// be run again.
func TestSlowBesideDeath(t *testing.T) {
	var once sync.Once
	p := &puppet{manner: func(p *puppet, b []byte) {
		var d wire.Packet
		if d.Decode(b); d.Src == netip.MustParseAddr("172.16.1.3") {
			once.Do(func() { dies(p, b) })
			return
		}
		answers(p, b)
	}}
	r := runAt(p,
		Case{ID: "slow", Slow: true, Steps: []Step{
			{Send: ask, Want: Reply(EchoReply(0))},
			{Wait: 300 * time.Millisecond, Want: Silence()},
		}},
		Case{ID: "deadly", Steps: []Step{{Send: ask, Want: Silence()}}})
	if r.Results[0].Status != Pass || r.Results[1].Status != Killed {
		t.Errorf("%+v", r.Results)
	}
}

func TestNotRun(t *testing.T) {
	c := Case{ID: "it", Steps: []Step{{Send: ask, Want: Silence()}}}
	if r := runAt(&puppet{startErr: errors.New("no device")}, c); r.Failed != "no device" || r.Results[0].Status != NotRun {
		t.Errorf("%+v", r)
	}
	if r := runAt(&puppet{startErr: fmt.Errorf("%w: too old", ErrSkip)}, c); r.Skipped != "skipped: too old" || r.Failed != "" {
		t.Errorf("%+v", r)
	}
	if r := runAt(&puppet{mute: true}, c); !strings.Contains(r.Failed, "does not answer") {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("interrupted"))
	if r := Run(ctx, &puppet{}, []*Case{&c}, func(*Case) int { return 0 }); r.Failed != "interrupted" || r.Results[0].Status != NotRun {
		t.Errorf("%+v", r)
	}
}

// TestQuotes judges quotes of errors over both families.
func TestQuotes(t *testing.T) {
	long4 := byhandtest.UDP{Data: byhandtest.Data(900)}.Packet("172.16.1.1", Host4)
	long6 := byhandtest.UDP{Data: byhandtest.Data(1400)}.Packet("fd00:172::1:1", Host6)
	about := func(request []byte, n int) *wire.Packet {
		p := new(wire.Packet)
		if request[0]>>4 == 4 {
			p.Decode(byhandtest.IPv4{Src: Host4, Dst: "172.16.1.1"}.Packet(append(make([]byte, 8), request[:n]...)))
		} else {
			p.Decode(byhandtest.IPv6{Src: Host6, Dst: "fd00:172::1:1"}.Packet(append(make([]byte, 8), request[:n]...)))
		}
		return p
	}
	for _, test := range []struct {
		request []byte
		n       int
		ok      bool
	}{
		{long4, 27, false}, {long4, 28, true}, {long4, 548, true}, {long4, 549, false},
		{long6, 1231, false}, {long6, 1232, true}, {long6, 1233, false},
		{long6[:100], 100, true}, {long6[:100], 99, false},
	} {
		if why := quotes(about(test.request, test.n), test.request); (why == "") != test.ok {
			t.Errorf("IPv%d, %d of %d bytes: %q", test.request[0]>>4, test.n, len(test.request), why)
		}
	}
	p := about(long4, 100)
	p.Bytes[20+8+1] ^= 1
	if quotes(p, long4) != "its quote differs from the request at byte 1" {
		t.Errorf("a changed quote: %q", quotes(p, long4))
	}
}

// A voice is a puppet that answers some by prediction, and can be given unfinished
// packets.
type voice struct {
	puppet
	account    Account
	unfinished []int
}

func (v *voice) Forget(netip.Addr) Account { return v.account }

func (v *voice) SendUnfinished(b []byte, segment int) error {
	v.unfinished = append(v.unfinished, segment)
	return v.Send(b)
}

// TestAccounts wants what a taciturn host says of itself in the result.
func TestAccounts(t *testing.T) {
	c := Case{ID: "it", Steps: []Step{{Send: ask, Want: Reply(EchoReply(0))}}}
	for _, test := range []struct {
		account Account
		status  Status
		live    bool
	}{
		{Account{}, Pass, false}, {Account{Live: true}, Pass, true}, {Account{Live: true, NoOpinion: true}, NoOpinion, false},
	} {
		r := runAt(&voice{puppet: puppet{manner: answers}, account: test.account}, c)
		if got := r.Results[0]; got.Status != test.status || got.Live != test.live || r.Live() != 0 != test.live {
			t.Errorf("%+v: %s, live %v, %d live", test.account, got.Status, got.Live, r.Live())
		}
	}
}

// TestUnfinished wants unfinished packets given to who can take them, and no
// opinion of who cannot.
func TestUnfinished(t *testing.T) {
	c := Case{ID: "it", Steps: []Step{{Send: ask, Unfinished: true, Segment: 1000, Want: Reply(EchoReply(0))}}}
	v := &voice{puppet: puppet{manner: answers}}
	if r := runAt(v, c); r.Results[0].Status != Pass || len(v.unfinished) != 1 || v.unfinished[0] != 1000 {
		t.Errorf("%+v, given %v", r.Results[0], v.unfinished)
	}
	if r := runAt(&puppet{manner: answers}, c); r.Results[0].Status != NoOpinion || len(r.Results[0].Events) != 0 {
		t.Errorf("%+v", r.Results[0])
	}
}

// TestRepeats wants segments that come again left out, unless they count.
func TestRepeats(t *testing.T) {
	syn := byhandtest.TCP{SrcPort: 20000, DstPort: EchoPort, Flags: byhandtest.Syn}
	answer := byhandtest.TCP{SrcPort: EchoPort, DstPort: 20000, Flags: byhandtest.Syn | byhandtest.Ack, Ack: 1}
	twice := func(p *puppet, b []byte) {
		var d wire.Packet
		d.Decode(b)
		p.sink(answer.Packet(Host4, d.Src.String()))
		p.sink(answer.Packet(Host4, d.Src.String()))
	}
	sent := func(x *Exchange) [][]byte { return [][]byte{syn.Packet(x.Peer4, Host4)} }
	once := Reply(Segment(byhandtest.Syn | byhandtest.Ack))
	both := Replies(Segment(byhandtest.Syn|byhandtest.Ack), Segment(byhandtest.Syn|byhandtest.Ack))
	for _, test := range []struct {
		steps  []Step
		status Status
	}{
		{[]Step{{Send: sent, Want: once}}, Pass},
		{[]Step{{Send: sent, Want: once, Repeats: true}}, Deviate},
		{[]Step{{Send: sent, Want: both, Repeats: true}}, Pass},
		{[]Step{{Send: sent, Want: once}, {Send: sent, Want: Silence()}}, Pass},
		{[]Step{{Send: sent, Want: once}, {Send: sent, Want: both, Repeats: true}}, Pass},
	} {
		if r := runAt(&puppet{manner: twice}, Case{ID: "it", Steps: test.steps}).Results[0]; r.Status != test.status {
			t.Errorf("%d steps, repeats %v: %s, %s", len(test.steps), test.steps[0].Repeats, r.Status, r.Reason)
		}
	}
}

// TestAcks wants what a step has to say to each reply sent, and recorded.
func TestAcks(t *testing.T) {
	var heard []int
	st := Step{Send: ask, Want: Reply(EchoReply(0)), Acks: func(x *Exchange, got []*wire.Packet) []byte {
		heard = append(heard, len(got))
		if len(heard) > 1 {
			return nil
		}
		return byhandtest.IPv4{Src: x.Peer4, Dst: Host4, Protocol: 200}.Packet(nil)
	}}
	r := runAt(&puppet{manner: func(p *puppet, b []byte) {
		if b[9] == wire.ProtocolICMPv4 {
			answers(p, b)
		}
	}}, Case{ID: "it", Steps: []Step{st}}).Results[0]
	if r.Status != Pass || len(r.Events) != 3 || !r.Events[2].ToHost || cmp.Diff([]int{1}, heard) != "" {
		t.Errorf("%s, %s, %d events, heard %v", r.Status, r.Reason, len(r.Events), heard)
	}
}
