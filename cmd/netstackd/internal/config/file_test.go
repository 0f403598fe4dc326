package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// wrongFiles are the texts of files that are refused.
var wrongFiles = []struct{ name, text string }{
	{"empty", ""},
	{"nothing but a comment", "# addr: 172.16.0.2/24\n"},
	{"an empty document", "---\n"},
	{"a word", "hello\n"},
	{"a list", "- addr: 172.16.0.2/24\n"},
	{"not YAML", "addr: 172.16.0.2/24\nrespond: [byhand\nmtu: 1500\n"},
	{"indented with a tab", "addr: 172.16.0.2/24\nrespond:\n\t- byhand\n"},
	{"a percent sign first", "mtu: %5\n"},
	{"a program", "\x7fELF\x02\x01\x01\x00\x00"},
	{"not UTF-8", "addr: 172.16.0.2/24\ntun: \xff\n"},
	{"another version of YAML", "%YAML 3.0\n---\nmtu: 1500\n"},
	{"an unknown anchor", "mtu: *m\n"},
	{"deeper than any", strings.Repeat("[", 20000)},
	{"a byte order mark alone", "\ufeff"},
	{"a byte order mark within", "addr: 172.16.0.2/24\n\ufeffmtu: 1500\n"},
	{"UTF-16", "\xff\xfea\x00d\x00d\x00r\x00"},
	{"nothing but zeros", strings.Repeat("\x00", 100)},
	{"two documents", "addr: 172.16.0.2/24\n---\nmtu: 1500\n"},
	{"a second document that is not YAML", "addr: 172.16.0.2/24\n---\n\tx\n"},
	{"too large", strings.Repeat("# netstackd\n", maxFile/12+1)},
	{"unknown setting", "addr: 172.16.0.2/24\nmtuu: 1500\n"},
	{"a flag's dash", "-addr: 172.16.0.2/24\n"},
	{"an underscore", "busy_poll: 50us\n"},
	{"capitals", "MTU: 1500\n"},
	{"a list as a key", "[mtu, tun]: 1500\n"},
	{"a merge", "<<: {mtu: 1500}\n"},
	{"a merge of an anchor", "x: &x {mtu: 1500}\n<<: *x\n"},
	{"an alias as a key", "tun: &x mtu\n*x : 1500\n"},
	{"an alias in a list", "addr: [&a 172.16.0.2/24, *a]\n"},
	{"a mapping of anchors that grow", "addr: &a [x, x]\nhost: [*a, *a]\n"},
	{"settings in a section", "netstackd:\n  addr: 172.16.0.2/24\n"},
	{"a key of no text", "{}: 1500\n"},
	{"a key of no value", "? \n: 1500\n"},
	{"a tagged value of another kind", "mtu: !!binary MTUwMA==x\n"},
	{"a setting twice", "mtu: 1500\ntun: x\nmtu: 1500\n"},
	{"the file in the file", "config: other.yaml\n"},
	{"the version", "version: true\n"},
	{"a check", "check-config: true\n"},
	{"a list for one value", "mtu: [1500]\n"},
	{"a mapping for a value", "mtu: {bytes: 1500}\n"},
	{"a mapping by a colon", "respond:\n  - exec: ./answer.sh\n"},
	{"no value", "mtu:\ntun: x\n"},
	{"no value in a list", "addr:\n  -\n"},
	{"a list in a list", "addr: [[172.16.0.2/24]]\n"},
	{"an alias", "tun: &x a\nexec-user: *x\n"},
	{"a number with a fraction", "mtu: 1500.5\n"},
	{"a number with a unit", "mtu: 1500B\n"},
	{"a word for a number", "connections: many\n"},
	{"true for on", "guard: true\n"},
	{"yes for true", "send-bad-replies: yes\n"},
	{"a value of a million bytes", "tun: " + strings.Repeat("x", 1_000_000) + "\n"},
	{"a key of a million bytes", strings.Repeat("x", 1_000_000) + ": 1\n"},
	{"a filter of a million bytes", "filter: " + strings.Repeat("icmp or ", 100_000) + "foo\n"},
	{"a hundred thousand services", "services: [" + strings.Repeat("echo,", 100_000) + "]\n"},
	{"a long answerer twice", "respond: [\"exec:" + strings.Repeat("x", 400_000) + "\", byhand]\n"},
	{"a rule of a million bytes", "inject: [\"" + strings.Repeat("icmp ", 200_000) + "\"]\n"},
	{"a size of a million digits", "memory-limit: " + strings.Repeat("9", 1_000_000) + "\n"},
	{"a list of durations", "idle-timeout: [5m]\n"},
	{"a mapping of durations", "idle-timeout: {minutes: 5}\n"},
	{"true for a duration", "idle-timeout: true\n"},
	{"a number for a duration", "idle-timeout: 300\n"},
	{"a list for true", "send-bad-replies: [true]\n"},
	{"a number for true", "send-bad-replies: 2\n"},
	{"a mapping for a list", "services: {echo: true}\n"},
	{"an octal number", "mtu: 0o2734\n"},
	{"an exponent", "mtu: 1.5e3\n"},
	{"a text over lines", "tun: |\n  netstack0\n"},
	{"a bad address in a list", "addr:\n  - 172.16.0.2/24\n  - 172.16.0.3\n"},
	{"an address twice", "addr:\n  - 172.16.0.2/24\n  - 172.16.0.2/24\n"},
	{"a bad service in a list", "services: [echo, telnet]\n"},
	{"no service in a list", "services: []\n"},
	{"a bad filter", "trace: packets\nfilter: icmp or foo\n"},
	{"a bad rule", "inject:\n  - corrupt=101%\n"},
	{"control characters", "tun: \"a\\nb\\e[2J\"\n"},
	{"no address", "mtu: 1500\n"},
	{"an MTU too small for IPv6", "addr: fd00::2/64\nmtu: 1279\n"},
	{"two owners of standard output", "addr: 172.16.0.2/24\ntrace: compare\ntrace-out: '-'\npcapng: '-'\n"},
	{"-respond mcp without -http", "addr: 172.16.0.2/24\nrespond: mcp\n"},
	{"reached from elsewhere", "addr: 172.16.0.2/24\nhttp: 192.0.2.1:80\n"},
	{"a host in no prefix", "addr: 172.16.0.2/24\nhost: [172.17.0.1]\n"},
}

