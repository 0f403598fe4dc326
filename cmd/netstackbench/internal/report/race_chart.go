package report

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The axis of a race's chart, in microseconds, and its measures.
const (
	raceLeast, raceMost = 1, 100e6
	raceRow             = 1.25 * vg.Centimeter
	raceFrame           = 4.2 * vg.Centimeter // title and axis
	raceMargin          = 2 * vg.Centimeter   // on the right: words behind the longest whisker
)

// WriteChart draws a bar for each answerer up to its median, with whiskers to its
// p90 and its max, on a logarithmic axis. format is "png" or "svg".
func (r *Race) WriteChart(w io.Writer, format string) error {
	if len(r.Answerers) == 0 {
		return errors.New("draw chart: nobody took part")
	}
	n := len(r.Answerers)
	height := raceFrame + raceRow*vg.Length(n)
	canvas, err := newCanvas(chartWidth, height, format)
	if err != nil {
		return err
	}
	whole := draw.New(canvas)
	whole.FillPolygon(color.White, []vg.Point{{}, {X: chartWidth}, {X: chartWidth, Y: height}, {Y: height}})
	drawn := plot.New()
	drawn.Title.Text = "Who answers the ping? Median round trip, whiskers to p90 and to the maximum\n" +
		fmt.Sprintf("netstackbench race: %s, %d cores, Linux %s, %s",
			r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Date.Format(time.DateOnly))
	drawn.Title.TextStyle.Font.Size = vg.Points(13)
	drawn.X.Tick.Label.Font.Size, drawn.Y.Tick.Label.Font.Size = vg.Points(12), vg.Points(12)
	labels := make([]string, n)
	for i := range r.Answerers {
		labels[n-1-i] = r.Answerers[i].Label // the fastest on top
	}
	drawn.NominalY(labels...)
	drawn.X.Scale = plot.LogScale{}
	var ticks []plot.Tick
	for us := float64(raceLeast); us <= raceMost; us *= 10 {
		ticks = append(ticks, plot.Tick{Value: us, Label: fmt.Sprintf("%.0f %s", scaled(us), unit(us))})
	}
	drawn.X.Tick.Marker = plot.ConstantTicks(ticks)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = nil, color.Gray{0xdd}
	drawn.Add(grid, &raceBars{r.Answerers})
	// Add does not know of the room that the axis has to show.
	drawn.X.Min, drawn.X.Max = raceLeast, raceMost
	drawn.Y.Min, drawn.Y.Max = -0.6, float64(n)-0.4
	drawn.Draw(draw.Canvas{Canvas: whole.Canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: margin, Y: margin}, Max: vg.Point{X: chartWidth - raceMargin, Y: height - margin},
	}})
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}

// scaled and unit write powers of ten of a microsecond.
func scaled(us float64) float64 {
	switch {
	case us < 1e3:
		return us
	case us < 1e6:
		return us / 1e3
	}
	return us / 1e6
}

func unit(us float64) string {
	switch {
	case us < 1e3:
		return "µs"
	case us < 1e6:
		return "ms"
	}
	return "s"
}

// raceBars are the bars of all, the first on top.
type raceBars struct{ answerers []Answerer }

var _ plot.Plotter = (*raceBars)(nil)

// Plot implements plot.Plotter.
func (b *raceBars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := func(us float64) vg.Length { return x(math.Min(math.Max(us, raceLeast), raceMost)) }
	style := draw.TextStyle{
		Color: color.Black, Font: p.X.Tick.Label.Font, Handler: p.X.Tick.Label.Handler, YAlign: text.YCenter,
	}
	whisker := draw.LineStyle{Color: color.Black, Width: vg.Points(0.8)}
	half := raceRow * 0.3
	for i := range b.answerers {
		a := &b.answerers[i]
		middle := y(float64(len(b.answerers) - 1 - i))
		left, gap := at(raceLeast), vg.Points(5)
		if a.Times == nil {
			words := "no answer"
			if a.First != nil {
				words = "one answer, " + micros(*a.First)
			}
			c.FillText(style, vg.Point{X: left + gap, Y: middle}, words)
			continue
		}
		end := at(a.Times.P50)
		corners := []vg.Point{{X: left, Y: middle - half}, {X: left, Y: middle + half}, {X: end, Y: middle + half}, {X: end, Y: middle - half}}
		words := micros(a.Times.P50)
		if a.Published != "" {
			c.FillPolygon(color.Gray{0xee}, corners)
			dashed := draw.LineStyle{Color: color.Gray{0x66}, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
			c.StrokeLines(dashed, append(corners, corners[0]))
			// It is the longest: its words stand within.
			c.FillText(style, vg.Point{X: left + gap, Y: middle}, words+", published, not measured here: "+a.Published)
			continue
		}
		bar := palette[3]
		if a.Name == Kernel {
			bar = palette[0]
		}
		c.FillPolygon(bar, corners)
		most := at(a.Times.Max)
		c.StrokeLine2(whisker, end, middle, most, middle)
		for _, us := range []float64{a.Times.P90, a.Times.Max} {
			c.StrokeLine2(whisker, at(us), middle-half/2, at(us), middle+half/2)
		}
		c.FillText(style, vg.Point{X: most + gap, Y: middle}, words)
	}
}
