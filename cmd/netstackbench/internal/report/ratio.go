package report

import "slices"

// Judge fills in the spread of each row, its ratios and the verdicts of the
// targets, from the samples.
func (r *Report) Judge(targets []Target) {
	for i := range r.Groups {
		r.Groups[i].judge(targets)
	}
}

func (g *Group) judge(targets []Target) {
	for i := range g.Rows {
		if row := &g.Rows[i]; row.valid() {
			row.Spread = SpreadOf(row.Samples)
		}
	}
	kernel, best := g.find(Kernel, ""), g.best()
	for i := range g.Rows {
		row := &g.Rows[i]
		row.ToKernel, row.ToBest, row.Best, row.Verdicts = nil, nil, "", nil
		if row.valid() {
			row.ToKernel = row.ratio(kernel)
			if row.ToBest = row.ratio(best); row.ToBest != nil {
				row.Best = best.Path
			}
		}
		for _, t := range targets {
			if t.Work == g.Work && t.Figure == g.Figure && t.Of == row.Kind {
				row.Verdicts = append(row.Verdicts, t.judge(g, row))
			}
		}
	}
}

func (row *Row) valid() bool { return row.Error == "" && len(row.Samples) > 0 }

// ratio is nil where there is nothing to divide by.
func (row *Row) ratio(by *Row) *float64 {
	if by == nil || by.Spread.Median == 0 {
		return nil
	}
	q := row.Spread.Median / by.Spread.Median
	return &q
}

// find is the first row of a kind that has a value, nil if there is none. Of
// several with a binary it takes the one with the same.
func (g *Group) find(kind, binary string) *Row {
	for i := range g.Rows {
		row := &g.Rows[i]
		if row.Kind == kind && row.valid() && (binary == "" || row.Binary == binary) {
			return row
		}
	}
	return nil
}

// best is the best of the alternatives, nil if none has a value.
func (g *Group) best() *Row {
	var best *Row
	for i := range g.Rows {
		row := &g.Rows[i]
		if !slices.Contains(alternatives, row.Kind) || !row.valid() {
			continue
		}
		if best == nil || (row.Spread.Median < best.Spread.Median) == g.LessIsBetter {
			best = row
		}
	}
	return best
}
