package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// roleAgent is a client of netstackd's MCP server that answers pings.
const roleAgent = "agent"

// agentMain answers what it is given at an endpoint until it is killed.
func agentMain(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("answer over MCP: expected an endpoint, got %q", args)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	client := mcp.NewClient(&mcp.Implementation{Name: "netstackbench"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: args[0]}, nil)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", args[0], err)
	}
	defer session.Close()
	for ctx.Err() == nil {
		if err := answerOne(ctx, session); err != nil {
			return err
		}
	}
	return nil
}

// answerOne reads a packet, if one comes in time, and writes the reply.
func answerOne(ctx context.Context, session *mcp.ClientSession) error {
	var read struct{ Status, Packet string }
	if err := callTool(ctx, session, "read_packet", map[string]any{"wait_seconds": 30}, &read); err != nil {
		return err
	}
	if read.Packet == "" {
		return nil
	}
	packet, err := hex.DecodeString(read.Packet)
	if err != nil {
		return fmt.Errorf("read packet: %w", err)
	}
	if !makeReply(packet) {
		return fmt.Errorf("read packet: no plain echo request: %s", read.Packet)
	}
	var wrote struct{ Verdict, Why string }
	return callTool(ctx, session, "write_reply", map[string]any{"packet": hex.EncodeToString(packet)}, &wrote)
}

// callTool calls a tool and reads what it says, refusals too.
func callTool(ctx context.Context, session *mcp.ClientSession, name string, args map[string]any, out any) error {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		return fmt.Errorf("call %s: %w", name, err)
	}
	text, err := json.Marshal(result.StructuredContent)
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("read the result of %s: %w", name, err)
	}
	return nil
}

// makeReply turns an echo request without options or extension headers into its
// reply, in place: the addresses change places, the type changes, and the checksum
// by as much (RFC 1624). It reports whether it was one.
func makeReply(packet []byte) bool {
	switch {
	case len(packet) >= 28 && packet[0] == 0x45 && packet[20] == 8:
		swap(packet[12:16], packet[16:20])
		packet[20] = 0
		moveChecksum(packet[22:24], 8<<8, 0)
	case len(packet) >= 48 && packet[0]>>4 == 6 && packet[6] == 58 && packet[40] == 128:
		swap(packet[8:24], packet[24:40])
		packet[40] = 129
		moveChecksum(packet[42:44], 128<<8, 129<<8)
	default:
		return false
	}
	return true
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

// moveChecksum mends a checksum for a word that has changed from was to is: RFC 1624
// section 3, equation 3.
func moveChecksum(field []byte, was, is uint16) {
	sum := uint32(^(uint16(field[0])<<8 | uint16(field[1]))) + uint32(^was) + uint32(is)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	sum = ^sum
	field[0], field[1] = byte(sum>>8), byte(sum)
}
