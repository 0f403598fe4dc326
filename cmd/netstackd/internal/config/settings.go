package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A setting is one thing that can be configured, in each of three ways by the same
// name: as a flag, as a variable of the environment, in the file. What there is to
// say of it stands here and nowhere else: parsing, the usage and what
// -check-config prints follow the table.
type setting struct {
	// name is the flag's, without its dash, and the key of the file.
	name string
	// takes names the value in the usage; it is empty for a toggle.
	takes string
	// help is what the usage says, its default included.
	help string
	// offers are values, or beginnings of values, that a shell offers to complete.
	offers []string
	// many says that it may be given several times, and is a list in the file; list,
	// that its one value is a list with commas, and may be one in the file as well.
	many, list bool
	// toggle is set instead of set where the value is true or false.
	toggle func(*draft, bool)
	// set takes one value, or says what was expected.
	set func(*draft, string) error
	// get returns what is in force, as set takes it; nothing if there is no saying.
	// It is nil for what asks for something to be done instead of setting how: that
	// is not in the file.
	get func(*Config) []string
	// adopt takes the value of another Config while the host runs, which SIGHUP then
	// puts in force; nil if that takes a restart.
	adopt func(c *Config, from *Config)
	// expression says that it is no flag, but what stands behind the flags.
	expression bool
}

// A draft is a Config in the making.
type draft struct {
	Config
	// respondAll says that one -respond without an address was given.
	respondAll bool
}

// settings returns the table, in the order of the usage.
func settings() []setting {
	return slices.Concat(
		hostSettings(), respondSettings(), guardSettings(), traceSettings(), httpSettings(), containSettings(), logSettings(), invocationSettings(),
	)
}

// find returns the setting of a name, or nil.
func find(table []setting, name string) *setting {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// apply sets one value.
func (s *setting) apply(d *draft, v value) error {
	var err error
	if s.toggle == nil {
		err = s.set(d, v.text)
	} else if on, parseErr := strconv.ParseBool(v.text); parseErr == nil {
		s.toggle(d, on)
	} else {
		err = v.origin.wantsBool()
	}
	if err != nil {
		return v.origin.refuse(s, v.text, err)
	}
	if _, ok := d.given[s.name]; !ok {
		d.given[s.name] = v
	}
	return nil
}

// A value is what was given for a setting, and where.
type value struct {
	text   string
	origin origin
}

// An origin is where a value was given: by default the command line.
type origin struct {
	// variable is that of the environment.
	variable string
	// path, line and column are those of the file.
	path         string
	line, column int
}

func (o origin) String() string {
	switch {
	case o.path != "":
		return fmt.Sprintf("%s:%d:%d", printable(o.path), o.line, o.column)
	case o.variable != "":
		return o.variable
	}
	return "the command line"
}

// refuse says of a value that it is wrong, and where it stands.
func (o origin) refuse(s *setting, text string, err error) error {
	switch {
	case s.expression && o == origin{}:
		return err
	case s.expression:
		return fmt.Errorf("%s: %w", o, err)
	case o.path != "":
		return fmt.Errorf("%s: invalid value %s for %s: %w", o, quote(text), s.name, err)
	case o.variable != "":
		return fmt.Errorf("invalid value %s for %s: %w", quote(text), o.variable, err)
	case s.toggle != nil:
		return fmt.Errorf("invalid boolean value %s for -%s: %w", quote(text), s.name, err)
	}
	return fmt.Errorf("invalid value %s for flag -%s: %w", quote(text), s.name, err)
}

func (o origin) wantsBool() error {
	if o == (origin{}) {
		return errors.New("expected no value, or true or false")
	}
	return errors.New("expected true or false")
}

// locate says of an error about several settings, which begins with the name of
// the one to change, where that was given.
func (d *draft) locate(err error) error {
	if err == nil {
		return nil
	}
	name, _, _ := strings.Cut(err.Error(), " ")
	if o := d.given[strings.TrimPrefix(name, "-")].origin; strings.HasPrefix(name, "-") && o != (origin{}) {
		return fmt.Errorf("%s: %w", o, err)
	}
	return err
}

// Locate says of an error about a setting where that was given.
func (c *Config) Locate(name string, err error) error {
	if o := c.given[name].origin; o != (origin{}) {
		return fmt.Errorf("%s: %s: %w", o, name, err)
	}
	return fmt.Errorf("-%s: %w", name, err)
}

// maxQuoted bounds what is quoted of what was given, in bytes: more than a path may
// be needs no line of its own.
const maxQuoted = 100

// quote quotes what was given, or the beginning of it and how much there is.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:maxQuoted], len(s))
}

// printable quotes a path that would spoil a line.
func printable(path string) string {
	if quoted := quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// The most that a refusal has, in bytes, and what is left of a longer one: what it
// quotes stands in the middle, what was expected at the end.
const (
	maxRefusal  = 1000
	refusalHead = 500
	refusalTail = 400
)

// bounded is an error whose text fits a line, whoever made it.
func bounded(err error) error {
	if err == nil || len(err.Error()) <= maxRefusal {
		return err
	}
	s := err.Error()
	return errors.New(strings.ToValidUTF8(s[:refusalHead], "") + " … " + strings.ToValidUTF8(s[len(s)-refusalTail:], ""))
}

// oneOf wants s to be one of names.
func oneOf(s string, names ...string) error {
	if slices.Contains(names, s) {
		return nil
	}
	last := len(names) - 1
	return fmt.Errorf("expected %s or %s", strings.Join(names[:last], ", "), names[last])
}

// one is the value of a setting that has one, and none where it is empty.
func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// texts writes down each of a list.
func texts[T fmt.Stringer](all []T) []string {
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return out
}
