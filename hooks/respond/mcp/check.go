package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"netstackd/hooks/wire"
)

// The bounds of what is remembered of replies that were judged.
const (
	maxJudged      = 256
	maxJudgedBytes = 1 << 20
)

// judged are the replies that were judged last, right or wrong. It is safe for
// concurrent use.
type judged struct {
	mu sync.Mutex
	// replies are guarded by mu, oldest first, as is the sum of their lengths.
	replies [][]byte
	bytes   int
}

// remember keeps a copy of a reply.
func (j *judged) remember(reply []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.replies = append(j.replies, bytes.Clone(reply))
	j.bytes += len(reply)
	for len(j.replies) > maxJudged || j.bytes > maxJudgedBytes {
		j.bytes -= len(j.replies[0])
		j.replies[0] = nil
		j.replies = j.replies[1:]
	}
}

// last returns the reply that was judged last, or nil.
func (j *judged) last() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.replies) == 0 {
		return nil
	}
	return j.replies[len(j.replies)-1]
}

// has reports whether exactly these bytes were judged.
func (j *judged) has(reply []byte) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.replies {
		if bytes.Equal(r, reply) {
			return true
		}
	}
	return false
}

type checkInput struct {
	Packet string `json:"packet,omitempty" jsonschema:"a reply that you have handed in, in hexadecimal, exactly as it was; left out, it is the last one that anybody did"`
}

type checkOutput struct {
	Packet    string           `json:"packet" jsonschema:"which reply this is about"`
	Checksums []checksumOutput `json:"checksums" jsonschema:"its checksums, outermost first"`
	Working   string           `json:"working" jsonschema:"the packet explained, and each checksum worked out on paper: the 16-bit words, the running sum, the fold, the complement"`
}

type checksumOutput struct {
	Layer   string `json:"layer" jsonschema:"ipv4, icmpv4 or icmpv6"`
	Offset  int    `json:"offset" jsonschema:"of the field from the start of the packet"`
	Seen    string `json:"seen" jsonschema:"what stands in the field"`
	Hand    string `json:"hand" jsonschema:"the right sum of these bytes"`
	Verdict string `json:"verdict" jsonschema:"ok or bad"`
}

const checkDescription = `After an answer: have the checksums of a reply that was judged worked out step by step, ` +
	`to see where your own sum left the right way. It works only on bytes that you have handed in with write_reply, ` +
	`and tells nothing of a reply that was not: computing the sum first is your part.`

func (s *Server) addCheck() {
	sdk.AddTool(s.sdk, &sdk.Tool{
		Name: "check_checksum", Title: "Check a checksum after an answer", Description: checkDescription,
		Annotations: closedWorld(sdk.ToolAnnotations{ReadOnlyHint: true}),
	}, s.check)
}

func (s *Server) check(_ context.Context, _ *sdk.CallToolRequest, in checkInput) (*sdk.CallToolResult, checkOutput, error) {
	reply := s.judged.last()
	switch {
	case in.Packet != "":
		var err error
		if reply, err = parsePacket(in.Packet); err != nil {
			return nil, checkOutput{}, err
		}
		if !s.judged.has(reply) {
			return nil, checkOutput{}, errors.New("these bytes have not been judged: sum them yourself, hand them in with write_reply, then ask again")
		}
	case reply == nil:
		return nil, checkOutput{}, errors.New("no reply has been judged yet: hand one in with write_reply first")
	}
	out := checkOutput{Packet: fmt.Sprintf("%x", reply), Checksums: []checksumOutput{}}
	var p wire.Packet
	p.Decode(reply)
	var checks [2]wire.Check
	for _, c := range p.Checksums(checks[:0]) {
		out.Checksums = append(out.Checksums, checksumOutput{
			Layer: string(c.Layer), Offset: c.Offset, Seen: fmt.Sprintf("0x%04x", c.Seen), Hand: fmt.Sprintf("0x%04x", c.Hand), Verdict: string(c.Verdict),
		})
	}
	var working strings.Builder
	// A strings.Builder takes everything.
	_ = wire.Explain(&working, reply)
	out.Working = working.String()
	return nil, out, nil
}
