package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/stack"
)

// sockets has one listener, and as many connections as its number.
type sockets int

var _ lister = sockets(0)

func (sockets) Listeners() []stack.Listener {
	open, limit := uint64(2), int64(1024)
	return []stack.Listener{{Service: "echo", Protocol: "tcp", Port: 7, Open: &open, Limit: &limit}}
}

func (s sockets) Connections(limit int, see func(stack.Connection)) stack.ConnectionTotals {
	for range min(limit, int(s)) {
		see(stack.Connection{
			Service: "echo", State: "established", RTT: 41,
			Local: netip.MustParseAddrPort("[fd00::2]:7"), Remote: netip.MustParseAddrPort("[fd00::1]:40000"),
		})
	}
	return stack.ConnectionTotals{States: map[string]uint64{"established": uint64(s)}}
}

// listOf asks for a list.
func listOf(host lister, method, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	connectionsHandler(host).ServeHTTP(w, httptest.NewRequest(method, "/api/connections"+query, nil))
	return w
}

// TestConnectionsHandler: the list is one object, with as many connections as asked
// for, a thousand if nobody says, and the number of all.
func TestConnectionsHandler(t *testing.T) {
	for _, test := range []struct {
		query               string
		there, shown, total int
	}{
		{"", 0, 0, 0}, {"", 3, 3, 3}, {"", 1500, 1000, 1500}, {"?limit=2", 3, 2, 3}, {"?limit=0", 3, 0, 3}, {"?limit=100000", 1500, 1500, 1500},
	} {
		w := listOf(sockets(test.there), http.MethodGet, test.query)
		var got struct {
			Listeners, Connections []map[string]any
			Shown, Total           int
			States                 map[string]int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s of %d: %v\n%s", test.query, test.there, err, w.Body)
			continue
		}
		if len(got.Listeners) != 1 || len(got.Connections) != test.shown || got.Shown != test.shown || got.Total != test.total ||
			got.States["established"] != test.total {
			t.Errorf("%s of %d: %d shown, %+v", test.query, test.there, len(got.Connections), got)
		}
	}
	want := `{"listeners":[{"service":"echo","protocol":"tcp","port":7,"open":2,"limit":1024}],
"connections":[
{"service":"echo","state":"established","local":"[fd00::2]:7","remote":"[fd00::1]:40000","age_seconds":0,"idle_seconds":0,"bytes_in":0,"bytes_out":0,"receive_queue":0,"segments_in":0,"segments_out":0,"retransmits":0,"rtt_us":41,"rttvar_us":0,"rto_us":0,"cwnd":0,"ssthresh":0}],
"shown":1,"total":1,
"states":{"established":1}}
`
	if diff := cmp.Diff(want, listOf(sockets(1), http.MethodGet, "").Body.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := listOf(sockets(1), http.MethodHead, ""); w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %d, %s, %v", w.Code, w.Body, w.Header())
	}
}

// TestConnectionsRefusals: what is asked wrongly is refused in one line.
func TestConnectionsRefusals(t *testing.T) {
	const expected = ": expected one number of connections, from 0 to 100000\n"
	for query, want := range map[string]string{
		"?limit=-1":                           `limit="-1"` + expected,
		"?limit=":                             `limit=""` + expected,
		"?limit=100001":                       `limit="100001"` + expected,
		"?limit=1&limit=2":                    `limit="1"` + expected,
		"?limit=" + strings.Repeat("9", 1000): `limit="` + strings.Repeat("9", 40) + `"` + expected,
		"?state=x":                            `unknown parameter "state": expected limit` + "\n",
		"?limit=%z":                           `read query: invalid URL escape "%z"` + "\n",
	} {
		if w := listOf(sockets(1), http.MethodGet, query); w.Code != http.StatusBadRequest || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", query, w.Code, w.Body, want)
		}
	}
}

// crowded is one whose lists take until released.
type crowded struct {
	sockets
	entered, release chan struct{}
}

func (c crowded) Listeners() []stack.Listener {
	c.entered <- struct{}{}
	<-c.release
	return nil
}

// TestConnectionsCrowd: no more lists are made at a time than may be.
func TestConnectionsCrowd(t *testing.T) {
	c := crowded{entered: make(chan struct{}), release: make(chan struct{})}
	h := connectionsHandler(c)
	done := make(chan int)
	for range listing {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/connections", nil))
			done <- w.Code
		}()
		<-c.entered
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/connections", nil))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "4 lists are being made, which is the most\n" {
		t.Errorf("one more: %d %q", w.Code, w.Body)
	}
	close(c.release)
	for range listing {
		if code := <-done; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
}
