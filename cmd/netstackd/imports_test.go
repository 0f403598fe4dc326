package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// module is what every import path of the project begins with.
const module = "netstackd"

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Dir        string
	Name       string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
}

// goList lists packages for Linux, whatever the tests run on.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Name,GoFiles,Imports,Deps,Standard"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(cmd.Environ(), "GOOS=linux")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		all = append(all, p)
	}
}

// within reports whether a package is a folder or lies below it.
func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

// isStandard reports whether an import path is of the standard library: its
// first element has no dot, and it is not of this module.
func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".") && !within(pkg, module)
}

// TestImportRules keeps the rooms apart. They meet at gVisor's interfaces, and
// only the commands wire them together.
func TestImportRules(t *testing.T) {
	packages := goList(t, "./...")
	rooms := []string{module + "/link", module + "/hooks", module + "/stack"}
	// alone names the packages that may need only the standard library and
	// what is listed.
	alone := map[string][]string{
		module + "/hooks/wire":   {},
		module + "/hooks/byhand": {module + "/hooks/wire"},
	}
	found := map[string]bool{}
	for _, p := range packages {
		for _, room := range rooms {
			if !within(p.ImportPath, room) {
				continue
			}
			found[room] = true
			for _, dep := range p.Deps {
				for _, other := range append(rooms, module+"/cmd") {
					if other != room && within(dep, other) {
						t.Errorf("%s needs %s: %s and %s never import each other", p.ImportPath, dep, room, other)
					}
				}
			}
		}
		if allowed, ok := alone[p.ImportPath]; ok {
			found[p.ImportPath] = true
			for _, dep := range p.Deps {
				if !isStandard(dep) && !slices.Contains(allowed, dep) {
					t.Errorf("%s needs %s: it may need only the standard library and %v", p.ImportPath, dep, allowed)
				}
			}
		}
		if within(p.ImportPath, module+"/cmd/netstackd") {
			found[module+"/cmd/netstackd"] = true
			for _, dep := range p.Imports {
				if within(dep, "gvisor.dev/gvisor") {
					t.Errorf("%s imports %s: the command wires the rooms and knows no gVisor", p.ImportPath, dep)
				}
			}
		}
	}
	for _, room := range append(rooms, module+"/hooks/wire", module+"/hooks/byhand", module+"/cmd/netstackd") {
		if !found[room] {
			t.Errorf("go list knows no package %s: this test checks nothing there", room)
		}
	}
}

// TestNoTestHelpersShipped keeps the doubles and tools of tests out of what is
// built. The conformance suite alone is made of packets as tests make them.
func TestNoTestHelpersShipped(t *testing.T) {
	const maker = module + "/hooks/byhand/byhandtest"
	for _, p := range goList(t, "./cmd/...") {
		for _, dep := range p.Deps {
			if dep == maker && within(p.ImportPath, module+"/cmd/netstackconform") {
				continue
			}
			if dep == "testing" || strings.HasSuffix(path.Base(dep), "test") && within(dep, module) {
				t.Errorf("%s is built with %s, which is for tests", p.ImportPath, dep)
			}
		}
	}
}

// TestPackagesHaveTours wants a doc.go in every package that tours it, or the
// comment of main.go for a command.
func TestPackagesHaveTours(t *testing.T) {
	for _, p := range goList(t, "./...") {
		file := "doc.go"
		if p.Name == "main" {
			file = "main.go"
		}
		if !slices.Contains(p.GoFiles, file) {
			t.Errorf("%s has no %s", p.ImportPath, file)
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if len(strings.TrimSpace(parsed.Doc.Text())) < 80 {
			t.Errorf("%s: %s says too little about the package: %q", p.ImportPath, file, parsed.Doc.Text())
		}
	}
}
