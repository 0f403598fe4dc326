package report

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// panel is one coordinate system of the chart.
type panel struct {
	title, axis string
	groups      []*Group
	labels      []string // one a group
	// relative shows ratios to the kernel, so that figures of different size
	// stand side by side.
	relative bool
}

// The chart's measures.
const (
	chartWidth  = 28 * vg.Centimeter
	panelHeight = 10 * vg.Centimeter
	chartDPI    = 130
	margin      = 5 * vg.Millimeter
	// clusterPart is how much of a group's room its bars fill.
	clusterPart = 0.8
	// legendPart of the groups' room is added for the legend.
	legendPart = 0.14
)

// palette tells eight paths apart for the colour-blind too (Okabe and Ito, Color
// Universal Design, 2008). The first is the kernel's.
var palette = []color.Color{
	color.RGBA{0x4d, 0x4d, 0x4d, 0xff}, color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, color.RGBA{0xf0, 0xe4, 0x42, 0xff},
}

// WriteChart draws throughput, rates and latency as grouped bars with whiskers
// from the least to the most. format is "png" or "svg".
func (r *Report) WriteChart(w io.Writer, format string) error {
	panels := r.panels()
	if len(panels) == 0 {
		return errors.New("draw chart: nothing to draw was measured: it shows tcp-, rr-, connects-, udp- and ping- works")
	}
	height := panelHeight * vg.Length(len(panels))
	canvas, err := newCanvas(chartWidth, height, format)
	if err != nil {
		return err
	}
	paths := r.paths()
	whole := draw.New(canvas)
	whole.FillPolygon(color.White, []vg.Point{{}, {X: chartWidth}, {X: chartWidth, Y: height}, {Y: height}})
	for i, p := range panels {
		drawn := p.plot(paths)
		if i == 0 {
			drawn.Title.Text = r.caption() + "\n \n" + drawn.Title.Text
		}
		top := height - panelHeight*vg.Length(i)
		drawn.Draw(draw.Canvas{Canvas: whole.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: margin, Y: top - panelHeight + margin}, Max: vg.Point{X: chartWidth - margin, Y: top - margin},
		}})
	}
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("write chart: %w", err)
	}
	return nil
}

// canvas is a picture that can be written.
type canvas interface {
	vg.CanvasSizer
	io.WriterTo
}

// newCanvas makes one in a format, "png" or "svg".
func newCanvas(width, height vg.Length, format string) (canvas, error) {
	switch format {
	case "png":
		return vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(chartDPI))}, nil
	case "svg":
		return vgsvg.New(width, height), nil
	}
	return nil, fmt.Errorf("draw chart: format %q is neither png nor svg", format)
}

// panels are those for which something was measured.
func (r *Report) panels() []*panel {
	throughputs := &panel{title: "TCP throughput", axis: "Gbit/s (more is better)"}
	rates := &panel{title: "Rates", axis: "ratio to the kernel's (more is better)", relative: true}
	times := &panel{title: "Ping round trip", axis: "µs (less is better)"}
	for i := range r.Groups {
		g := &r.Groups[i]
		var to *panel
		label := g.Work
		switch {
		case g.Unit == "Gbit/s":
			to = throughputs
		case g.Unit == "/s" && g.find(Kernel, "") != nil:
			to = rates
		case g.Unit == "µs" && len(g.Work) > 5 && g.Work[:5] == "ping-":
			to, label = times, g.Work+"\n"+g.Figure
		default:
			continue
		}
		to.groups, to.labels = append(to.groups, g), append(to.labels, label)
	}
	return slices.DeleteFunc([]*panel{throughputs, rates, times}, func(p *panel) bool { return len(p.groups) == 0 })
}

// paths are the names of all, in the order of the rows.
func (r *Report) paths() []string {
	var names []string
	for i := range r.Groups {
		for _, row := range r.Groups[i].Rows {
			if !slices.Contains(names, row.Path) {
				names = append(names, row.Path)
			}
		}
	}
	// The minimal responder is in a few groups only, and the last everywhere.
	if i := slices.Index(names, Minimal); i >= 0 {
		names = append(slices.Delete(names, i, i+1), Minimal)
	}
	return names
}

// caption says where and when.
func (r *Report) caption() string {
	return fmt.Sprintf("netstackbench: %s, %d cores, Linux %s, %s",
		r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Date.Format(time.DateOnly))
}

