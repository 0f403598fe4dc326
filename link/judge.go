package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
)

// judge tells what the change of a device from last to now means to who runs it,
// with the command that mends what is wrong. known is false when now is the
// first state seen and last means nothing. kernel are the addresses the kernel's
// side was configured with.
func judge(known bool, last, now State, kernel []Address) []notice {
	var notices []notice
	say := func(level logrus.Level, message string, fields logrus.Fields) {
		notices = append(notices, notice{level, message, fields})
	}
	if known && now.Name != last.Name {
		say(logrus.InfoLevel, "the device was renamed", logrus.Fields{"name": now.Name, "was": last.Name})
	}
	if known && now.MTU != last.MTU {
		say(logrus.InfoLevel, "the device's MTU changed", logrus.Fields{"mtu": now.MTU, "was": last.MTU})
	}
	six := slices.DeleteFunc(slices.Clone(kernel), func(a Address) bool { return !a.Local.Addr().Is6() })
	if len(six) > 0 && now.MTU < MinMTU6 && (!known || last.MTU >= MinMTU6) {
		say(logrus.WarnLevel, "the kernel took IPv6 off the device, whose MTU is below 1280", logrus.Fields{
			"mtu":     now.MTU,
			"command": setMTUCommand(now.Name, MinMTU6) + " && " + addCommand(now.Name, six),
		})
	}
	switch {
	case known && last.Up && !now.Up:
		say(logrus.WarnLevel, "the device is down: no packet passes until it is up again", logrus.Fields{
			"command": fmt.Sprintf("ip link set dev %s up", shellQuote(now.Name)),
		})
	case known && !last.Up && now.Up:
		say(logrus.InfoLevel, "the device is up", nil)
	}
	lacks := lacking(now)
	var lacked []Address
	if known {
		lacked = lacking(last)
	}
	switch {
	case len(lacks) > 0 && !slices.Equal(lacks, lacked):
		say(logrus.WarnLevel, "the kernel's side of the device lost addresses", logrus.Fields{"command": addCommand(now.Name, lacks)})
	case len(lacks) == 0 && len(lacked) > 0:
		if now.MTU >= MinMTU6 || len(now.Missing) == 0 {
			say(logrus.InfoLevel, "the kernel's side of the device has its addresses again", nil)
		}
	}
	return notices
}

// lacking are the missing addresses that can be put back as things are: not the
// IPv6 ones while the MTU forbids them.
func lacking(s State) []Address {
	if s.MTU >= MinMTU6 {
		return s.Missing
	}
	return slices.DeleteFunc(slices.Clone(s.Missing), func(a Address) bool { return a.Local.Addr().Is6() })
}

func setMTUCommand(device string, mtu int) string {
	return fmt.Sprintf("ip link set dev %s mtu %d", shellQuote(device), mtu)
}

// addCommand is the ip(8) command, or several, that adds addresses.
func addCommand(device string, addrs []Address) string {
	commands := make([]string, 0, len(addrs))
	for _, a := range addrs {
		if a.Local.Addr().Is6() {
			commands = append(commands, fmt.Sprintf("ip -6 addr add %v dev %s nodad", a, shellQuote(device)))
		} else {
			commands = append(commands, fmt.Sprintf("ip addr add %v dev %s", a, shellQuote(device)))
		}
	}
	return strings.Join(commands, " && ")
}

// shellQuote makes a device's name safe to paste into a shell.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-@+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
