package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/stack"
)

// reload reads the configuration again, puts in force what can change while packets
// move, and says in a line what that was, in one for each what stays as it is. A
// configuration that is refused changes nothing. It returns what is in force.
func (h *host) reload(cfg *config.Config, read func() (*config.Config, error), log *logrus.Logger) *config.Config {
	fresh, err := read()
	if err != nil {
		log.WithError(err).Error("configuration refused, nothing is changed")
		return cfg
	}
	next, changed, stay := cfg.Adopt(fresh)
	if !slices.Equal(next.Services, cfg.Services) {
		// Before anything else: if they cannot be opened, nothing is changed.
		if err := h.pipeline.changePorts(next.Services, func() error { return h.netstack.SetServices(next.Services) }); err != nil {
			log.WithError(fresh.Locate("services", err)).Error("configuration refused, nothing is changed")
			return cfg
		}
	}
	// The log first: what is said of the rest is said its way.
	setLog(log, next)
	if err := h.pipeline.rewrite(cfg, next); err != nil {
		if errors.Is(err, os.ErrPermission) && cfg.Contain {
			err = fmt.Errorf("%w: once it is up, netstackd makes files only where the configuration had some at the start", err)
		}
		log.WithError(err).Error("the trace and the capture stay as they are")
		next, changed = next.KeepOutputs(cfg, changed)
	}
	limitMemory(next)
	if err := h.netstack.SetLimits(limits(next)); err != nil {
		log.WithError(err).Error("not all limits are changed")
	}
	// There are answerers and a guard wherever there is a file.
	h.pipeline.answerers.change(next)
	h.pipeline.guard.Change(next.Guard)
	h.pipeline.reselect(next)
	if h.pipeline.readers != nil {
		h.pipeline.readers.SetMost(next.Captures)
	}
	for _, name := range stay {
		log.WithField("setting", name).Warn("changed in the configuration, stays as it is: that takes a restart")
	}
	if len(changed) == 0 {
		changed = []string{"nothing"}
	}
	if slices.Contains(changed, "services") {
		log.WithField("services", listed(next.Services)).Info("services changed")
	}
	log.WithField("changed", strings.Join(changed, " ")).Info("configuration read again")
	return next
}

// limits are what clients of the services may hold.
func limits(cfg *config.Config) stack.Limits {
	return stack.Limits{
		Connections: cfg.Connections, Total: cfg.Total, PerSource: cfg.PerSource, HalfOpen: cfg.HalfOpen, Idle: cfg.IdleTimeout,
	}
}
