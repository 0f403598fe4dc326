package main

import (
	"errors"
	"io"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/respond"
)

// startMCP starts the server through which an agent answers at a desk: on standard
// input and output, or else where -http listens.
func startMCP(*respond.Desk, bool, logrus.FieldLogger) (io.Closer, error) {
	return nil, errors.New("respond mcp: this build has no MCP server: give fifo:DIR or exec:COMMAND")
}
