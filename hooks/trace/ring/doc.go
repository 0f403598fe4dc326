// Package ring is the bounded way of events from where packets pass to the one
// goroutine that writes them down, with an account of each: written or lost,
// exactly once. The trace and the capture each have one.
//
// ring.go: [Ring]. report.go: [Report], what the log is told of losses.
package ring
