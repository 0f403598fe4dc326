package mcp_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
	"netstackd/hooks/respond/mcp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
	// patience bounds what a test waits for.
	patience = 10 * time.Second
)

// A bench is a desk with an MCP server on it.
type bench struct {
	desk   *respond.Desk
	server *mcp.Server

	mu   sync.Mutex // guards sent
	sent [][]byte
}

func newBench(t *testing.T) *bench {
	t.Helper()
	log, _ := test.NewNullLogger()
	b := &bench{}
	b.desk = respond.NewDesk(respond.DeskConfig{Name: "mcp", Send: func(reply []byte, _ hooks.Answer) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sent = append(b.sent, append([]byte(nil), reply...))
		return nil
	}})
	t.Cleanup(b.desk.Close)
	b.server = mcp.New(b.desk, "test", log)
	return b
}

// replies returns what was sent.
func (b *bench) replies() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent
}

// ping puts a request to the desk and returns it and its reply by hand.
func (b *bench) ping(t *testing.T, request []byte) (reply []byte) {
	t.Helper()
	host := byhand.New([]netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")})
	q, ok := respond.NewQuestion(host, request, time.Now())
	if !ok {
		t.Fatalf("%x is no request for the host", request)
	}
	b.desk.Ask(q)
	return q.Hand
}

// ping4 and ping6 are echo requests with a sequence number and n bytes of data.
func ping4(seq uint16, n int) []byte {
	return byhandtest.IPv4{Src: peer4, Dst: host4, ID: 0x8128, DF: true}.Packet(
		byhandtest.Echo{ID: 13, Seq: seq, Data: byhandtest.Data(n)}.Request4())
}

func ping6(seq uint16, n int) []byte {
	return byhandtest.IPv6{Src: peer6, Dst: host6}.Packet(
		byhandtest.Echo{ID: 13, Seq: seq, Data: byhandtest.Data(n)}.Request6(peer6, host6))
}

// overHTTP connects a client of the SDK over HTTP.
func (b *bench) overHTTP(t *testing.T) *sdk.ClientSession {
	t.Helper()
	return connect(t, b.listen(t))
}

// listen serves the bench over HTTP and returns the address.
func (b *bench) listen(t *testing.T) string {
	t.Helper()
	web := httptest.NewServer(b.server)
	t.Cleanup(func() {
		b.desk.Close()
		web.Close()
	})
	return web.URL
}

func connect(t *testing.T, url string) *sdk.ClientSession {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return join(t, &sdk.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1})
}

// join connects a client over any transport.
func join(t *testing.T, transport sdk.Transport) *sdk.ClientSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, transport, nil)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// The results of the tools, as far as tests look at them.
type (
	readResult struct {
		Status  string
		ID      uint64
		Packet  string
		Bytes   int
		Words   []string
		Pending int
	}
	writeResult struct {
		Verdict string
		Sent    bool
		Why     string
		ID      uint64
		Faults  []struct {
			Field, Seen, Hand, RFC string
			Offset                 int
		}
	}
	listResult struct {
		Count    int
		Requests []struct {
			ID       uint64
			From, To string
			Bytes    int
			Given    bool
			Tries    int
		}
	}
	checkResult struct {
		Packet    string
		Checksums []struct {
			Layer, Seen, Hand, Verdict string
			Offset                     int
		}
		Working string
	}
)

// args are the arguments of a tool.
type args map[string]any

// try calls a tool and returns its result and, if that is an error, its text.
func try[T any](ctx context.Context, session *sdk.ClientSession, tool string, a args) (out T, failure string, err error) {
	if a == nil {
		a = args{}
	}
	r, err := session.CallTool(ctx, &sdk.CallToolParams{Name: tool, Arguments: a})
	if err != nil {
		return out, "", err
	}
	if r.IsError && len(r.Content) > 0 {
		failure = r.Content[0].(*sdk.TextContent).Text
	}
	if r.StructuredContent != nil {
		text, err := json.Marshal(r.StructuredContent)
		if err != nil {
			return out, failure, err
		}
		return out, failure, json.Unmarshal(text, &out)
	}
	return out, failure, nil
}

// call is try that must work.
func call[T any](t *testing.T, session *sdk.ClientSession, tool string, a args) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, failure, err := try[T](ctx, session, tool, a)
	if err != nil || failure != "" {
		t.Fatalf("%s %v: %v %s", tool, a, err, failure)
	}
	return out
}

// refusal is try that must be refused; it returns the result and the text.
func refusal[T any](t *testing.T, session *sdk.ClientSession, tool string, a args) (T, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, failure, err := try[T](ctx, session, tool, a)
	if err != nil || failure == "" {
		t.Fatalf("%s %v: %+v, %v, want a refusal", tool, a, out, err)
	}
	return out, failure
}
