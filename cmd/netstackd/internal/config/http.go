package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks/live"
)

// DefaultCaptures are how many may follow the packets at a time if nobody says.
const DefaultCaptures = 16

// httpSettings are those of the HTTP server.
func httpSettings() []setting {
	return []setting{
		{
			name: "http", takes: "ADDR|unix:PATH",
			help: "serve HTTP there: /metrics, /healthz, /readyz, /api/summary, /api/connections, /capture, /debug/pprof, and /mcp with -respond mcp; only this machine may reach it, unless a token is asked for",
			set: func(d *draft, s string) (err error) {
				d.HTTP, err = serve.ParseAddress(s)
				return err
			},
			get: func(c *Config) []string { return one(c.HTTP.String()) },
		}, {
			name: "http-token-file", takes: "F",
			help: "clients must show the token that is in F",
			set: func(d *draft, s string) error {
				d.HTTPTokenFile = s
				if s == "" {
					return errors.New("expected a file's name")
				}
				return nil
			},
			get: func(c *Config) []string { return one(c.HTTPTokenFile) },
		}, {
			name: "captures", takes: "N",
			help: fmt.Sprintf("how many may follow the packets at /capture at a time; 0 is nobody (default %d)", DefaultCaptures),
			set: func(d *draft, s string) (err error) {
				if d.Captures, err = strconv.Atoi(s); err != nil || d.Captures < 0 || d.Captures > live.Max {
					return fmt.Errorf("expected a number from 0 to %d", live.Max)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(strconv.Itoa(c.Captures)) },
			adopt: func(c, from *Config) { c.Captures = from.Captures },
		},
	}
}

// checkHTTP checks what belongs together: an agent has to be reached, and what
// other machines reach needs a token.
func (c *Config) checkHTTP() error {
	switch {
	case slices.Contains(c.Answerers(), RespondMCP) && c.HTTP == serve.Address{}:
		return errors.New("-respond mcp is reached over HTTP: give -http as well, as in -http 127.0.0.1:8080, or -respond mcp:stdio")
	case c.HTTP == serve.Address{} && c.HTTPTokenFile != "":
		return errors.New("-http-token-file protects what -http serves, and nothing is served: give -http as well")
	case c.HTTP != serve.Address{} && c.HTTPTokenFile == "" && !c.HTTP.Local():
		return fmt.Errorf("-http %s can be reached from other machines: give -http-token-file as well, or listen on 127.0.0.1 or unix:PATH", c.HTTP)
	}
	return nil
}
