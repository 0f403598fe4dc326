package config

import "errors"

// containSettings are those of the process's privileges.
func containSettings() []setting {
	return []setting{
		{
			name: "contain", takes: "on|off",
			help: "once it is up, give up every capability and all system calls and files but those it needs (default on)",
			set: func(d *draft, s string) error {
				d.Contain = s == "on"
				return oneOf(s, "on", "off")
			},
			get: func(c *Config) []string {
				if c.Contain {
					return one("on")
				}
				return one("off")
			},
		}, {
			name: "user", takes: "USER",
			help: "become this user once the device is made, if started by root (default: stay)",
			set: func(d *draft, s string) error {
				d.User = s
				if s == "" {
					return errors.New("expected a user's name or number, as in nobody")
				}
				return nil
			},
			get: func(c *Config) []string { return one(c.User) },
		},
	}
}
