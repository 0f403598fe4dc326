package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample is a report with everything in it once: several samples, a trace, a
// failure, notes, rates, times and sizes, targets met, missed and not judged.
func sample() *Report {
	lost := 0.0123
	cost := func(per string, server, total float64, resident, peak uint64) *Cost {
		return &Cost{Per: per, Server: server, Total: total, Resident: resident << 20, Peak: peak << 20}
	}
	r := &Report{
		Date: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Machine: Machine{
			CPU: "Example CPU", Cores: 2, Memory: 16 << 30, Kernel: "6.1.0 x86_64", Go: "go1.26",
			Modules: map[string]string{"gvisor.dev/gvisor": "v0.1.0", "golang.zx2c4.com/wireguard": "v0.2.0"},
		},
		Run: Run{
			Rounds: 3, Warm: 200 * time.Millisecond, Length: 700 * time.Millisecond, Took: 123456 * time.Millisecond,
			Binaries: map[string]string{"netstackd": "bin/netstackd"},
		},
		Groups: []Group{
			{
				Work: "tcp-in-1", Title: "TCP in, 1 stream", Figure: "throughput", Unit: "Gbit/s",
				Rows: []Row{
					{Path: "kernel", Kind: Kernel, Samples: []float64{20, 21.5, 19}, Cost: cost("GiB", 0.31, 0.62, 18, 19)},
					{
						Path: "netstackd", Kind: Netstackd, Binary: "netstackd", Samples: []float64{16.2, 17, 16.4},
						Cost: cost("GiB", 0.4, 0.9, 30, 33),
					},
					{
						Path: "compare", Kind: Compare, Binary: "netstackd", Samples: []float64{12, 14, 13},
						Cost: cost("GiB", 0.7, 1.1, 44, 51), TraceLost: &lost, Notes: []string{"2 replies differed"},
					},
					{Path: "fdbased", Kind: FDBased, Error: "the host died: signal: killed"},
					{Path: "wireguard", Kind: WireGuard, Samples: []float64{3.7, 3.6, 0.05}, Cost: cost("GiB", 4, 4.4, 20, 24)},
				},
			},
			{
				Work: "rr-1", Title: "request and response", Figure: "rate", Unit: "/s",
				Rows: []Row{
					{Path: "kernel", Kind: Kernel, Samples: []float64{61000}, Cost: cost("op", 8e-6, 16e-6, 18, 18)},
					{Path: "netstackd", Kind: Netstackd, Binary: "netstackd", Samples: []float64{21350}, Cost: cost("op", 40e-6, 60e-6, 30, 31)},
				},
			},
			{
				Work: "ping-flood", Title: "ping flood", Figure: "mean RTT", Unit: "µs", LessIsBetter: true,
				Rows: []Row{
					{Path: "kernel", Kind: Kernel, Samples: []float64{1.2, 1.3}, Cost: cost("op", 0, 2e-6, 18, 18)},
					{Path: "netstackd", Kind: Netstackd, Binary: "netstackd", Samples: []float64{7, 8}, Cost: cost("op", 7e-6, 9e-6, 30, 30)},
					{Path: "minimal", Kind: Minimal, Samples: []float64{30, 28}, Cost: cost("op", 12e-6, 20e-6, 8, 8)},
				},
			},
			{
				Work: "hold-50000", Title: "50,000 connections held", Figure: "connections held",
				Rows: []Row{{
					Path: "netstackd", Kind: Netstackd, Binary: "netstackd", Samples: []float64{1024},
					Notes: []string{"1024 of 50000 connections: connection reset by peer"},
				}},
			},
			{
				Work: "hold-50000", Title: "50,000 connections held", Figure: "resident memory", Unit: "MiB", LessIsBetter: true,
				Rows: []Row{{
					Path: "netstackd", Kind: Netstackd, Binary: "netstackd", Samples: []float64{36.5},
					Notes: []string{"1024 of 50000 connections: connection reset by peer"},
				}},
			},
		},
	}
	r.Judge([]Target{
		{Work: "tcp-in-1", Figure: "throughput", Of: Netstackd, Against: Kernel, Least: 0.8},
		{Work: "tcp-in-1", Figure: "throughput", Of: Netstackd, Against: FDBased, Least: 6},
		{Work: "tcp-in-1", Figure: "throughput", Of: Compare, Against: Netstackd, Least: 0.7, TraceLost: 0.01},
		{Work: "ping-flood", Figure: "mean RTT", Of: Netstackd, Against: Minimal, Most: 0.5},
	})
	return r
}

func TestTable(t *testing.T) {
	var got bytes.Buffer
	if err := sample().WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", got.Bytes())
}

// golden holds what was printed against a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestDigits(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 0.001234: "0.00123", 0.0994: "0.0994", 0.0996: "0.10", 0.5: "0.50", 9.994: "9.99", 9.996: "10.0",
		99.94: "99.9", 99.96: "100", 1234.5: "1,235", 61000: "61,000", 1234567: "1,234,567", -2.5: "-2.50",
	} {
		if got := digits(f); got != want {
			t.Errorf("digits(%v) is %q, want %q", f, got, want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	want := sample()
	var text bytes.Buffer
	if err := want.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", text.Bytes())
	got, err := ReadJSON(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", `{"date":7}`, `{"teleport":true}`} {
		if r, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("ReadJSON(%q) is %+v, want an error", text, r)
		}
	}
}

func TestChart(t *testing.T) {
	var picture, drawing bytes.Buffer
	if err := sample().WriteChart(&picture, "png"); err != nil {
		t.Fatal(err)
	}
	decoded, err := png.Decode(&picture)
	if err != nil {
		t.Fatal(err)
	}
	if b := decoded.Bounds(); b.Dx() < 1000 || b.Dy() < 1000 {
		t.Errorf("the picture is %d by %d: too small to read", b.Dx(), b.Dy())
	}
	if err := sample().WriteChart(&drawing, "svg"); err != nil {
		t.Fatal(err)
	}
	words := svgText(t, &drawing)
	for _, want := range []string{
		"Example CPU", "TCP throughput", "Gbit/s", "ratio to the kernel", "µs",
		"kernel", "netstackd", "compare", "wireguard", "minimal", "tcp-in-1", "rr-1", "ping-flood", "mean RTT",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the chart does not say %q, only:\n%s", want, words)
		}
	}
	// It failed, so it has no bar.
	if strings.Contains(words, "fdbased") {
		t.Errorf("the chart shows a path that failed:\n%s", words)
	}
}

// svgText is all text of an SVG, which has to be well-formed.
func svgText(t *testing.T, in io.Reader) string {
	t.Helper()
	var words strings.Builder
	for decoder := xml.NewDecoder(in); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return words.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			words.Write(text)
		}
	}
}

func TestChartRefuses(t *testing.T) {
	if err := (&Report{}).WriteChart(io.Discard, "png"); err == nil {
		t.Error("a chart of nothing was drawn")
	}
	if err := sample().WriteChart(io.Discard, "gif"); err == nil {
		t.Error("a chart was drawn in a format that there is not")
	}
}

// failing is a writer that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrors(t *testing.T) {
	r := sample()
	for name, err := range map[string]error{
		"table": r.WriteTable(failing{}), "JSON": r.WriteJSON(failing{}),
		"png": r.WriteChart(failing{}, "png"), "svg": r.WriteChart(failing{}, "svg"),
	} {
		if err == nil {
			t.Errorf("%s: a write error is not reported", name)
		}
	}
}
