// Package comparetest runs a real netstack behind a chain of hooks, for tests:
// packets go in and come out as bytes, without a device.
//
// # Tour
//
//   - netstack.go: [Netstack], all there is.
package comparetest
