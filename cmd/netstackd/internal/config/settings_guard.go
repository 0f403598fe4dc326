package config

import (
	"errors"

	"netstackd/hooks/guard"
)

// guardSettings are those of what would harm netstack, and of what did.
func guardSettings() []setting {
	return []setting{
		{
			name: "guard", takes: "off|on|strict",
			help: "drop what would harm netstack; strict also mends what it does otherwise than the RFCs say, but for what is left out, as in strict,-reserved-flag (default on)",
			set: func(d *draft, s string) (err error) {
				d.Guard, err = guard.ParseMode(s)
				return err
			},
			get:   func(c *Config) []string { return one(c.Guard.String()) },
			adopt: func(c, from *Config) { c.Guard = from.Guard },
		}, {
			name: "on-panic", takes: "WHAT",
			help: "when netstack panics of a packet: rebuild it, which costs its connections, or exit with status 1, for a supervisor (default rebuild)",
			set: func(d *draft, s string) error {
				d.ExitOnPanic = s == "exit"
				return oneOf(s, "rebuild", "exit")
			},
			get: func(c *Config) []string {
				if c.ExitOnPanic {
					return one("exit")
				}
				return one("rebuild")
			},
		}, {
			name: "quarantine", takes: "FILE",
			help: "capture that such packets are added to, with the stack trace, up to 8 MiB (default: both in the log)",
			set: func(d *draft, s string) error {
				d.Quarantine = s
				if s == "" || s == "-" {
					return errors.New("expected a file's name")
				}
				return nil
			},
			get: func(c *Config) []string { return one(c.Quarantine) },
		},
	}
}
