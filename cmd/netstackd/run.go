package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks"
	"netstackd/hooks/faults"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
	"netstackd/link"
	"netstackd/stack"
)

const (
	// shutdownPatience is how long an orderly end may take before the process
	// ends without one.
	shutdownPatience = 15 * time.Second
	// signalGrace is how long after the first signal a second one does not yet
	// mean impatience.
	signalGrace = time.Second
)

// serveHost runs the host until a signal ends it, which is no error, or until its
// device is gone. It logs to errs, and writes the summary there. read reads the
// configuration again.
func serveHost(cfg *config.Config, read func() (*config.Config, error), errs io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// A channel of its own, so that a storm of them costs no signal to end: what
	// comes while the file is being read is one more reading.
	hangups := make(chan os.Signal, 1)
	if cfg.File != "" {
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	} else {
		// There is no file to read again, so it is a terminal that hung up: that
		// ends the host as orderly as the other two.
		signal.Notify(signals, syscall.SIGHUP)
	}
	// A reader of the trace that goes away costs trace lines, not the host.
	signal.Ignore(syscall.SIGPIPE)

	log := newLog(cfg, errs)
	stack.SetProcessLog(log)
	notify := openNotifier(log)
	defer notify.close()
	limitMemory(cfg)
	cores := newProcs()
	h, err := bringUp(cfg, log, notify)
	if err != nil {
		return err
	}
	cores.start(h.endpoint.Bulk)
	defer cores.close()
	ending := make(chan struct{})
	var resting sync.WaitGroup
	resting.Go(func() { giveBack(func() uint64 { return h.endpoint.Counters().InPackets }, h.free, ending) })
	defer resting.Wait()
	defer close(ending)
	announce(log, cfg, h.device, h.endpoint.MTU())
	resting.Go(func() { notify.sayReady(h.device, ending) })
	resting.Go(func() { notify.keepAlive(h.moves, ending) })

	var cause error
	down := ""
	for down == "" {
		select {
		case <-hangups:
			notify.during(func() { cfg = h.reload(cfg, read, log) })
			continue
		case s := <-signals:
			log.WithField("signal", s.String()).Info("going down")
		case <-h.pipeline.agentLeft():
			log.Info("the agent has gone: going down")
		case <-h.endpoint.Done():
			cause = h.endpoint.Err()
			down = "the device is gone: the host is going down"
			continue
		case <-h.netstack.Failed():
			cause = h.gaveUp(cfg)
			down = "netstack panicked: the host is going down"
			continue
		}
		down = serve.ErrGoingDown.Error()
	}
	notify.say(daemon.SdNotifyStopping + "\nSTATUS=" + down)
	if h.web != nil {
		h.web.GoDown(down)
	}
	ended := make(chan error, 1)
	go func() {
		summary, err := h.takeDown(log)
		switch {
		case cfg.LogJSON:
			log.WithField("summary", summary).Info("summary")
		case !h.pipeline.outputs.shared || summary.TraceLost > 0:
			fmt.Fprint(errs, summary.Text())
		}
		ended <- err
	}()
	begun := time.Now()
	overdue := time.After(shutdownPatience)
	for {
		select {
		case err := <-ended:
			return errors.Join(cause, err)
		case <-signals:
			// One that comes at once is the same wish said twice: timeout(1)
			// signals its child and its group.
			if time.Since(begun) > signalGrace {
				return errors.Join(cause, errors.New("end: interrupted a second time, not waiting any longer"))
			}
		case <-overdue:
			return errors.Join(cause, fmt.Errorf("end: not done after %v, not waiting any longer", shutdownPatience))
		}
	}
}

// A host is everything that runs, wired.
type host struct {
	device   *link.Device
	endpoint *link.Endpoint
	pipeline *pipeline
	netstack *stack.Host
	// injector is nil if no faults are to be made.
	injector *faults.Endpoint
	// web is nil if nothing is served over HTTP.
	web *serve.Server
	// spawner is nil if nothing is ever started.
	spawner *spawner
	// panics writes down what netstack panicked of.
	panics *panics
}

