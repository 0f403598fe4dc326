package config

import "errors"

// invocationSettings are those that say what to do, or where the others are.
func invocationSettings() []setting {
	return []setting{
		{
			name: "config", takes: "FILE",
			help: "YAML with the flags' names, as in busy-poll: 20us; flags win over variables such as NETSTACKD_BUSY_POLL, and those over the file",
			set: func(d *draft, s string) error {
				d.File = s
				if s == "" {
					return errors.New("expected a file's name")
				}
				return nil
			},
		}, {
			name:   "check-config",
			help:   "print the configuration that all this makes, as such a file, and exit; 2 if there is something wrong",
			toggle: func(d *draft, on bool) { d.CheckOnly = on },
		}, {
			name:   "version",
			help:   "print versions and exit",
			toggle: func(d *draft, on bool) { d.Version = on },
		},
	}
}
