package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/trace"
)

// sampleRace is a race with everything in it once: the kernel, a scorecard with
// faults, one who answers the first ping alone, one who answers none, and a
// published figure between them.
func sampleRace() *Race {
	first := func(us float64) *float64 { return &us }
	r := &Race{
		Date:    time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Machine: Machine{CPU: "Example CPU", Cores: 2, Memory: 16 << 30, Kernel: "6.1.0 x86_64", Go: "go1.26"},
		Run: RaceRun{
			Rounds: 2, Pings: 50, Interval: 5 * time.Millisecond, Length: 600 * time.Millisecond,
			Patience: 2 * time.Second, Took: 12345 * time.Millisecond, Netstackd: "bin/netstackd",
		},
		Answerers: []Answerer{
			{
				Name: "silent", Label: "silent", About: "netstackd -respond \"exec:sleep 9\"", Requests: 1,
				Card: &trace.Scorecard{Name: "exec:sleep 9", Live: true, Requests: 1}, Error: "no answer within 2s",
			},
			{
				Name: "once", Label: "once", About: "netstackd -respond \"exec:./once\"", Requests: 2, Answered: 1, First: first(1.5e6),
				Card:  &trace.Scorecard{Name: "exec:./once", Live: true, Requests: 2, Answered: 1, RightFirstTime: 1},
				Notes: []string{"the answerer has ended, it is started again after a pause: exit status 3"},
			},
			{
				Name: "Example LLM", Label: "an LLM: Example", Published: "example.org, May 2026", Times: &Times{P50: 42_593_000},
			},
			{
				Name: "fifo", Label: "fifo: a shell with awk", About: "netstackd -respond fifo:DIR", Requests: 41, Answered: 40, First: first(20e3),
				Times: &Times{9.7e3, 12e3, 15e3, 1.2e6}, IPv4: &Times{9.6e3, 12e3, 12e3, 12e3}, IPv6: &Times{9.8e3, 12e3, 15e3, 1.2e6},
				Rounds: []float64{9.7e3, 9.8e3},
				Card: &trace.Scorecard{
					Name: "fifo:DIR", Live: true, Requests: 41, Answered: 40, RightFirstTime: 38,
					Wrong: map[string]uint64{"ICMP checksum": 2, "TTL": 1},
				},
			},
			{
				Name: "kernel", Label: "kernel, over veth", About: "the kernel's own stack, over veth", Requests: 201, Answered: 201, First: first(55),
				Times: &Times{4.734, 6, 9.99, 120}, IPv4: &Times{4.7, 6, 9, 100}, IPv6: &Times{4.8, 6, 9.99, 120}, Rounds: []float64{4.7, 4.8},
			},
		},
	}
	r.Rank()
	return r
}

func TestRank(t *testing.T) {
	var got []string
	for _, a := range sampleRace().Answerers {
		got = append(got, a.Name)
	}
	// Who has no time stays where it was, behind the others.
	if diff := cmp.Diff([]string{"kernel", "fifo", "Example LLM", "silent", "once"}, got); diff != "" {
		t.Errorf("ranking (-want +got):\n%s", diff)
	}
}

func TestRaceTable(t *testing.T) {
	var got bytes.Buffer
	if err := sampleRace().WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	golden(t, "race.txt", got.Bytes())
}

func TestRaceJSON(t *testing.T) {
	want := sampleRace()
	var text bytes.Buffer
	if err := want.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "race.json", text.Bytes())
	var got Race
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("race (-want +got):\n%s", diff)
	}
}

func TestTimesOf(t *testing.T) {
	if got := TimesOf(nil); got != nil {
		t.Errorf("times of nothing: %+v", got)
	}
	all := make([]time.Duration, 200)
	for i := range all {
		all[i] = time.Duration(len(all)-i) * time.Microsecond // 1 to 200
	}
	for _, tt := range []struct {
		n    int
		want Times
	}{
		{200, Times{100, 180, 198, 200}},
		{1, Times{200, 200, 200, 200}},
		{2, Times{199, 200, 200, 200}},
		{101, Times{150, 190, 199, 200}},
	} {
		if diff := cmp.Diff(&tt.want, TimesOf(all[:tt.n])); diff != "" {
			t.Errorf("times of %d (-want +got):\n%s", tt.n, diff)
		}
	}
	if all[0] != 200*time.Microsecond {
		t.Error("TimesOf has sorted the caller's")
	}
}

func TestRaceChart(t *testing.T) {
	var drawing bytes.Buffer
	if err := sampleRace().WriteChart(&drawing, "svg"); err != nil {
		t.Fatal(err)
	}
	words := svgText(t, &drawing)
	for _, want := range []string{
		"Who answers the ping?", "Example CPU", "kernel, over veth", "4.73 µs", "fifo: a shell with awk", "9.70 ms",
		"42.6 s, published, not measured here: example.org, May 2026", "no answer", "one answer, 1.50 s",
		"1 µs", "100 µs", "1 ms", "100 ms", "1 s", "100 s",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the chart does not say %q, only:\n%s", want, words)
		}
	}
}

// TestRaceChartHolds wants all that is drawn inside the picture, however long it
// took.
func TestRaceChartHolds(t *testing.T) {
	for _, times := range []Times{
		{0.2, 0.2, 0.2, 0.2}, {88.8e3, 1e6, 1e6, 99.9e6}, {88.8e3, 1e6, 1e6, 600e6}, {99.9e6, 99.9e6, 99.9e6, 99.9e6}, {543.2e6, 1e9, 1e9, 1e9},
	} {
		r := sampleRace()
		r.Answerers = r.Answerers[:1]
		r.Answerers[0].Times = &times
		r.Answerers[0].Label = strings.Repeat("W", 24)
		var picture bytes.Buffer
		if err := r.WriteChart(&picture, "png"); err != nil {
			t.Fatal(err)
		}
		decoded, err := png.Decode(&picture)
		if err != nil {
			t.Fatal(err)
		}
		b := decoded.Bounds()
		for side, strip := range map[string]image.Rectangle{
			"left": image.Rect(b.Min.X, b.Min.Y, b.Min.X+8, b.Max.Y), "right": image.Rect(b.Max.X-8, b.Min.Y, b.Max.X, b.Max.Y),
		} {
			if !white(decoded, strip) {
				t.Errorf("%v: something is cut off on the %s", times, side)
			}
		}
	}
}

// white tells whether nothing is drawn in a part of a picture.
func white(m image.Image, part image.Rectangle) bool {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if r, g, b, _ := m.At(x, y).RGBA(); r&g&b != 0xffff {
				return false
			}
		}
	}
	return true
}

func TestRaceRefusesToDraw(t *testing.T) {
	if err := (&Race{}).WriteChart(io.Discard, "png"); err == nil {
		t.Error("a chart of nobody was drawn")
	}
	if err := sampleRace().WriteChart(io.Discard, "gif"); err == nil {
		t.Error("a chart was drawn in a format that there is not")
	}
}

func TestRaceWriteErrors(t *testing.T) {
	r := sampleRace()
	for name, err := range map[string]error{
		"table": r.WriteTable(failing{}), "JSON": r.WriteJSON(failing{}), "png": r.WriteChart(failing{}, "png"),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: a write error is reported as %v", name, err)
		}
	}
}
