// Package mcp lets an agent answer echo requests over the Model Context
// Protocol (https://modelcontextprotocol.io). It brings the tools and the
// transports; where requests wait and how replies are judged is hooks/respond.
//
// # Tour
//
//   - server.go: [Server] and [Desk], what it works on.
//   - read.go: the tools read_packet and list_pending.
//   - write.go: the tool write_reply.
//   - check.go: the tool check_checksum. It works a sum out in front of the
//     agent, but only that of a reply which was judged already: to compute it
//     first is what the agent is here for.
//   - http.go: [Server.ServeHTTP], streamable HTTP, without sessions: there is
//     nothing that a client which dies could leave behind. origin.go: which
//     web pages may not ask.
//   - stdio.go: [Server.ServeStdio], one client on two streams.
//
// What an agent needs to know is in the tools' descriptions; deploy/agent holds
// a prompt that teaches the rest.
package mcp
