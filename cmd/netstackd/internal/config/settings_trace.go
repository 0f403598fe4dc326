package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/capture"
	"netstackd/hooks/filter"
	"netstackd/hooks/trace"
)

// traceSettings are those of what is written down.
func traceSettings() []setting {
	return append([]setting{
		{
			name: "trace", takes: "LEVEL",
			help:   "off, packets (one line a packet), compare (checksums by hand, and netstack's replies held against those made by hand), explain (the whole working, byte by byte) (default off)",
			offers: []string{"off", string(trace.Packets), string(trace.Compare), string(trace.Explain)},
			set: func(d *draft, s string) error {
				d.Trace = trace.Level(s)
				if s == "off" {
					d.Trace = ""
				}
				return oneOf(s, "off", string(trace.Packets), string(trace.Compare), string(trace.Explain))
			},
			get: func(c *Config) []string {
				if c.Trace == "" {
					return one("off")
				}
				return one(string(c.Trace))
			},
			adopt: func(c, from *Config) { c.Trace = from.Trace },
		}, {
			name: "trace-format", takes: "FORM",
			help:   "text or json (default text)",
			offers: []string{string(trace.Text), string(trace.JSON)},
			set: func(d *draft, s string) error {
				d.TraceFormat = trace.Format(s)
				return oneOf(s, string(trace.Text), string(trace.JSON))
			},
			get:   func(c *Config) []string { return one(string(c.TraceFormat)) },
			adopt: func(c, from *Config) { c.TraceFormat = from.TraceFormat },
		}, {
			name: "trace-out", takes: "FILE",
			help: "where the trace goes; - is standard output (default -)",
			set: func(d *draft, s string) error {
				d.TraceOut = s
				return wantFile(s)
			},
			// Nothing is standard error, where the trace goes by itself.
			get:   func(c *Config) []string { return one(c.TraceOut) },
			adopt: func(c, from *Config) { c.TraceOut = from.TraceOut },
		}, {
			name: "trace-sample", takes: "1/N",
			help: "trace and capture each Nth packet only",
			set: func(d *draft, s string) (err error) {
				n, ok := strings.CutPrefix(s, "1/")
				if d.Sample, err = strconv.ParseUint(n, 10, 32); !ok || err != nil || d.Sample == 0 {
					return errors.New("expected 1/N, as in 1/100 for each hundredth packet")
				}
				return nil
			},
			get:   func(c *Config) []string { return one(fmt.Sprintf("1/%d", c.Sample)) },
			adopt: func(c, from *Config) { c.Sample = from.Sample },
		}, {
			name: "filter", expression: true,
			set: func(d *draft, s string) (err error) {
				d.Filter, err = filter.Compile(s)
				return err
			},
			get: func(c *Config) []string {
				if c.Filter == nil {
					return nil
				}
				return one(c.Filter.String())
			},
			adopt: func(c, from *Config) { c.Filter = from.Filter },
		}, {
			name: "pcapng", takes: "FILE",
			help: "capture with a comment on each packet; - is standard output, as in: netstackd … -pcapng - | wireshark -k -i -",
			set: func(d *draft, s string) error {
				d.Pcapng = s
				return wantFile(s)
			},
			get:   func(c *Config) []string { return one(c.Pcapng) },
			adopt: func(c, from *Config) { c.Pcapng = from.Pcapng },
		}, {
			name: "pcapng-rotate", takes: "SIZE",
			help: "begin the next file past SIZE, as in 100MB",
			set: func(d *draft, s string) (err error) {
				d.PcapngRotate, err = capture.ParseSize(s)
				return err
			},
			get: func(c *Config) []string {
				if c.PcapngRotate == 0 {
					return nil
				}
				return one(strconv.FormatInt(c.PcapngRotate, 10))
			},
			adopt: func(c, from *Config) { c.PcapngRotate = from.PcapngRotate },
		},
	}, faultSettings()...)
}

// logSettings are those of the log.
func logSettings() []setting {
	return []setting{
		{
			name: "log-level", takes: "LEVEL",
			help:   "error, warning, info, debug or trace (default info)",
			offers: []string{"error", "warning", "info", "debug", "trace"},
			set: func(d *draft, s string) (err error) {
				if err := oneOf(s, "error", "warning", "info", "debug", "trace"); err != nil {
					return err
				}
				d.LogLevel, err = logrus.ParseLevel(s)
				return err
			},
			get:   func(c *Config) []string { return one(c.LogLevel.String()) },
			adopt: func(c, from *Config) { c.LogLevel = from.LogLevel },
		}, {
			name: "log-format", takes: "FORM",
			help:   "text or json, on standard error (default text)",
			offers: []string{"text", "json"},
			set: func(d *draft, s string) error {
				d.LogJSON = s == "json"
				return oneOf(s, "text", "json")
			},
			get: func(c *Config) []string {
				if c.LogJSON {
					return one("json")
				}
				return one("text")
			},
			adopt: func(c, from *Config) { c.LogJSON = from.LogJSON },
		},
	}
}

func wantFile(s string) error {
	if s == "" {
		return errors.New(`expected a file's name, or "-" for standard output`)
	}
	return nil
}
