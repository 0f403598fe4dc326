package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"netstackd/hooks/respond"
)

// The answerers that are servers, as -respond names them.
const (
	RespondMCP      = "mcp"
	RespondMCPStdio = "mcp:stdio"
)

const whoAnswers = "netstack, byhand, fifo:DIR, exec:COMMAND, mcp or mcp:stdio"

// respondSettings are those of who answers echo requests.
func respondSettings() []setting {
	return []setting{
		{
			name: "respond", takes: "[ADDR=]WHO", many: true,
			help:   "who answers pings, to ADDR or to all: netstack, byhand (the reference host), fifo:DIR, exec:COMMAND, mcp, mcp:stdio; repeatable (default netstack)",
			offers: []string{respond.Netstack, respond.ByHand, "fifo:", "exec:", RespondMCP, RespondMCPStdio},
			set:    func(d *draft, s string) error { return d.parseRespond(s, &d.respondAll) },
			get: func(c *Config) []string {
				all := []string{c.Respond}
				for _, a := range slices.SortedFunc(maps.Keys(c.RespondFor), netip.Addr.Compare) {
					all = append(all, a.String()+"="+c.RespondFor[a])
				}
				return all
			},
			adopt: func(c, from *Config) { c.Respond, c.RespondFor = from.Respond, from.RespondFor },
		}, {
			name: "shadow", takes: "LIST", list: true,
			help:   "who else computes an answer, which is compared and not sent: netstack, byhand; or none (default: both, if others answer)",
			offers: []string{respond.Netstack, respond.ByHand, "none"},
			set: func(d *draft, s string) (err error) {
				d.Shadow, err = parseShadow(s)
				return err
			},
			get:   func(c *Config) []string { return orNone(c.Shadow) },
			adopt: func(c, from *Config) { c.Shadow = from.Shadow },
		}, {
			name:   "send-bad-replies",
			help:   "send what fifo, exec and mcp answer though it is wrong",
			toggle: func(d *draft, on bool) { d.SendBadReplies = on },
			get:    func(c *Config) []string { return one(strconv.FormatBool(c.SendBadReplies)) },
			adopt:  func(c, from *Config) { c.SendBadReplies = from.SendBadReplies },
		}, {
			name: "exec-user", takes: "USER",
			help: "whom exec:COMMAND runs as (default nobody, if started by root)",
			set: func(d *draft, s string) error {
				d.ExecUser = s
				if s == "" {
					return errors.New("expected a user's name or number, as in nobody")
				}
				return nil
			},
			get: func(c *Config) []string { return one(c.ExecUser) },
		},
	}
}

// parseRespond takes one -respond: who answers, or, behind an address and an
// equals sign, who answers what is sent to that. all says that one without an
// address was given, and is set if this is.
func (c *Config) parseRespond(s string, all *bool) error {
	who, addr := s, netip.Addr{}
	if before, after, ok := strings.Cut(s, "="); ok {
		// A command may have an equals sign too, but is no address.
		if a, err := netip.ParseAddr(before); err == nil {
			who, addr = after, a
		}
	}
	who, err := answerer(who)
	if err != nil {
		return err
	}
	if !addr.IsValid() {
		if *all {
			return fmt.Errorf("one without an address is given already, %s: name the address that this one is for, as in 172.16.0.3=%s", quote(c.Respond), printable(who))
		}
		c.Respond, *all = who, true
		return nil
	}
	if other, ok := c.RespondFor[addr]; ok {
		return fmt.Errorf("%s has an answerer already, %s", addr, quote(other))
	}
	if c.RespondFor == nil {
		c.RespondFor = map[netip.Addr]string{}
	}
	c.RespondFor[addr] = who
	return nil
}

// answerer checks the name of an answerer.
func answerer(s string) (string, error) {
	kind, rest, behind := strings.Cut(s, ":")
	switch {
	case s == respond.Netstack, s == respond.ByHand, s == RespondMCP, s == RespondMCPStdio:
		return s, nil
	case kind == "fifo" && behind && rest != "":
		return "fifo:" + filepath.Clean(rest), nil
	case kind == "fifo":
		return "", errors.New("fifo needs the directory to make its FIFOs in, as in fifo:/tmp")
	case kind == "exec" && behind && strings.TrimSpace(rest) != "":
		return s, nil
	case kind == "exec":
		return "", errors.New("exec needs the command to start, as in exec:./answer.sh")
	}
	return "", errors.New("expected " + whoAnswers + ", or one of them for an address, as in 172.16.0.3=byhand")
}

func parseShadow(s string) ([]string, error) {
	if s == "none" {
		return nil, nil
	}
	list := strings.Split(s, ",")
	for i, name := range list {
		if name != respond.Netstack && name != respond.ByHand {
			return nil, errors.New("expected netstack, byhand, both as netstack,byhand, or none")
		}
		if slices.Contains(list[:i], name) {
			return nil, fmt.Errorf("%s is given twice", name)
		}
	}
	return list, nil
}

// Answerers lists who answers, each once.
func (c *Config) Answerers() []string {
	var names []string
	for _, p := range c.Addresses {
		who, ok := c.RespondFor[p.Addr()]
		if !ok {
			who = c.Respond
		}
		if !slices.Contains(names, who) {
			names = append(names, who)
		}
	}
	return names
}

// completeRespond checks who answers against the addresses.
func (c *draft) completeRespond() error {
	for a, who := range c.RespondFor {
		if !slices.ContainsFunc(c.Addresses, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return fmt.Errorf("-respond %s=%s: no -addr is %s: add one, or name an address that is", a, printable(who), a)
		}
	}
	names := c.Answerers()
	if slices.Contains(names, RespondMCP) && slices.Contains(names, RespondMCPStdio) {
		return errors.New("-respond mcp and -respond mcp:stdio are two ways to one server: give one of them")
	}
	external := slices.ContainsFunc(names, func(n string) bool { return strings.ContainsAny(n, ":") || n == RespondMCP })
	if c.SendBadReplies && !external {
		return errors.New("-send-bad-replies is about what fifo, exec and mcp answer: give one of them with -respond")
	}
	if c.ExecUser != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "exec:") }) {
		return errors.New("-exec-user is the user of an exec answerer: give one with -respond exec:COMMAND")
	}
	if _, given := c.given["shadow"]; !given && (len(names) > 1 || names[0] != respond.Netstack) {
		c.Shadow = []string{respond.Netstack, respond.ByHand}
	}
	return nil
}

// uses reports whether somebody answers by a name, for any address.
func (c *Config) uses(name string) bool {
	if c.Respond == name {
		return true
	}
	for _, who := range c.RespondFor {
		if who == name {
			return true
		}
	}
	return false
}
