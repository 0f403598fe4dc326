package stack

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	about := About{
		Program:    "netstackd",
		Version:    "v1.2.3",
		Components: []Component{{"gvisor.dev/gvisor", "v0.0.0-20260905035102-160fafc42237"}, {"<script>", `"&`}},
	}
	p := makePage(about, hostPrefixes, catalogue())
	golden(t, "page.txt", p.text)
	golden(t, "page.html", p.html)
	for _, link := range []string{"http:", "https:", "src=", "href="} {
		if bytes.Contains(p.html, []byte(link)) {
			t.Errorf("the page has %q: it links to nothing", link)
		}
	}
	if p := makePage(About{}, prefixes("10.0.0.1/32"), nil); !strings.HasPrefix(string(p.text), "netstack host\n") {
		t.Errorf("page about nothing: %s", p.text)
	}
}

// web is an HTTP client of the pair's client.
func (p *pair) web() *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return gonet.DialContextTCP(ctx, p.client, full(to.Addr(), to.Port()), protocolOf(to.Addr()))
	}}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	page := makePage(About{}, hostPrefixes, catalogue())
	client := p.web()
	const text, html = "text/plain; charset=utf-8", "text/html; charset=utf-8"
	for _, f := range families {
		for _, tc := range []struct {
			method, path, accept string
			status               int
			kind                 string
			body                 string // "" is not compared
		}{
			{"GET", "/", "", 200, text, string(page.text)},
			{"GET", "/", "*/*", 200, text, string(page.text)},
			{"GET", "/", "text/html,application/xhtml+xml,*/*;q=0.8", 200, html, string(page.html)},
			{"HEAD", "/", "", 200, text, ""},
			{"HEAD", "/", "text/html", 200, html, ""},
			{"GET", "/etc/passwd", "", 404, text, ""},
			{"GET", "/../../x", "", 404, text, ""},
			{"POST", "/", "", 405, text, ""},
			{"PUT", "/x", "", 405, text, ""},
			{"DELETE", "/", "", 405, text, ""},
			{"OPTIONS", "/", "", 405, text, ""},
			{"NONSENSE", "/", "", 405, text, ""},
		} {
			name := f.name + " " + tc.method + " " + tc.path + " " + tc.accept
			req, err := http.NewRequest(tc.method, "http://"+net.JoinHostPort(f.host.String(), "80")+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.accept != "" {
				req.Header.Set("Accept", tc.accept)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != tc.status || resp.Header.Get("Content-Type") != tc.kind {
				t.Errorf("%s: %s, %s, %v", name, resp.Status, resp.Header.Get("Content-Type"), err)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: may be sniffed", name)
			}
			if tc.body != "" && string(body) != tc.body {
				t.Errorf("%s: body %q", name, body)
			}
			if tc.method == "HEAD" {
				want := len(page.text)
				if tc.kind == html {
					want = len(page.html)
				}
				if len(body) != 0 || resp.Header.Get("Content-Length") != strconv.Itoa(want) {
					t.Errorf("%s: %d bytes of body, length %s, want none and %d", name, len(body), resp.Header.Get("Content-Length"), want)
				}
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: Allow is %q", name, resp.Header.Get("Allow"))
			}
		}
	}
}

// TestHTTPNonsense: what is no HTTP is turned away, and the service goes on.
func TestHTTPNonsense(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	for _, request := range []string{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
	} {
		c := p.dial(families[0].host, 80)
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		reply, _ := io.ReadAll(c) // a reset may end it
		if !bytes.HasPrefix(reply, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(reply, []byte("HTTP/1.1 505")) {
			t.Errorf("%.40q: got %.80q", request, reply)
		}
	}
	resp, err := p.web().Get("http://172.16.0.2/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	eventually(t, "the other connections over", func() bool { return p.counters("http").Open <= 1 })
}

// TestHTTPLimit: the page has the limit of every service.
func TestHTTPLimit(t *testing.T) {
	t.Parallel()
	lim := patient(4, 0)
	p := newPair(t, lim)
	var held []*gonet.TCPConn
	for range lim.connections {
		held = append(held, p.dial(families[0].host, 80))
	}
	eventually(t, "all slots taken", func() bool { return p.counters("http").Open == uint64(lim.connections) })
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if c, err := p.tryDial(families[0].host, 80); err == nil {
				defer c.Close()
				if _, err := roundTrip(c, "GET / HTTP/1.0\r\n\r\n"); err == nil {
					t.Error("connection over the limit was served")
				}
			}
		})
	}
	wg.Wait()
	wantDrops(t, p, DropConnectionLimit, 6)
	for _, c := range held {
		c.Close()
	}
	eventually(t, "slots free again", func() bool { return p.counters("http").Open == 0 })
	resp, err := p.web().Get("http://172.16.0.2/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
