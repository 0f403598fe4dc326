package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// another holds, for each setting, values that are not the default, and what else
// has to be set for them.
var another = map[string]struct {
	values []string
	with   []string
}{
	"addr":                   {values: []string{"172.16.0.2/24", "fd00:172::2/64"}},
	"host":                   {values: []string{"172.16.0.9", "172.16.0.8"}},
	"tun":                    {values: []string{"tun7"}},
	"mtu":                    {values: []string{"9000"}},
	"no-configure":           {values: []string{"true"}},
	"tun-fd":                 {values: []string{"7"}},
	"offload":                {values: []string{"off"}},
	"busy-poll":              {values: []string{"20us"}},
	"services":               {values: []string{"http,echo"}},
	"connections":            {values: []string{"7"}},
	"connections-per-source": {values: []string{"8"}},
	"connections-total":      {values: []string{"9"}},
	"half-open":              {values: []string{"64"}},
	"idle-timeout":           {values: []string{"10s"}},
	"memory-limit":           {values: []string{"128MiB"}},
	"respond":                {values: []string{"byhand", "172.16.0.2=fifo:/tmp"}},
	"shadow":                 {values: []string{"byhand"}},
	"send-bad-replies":       {values: []string{"true"}, with: []string{"-respond", "fifo:/tmp"}},
	"exec-user":              {values: []string{"daemon"}, with: []string{"-respond", "exec:true"}},
	"guard":                  {values: []string{"strict,-reserved-flag"}},
	"on-panic":               {values: []string{"exit"}},
	"quarantine":             {values: []string{"quarantine.pcapng"}},
	"trace":                  {values: []string{"compare"}},
	"trace-format":           {values: []string{"json"}},
	"trace-out":              {values: []string{"trace.txt"}},
	"trace-sample":           {values: []string{"1/100"}},
	"filter":                 {values: []string{"icmp[icmptype] == 8 or (tcp port 80)"}, with: []string{"-trace", "packets"}},
	"pcapng":                 {values: []string{"f.pcapng"}},
	"pcapng-rotate":          {values: []string{"10MB"}, with: []string{"-pcapng", "f.pcapng"}},
	"inject":                 {values: []string{"outbound icmp corrupt=1%", "drop=1/1000"}},
	"http":                   {values: []string{"unix:/run/x.sock"}},
	"http-token-file":        {values: []string{"token"}, with: []string{"-http", "[::1]:80"}},
	"captures":               {values: []string{"3"}},
	"contain":                {values: []string{"off"}},
	"user":                   {values: []string{"daemon"}},
	"log-level":              {values: []string{"debug"}},
	"log-format":             {values: []string{"json"}},
}

