// Package comparetest runs a real netstack behind a chain of hooks, for tests:
// packets go in and come out as bytes, without a device.
//
// # Tour
//
//   - netstack.go: [Netstack], which takes packets and gives them.
//   - ports.go: its open ports and its rate limit.
package comparetest
