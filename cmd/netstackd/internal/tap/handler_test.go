package tap

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/sirupsen/logrus/hooks/test"

	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/live"
)

// patience bounds what a test waits for.
const patience = 15 * time.Second

// A rig is a handler behind a server, and packets for it.
type rig struct {
	readers *live.Readers
	chain   []hooks.Hook
	server  *httptest.Server
	// goDown ends every request as the daemon's server does.
	goDown context.CancelCauseFunc
	log    *test.Hook
}

func newRig(t *testing.T, most int, change func(*Config)) *rig {
	t.Helper()
	r := &rig{readers: live.New(most)}
	r.chain = []hooks.Hook{r.readers, live.NewObserver(new(atomic.Uint64))}
	log, entries := test.NewNullLogger()
	r.log = entries
	c := Config{Readers: r.readers, Device: "netstack0", Version: "v1", Log: log}
	if change != nil {
		change(&c)
	}
	var base context.Context
	base, r.goDown = context.WithCancelCause(t.Context())
	mux := http.NewServeMux()
	mux.Handle("GET /capture", NewHandler(c))
	r.server = httptest.NewUnstartedServer(mux)
	r.server.Config.BaseContext = func(net.Listener) context.Context { return base }
	r.server.Start()
	t.Cleanup(r.server.Close)
	return r
}

// ping has so many requests pass, each with so many bytes of data.
func (r *rig) ping(n, size int) {
	data := bt.Echo{ID: 7, Seq: 1, Data: bt.Data(size)}
	for range n {
		var p hooks.Packet
		p.Set(hooks.Inbound, bt.IPv4{Src: "172.16.0.1", Dst: "172.16.0.2"}.Packet(data.Request4()), time.Now())
		for _, h := range r.chain {
			h.Inbound(&p)
		}
	}
}

