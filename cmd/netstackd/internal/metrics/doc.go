// Package metrics shows what the rooms count to Prometheus. The rooms count in
// plain structs of their own; a scrape reads those, and changes nothing.
//
//   - collector.go: [Sources], where the numbers come from, and [NewHandler].
//   - traffic.go: packets, checksums, fates, comparisons, what the trace lost, captures.
//   - netstack.go: what netstack and its services count.
//   - link.go: the link and its device.
//   - cache.go: a storm of scrapes costs no more than a few.
//   - histogram.go: distributions that somebody else counts.
//
// Labels are bounded: each takes its values from a list that is closed when the
// daemon starts.
package metrics
