package config

import (
	"errors"
	"flag"
	"fmt"
	"slices"

	"netstackd/cmd/netstackd/internal/serve"
)

// httpFlags adds the flags of the HTTP server.
func (c *Config) httpFlags(fs *flag.FlagSet) {
	fs.Func("http", "", func(s string) (err error) {
		c.HTTP, err = serve.ParseAddress(s)
		return err
	})
	fs.Func("http-token-file", "", func(s string) error {
		c.HTTPTokenFile = s
		if s == "" {
			return errors.New("expected a file's name")
		}
		return nil
	})
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
