package main

import (
	"errors"
	"io"
	"strings"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks"
	"netstackd/hooks/respond"
)

// answerers are those who answer echo requests beside netstack, or score it, and
// what they are reached by.
type answerers struct {
	*respond.Answerers
	desks []*respond.Desk
	log   logrus.FieldLogger
	// spawner starts the processes; nil if there are none.
	spawner *spawner
	// web is the HTTP server, where an agent may be reached; nil if there is none.
	web *serve.Server
	// left is closed when an agent on standard input has gone, for whom alone the
	// host was there.
	left chan struct{}
	// reached are the FIFOs, processes and servers, to be closed.
	reached []io.Closer
}

// newAnswerers returns the answerers that the configuration wants, or nil if
// netstack answers everything and nobody scores it, for good. Nobody is reached
// before start.
func newAnswerers(cfg *config.Config, log logrus.FieldLogger) *answerers {
	names := cfg.Answerers()
	if cfg.File == "" && len(cfg.Shadow) == 0 && len(names) == 1 && names[0] == respond.Netstack {
		return nil
	}
	a := &answerers{log: log, left: make(chan struct{})}
	for _, name := range names {
		if name != respond.Netstack && name != respond.ByHand {
			a.desks = append(a.desks, respond.NewDesk(respond.DeskConfig{
				Name: name, SendBadReplies: cfg.SendBadReplies,
				// Nothing is asked, so nothing is sent, before a.Answerers is there.
				Send: func(reply []byte, answer hooks.Answer) error { return a.Send(reply, answer) },
			}))
		}
	}
	a.Answerers = respond.New(respond.Config{
		Addresses: cfg.Addresses, Default: cfg.Respond, For: cfg.RespondFor, Desks: a.desks, Shadows: cfg.Shadow,
	})
	return a
}

// change has others answer, of those that there are. Who is asked no more is reached all
// the same: it may answer what it was asked.
func (a *answerers) change(cfg *config.Config) {
	for _, d := range a.desks {
		d.SetSendBadReplies(cfg.SendBadReplies)
	}
	a.Change(respond.Config{Default: cfg.Respond, For: cfg.RespondFor, Shadows: cfg.Shadow})
}

// unshadowed says that netstack's replies are of no interest where another answers.
func (a *answerers) unshadowed() bool { return !a.Shadowed(respond.Netstack) }

// start makes each external answerer reachable.
func (a *answerers) start() error {
	for _, d := range a.desks {
		c, err := a.reach(d)
		if err != nil {
			return errors.Join(err, a.close())
		}
		a.reached = append(a.reached, c)
	}
	return nil
}

// reach makes one answerer reachable at its desk.
func (a *answerers) reach(d *respond.Desk) (io.Closer, error) {
	kind, what, _ := strings.Cut(d.Name(), ":")
	switch kind {
	case "fifo":
		f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: what, Desk: d, Log: a.log})
		if err != nil {
			return nil, err
		}
		f.Start()
		return f, nil
	case "exec":
		e, err := respond.NewExec(respond.ExecConfig{Launch: a.spawner.launcher(what), Desk: d, Log: a.log})
		if err != nil {
			return nil, err
		}
		e.Start()
		return e, nil
	}
	return a.startMCP(d, d.Name() == config.RespondMCPStdio)
}

// close ends the desks, then whoever sits at them.
func (a *answerers) close() error {
	a.Close()
	var err error
	for _, c := range a.reached {
		err = errors.Join(err, c.Close())
	}
	a.reached = nil
	return err
}
