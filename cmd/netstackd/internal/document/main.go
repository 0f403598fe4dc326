// Command document writes what belongs to netstackd and follows from its table of
// settings, the manual page and the completions for shells, to the directory that is
// its argument.
//
//   - main.go: the files.
//   - manual.go, manual.tmpl: netstackd(8).
//   - complete.go and the other templates: completions for bash, zsh and fish.
package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"netstackd/cmd/netstackd/internal/config"
)

//go:embed *.tmpl
var templates embed.FS

// files are what is written, each from a template.
var files = map[string]string{
	"netstackd.8":    "manual.tmpl",
	"netstackd.bash": "bash.tmpl",
	"_netstackd":     "zsh.tmpl",
	"netstackd.fish": "fish.tmpl",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: document DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "document:", err)
		os.Exit(1)
	}
}

// write writes all files to a directory, which it makes.
func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name := range files {
		text, err := render(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render makes the text of one file.
func render(name string) ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"roff": roff, "values": values, "summary": summary, "words": words,
		"bash": bashAction, "zsh": zshSpec, "fish": fishFlags,
	}).ParseFS(templates, files[name])
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, files[name], config.Settings())
	return out.Bytes(), err
}
