// Package report turns what the benchmark measured into medians, ratios,
// verdicts, a table, JSON and a chart. It measures nothing and runs anywhere.
//
//   - report.go: [Report], what is printed and what the JSON holds: a [Group] for
//     each figure of each work, in it a [Row] for each path.
//   - statistics.go: [Spread], the median and range of the rounds.
//   - ratio.go: [Report.Judge], the ratios to the kernel and to the best
//     alternative.
//   - target.go: [Target], the goals and whether they are met.
//   - table.go: [Report.WriteTable]. json.go: [Report.WriteJSON] and [ReadJSON].
//     chart.go: [Report.WriteChart].
//   - soak.go: [Soak], how netstackd has stood a long run with faults; soak_text.go prints it.
//   - race.go: [Race], how answerers of the same pings have done; race_table.go and
//     race_chart.go print and draw it.
package report
