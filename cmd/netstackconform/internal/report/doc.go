// Package report prints what came of a run.
//
// # Tour
//
//   - report.go: [Report], the whole of it, and what it counts.
//   - table.go: [Report.WriteTable], for a terminal.
//   - packets.go: [Report.WritePackets], a case with its packets in words.
//   - json.go, junit.go: [Report.WriteJSON], [Report.WriteJUnit], for machines.
//   - deviation.go: [Report.WriteDeviations], a file for each of netstack's.
package report
