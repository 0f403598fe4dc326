package main

import (
	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/serve"
)

// openWeb makes the HTTP server, if there is to be one. It is not started.
func openWeb(cfg *config.Config, log logrus.FieldLogger) (*serve.Server, error) {
	if cfg.HTTP == (serve.Address{}) {
		return nil, nil
	}
	return serve.New(serve.Config{Address: cfg.HTTP, TokenFile: cfg.HTTPTokenFile, Log: log})
}
