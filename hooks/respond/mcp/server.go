package mcp

import (
	"context"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus"

	"netstackd/hooks/respond"
)

// A Desk is where requests wait and replies are judged.
type Desk interface {
	// Next waits for the oldest request that nobody was given yet.
	Next(ctx context.Context) (respond.Request, error)
	// Return takes back one that was given and did not arrive.
	Return(id uint64)
	// Reply judges one whole IP packet, and sends a right one.
	Reply(packet []byte) (respond.Verdict, error)
	// Pending lists what is not answered yet, oldest first.
	Pending() []respond.Request
}

var _ Desk = (*respond.Desk)(nil)

// maxReaders bounds the calls of read_packet that wait at a time.
const maxReaders = 64

// instructions are what a client tells its model of the server as a whole.
const instructions = `You are the ICMP of an IP host. read_packet gives you an echo request (a ping) as hexadecimal; ` +
	`build the echo reply byte by byte, compute its checksums yourself, and hand it in with write_reply, which judges and sends it. ` +
	`Whoever pings is waiting: ping gives up after about 10 seconds unless told otherwise, but a late reply is judged all the same.`

// A Server offers a Desk to agents. Make one with [New]; it is safe for
// concurrent use, and starts no goroutine but those of the calls it serves.
type Server struct {
	desk Desk
	log  logrus.FieldLogger
	sdk  *sdk.Server
	http *sdk.StreamableHTTPHandler
	// readers holds a token for each call that waits in read_packet.
	readers chan struct{}
	judged  judged
	// bodyPatience bounds the time in which an HTTP request's body must be there.
	bodyPatience time.Duration
}

// New returns a server for a desk. version is that of the program.
func New(desk Desk, version string, log logrus.FieldLogger) *Server {
	s := &Server{
		desk: desk, log: log, readers: make(chan struct{}, maxReaders), bodyPatience: bodyPatience,
		sdk: sdk.NewServer(
			&sdk.Implementation{Name: "netstackd", Title: "netstackd: be the host that answers ping", Version: version},
			&sdk.ServerOptions{Instructions: instructions, Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}},
		),
	}
	s.addRead()
	s.addList()
	s.addWrite()
	s.addCheck()
	s.http = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s.sdk }, &sdk.StreamableHTTPOptions{
		// Without sessions: none is left behind.
		Stateless:           true,
		JSONResponse:        true,
		MaxRequestBodyBytes: maxMessage,
	})
	return s
}

// closedWorld says of a tool that it reaches nothing but this host.
func closedWorld(a sdk.ToolAnnotations) *sdk.ToolAnnotations {
	no := false
	a.OpenWorldHint, a.DestructiveHint = &no, &no
	return &a
}
