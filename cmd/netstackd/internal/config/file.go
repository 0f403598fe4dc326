package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds the file in bytes: what is longer is another one.
const maxFile = 1 << 20

// fileValues reads the settings of the file of -config.
func fileValues(table []setting, path string) (map[string][]value, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parseFile(table, path, text)
}

// readFile reads a regular file, which is there to be read again, and never waits.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("read configuration %s: %w: give -config a file that can be read", printable(path), err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration %s: %w", printable(path), err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read configuration %s: it is no regular file, which SIGHUP could read again", printable(path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration %s: %w", printable(path), err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("read configuration %s: it is larger than the %d bytes that a configuration may have", printable(path), maxFile)
	}
	return text, nil
}

// expected is what a file looks like.
const expected = "expected settings with the names of the flags, as in addr: 172.16.0.2/24"

// parseFile takes the text of a file apart: one document of YAML, which is a
// mapping from the names of settings to a value or, where a setting may be given
// several times or is a list, to a sequence of values. What YAML takes a value for
// is of no account, only how it is written.
func parseFile(table []setting, path string, text []byte) (map[string][]value, error) {
	if i := firstBad(text); i >= 0 {
		at := origin{path: path, line: 1 + strings.Count(string(text[:i]), "\n"), column: i - strings.LastIndexByte(string(text[:i]), '\n')}
		return nil, fmt.Errorf("%s: it is no text in UTF-8: %s", at, expected)
	}
	// The parser of v3 would not tell the column.
	loader, err := yaml.NewLoader(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", printable(path), err)
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read configuration %s: it is empty: %s", printable(path), expected)
	case err != nil:
		return nil, notYAML(path, err)
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, notYAML(path, err)
	default:
		return nil, fmt.Errorf("%s: a second document begins here: expected one", place(path, &second))
	}
	return documentValues(table, path, &document)
}

// firstBad returns the place of the first byte that is no text, or -1.
func firstBad(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f {
			return i
		}
		i += n
	}
	return -1
}

// notYAML says what the library says, and where.
func notYAML(path string, err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) || load.Mark.Line == 0 {
		return fmt.Errorf("read configuration %s: it is not YAML: %w", printable(path), err)
	}
	return fmt.Errorf("%s: this is not YAML: %s", origin{path: path, line: load.Mark.Line, column: load.Mark.Column}, load.Message)
}

// place is where a node stands.
func place(path string, n *yaml.Node) origin {
	return origin{path: path, line: n.Line, column: n.Column}
}

func documentValues(table []setting, path string, document *yaml.Node) (map[string][]value, error) {
	top := document
	if document.Kind == yaml.DocumentNode && len(document.Content) == 1 {
		top = document.Content[0]
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: %s", place(path, top), expected)
	}
	values := map[string][]value{}
	lines := map[string]int{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, content := top.Content[i], top.Content[i+1]
		s := find(table, key.Value)
		switch before, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode || s == nil:
			return nil, fmt.Errorf("%s: unknown setting %s: netstackd -help lists the flags, which are the settings", place(path, key), quote(key.Value))
		case s.get == nil:
			return nil, fmt.Errorf("%s: %s belongs on the command line, not in a file", place(path, key), s.name)
		case twice:
			return nil, fmt.Errorf("%s: %s is set twice, first in line %d", place(path, key), s.name, before)
		}
		lines[key.Value] = key.Line
		some, err := s.contentValues(path, content)
		if err != nil {
			return nil, err
		}
		values[s.name] = some
	}
	return values, nil
}

// contentValues are the values of one setting.
func (s *setting) contentValues(path string, content *yaml.Node) ([]value, error) {
	if content.Kind != yaml.SequenceNode {
		v, err := s.scalar(path, content)
		return []value{v}, err
	}
	if !s.many && !s.list {
		return nil, fmt.Errorf("%s: %s has one value, not a list", place(path, content), s.name)
	}
	values := []value{}
	for _, element := range content.Content {
		v, err := s.scalar(path, element)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if s.many {
		return values, nil
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s: %s is an empty list here: give none, or leave it out", place(path, content), s.name)
	}
	var words []string
	for _, v := range values {
		words = append(words, v.text)
	}
	return []value{{text: strings.Join(words, ","), origin: place(path, content)}}, nil
}

// scalar is the value of a node that is neither a list nor a mapping.
func (s *setting) scalar(path string, n *yaml.Node) (value, error) {
	var wrong string
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		wrong = "has no value here: give one, or leave it out"
	case n.Kind == yaml.ScalarNode:
		return value{text: n.Value, origin: place(path, n)}, nil
	case n.Kind == yaml.AliasNode:
		wrong = "cannot be an alias: write the value itself"
	case n.Kind == yaml.SequenceNode:
		wrong = "cannot be a list of lists"
	default:
		wrong = "cannot be a mapping: quote a value that has a colon and a space in it"
	}
	return value{}, fmt.Errorf("%s: %s %s", place(path, n), s.name, wrong)
}
