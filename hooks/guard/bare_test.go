package guard_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/wire"
)

// bareVariable, set in the environment, makes the test binary the victim: a
// netstack without a guard, in a process of its own.
const bareVariable = "GUARD_TEST_BARE"

// The values of bareVariable.
const (
	bareKiller = "killer"
	bareBorder = "border"
)

// beVictim does what the variable says.
func beVictim(what string) {
	switch what {
	case bareKiller:
		n := newBare()
		for _, b := range (ping{id: 1, message: 65516}).fragments() {
			n.Inbound(b)
		}
		fmt.Println("alive")
	case bareBorder:
		n := newBare()
		border(func(name string, p ping) {
			what := try(n, p)
			if what == "dead" {
				n = newBare() // its locks may be held
			}
			fmt.Printf("%s\t%s\n", name, what)
		})
	}
}

func newBare() *comparetest.Netstack {
	n, err := comparetest.New(hooks.NewLedger(), addrs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return n
}

// try sends a ping and says how netstack takes it.
func try(n *comparetest.Netstack, p ping) (what string) {
	defer func() {
		if recover() != nil {
			what = "dead"
		}
	}()
	for _, b := range p.fragments() {
		n.Inbound(b)
	}
	for _, b := range n.Outbound() {
		var p wire.Packet
		if p.Decode(b); p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply {
			return "answered"
		}
	}
	return "silent"
}

// victim runs one and returns what it says of what.
func victim(t *testing.T, what string) map[string]string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bareVariable+"="+what)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("victim: %v\n%s", err, out)
	}
	said := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, what, _ := strings.Cut(lines.Text(), "\t")
		said[name] = what
	}
	return said
}

// TestBareNetstackDies keeps the guard's reason in view. When it fails, gVisor
// has mended the defect, and the guard can go.
func TestBareNetstackDies(t *testing.T) {
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), bareVariable+"="+bareKiller)
	var stdout, stderr bytes.Buffer
	victim.Stdout, victim.Stderr = &stdout, &stderr
	err := victim.Run()
	if err == nil {
		t.Fatalf("netstack survived: %s", stdout.String())
	}
	if want := "expected to parse IPv4 header we just created"; !bytes.Contains(stderr.Bytes(), []byte(want)) {
		t.Errorf("died of something else: %v\n%s", err, stderr.String())
	}
}
