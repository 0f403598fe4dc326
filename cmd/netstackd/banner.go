package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/link"
)

// newLog returns the log, written to out.
func newLog(cfg *config.Config, out io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	setLog(log, cfg)
	return log
}

// setLog has the log speak as the configuration wants it.
func setLog(log *logrus.Logger, cfg *config.Config) {
	log.SetLevel(cfg.LogLevel)
	inJournal := inJournal()
	var f logrus.Formatter = &logrus.TextFormatter{FullTimestamp: true, DisableTimestamp: inJournal}
	if cfg.LogJSON {
		f = &logrus.JSONFormatter{}
	}
	if inJournal {
		f = journalFormatter{f}
	}
	log.SetFormatter(f)
}

// announce says what a newcomer needs: which address to ping, what the
// kernel's side is, and which services wait.
func announce(log logrus.FieldLogger, cfg *config.Config, dev *link.Device, mtu uint32) {
	device := dev.Name()
	var kernel []string
	for _, a := range dev.Kernel() {
		kernel = append(kernel, a.String())
	}
	addresses := make([]string, 0, len(cfg.Addresses))
	for _, p := range cfg.Addresses {
		addresses = append(addresses, p.String())
	}
	log.WithFields(logrus.Fields{
		"device": device, "mtu": mtu, "addresses": strings.Join(addresses, " "), "kernel": strings.Join(kernel, ", "),
		"services": listed(cfg.Services),
	}).Info("host is up")
	for _, p := range cfg.Addresses {
		log.Infof("try: ping %s", reachable(p.Addr(), device))
	}
	first := reachable(cfg.Addresses[0].Addr(), device)
	for _, s := range cfg.Services {
		switch s {
		case "http":
			log.Infof("try: curl http://%s/", hostPart(first))
		case "iperf3":
			log.Infof("try: iperf3 -c %s --bidir", first)
		}
	}
}

// listed writes down services.
func listed(services []string) string {
	if len(services) == 0 {
		return "none"
	}
	return strings.Join(services, " ")
}

// reachable is an address as the kernel's side reaches it: a link-local one
// needs the device's name.
func reachable(a netip.Addr, device string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(device)
	}
	return a
}

// hostPart writes an address as a URL has it (RFC 3986 §3.2.2, RFC 6874 §2).
func hostPart(a netip.Addr) string {
	if a.Is6() {
		return fmt.Sprintf("[%s]", strings.ReplaceAll(a.String(), "%", "%25"))
	}
	return a.String()
}