// wrongVariables are refused in the environment.
var wrongVariables = []struct{ name, variable string }{
	{"unknown", "NETSTACKD_MTUU=1500"},
	{"small letters", "NETSTACKD_mtu=1500"},
	{"the version", "NETSTACKD_VERSION=true"},
	{"bad value", "NETSTACKD_MTU=big"},
	{"bad element", "NETSTACKD_ADDR=172.16.0.2/24,172.16.0.3"},
	{"empty element", "NETSTACKD_ADDR=172.16.0.2/24,"},
	{"brackets that do not close", "NETSTACKD_ADDR=[172.16.0.2/24"},
	{"brackets and more", "NETSTACKD_ADDR=[172.16.0.2/24]\nmtu: 1"},
	{"yes for true", "NETSTACKD_SEND_BAD_REPLIES=yes"},
	{"a bad filter", "NETSTACKD_FILTER=foo"},
	{"a file that is not there", "NETSTACKD_CONFIG=/nowhere/netstackd.yaml"},
	{"an MTU too small for IPv6", "NETSTACKD_MTU=600"},
	{"wrong, and overridden", "NETSTACKD_TUN=a/b"},
}

// TestFileRefusals gives every wrong file and variable. What is said is in
// testdata/file-refusals.golden.
func TestFileRefusals(t *testing.T) {
	// A name of its own: a long refusal is cut in its middle, path and all, and where must
	// not depend on the digits of a random number.
	path, err := filepath.Abs("testdata/file-refusals.golden")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	const dir = "DIR"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	refused := func(name, shown string, args, environ []string) {
		_, err := Parse(args, environ)
		if err == nil {
			t.Errorf("%s: %s is accepted", name, shown)
			return
		}
		if strings.ContainsFunc(err.Error(), func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Errorf("%s: not one line that can be printed: %q", name, err)
		}
		if len(shown) > 100 {
			shown = shown[:20] + "…"
		}
		if len(err.Error()) > maxRefusal {
			t.Errorf("%s: a line of %d bytes", name, len(err.Error()))
		}
		fmt.Fprintf(&said, "%s\n\t%s\n\t%s\n", name, shown, strings.ReplaceAll(err.Error(), dir+"/", ""))
	}
	for _, f := range wrongFiles {
		path := filepath.Join(dir, "x.yaml")
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(f.name, fmt.Sprintf("%q", f.text), []string{"-config", path}, nil)
	}
	fifo, loop := filepath.Join(dir, "fifo"), filepath.Join(dir, "loop")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Symlink("loop", loop)); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]string{
		{"a named pipe without a writer", fifo}, {"a link to itself", loop}, {"below a file", filepath.Join(dir, "x.yaml", "y.yaml")},
		{"a name of 5,000 bytes", strings.Repeat("x", 5000)},
		{"no file", ""}, {"a file that is not there", dir + "/nowhere.yaml"}, {"a directory", dir}, {"a device", "/dev/zero"},
		{"a name with control characters", dir + "/a\nb"},
	} {
		refused(p[0], "-config "+fmt.Sprintf("%q", strings.ReplaceAll(p[1], dir, "DIR")), []string{"-config", p[1]}, nil)
	}
	for _, v := range wrongVariables {
		refused(v.name, fmt.Sprintf("%q", v.variable), []string{"-addr", "172.16.0.2/24", "-addr", "fd00::2/64", "-tun", "x"}, []string{v.variable})
	}
	golden(t, path, said.String())
}

