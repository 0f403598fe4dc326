// Package soak is what a long run of netstackd is made of: loads that go on until
// they are told to stop and know of each packet what became of it, floods, the order
// of faults, and the account that explains every loss.
//
//   - plan.go: [Rounds], the faults in turn and at random, from a seed.
//   - account.go: [Account], which explains a loss by a fault's window, or by what
//     the kernel says that it dropped.
//   - echo_linux.go: [Echoes], echo requests or datagrams, paced or as a flood.
//   - converse_linux.go: [Tally] and the TCP loads: [Converse], [Pour], [Drain],
//     [Fetch].
//   - flood_linux.go: [Flood], SYNs and fragments that nobody asked for.
//
// The loads are for Linux, and for the network namespace that the process is in.
package soak
