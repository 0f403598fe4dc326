package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Text is the configuration as a file for -config, each setting with the value
// in force. What is set to nothing is left out.
func (c *Config) Text() (string, error) {
	var b strings.Builder
	for _, s := range settings() {
		if s.get == nil {
			continue
		}
		var node yaml.Node
		values := s.get(c)
		switch {
		case len(values) == 0:
			continue
		case s.many:
			node.Kind = yaml.SequenceNode
			for _, v := range values {
				node.Content = append(node.Content, scalar(v))
			}
		default:
			node = *scalar(values[0])
		}
		text, err := yaml.Dump(map[string]*yaml.Node{s.name: &node}, yaml.WithLineWidth(-1))
		if err != nil {
			return "", fmt.Errorf("write %s: %w", s.name, err)
		}
		b.Write(text)
	}
	return b.String(), nil
}

// scalar writes a value plain, or in quotes where YAML would read something else.
func scalar(text string) *yaml.Node {
	var read yaml.Node
	err := yaml.Load([]byte("x: "+text), &read)
	if err == nil && len(read.Content) == 1 && len(read.Content[0].Content) == 2 {
		if n := read.Content[0].Content[1]; n.Kind == yaml.ScalarNode && n.Value == text && n.Tag != "!!null" {
			return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
}