// gaveUp says why netstack is not rebuilt.
func (h *host) gaveUp(cfg *config.Config) error {
	why, where := h.netstack.Failure(), "the log has the packet and the trace"
	if cfg.Quarantine != "" {
		where = cfg.Quarantine + " has the packet and the trace"
	}
	if cfg.ExitOnPanic {
		return fmt.Errorf("%w, and -on-panic exit ends the host: %s", why, where)
	}
	return fmt.Errorf("%w, so the host ends: %s", why, where)
}

// moves shows that packets can move: that the link's reader goes round, by way of the
// hooks and netstack if there is a packet, and that netstack can find one's way. It
// returns false if not before stop is closed.
func (h *host) moves(stop <-chan struct{}) bool {
	// While netstack is rebuilt nothing is read, and that is the host at work. It may
	// have been for a moment.
	for turn := 1; h.netstack.Down() == "" && !h.endpoint.Beat(stop); turn++ {
		if turn == 2 {
			return false
		}
	}
	h.netstack.Beat()
	return true
}

// bringUp builds the packet's way, kernel to netstack and back: link, hooks,
// stack. On an error nothing is left behind.
func bringUp(cfg *config.Config, log *logrus.Logger, notify *notifier) (_ *host, err error) {
	h, ready := &host{}, &readiness{}
	// Before any process is started: none is to inherit the device's descriptor.
	if h.device, err = openDevice(cfg, log); err != nil {
		return nil, err
	}
	if h.spawner, err = startSpawner(cfg); err != nil {
		return nil, errors.Join(err, h.device.Close())
	}
	defer func() {
		if err != nil && h.spawner != nil {
			err = errors.Join(err, h.spawner.close())
		}
	}()
	// From here on what is made is the user's whom it becomes.
	if err = becomeUser(cfg); err != nil {
		return nil, errors.Join(err, h.device.Close())
	}
	if h.web, err = openWeb(cfg, log, ready); err != nil {
		return nil, errors.Join(err, h.device.Close())
	}
	defer func() {
		if err != nil && h.web != nil {
			err = errors.Join(err, h.web.Close())
		}
	}()
	if h.web != nil {
		h.web.Start()
	}
	h.endpoint, err = link.NewEndpoint(h.device, link.Options{Log: log, Offload: cfg.Offload, BusyPoll: cfg.BusyPoll})
	if err != nil {
		return nil, errors.Join(err, h.device.Close())
	}
	// After the device, which a second host by the same name does not get: its
	// trace must not overwrite the first one's.
	named := *cfg
	named.TUN = h.device.Name() // of a descriptor only that knows it
	if h.panics, err = openPanics(&named, named.TUN, log, notify); err != nil {
		return nil, errors.Join(err, h.device.Close())
	}
	h.panics.start()
	if h.pipeline, err = newPipeline(&named, h.endpoint.Offloads(), log); err != nil {
		return nil, errors.Join(err, h.panics.close(), h.device.Close())
	}
	h.pipeline.start()
	chain := hooks.New(h.endpoint, h.pipeline.ledger, h.pipeline.options, h.pipeline.chain...)
	if h.pipeline.guard != nil {
		h.pipeline.guard.Connect(chain)
	}
	if h.pipeline.answerers != nil {
		h.pipeline.answerers.Connect(chain)
		h.pipeline.answerers.web, h.pipeline.answerers.spawner = h.web, h.spawner
	}
	host := stack.Config{
		Link:      chain,
		Addresses: cfg.Addresses,
		Services:  cfg.Services,
		Limits:    limits(cfg),
		About:     stack.About{Program: "netstackd", Version: version, Components: builtWith()},
		Log:       log,

		Panicked: h.panics.panicked, Restarting: h.pipeline.restart, Rebuilt: h.panics.rebuilt,
		Abandon: h.endpoint.Abandon, ExitOnPanic: cfg.ExitOnPanic,
	}
	if len(cfg.Inject) > 0 {
		h.injector = faults.New(chain, cfg.Inject, faults.Options{})
		host.Link = h.injector
		host.Abandon = func() {
			h.injector.Abandon()
			h.endpoint.Abandon()
		}
		log.WithField("rules", cfg.Inject).Warn("faults are injected on purpose")
	}
	if h.netstack, err = stack.New(host); err == nil {
		h.pipeline.judge(h.netstack)
		err = h.netstack.Start()
	}
	if err == nil && h.pipeline.answerers != nil {
		err = h.pipeline.answerers.start()
	}
	if err == nil {
		// The kernel's side comes last: its first packet finds a host.
		err = h.device.Up()
	}
	if err == nil {
		err = enterContainment(cfg, log)
	}
	if err == nil && h.web != nil {
		h.showOver(h.web, log)
		ready.down = h.netstack.Down
		ready.device.Store(h.device)
		log.WithField("address", h.web.Addr()).Info("HTTP is served")
	}
	if err != nil {
		_, also := h.takeDown(log)
		return nil, errors.Join(err, also)
	}
	return h, nil
}