// get asks for a capture, and returns the answer once its header is there.
func (r *rig) get(t *testing.T, query string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+"/capture"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// await waits until so many follow.
func (r *rig) await(t *testing.T, followers int) {
	t.Helper()
	waitFor(t, func() bool {
		c := r.readers.Counts()
		return c.Readers == followers && int(c.Served) >= followers
	})
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// reason is why the last capture has ended, as the log says.
func (r *rig) reason(t *testing.T) (reason string) {
	t.Helper()
	waitFor(t, func() bool {
		last := r.log.LastEntry()
		if last == nil || last.Message != "capture ends" {
			return false
		}
		reason, _ = last.Data["reason"].(string)
		return true
	})
	return reason
}

// TestPcapng: the header is there at once, the packets as they pass, cut as asked;
// after as many as asked for the answer is over, with an account.
func TestPcapng(t *testing.T) {
	r := newRig(t, 1, nil)
	answer := r.get(t, "?count=3&snaplen=28&filter=icmp")
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "application/pcapng" {
		t.Fatalf("%s, %s", answer.Status, got)
	}
	var statistics pcapgo.NgInterfaceStatistics
	packets, err := pcapgo.NewNgReader(answer.Body, pcapgo.NgReaderOptions{
		StatisticsCallback: func(_ int, s pcapgo.NgInterfaceStatistics) { statistics = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.await(t, 1)
	for i := range 3 {
		r.ping(1, 1200)
		data, info, err := packets.ReadPacketData()
		if err != nil || len(data) != 28 || info.Length != 1228 {
			t.Fatalf("packet %d: %d bytes of %d, %v", i, len(data), info.Length, err)
		}
	}
	if _, _, err := packets.ReadPacketData(); err != io.EOF {
		t.Errorf("after the last packet: %v", err)
	}
	if statistics.PacketsDropped != 0 || statistics.EndTime.IsZero() {
		t.Errorf("statistics: %+v", statistics)
	}
	if section := packets.SectionInfo(); !strings.Contains(section.Comment, "comparisons are not made") {
		t.Errorf("comment: %q", section.Comment)
	}
	if link, err := packets.Interface(0); err != nil || link.Name != "netstack0" || link.Filter != "icmp" {
		t.Errorf("interface: %+v, %v", link, err)
	}
	r.await(t, 0)
}

// A deadlined answer notes the deadlines that it is given.
type deadlined struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.write = append(d.write, t)
	return nil
}

// TestDeadlines: the server's deadlines do not end a capture: the one for reading is
// taken away, and each piece has one of its own to be taken.
func TestDeadlines(t *testing.T) {
	log, _ := test.NewNullLogger()
	h := NewHandler(Config{Readers: live.New(1), Patience: time.Hour, Log: log})
	w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	begun := time.Now()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/capture?duration=1ms", nil))
	if len(w.read) != 1 || !w.read[0].IsZero() {
		t.Errorf("deadlines for reading: %v", w.read)
	}
	if len(w.write) < 2 || w.write[0].Before(begun.Add(time.Hour)) || w.write[len(w.write)-1].After(time.Now().Add(endPatience)) {
		t.Errorf("deadlines for writing: %v", w.write)
	}
}

// TestJSON: the first line says what is captured, the last one why it has ended.
func TestJSON(t *testing.T) {
	settled := 0
	r := newRig(t, 1, func(c *Config) { c.Settle, c.Comparing = func() { settled++ }, func() bool { return true } })
	answer := r.get(t, "?format=json&count=1&filter=icmp")
	lines := bufio.NewScanner(answer.Body)
	var got []string
	for lines.Scan() {
		got = append(got, lines.Text())
		if len(got) == 1 {
			r.await(t, 1)
			r.ping(2, 1200)
		}
	}
	if err := lines.Err(); err != nil || len(got) != 3 {
		t.Fatalf("%q, %v", got, err)
	}
	if diff := cmp.Diff([]string{
		`{"type":"capture","version":"v1","device":"netstack0","filter":"icmp","comparing":true}`,
		`{"type":"end","reason":"count=1","lost":0}`,
	}, []string{got[0], got[2]}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got[1], `{"type":"packet",`) || settled != 1 {
		t.Errorf("packet: %s; settled %d times", got[1], settled)
	}
}

// TestEnds: each end but the count's, with the answer whole for whom it still
// reaches.
func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		query, reason string
		end           func(*rig, *http.Response)
		torn          bool
	}{
		"duration":   {"&duration=20ms", "duration=20ms", func(*rig, *http.Response) {}, false},
		"going down": {"", "the host is going down", func(r *rig, _ *http.Response) { r.goDown(serve.ErrGoingDown) }, false},
		"gone":       {"", "the reader has gone", func(_ *rig, a *http.Response) { a.Body.Close() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			answer := r.get(t, "?format=json"+test.query)
			if !test.torn {
				r.await(t, 1)
				r.ping(1, 1200)
			}
			test.end(r, answer)
			body, err := io.ReadAll(answer.Body)
			if !test.torn {
				if want := `{"type":"end","reason":"` + test.reason + `","lost":0}` + "\n"; err != nil || !strings.HasSuffix(string(body), want) {
					t.Errorf("%v, %s", err, body)
				}
			}
			if got := r.reason(t); got != test.reason {
				t.Errorf("ends for %q, want %q", got, test.reason)
			}
			r.await(t, 0)
		})
	}
}

// TestStandstill: a reader that takes nothing loses packets, holds up none, and is
// given up; for another one beside it each packet is written or counted as lost.
func TestStandstill(t *testing.T) {
	r := newRig(t, 2, func(c *Config) { c.Patience = 2 * time.Second })
	stuck, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if _, err := io.WriteString(stuck, "GET /capture HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	beside := r.get(t, "?format=json&duration=1h")
	type account struct {
		packets int
		last    string
	}
	read := make(chan account)
	go func() {
		var a account
		for lines := bufio.NewScanner(beside.Body); lines.Scan(); {
			if a.last = lines.Text(); strings.HasPrefix(a.last, `{"type":"packet"`) {
				a.packets++
			}
		}
		read <- a
	}()
	r.await(t, 2)
	sent := 0
	waitFor(t, func() bool {
		r.ping(50, 60000)
		sent += 50
		return r.readers.Counts().Lost > 0
	})
	waitFor(t, func() bool { return r.readers.Counts().Readers == 1 })
	if got := r.reason(t); got != "the reader took nothing for 2s" {
		t.Errorf("given up for %q", got)
	}
	r.goDown(serve.ErrGoingDown)
	got := <-read
	var end struct{ Lost int }
	if err := json.Unmarshal([]byte(got.last), &end); err != nil || got.packets == 0 || got.packets+end.Lost != sent {
		t.Errorf("the other one has read %d packets of %d, and last %s (%v)", got.packets, sent, got.last, err)
	}
}

// TestLimit: over the limit a reader is refused in one line, and takes nothing.
func TestLimit(t *testing.T) {
	const most = 3
	r := newRig(t, most, nil)
	var mu sync.Mutex
	statuses := map[int]int{}
	refused := map[string]bool{}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+"/capture", nil)
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := r.server.Client().Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			if statuses[answer.StatusCode]++; answer.StatusCode != http.StatusOK {
				body, _ := io.ReadAll(answer.Body)
				refused[string(body)] = true
			}
			mu.Unlock()
			// Those that are served stay until all have asked.
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		})
	}
	waitFor(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return statuses[http.StatusOK]+statuses[http.StatusServiceUnavailable] == 100
	})
	if diff := cmp.Diff(map[int]int{200: most, 503: 100 - most}, statuses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"as many captures are going on as there may be, 3 (-captures): end one, or allow more\n": true}, refused); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// No place is needed for either of these.
	head, err := r.server.Client().Head(r.server.URL + "/capture?format=json")
	if err != nil || head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("HEAD: %v, %v", head, err)
	}
	if answer := r.get(t, "?count=x"); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a bad count: %s", answer.Status)
	}
	r.goDown(serve.ErrGoingDown)
	all.Wait()
	r.await(t, 0)
	if c := r.readers.Counts(); c.Refused != 100-most || c.Served != most {
		t.Errorf("%+v", c)
	}
}