// written writes a file for -config.
func written(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netstackd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asYAML is a setting in a file.
func asYAML(t testing.TB, s setting, values []string) string {
	t.Helper()
	content := any(values)
	if !s.many {
		content = values[0]
	}
	text, err := yaml.Dump(map[string]any{s.name: content})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestThreeWays: every setting can be set by its flag, by its variable and in the
// file, to the same effect.
func TestThreeWays(t *testing.T) {
	for _, s := range settings() {
		if s.get == nil {
			continue // it asks for something to be done
		}
		a, ok := another[s.name]
		if !ok {
			t.Errorf("%s: this test knows no value to set it to", s.name)
			continue
		}
		args := append([]string{"-addr", "172.16.0.2/24"}, a.with...)
		if s.name == "addr" {
			args = nil
		}
		parse := func(more, environ []string) *Config {
			t.Helper()
			flags, words := append([]string{}, args...), []string(nil)
			if s.expression {
				words = more
			} else {
				flags = append(flags, more...)
			}
			c, err := Parse(append(flags, words...), environ)
			if err != nil {
				t.Errorf("%s: %q %q: %v", s.name, append(flags, words...), environ, err)
				return nil
			}
			c.File = ""
			return c
		}
		var flags []string
		for _, v := range a.values {
			switch {
			case s.expression:
				flags = append(flags, strings.Fields(v)...)
			case s.toggle != nil:
				flags = append(flags, "-"+s.name+"="+v)
			default:
				flags = append(flags, "-"+s.name, v)
			}
		}
		want := parse(flags, nil)
		if want == nil {
			continue
		}
		if s.name != "addr" {
			if c := parse(nil, nil); c != nil && cmp.Equal(c, want, comparers) {
				t.Errorf("%s: %q is the default, which shows nothing", s.name, a.values)
			}
		}
		ways := map[string]*Config{
			"variable": parse(nil, []string{s.variable() + "=" + strings.Join(a.values, ",")}),
			"file":     parse([]string{"-config", written(t, asYAML(t, s, a.values))}, nil),
		}
		if s.many || s.list {
			ways["variable in brackets"] = parse(nil, []string{s.variable() + "=[" + strings.Join(a.values, ", ") + "]"})
		}
		for way, got := range ways {
			if diff := cmp.Diff(want, got, comparers); diff != "" {
				t.Errorf("%s: as %s (-flag +%s):\n%s", s.name, way, way, diff)
			}
		}
	}
}

// TestPrecedence: flags win over the environment and that over the file, each
// setting by itself and lists as a whole.
func TestPrecedence(t *testing.T) {
	path := written(t, "addr: [172.16.0.2/24, 172.16.0.3/24]\nmtu: 1401\ntun: file\nguard: off\nlog-level: debug\n")
	c, err := Parse(
		[]string{"-config", path, "-tun", "flag"},
		[]string{"NETSTACKD_MTU=1402", "NETSTACKD_TUN=variable", "NETSTACKD_ADDR=fd00:172::2/64,fd00:172::3/64", "NETSTACKD_GUARD=", "PATH=/bin"},
	)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(c.Addresses, c.MTU, c.TUN, c.Guard, c.LogLevel)
	if want := "[fd00:172::2/64 fd00:172::3/64] 1402 flag off debug\n"; got != want {
		t.Errorf("%swant %s", got, want)
	}
	if c.File != path {
		t.Errorf("the file is %q", c.File)
	}
	c, err = Parse([]string{"-config", path}, []string{"NETSTACKD_CONFIG=/nowhere"})
	if err != nil || c.TUN != "file" {
		t.Errorf("%+v, %v: -config wins over NETSTACKD_CONFIG", c, err)
	}
	if c, err = Parse(nil, []string{"NETSTACKD_CONFIG=" + path}); err != nil || c.TUN != "file" {
		t.Errorf("%+v, %v: NETSTACKD_CONFIG names the file", c, err)
	}
}

// TestEnvironment: lists with and without commas in their elements, and the
// variables of others.
func TestEnvironment(t *testing.T) {
	c, err := Parse([]string{"-addr", "172.16.0.2/24"}, []string{
		`NETSTACKD_INJECT=["corrupt=1%,seed=7", drop=1/1000]`, "NETSTACKD_RESPOND=[]",
		"NETSTACKD_SERVICE_HOST=10.0.0.1", "NETSTACKD_PORT=tcp://10.0.0.1:80", "NETSTACKD_PORT_80_TCP_ADDR=10.0.0.1",
		"NETSTACKD_HTTP_SERVICE_PORT_WEB=80", "NETSTACKDEMO=1", "=", "X",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules("corrupt=1%,seed=7", "drop=1/1000"), c.Inject, comparers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestText: what -check-config prints is a file that makes the same configuration.
func TestText(t *testing.T) {
	texts := []string{"mtu: 1500\n"}
	for _, s := range settings() {
		if a := another[s.name]; s.get != nil && s.name != "addr" {
			text := asYAML(t, s, a.values)
			for i := 0; i+1 < len(a.with); i += 2 {
				text += asYAML(t, *find(settings(), a.with[i][1:]), a.with[i+1:i+2])
			}
			texts = append(texts, text)
		}
	}
	texts = append(texts, `respond: ["exec:echo '#': \"x\" \\ # y", 172.16.0.2=mcp]`+"\nhttp: \"[::1]:80\"\ntrace: compare\npcapng: '-'\ntun: \"07\"\nfilter: |\n  icmp or\n  tcp\n")
	for _, text := range texts {
		want, err := Parse([]string{"-addr", "172.16.0.2/24", "-config", written(t, text)}, nil)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		printed, err := want.Text()
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := Parse([]string{"-config", written(t, printed)}, nil)
		if err != nil {
			t.Errorf("%q: %v in\n%s", text, err, printed)
			continue
		}
		want.File, got.File = "", ""
		if diff := cmp.Diff(want, got, comparers); diff != "" {
			t.Errorf("%q: (-want +got):\n%s%s", text, diff, printed)
		}
	}
}

// TestPrinted holds the usage and the text of the defaults against golden files.
func TestPrinted(t *testing.T) {
	c, err := Parse([]string{"-addr", "172.16.0.2/24", "-addr", "fd00:172::2/64"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/defaults.yaml", text)
	golden(t, "testdata/usage.golden", Usage())
}

// TestExample: the file that is shipped can be run.
func TestExample(t *testing.T) {
	c, err := Parse([]string{"-config", "../../../../deploy/netstackd.yaml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Addresses) != 2 || c.Connections != 256 || c.Filter == nil {
		t.Errorf("%+v", c)
	}
}
