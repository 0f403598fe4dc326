// Package live lets others follow the packets while they pass, each what a filter
// of its own matches: they come and go while packets move, and cost nothing while
// there are none.
//
//   - readers.go: [Readers], the hook at the chain's beginning that marks each
//     packet with those who follow it, and who comes and goes.
//   - reader.go: [Reader], one of them: what it is given, and when that is enough.
//     share.go: what it may take.
//   - tracer.go: [Tracer], which hands the events of marked packets on, and those
//     of all to whoever traces. observer.go: [Observer], the hook at the chain's
//     end that makes the events where nobody compares.
//
// A packet is marked with the list of the readers that there are at that moment,
// which never changes, and a bit for each that wants it. Whoever has come since is
// not on that list, and whoever has gone takes nothing any more: so an event that
// waits for its fate reaches those, and only those, whose filter has matched.
package live