// TestFileForms: how editors of other systems write a file makes no difference.
func TestFileForms(t *testing.T) {
	const plain = "# a host\naddr:\n- 172.16.0.2/24\nmtu: 1400\nfilter: icmp\n"
	want, err := Parse([]string{"-config", written(t, plain)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a byte order mark":           "\ufeff" + plain,
		"carriage returns":            strings.ReplaceAll(plain, "\n", "\r\n"),
		"both":                        "\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n"),
		"no line feed at the end":     strings.TrimSuffix(plain, "\n"),
		"the marks of a document":     "---\n" + plain + "...\n",
		"quotes":                      "\"addr\": ['172.16.0.2/24']\n'mtu': \"1400\"\nfilter: \"icmp\"\n",
		"an anchor that nobody needs": strings.Replace(plain, "1400", "&m 1400", 1),
	} {
		got, err := Parse([]string{"-config", written(t, text)}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a, errA := want.Text()
		b, errB := got.Text()
		if a != b || errA != nil || errB != nil {
			t.Errorf("%s makes\n%s\nand without\n%s\n%v %v", name, b, a, errB, errA)
		}
	}
}

// FuzzFile gives any text as the file: it is refused in one line, or makes a
// Config whose own text makes it again.
func FuzzFile(f *testing.F) {
	for _, w := range wrongFiles {
		if len(w.text) < 1000 {
			f.Add(w.text)
		}
	}
	f.Add("addr: [172.16.0.2/24, fd00:172::2/64]\nrespond:\n- byhand\n- 172.16.0.2=exec:./x\ntrace: explain\nfilter: icmp\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]string{"-config", written(t, text)}, nil)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q: %q", text, err)
			}
			return
		}
		checkConfig(t, c)
		printed, err := c.Text()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := Parse([]string{"-config", written(t, printed)}, nil)
		if err != nil {
			t.Fatalf("%q makes a text that is refused: %v\n%s", text, err, printed)
		}
		if reprinted, err := again.Text(); err != nil || reprinted != printed {
			t.Errorf("%q: %v\n%s\nmakes\n%s", text, err, printed, reprinted)
		}
	})
}
