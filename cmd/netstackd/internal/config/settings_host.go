package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"netstackd/hooks/capture"
	"netstackd/hooks/faults"
	"netstackd/link"
	"netstackd/stack"
)

// hostSettings are those of the host and its link.
func hostSettings() []setting {
	return []setting{
		{
			name: "addr", takes: "PREFIX", many: true,
			help: "an address that netstack owns, with the length of its prefix; repeatable; IPv4 and IPv6; required",
			set: func(d *draft, s string) error {
				p, err := parseAddr(s, d.Addresses)
				d.Addresses = append(d.Addresses, p)
				return err
			},
			get: func(c *Config) []string { return texts(c.Addresses) },
		}, {
			name: "host", takes: "ADDR", many: true,
			help: "the kernel's address on the same link; repeatable (default: the first other usable address of each prefix)",
			set: func(d *draft, s string) error {
				a, err := parseHost(s)
				d.Hosts = append(d.Hosts, a)
				return err
			},
			get: func(c *Config) []string { return texts(c.Hosts) },
		}, {
			name: "tun", takes: "NAME",
			help: "name of the device (default netstack0)",
			set: func(d *draft, s string) error {
				d.TUN = s
				if err := link.CheckName(s); err != nil {
					// It quotes the name, which stands there already.
					return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("name device %q: ", s)))
				}
				return nil
			},
			get: func(c *Config) []string {
				if c.TUNFD != 0 {
					return nil
				}
				return one(c.TUN)
			},
		}, {
			name:   "no-configure",
			help:   "the device is prepared, addresses and all: open it, configure nothing, and leave it at the end; needs no privilege if it is this user's",
			toggle: func(d *draft, on bool) { d.NoConfigure = on },
			get:    func(c *Config) []string { return one(strconv.FormatBool(c.NoConfigure)) },
		}, {
			name: "tun-fd", takes: "N",
			help: "the same for a device that is open already, as descriptor N; its name and MTU are read from it",
			set: func(d *draft, s string) (err error) {
				d.TUNFD, err = strconv.Atoi(s)
				if err != nil || d.TUNFD < firstFD || d.TUNFD > maxFD {
					return fmt.Errorf("expected the number of an open descriptor, from %d: those before it are standard input, output and error", firstFD)
				}
				return nil
			},
			get: func(c *Config) []string {
				if c.TUNFD == 0 {
					return nil
				}
				return one(strconv.Itoa(c.TUNFD))
			},
		}, {
			name: "mtu", takes: "N",
			help: "in bytes (default 1500)",
			set: func(d *draft, s string) (err error) {
				d.MTU, err = strconv.Atoi(s)
				if err != nil || d.MTU < minMTU || d.MTU > maxMTU {
					return fmt.Errorf("expected bytes from %d to %d", minMTU, maxMTU)
				}
				return nil
			},
			get: func(c *Config) []string {
				if c.Prepared() {
					return nil
				}
				return one(strconv.Itoa(c.MTU))
			},
		}, {
			name: "offload", takes: "auto|on|off",
			help: "super-segments and unfinished checksums between kernel and netstack; auto is on where the device can (default auto)",
			set: func(d *draft, s string) (err error) {
				d.Offload, err = link.ParseOffload(s)
				return err
			},
			get: func(c *Config) []string { return one(string(c.Offload)) },
		}, {
			name: "busy-poll", takes: "DURATION",
			help: "how long to poll an idle device before blocking, while packets come that close together; 0 never (default 50us)",
			set: func(d *draft, s string) (err error) {
				d.BusyPoll, err = time.ParseDuration(s)
				if err != nil || d.BusyPoll < 0 || d.BusyPoll > maxBusyPoll {
					return fmt.Errorf("expected a duration from 0 to %v, as in 50us", maxBusyPoll)
				}
				return nil
			},
			get: func(c *Config) []string { return one(c.BusyPoll.String()) },
		}, {
			name: "services", takes: "LIST", list: true,
			help:   "echo, discard, chargen, http, iperf3; or all, or none (default all)",
			offers: append([]string{"all", "none"}, stack.ServiceNames()...),
			set: func(d *draft, s string) (err error) {
				d.Services, err = parseServices(s)
				return err
			},
			get:   func(c *Config) []string { return orNone(c.Services) },
			adopt: func(c, from *Config) { c.Services = from.Services },
		}, {
			name: "connections", takes: "N",
			help: "TCP connections of each service at a time (default 1024)",
			set: func(d *draft, s string) (err error) {
				d.Connections, err = strconv.Atoi(s)
				if err != nil || d.Connections < 1 || d.Connections > maxConnections {
					return fmt.Errorf("expected how many TCP connections each service may have, from 1 to %d", maxConnections)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(strconv.Itoa(c.Connections)) },
			adopt: func(c, from *Config) { c.Connections = from.Connections },
		}, {
			name: "connections-total", takes: "N",
			help: "TCP connections of all services at a time; 0 is twice -connections (default 0)",
			set: func(d *draft, s string) (err error) {
				d.Total, err = strconv.Atoi(s)
				if err != nil || d.Total < 0 || d.Total > maxConnections {
					return fmt.Errorf("expected how many TCP connections all services may have, up to %d, or 0 for twice -connections", maxConnections)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(strconv.Itoa(c.Total)) },
			adopt: func(c, from *Config) { c.Total = from.Total },
		}, {
			name: "connections-per-source", takes: "N",
			help: "TCP connections of one IPv4 address, or one IPv6 /64, at a time, over all services; 0 is no limit of its own (default 0)",
			set: func(d *draft, s string) (err error) {
				d.PerSource, err = strconv.Atoi(s)
				if err != nil || d.PerSource < 0 || d.PerSource > maxConnections {
					return fmt.Errorf("expected how many TCP connections one source may have, up to %d, or 0 for no limit", maxConnections)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(strconv.Itoa(c.PerSource)) },
			adopt: func(c, from *Config) { c.PerSource = from.PerSource },
		}, {
			name: "half-open", takes: "N",
			help: "TCP connections of each service that are being opened, beyond which SYN cookies answer (default 1024)",
			set: func(d *draft, s string) (err error) {
				d.HalfOpen, err = strconv.Atoi(s)
				if err != nil || d.HalfOpen < 1 || d.HalfOpen > maxHalfOpen {
					return fmt.Errorf("expected how many TCP connections of each service may be half open, from 1 to %d", maxHalfOpen)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(strconv.Itoa(c.HalfOpen)) },
			adopt: func(c, from *Config) { c.HalfOpen = from.HalfOpen },
		}, {
			name: "idle-timeout", takes: "DURATION",
			help: "reset a connection of a service that makes no progress for so long (default 5m)",
			set: func(d *draft, s string) (err error) {
				d.IdleTimeout, err = time.ParseDuration(s)
				if err != nil || d.IdleTimeout < minIdle || d.IdleTimeout > maxIdle {
					return fmt.Errorf("expected a duration from %v to %v, as in 5m", minIdle, maxIdle)
				}
				return nil
			},
			get:   func(c *Config) []string { return one(c.IdleTimeout.String()) },
			adopt: func(c, from *Config) { c.IdleTimeout = from.IdleTimeout },
		}, {
			name: "memory-limit", takes: "SIZE",
			help: "memory that the Go runtime tries to stay under, as GOMEMLIMIT does, which wins if it is set (default 1GiB)",
			set: func(d *draft, s string) (err error) {
				d.MemoryLimit, err = capture.ParseSize(s)
				if err == nil && d.MemoryLimit < minMemoryLimit {
					err = errors.New("expected at least 64MiB")
				}
				return err
			},
			get:   func(c *Config) []string { return one(strconv.FormatInt(c.MemoryLimit, 10)) },
			adopt: func(c, from *Config) { c.MemoryLimit = from.MemoryLimit },
		},
	}
}

// faultSettings are those of the faults that are made on purpose.
func faultSettings() []setting {
	return []setting{{
		name: "inject", takes: "RULE", many: true,
		help: "make faults on purpose, to see them seen; repeatable, as in 'outbound icmp corrupt=1%'; kinds: corrupt, drop, duplicate, reorder, delay, truncate",
		set: func(d *draft, s string) error {
			rule, err := faults.Parse(s)
			d.Inject = append(d.Inject, rule)
			return err
		},
		get: func(c *Config) []string { return texts(c.Inject) },
	}}
}

// orNone is a list as one value.
func orNone(list []string) []string {
	if len(list) == 0 {
		return []string{"none"}
	}
	return []string{strings.Join(list, ",")}
}

func parseAddr(s string, before []netip.Prefix) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, errors.New("expected an address and the length of its prefix, as in 172.16.0.2/24 or fd00:172::2/64")
	}
	if p.Bits() == 0 {
		return p, errors.New("a prefix of length 0 is the whole Internet; give that of the link, as in 172.16.0.2/24 or fd00:172::2/64")
	}
	if slices.ContainsFunc(before, func(b netip.Prefix) bool { return b.Addr() == p.Addr() }) {
		return p, errors.New("the address is given twice")
	}
	if why := unusable(p); why != "" {
		return p, fmt.Errorf("%s; give one that a host can have, as in %s", why, example(p))
	}
	return p, nil
}

func parseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, errors.New("expected an address without prefix length or zone, as in 172.16.0.1")
	}
	if why := unusable(netip.PrefixFrom(a, a.BitLen())); why != "" {
		return a, fmt.Errorf("%s; give one that a host can have, as in 172.16.0.1 or fd00:172::1", why)
	}
	return a, nil
}

func parseServices(s string) ([]string, error) {
	known := stack.ServiceNames()
	switch s {
	case "all":
		return known, nil
	case "none":
		return nil, nil
	}
	list := strings.Split(s, ",")
	for i, name := range list {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown service %s: expected a list of %s, or all, or none", quote(name), strings.Join(known, ","))
		}
		if slices.Contains(list[:i], name) {
			return nil, fmt.Errorf("service %q is given twice", name)
		}
	}
	return list, nil
}
