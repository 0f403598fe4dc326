package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// prefix is what the names of our variables begin with.
const prefix = "NETSTACKD_"

// variable is the name of a setting's variable: NETSTACKD_BUSY_POLL for busy-poll.
func (s *setting) variable() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// notOurs are the variables that Kubernetes gives to every container for a service
// whose name begins with netstackd, in the form of Docker's links.
var notOurs = regexp.MustCompile(`^NETSTACKD_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// environmentValues finds the settings of an environment, whose elements are
// NAME=VALUE. An empty variable is as good as none. A list is one with commas, or,
// for elements that have commas themselves, one of YAML in brackets.
func environmentValues(table []setting, environ []string) (map[string][]value, error) {
	values := map[string][]value{}
	for _, e := range environ {
		name, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, prefix) || notOurs.MatchString(name) || text == "" {
			continue
		}
		i := slices.IndexFunc(table, func(s setting) bool {
			return s.variable() == name && (s.get != nil || s.name == "config")
		})
		if i < 0 {
			return nil, fmt.Errorf("unknown variable %s in the environment: netstackd -help lists the flags, and %sBUSY_POLL is that of -busy-poll", quote(name), prefix)
		}
		s, at := &table[i], origin{variable: name}
		all := []string{text}
		switch {
		case (s.many || s.list) && strings.HasPrefix(text, "["):
			list, err := parseFile(table, name, []byte(s.name+": "+text))
			if err != nil || len(list) != 1 {
				return nil, fmt.Errorf("invalid value %s for %s: expected a list in brackets, as YAML has it", quote(text), name)
			}
			all = nil
			for _, v := range list[s.name] {
				all = append(all, v.text)
			}
		case s.many:
			all = strings.Split(text, ",")
		}
		for _, text := range all {
			values[s.name] = append(values[s.name], value{text: text, origin: at})
		}
	}
	return values, nil
}
