package mcp

import (
	"context"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"netstackd/hooks/capture"
	"netstackd/hooks/respond"
)

type writeInput struct {
	Packet string `json:"packet" jsonschema:"the whole reply in hexadecimal, IP header and all, two digits a byte; spaces, line breaks and 0x do not count"`
}

type writeOutput struct {
	Verdict   string        `json:"verdict" jsonschema:"match: right, down to the last byte that an RFC prescribes; wrong: it is not; refused: it could not be judged"`
	Sent      bool          `json:"sent" jsonschema:"it is on its way to whoever asked"`
	Why       string        `json:"why,omitempty" jsonschema:"what is wrong, in a sentence"`
	Faults    []faultOutput `json:"faults,omitempty" jsonschema:"the fields that are wrong"`
	ID        uint64        `json:"id,omitempty" jsonschema:"the request that it answers"`
	LatencyMS int64         `json:"latency_ms,omitempty" jsonschema:"how old the request was, in milliseconds"`
	Late      bool          `json:"late,omitempty" jsonschema:"the request was so old that whoever asked has most likely given up"`
}

type faultOutput struct {
	Field  string `json:"field"`
	Offset int    `json:"offset" jsonschema:"of its first byte from the start of the packet"`
	Seen   string `json:"seen" jsonschema:"what stands there"`
	Hand   string `json:"hand" jsonschema:"what is right"`
	RFC    string `json:"rfc" jsonschema:"where that is written"`
}

const writeDescription = `Hand in an echo reply: one whole IP packet in hexadecimal, checksums included. ` +
	`It is held against a reply made by hand, field by field. A right one is sent at once. ` +
	`A wrong one is refused, with what stands there and what should; the request stays pending, so you can try again, ` +
	`but only the first try counts as right first time. Which request it answers is found by address, identifier and sequence number.`

func (s *Server) addWrite() {
	sdk.AddTool(s.sdk, &sdk.Tool{
		Name: "write_reply", Title: "Send an echo reply", Description: writeDescription,
		Annotations: closedWorld(sdk.ToolAnnotations{}),
	}, s.write)
}

func (s *Server) write(_ context.Context, _ *sdk.CallToolRequest, in writeInput) (*sdk.CallToolResult, writeOutput, error) {
	packet, err := parsePacket(in.Packet)
	if err != nil {
		return refused(writeOutput{Verdict: "refused", Why: err.Error()})
	}
	v, err := s.desk.Reply(packet)
	if v.Request != 0 {
		s.judged.remember(packet)
	}
	out := writeOutput{Verdict: "match", Sent: v.Sent, ID: v.Request, LatencyMS: v.Latency.Milliseconds(), Late: v.Late}
	for _, f := range v.Faults {
		out.Faults = append(out.Faults, faultOutput{f.Field, f.Offset, f.Seen, f.Hand, f.RFC})
	}
	switch {
	case v.Request == 0:
		out.Verdict = "refused"
	case !v.Match:
		out.Verdict = "wrong"
	}
	if err != nil {
		out.Why = err.Error()
	}
	if !v.Sent {
		return refused(out)
	}
	return nil, out, nil
}

// refused marks a result as an error, which a model shall notice.
func refused(out writeOutput) (*sdk.CallToolResult, writeOutput, error) {
	return &sdk.CallToolResult{IsError: true}, out, nil
}

// parsePacket reads the hexadecimal digits of a packet.
func parsePacket(text string) ([]byte, error) {
	packet, err := capture.ParseHex(text)
	if err != nil {
		return nil, fmt.Errorf("%w: expected one IP packet in hexadecimal, as in 4500 0054 8128 4000 …", err)
	}
	if len(packet) > respond.MaxPacket {
		return nil, fmt.Errorf("the packet has %d bytes: no IP packet has more than %d", len(packet), respond.MaxPacket)
	}
	return packet, nil
}