// openDevice opens the device, or takes the one that is open.
func openDevice(cfg *config.Config, log *logrus.Logger) (*link.Device, error) {
	c := link.Config{Name: cfg.TUN, MTU: cfg.MTU, Kernel: cfg.Kernel, Netstack: cfg.Addresses, Log: log}
	switch {
	case cfg.TUNFD != 0:
		return link.OpenDescriptor(cfg.TUNFD, c)
	case cfg.NoConfigure:
		return link.OpenPrepared(c)
	}
	return link.Open(c)
}

// takeDown ends everything: the packets in the order in which they stop: first
// none come in, then none are made, then what the hooks hold is settled and
// written. Who asks over HTTP is told so until all is done.
func (h *host) takeDown(log *logrus.Logger) (_ *trace.Summary, err error) {
	if h.web != nil {
		h.web.GoDown(serve.ErrGoingDown.Error())
		defer func() {
			err = errors.Join(err, h.web.Close())
			h.web = nil
		}()
	}
	h.endpoint.Attach(nil)
	h.endpoint.Wait()
	var answered error
	if h.pipeline.answerers != nil {
		answered = errors.Join(h.pipeline.answerers.close(), h.spawner.close())
		h.spawner = nil
	}
	var served stack.Counters
	if h.netstack != nil {
		err = errors.Join(err, h.netstack.Close())
		served = h.netstack.Counters()
	}
	h.endpoint.Close()
	err = errors.Join(answered, err, h.device.Close(), h.panics.close())
	drops := []map[string]uint64{h.endpoint.Counters().Drops, served.Drops}
	if h.injector != nil {
		injected := h.injector.Counters()
		drops = append(drops, injected.In.Drops, injected.Out.Drops)
		log.WithFields(logrus.Fields{"in": injected.In.Faults, "out": injected.Out.Faults}).Info("faults injected")
	}
	summary, traceErr := h.pipeline.close(drops...)
	if h.pipeline.sawAll && h.injector == nil && h.netstack != nil {
		crossCheck(summary, h.pipeline.refused(), h.pipeline.ledger.Totals().Ahead, served, log)
	}
	if traceErr != nil {
		// The trace's end is not the host's failure.
		log.WithError(traceErr).Warn("trace incomplete")
	}
	return summary, err
}

// free forgets what is past its time and returns unused memory to the system.
func (h *host) free() {
	h.pipeline.expire(time.Now())
	debug.FreeOSMemory()
}

// crossCheck holds the fates of inbound packets against netstack's own count of
// what it received: all but what the hooks kept from it, of which refused was
// for a checksum, what is of no IP version, which it counts nowhere, and what came
// when it had just panicked; and with what the hooks have put ahead of others.
func crossCheck(s *trace.Summary, refused, ahead uint64, served stack.Counters, log logrus.FieldLogger) {
	kept := refused + s.Fates.In[hooks.Guarded] + s.Fates.In[hooks.Mended] + s.Drops[hooks.ReasonDetached] + s.Drops[wire.ReasonBadVersion] +
		served.Drops[stack.DropAbandonedIn]
	passed, received := s.Packets.In-kept+ahead, served.IP.Received+served.IP.Disabled
	if passed != received {
		log.WithFields(logrus.Fields{"passed": passed, "received": received}).
			Warn("netstack did not count as many packets as the hooks let pass")
	}
}
