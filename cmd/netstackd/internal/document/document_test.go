package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/link/linktest"
)

// documents writes all files to a directory of their own.
func documents(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "share")
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEverySetting: each flag is in each file.
func TestEverySetting(t *testing.T) {
	dir := documents(t)
	for name, form := range map[string]func(string) string{
		"netstackd.8":    func(n string) string { return "\n.BI \\-" + strings.ReplaceAll(n, "-", `\-`) + " " },
		"netstackd.bash": func(n string) string { return "-" + n + " " },
		"_netstackd":     func(n string) string { return "-" + n + "[" },
		"netstackd.fish": func(n string) string { return "\ncomplete -c netstackd -o " + n + " " },
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range config.Settings() {
			if !strings.Contains(string(text), form(s.Name)) {
				t.Errorf("%s does not tell of -%s", name, s.Name)
			}
		}
	}
}

// TestManual: man has nothing to say about the page, and shows what is to be copied as
// it is typed.
func TestManual(t *testing.T) {
	linktest.NeedTools(t, "man", "groff")
	page := filepath.Join(documents(t), "netstackd.8")
	cmd := exec.Command("man", "--warnings", "--local-file", page)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=200", "MANROFFOPT=-ww", "MAN_KEEP_FORMATTING=")
	var said strings.Builder
	cmd.Stderr = &said
	shown, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Errorf("man: %v %s", err, &said)
	}
	for _, want := range []string{
		"-offload auto|on|off", "systemctl enable --now netstackd", "netstackd -addr 172.16.0.2/24 -pcapng - | wireshark -k -i -",
	} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("man does not show %q:\n%s", want, shown)
		}
	}
}

// TestBash completes in bash.
func TestBash(t *testing.T) {
	linktest.NeedTools(t, "bash")
	dir := documents(t)
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "my file.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		words []string // of which the last is completed
		want  []string
	}{
		{[]string{""}, []string{"explain"}},
		{[]string{"-busy"}, []string{"-busy-poll"}},
		{[]string{"-he"}, []string{"-help"}},
		{[]string{"-contain", ""}, []string{"on", "off"}},
		{[]string{"--contain", "of"}, []string{"off"}},
		{[]string{"-contain", "=", "o"}, []string{"on", "off"}},
		{[]string{"-trace", "=", "c"}, []string{"compare"}},
		{[]string{"-trace", "="}, []string{"off", "packets", "compare", "explain"}},
		{[]string{"-addr", "172.16.0.2/24", "-trace-format", "j"}, []string{"json"}},
		{[]string{"-services", "echo,h"}, []string{"echo,http"}},
		{[]string{"-services", "echo,e"}, nil},
		{[]string{"-respond", "f"}, []string{"fifo:"}},
		{[]string{"-user", "roo"}, []string{"root"}},
		{[]string{"-config", "my"}, []string{"my file.yaml"}},
		{[]string{"-addr", ""}, nil},
		{[]string{"-no-configure", ""}, nil},
		{[]string{"-no-configure", "-ver"}, []string{"-version"}},
		{[]string{"explain", "my"}, []string{"my file.yaml"}},
	} {
		script := `source "$1"; shift
			COMP_WORDS=(netstackd "$@"); COMP_CWORD=$#; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
			compopt() { :; } # is for readline alone
			_netstackd; printf '%s\n' "${COMPREPLY[@]}"`
		cmd := exec.Command("bash", append([]string{"--norc", "-c", script, "bash", filepath.Join(dir, "netstackd.bash")}, tc.words...)...)
		cmd.Dir = work
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v %s", tc.words, err, out)
		}
		var got []string
		if text := strings.TrimSuffix(string(out), "\n"); text != "" {
			got = strings.Split(text, "\n")
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tc.words, d)
		}
	}
}

// TestFish completes in fish.
func TestFish(t *testing.T) {
	linktest.NeedTools(t, "fish")
	file := filepath.Join(documents(t), "netstackd.fish")
	for _, tc := range []struct {
		line string
		want []string
	}{
		{"netstackd -contain ", []string{"off", "on"}},
		{"netstackd -trace-format j", []string{"json"}},
		{"netstackd -busy-poll ", nil},
		{"netstackd ex", []string{"explain"}},
		{"netstackd -idle", []string{"-idle-timeout"}},
	} {
		cmd := exec.Command("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, tc.line)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v %s", tc.line, err, out)
		}
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tc.line, d)
		}
	}
}

// TestZsh: zsh can read its file, and _arguments what stands in it.
func TestZsh(t *testing.T) {
	linktest.NeedTools(t, "zsh")
	script := `setopt errexit; words=(netstackd ''); _arguments() { print -rl -- "$@"; }
		source "$1"`
	out, err := exec.Command("zsh", "-f", "-c", script, "zsh", filepath.Join(documents(t), "_netstackd")).CombinedOutput()
	if err != nil {
		t.Fatalf("zsh: %v %s", err, out)
	}
	for _, want := range []string{
		"*-addr[", "]:PREFIX: \n", ":on|off:(on off)\n", ":LIST:_values -s , services all none ",
		"]:\\[ADDR=\\]WHO:(netstack byhand fifo\\: exec\\: ", "]:FILE:_files\n", "\n-no-configure[",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("zsh is not told %q:\n%s", want, out)
		}
	}
}