func (p *panel) plot(paths []string) *plot.Plot {
	drawn := plot.New()
	drawn.Title.Text = p.title
	drawn.Title.TextStyle.Font.Size = vg.Points(15)
	drawn.Y.Label.Text = p.axis
	drawn.Y.Label.TextStyle.Font.Size = vg.Points(12)
	drawn.Y.Tick.Label.Font.Size = vg.Points(12)
	drawn.X.Tick.Label.Font.Size = vg.Points(12)
	drawn.X.Tick.Label.YAlign = text.YTop
	drawn.Y.Min = 0
	drawn.NominalX(p.labels...)
	drawn.X.Min = -0.5
	drawn.Legend.Top, drawn.Legend.Left = true, false
	drawn.Legend.TextStyle.Font.Size = vg.Points(12)
	drawn.Legend.Padding = vg.Points(2)
	grid := plotter.NewGrid()
	grid.Vertical.Color = nil
	grid.Horizontal.Color = color.Gray{0xdd}
	drawn.Add(grid)
	var all []*bars
	for i, name := range paths {
		if b := p.bars(name, palette[i%len(palette)]); len(b.values) > 0 {
			all = append(all, b)
		}
	}
	for i, b := range all {
		b.left = -clusterPart/2 + clusterPart*float64(i)/float64(len(all))
		b.width = clusterPart / float64(len(all))
		drawn.Add(b)
		drawn.Legend.Add(b.path, b)
	}
	// Room for the legend beside the last group, which Add does not know of.
	drawn.X.Max = float64(len(p.groups)) - 0.5
	drawn.X.Max += legendPart * (drawn.X.Max - drawn.X.Min)
	drawn.Y.Max *= 1.05
	return drawn
}

// bars are what one path did in each group of a panel. A plotter of its own,
// since the library's bars know no whiskers.
type bars struct {
	path   string
	at     []float64 // the place of the group on the axis
	values []Spread
	color  color.Color
	// left is where a bar begins beside its group's place, width how wide it is.
	left, width float64
}

var (
	_ plot.Plotter     = (*bars)(nil)
	_ plot.DataRanger  = (*bars)(nil)
	_ plot.Thumbnailer = (*bars)(nil)
)

func (p *panel) bars(path string, c color.Color) *bars {
	b := &bars{path: path, color: c}
	for i, g := range p.groups {
		for j := range g.Rows {
			row := &g.Rows[j]
			if row.Path != path || !row.valid() {
				continue
			}
			spread := row.Spread
			if p.relative {
				by := g.find(Kernel, "").Spread.Median
				spread = Spread{Median: spread.Median / by, Min: spread.Min / by, Max: spread.Max / by}
			}
			b.at, b.values = append(b.at, float64(i)), append(b.values, spread)
		}
	}
	return b
}

// Plot implements plot.Plotter.
func (b *bars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	whisker := draw.LineStyle{Color: color.Black, Width: vg.Points(0.7)}
	for i, v := range b.values {
		left, right := x(b.at[i]+b.left), x(b.at[i]+b.left+b.width*0.92)
		c.FillPolygon(b.color, []vg.Point{{X: left, Y: y(0)}, {X: left, Y: y(v.Median)}, {X: right, Y: y(v.Median)}, {X: right, Y: y(0)}})
		if v.Min == v.Max {
			continue
		}
		middle, cap := (left+right)/2, (right-left)/5
		c.StrokeLine2(whisker, middle, y(v.Min), middle, y(v.Max))
		c.StrokeLine2(whisker, middle-cap, y(v.Min), middle+cap, y(v.Min))
		c.StrokeLine2(whisker, middle-cap, y(v.Max), middle+cap, y(v.Max))
	}
}

// DataRange implements plot.DataRanger.
func (b *bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, v := range b.values {
		ymax = max(ymax, v.Max)
	}
	return b.at[0] - 0.5, b.at[len(b.at)-1] + 0.5, 0, ymax
}

// Thumbnail implements plot.Thumbnailer, for the legend.
func (b *bars) Thumbnail(c *draw.Canvas) {
	c.FillPolygon(b.color, []vg.Point{c.Min, {X: c.Min.X, Y: c.Max.Y}, c.Max, {X: c.Max.X, Y: c.Min.Y}})
}
