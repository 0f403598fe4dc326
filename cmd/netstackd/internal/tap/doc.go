// Package tap is /capture: packets live, over HTTP, each reader's as it filters
// them.
//
//   - query.go: what a reader may ask for.
//   - handler.go: [NewHandler]; a reader comes, is served, and goes.
//   - stream.go: the answer's way out, for readers that are slow, stand still or
//     have gone.
//
// A reader costs the packets' way its filter and a copy of what it follows, and
// can never hold it up: what it does not take in time is lost, counted, and said at
// the end of what it gets. Who takes nothing for 30 s is given up.
package tap
