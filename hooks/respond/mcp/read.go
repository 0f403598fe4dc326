package mcp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"netstackd/hooks/respond"
	"netstackd/hooks/wire"
)

// How long read_packet waits, in seconds, if it is not told, and at most: many
// clients give a call up after a minute.
const (
	defaultWait = 30
	longestWait = 50
)

// briefest is how long the desk is looked at when nobody wants to wait.
const briefest = 20 * time.Millisecond

// spelled is the length of the longest packet that is also spelled word by
// word, in bytes.
const spelled = 1500

// maxListed bounds what list_pending lists.
const maxListed = 64

type readInput struct {
	WaitSeconds *int    `json:"wait_seconds,omitempty" jsonschema:"how long to wait for a packet, in seconds, 0 to 50; 30 if left out"`
	ID          *uint64 `json:"id,omitempty" jsonschema:"read again the pending request with this id, instead of waiting for a new one"`
}

type readOutput struct {
	Status  string   `json:"status" jsonschema:"packet: one is here; timeout: none came in time, call again"`
	ID      uint64   `json:"id,omitempty" jsonschema:"numbers the requests from 1; the reply does not need it"`
	Packet  string   `json:"packet,omitempty" jsonschema:"the whole IP packet in hexadecimal, two digits a byte, first byte first"`
	Bytes   int      `json:"bytes,omitempty" jsonschema:"how many bytes that are"`
	Words   []string `json:"words,omitempty" jsonschema:"the same packet as 16-bit words, 16 bytes a line, each line behind the offset of its first byte in decimal"`
	AgeMS   int64    `json:"age_ms,omitempty" jsonschema:"how long ago the request came, in milliseconds"`
	Pending int      `json:"pending" jsonschema:"how many requests are not answered yet, this one included"`
}

const readDescription = `Read the next echo request (ping) that this host is to answer: one whole IP packet, IPv4 or IPv6. ` +
	`Waits until one comes, at most wait_seconds, then says "timeout". Each request is given once; ` +
	`list_pending shows those that were given and not answered, and with its id you can read one again. ` +
	`To answer, build the echo reply as a whole IP packet and call write_reply.`

func (s *Server) addRead() {
	schema, err := jsonschema.For[readInput](nil)
	if err != nil {
		panic(err) // the type above is no input's doing
	}
	least, most := 0.0, float64(longestWait)
	schema.Properties["wait_seconds"].Minimum, schema.Properties["wait_seconds"].Maximum = &least, &most
	sdk.AddTool(s.sdk, &sdk.Tool{
		Name: "read_packet", Title: "Read the next echo request", Description: readDescription, InputSchema: schema,
		Annotations: closedWorld(sdk.ToolAnnotations{}),
	}, s.read)
}

func (s *Server) read(ctx context.Context, _ *sdk.CallToolRequest, in readInput) (*sdk.CallToolResult, readOutput, error) {
	if in.ID != nil {
		return s.readAgain(*in.ID)
	}
	select {
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
	default:
		return nil, readOutput{}, fmt.Errorf("%d calls of read_packet wait already: wait for one of them", maxReaders)
	}
	wait := defaultWait * time.Second
	if in.WaitSeconds != nil {
		wait = max(time.Duration(*in.WaitSeconds)*time.Second, briefest)
	}
	ctx, cancel := withClient(ctx)
	defer cancel()
	patient, enough := context.WithTimeout(ctx, wait)
	defer enough()
	r, err := s.desk.Next(patient)
	switch {
	case err == nil && ctx.Err() != nil:
		// Whoever asked has gone: the next one shall have it.
		s.desk.Return(r.ID)
		return nil, readOutput{}, gone(ctx)
	case err == nil:
		return nil, s.given(r), nil
	case errors.Is(err, os.ErrClosed):
		return nil, readOutput{}, errGoingDown
	case ctx.Err() != nil:
		return nil, readOutput{}, gone(ctx)
	}
	return nil, readOutput{Status: "timeout", Pending: len(s.desk.Pending())}, nil
}

// errGoingDown is what an agent is told when the host ends.
var errGoingDown = errors.New("the host is going down: there will be no more packets")

// gone says why a call was ended from outside. Of a client that has hung up
// nobody reads it.
func gone(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return errGoingDown
}

// readAgain gives a request that is pending once more.
func (s *Server) readAgain(id uint64) (*sdk.CallToolResult, readOutput, error) {
	for _, r := range s.desk.Pending() {
		if r.ID == id {
			return nil, s.given(r), nil
		}
	}
	return nil, readOutput{}, fmt.Errorf("request %d is not pending: it was answered, or dropped, or never came; list_pending says which are", id)
}

func (s *Server) given(r respond.Request) readOutput {
	out := readOutput{
		Status: "packet", ID: r.ID, Packet: hex.EncodeToString(r.Packet), Bytes: len(r.Packet),
		AgeMS: time.Since(r.Received).Milliseconds(), Pending: len(s.desk.Pending()),
	}
	if len(r.Packet) <= spelled {
		out.Words = words(r.Packet)
	}
	return out
}

// words spells a packet in words of 16 bits, eight a line.
func words(b []byte) []string {
	var lines []string
	for at := 0; at < len(b); at += 16 {
		var line strings.Builder
		fmt.Fprintf(&line, "%d:", at)
		for i := at; i < min(at+16, len(b)); i += 2 {
			fmt.Fprintf(&line, " %x", b[i:min(i+2, len(b))])
		}
		lines = append(lines, line.String())
	}
	return lines
}

type listInput struct{}

type listOutput struct {
	Count    int             `json:"count" jsonschema:"how many requests are not answered yet"`
	Requests []pendingOutput `json:"requests" jsonschema:"the oldest of them, oldest first, 64 at most"`
}

type pendingOutput struct {
	ID    uint64 `json:"id" jsonschema:"for read_packet, to read it again"`
	From  string `json:"from" jsonschema:"who asks"`
	To    string `json:"to" jsonschema:"which address is asked"`
	Bytes int    `json:"bytes" jsonschema:"length of the whole packet"`
	AgeMS int64  `json:"age_ms" jsonschema:"how long ago it came, in milliseconds"`
	Given bool   `json:"given" jsonschema:"read_packet has given it to somebody"`
	Tries int    `json:"tries" jsonschema:"how many replies to it were refused"`
}

const listDescription = `List the echo requests that are not answered yet, oldest first, without their bytes: ` +
	`to see how far behind you are, or to find one that you read and lost. It takes nothing away.`

func (s *Server) addList() {
	sdk.AddTool(s.sdk, &sdk.Tool{
		Name: "list_pending", Title: "List what is not answered yet", Description: listDescription,
		Annotations: closedWorld(sdk.ToolAnnotations{ReadOnlyHint: true}),
	}, s.list)
}

func (s *Server) list(context.Context, *sdk.CallToolRequest, listInput) (*sdk.CallToolResult, listOutput, error) {
	all := s.desk.Pending()
	out := listOutput{Count: len(all), Requests: []pendingOutput{}}
	for _, r := range all[:min(len(all), maxListed)] {
		var p wire.Packet
		p.Decode(r.Packet)
		out.Requests = append(out.Requests, pendingOutput{
			ID: r.ID, From: p.Src.String(), To: p.Dst.String(), Bytes: len(r.Packet),
			AgeMS: time.Since(r.Received).Milliseconds(), Given: r.Given, Tries: r.Tries,
		})
	}
	return nil, out, nil
}
