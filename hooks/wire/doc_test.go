package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sources parses the package's files that are not tests.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = file
	}
	return out
}

// TestStandardLibraryAlone keeps the judge apart from the judged: nothing here
// may be shared with the stack.
func TestStandardLibraryAlone(t *testing.T) {
	for path, file := range sources(t) {
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") || first == "netstackd" {
				t.Errorf("%s imports %s", path, name)
			}
		}
	}
}

// TestReasonsCoverConstants finds every Reason constant in Reasons, and nothing
// else there.
func TestReasonsCoverConstants(t *testing.T) {
	documented := Reasons()
	found := map[string]bool{}
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if !strings.HasPrefix(name.Name, "Reason") || i >= len(spec.Values) {
					continue
				}
				value, err := strconv.Unquote(spec.Values[i].(*ast.BasicLit).Value)
				if err != nil {
					t.Errorf("%s: %v", name.Name, err)
				}
				found[value] = true
				if documented[value] == "" {
					t.Errorf("%s = %q is not in Reasons", name.Name, value)
				}
			}
			return true
		})
	}
	if len(found) < 10 || len(found) != len(documented) {
		t.Errorf("%d constants, %d reasons documented", len(found), len(documented))
	}
	for reason, text := range documented {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(reason) || strings.ContainsAny(text, "\n") || text == "" {
			t.Errorf("reason %q: %q", reason, text)
		}
		if !strings.Contains(text, "RFC") && reason != ReasonTooShort {
			t.Errorf("reason %q cites no RFC: %q", reason, text)
		}
	}
}

// TestProblemWordsCoverReasons finds words of its own for every reason.
func TestProblemWordsCoverReasons(t *testing.T) {
	for reason := range Reasons() {
		p := &Packet{Problem: Problem{Reason: reason, Layer: LayerIPv4, Seen: 1, Limit: 20}}
		if words := problemWords(p); words == p.Problem.Error() {
			t.Errorf("problemWords has none for %s", reason)
		}
	}
}

// TestTour holds doc.go to the files there are: each is named, and each named
// is there.
func TestTour(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z0-9_]+\.go`).FindAllString(string(text), -1) {
		named[name] = true
		if _, err := os.Stat(name); err != nil {
			t.Errorf("doc.go names %s: %v", name, err)
		}
	}
	for path := range sources(t) {
		if path != "doc.go" && !named[path] {
			t.Errorf("doc.go does not name %s", path)
		}
	}
}
