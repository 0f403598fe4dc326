//go:build linux

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	hookscapture "netstackd/hooks/capture"
)

// events reads the events of a JSON trace, which may have no summary.
func events(t *testing.T, path string) (all []event) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v: %q", path, err, in.Bytes())
		}
		all = append(all, e)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// sizes lists the lengths of the data of the echo requests in a JSON trace.
func sizes(t *testing.T, path string) string {
	t.Helper()
	var all []string
	for _, e := range events(t, path) {
		if e.Type == "packet" && e.Dir == "in" && e.ICMP != nil && e.ICMP.Type == 8 {
			all = append(all, fmt.Sprint(e.Len-28))
		}
	}
	return strings.Join(all, " ")
}

// captured lists the lengths of the data of the echo requests in a capture.
func captured(t *testing.T, path string) string {
	t.Helper()
	var all []string
	for p, err := range hookscapture.Packets(path) {
		if err != nil {
			t.Errorf("%s: %v", path, err)
			break
		}
		if len(p.Bytes) > 28 && p.Bytes[9] == 1 && p.Bytes[20] == 8 {
			all = append(all, fmt.Sprint(len(p.Bytes)-28))
		}
	}
	return strings.Join(all, " ")
}

// TestIntegrationRewrite: SIGHUP has the trace and the capture go elsewhere, begin
// and end, and goes on where a file was moved away, without losing an event; what
// cannot be opened changes nothing.
func TestIntegrationRewrite(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const level = "trace: compare\ntrace-format: json\n"
	d, reload := configured(t, level+"trace-out: "+at("a")+"\n")
	ping := func(size string) { pinged(t, tool(t, patience, "ping", "-c", "1", "-s", size, netstack4), 1) }
	again := func(text string) { reload(text, "configuration read again") }
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	ping("100")
	move("a", "a.1") // as logrotate does
	ping("101")
	again(level + "trace-out: " + at("a") + "\n")
	ping("102")
	again(level + "trace-out: " + at("b") + "\n")
	ping("103")
	again("trace: off\n")
	ping("104")
	again("trace: off\npcapng: " + at("c.pcapng") + "\n")
	ping("105")
	again(level + "trace-out: " + at("a") + "\npcapng: " + at("c.pcapng") + "\n")
	ping("106")
	move("c.pcapng", "c.1.pcapng")
	again(level + "trace-out: " + at("a") + "\npcapng: " + at("c.pcapng") + "\n")
	ping("107")
	again("trace: packets\ntrace-format: json\ntrace-out: " + at("a") + "\n")
	ping("108")
	again("trace: packets\ntrace-out: " + at("text") + "\n")
	ping("109")
	const stay = "the trace and the capture stay as they are"
	for _, wrong := range []string{
		level + "trace-out: " + filepath.Join(dir, "nowhere", "a") + "\n",
		level + "trace-out: " + filepath.Join(elsewhere, "a") + "\n",
		level + "trace-out: " + dir + "\n",
		"trace: packets\ntrace-out: " + at("b") + "\npcapng: " + filepath.Join(elsewhere, "a") + "\n",
	} {
		reload(wrong, stay)
	}
	if want := "makes files only where the configuration had some at the start"; !strings.Contains(d.log.String(), want) {
		t.Errorf("the log does not say %q", want)
	}
	ping("110")
	again(level + "trace-out: " + at("a") + "\npcapng: " + at("c.pcapng") + "\n")
	ping("111")
	d.stop(t)

	for name, want := range map[string]string{"a.1": "100 101", "a": "102 106 107 108 111", "b": "103"} {
		if got := sizes(t, at(name)); got != want {
			t.Errorf("trace %s has pings of %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"c.1.pcapng": "105 106", "c.pcapng": "107 111"} {
		if got := captured(t, at(name)); got != want {
			t.Errorf("capture %s has pings of %s, want %s", name, got, want)
		}
	}
	text, err := os.ReadFile(at("text"))
	if err != nil || strings.Count(string(text), "echo request") != 2 {
		t.Errorf("%v, and\n%s\nwant the pings of 109 and 110", err, text)
	}
	if last := events(t, at("a")); last[len(last)-1].Type != "summary" || last[len(last)-1].TraceLost != 0 {
		t.Errorf("the trace ends with %+v", last[len(last)-1])
	}
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) > 0 {
		t.Errorf("files were made elsewhere: %v, %v", entries, err)
	}
}
