// Package linktest holds what tests of and around package link need: a TUN
// device in memory, and a network namespace of the test's own.
//
//   - [InNamespace] runs the calling test again in a process that has a fresh
//     network namespace, so that devices, addresses and routes made by it touch
//     nothing of the machine and vanish with it.
//   - [NeedTools] skips a test by name when a tool it drives is not installed.
//   - [NeedTUN] does so where no TUN device can be opened.
//   - [Device] is a TUN device in memory, for tests that need no kernel: packets
//     put in with Inject are read by the endpoint, packets the endpoint writes
//     come out of Sent, and failures and events are scripted.
//
// A test that cannot run here is skipped and says why; with CI=true in the
// environment it fails instead, so that a continuous build never passes by
// skipping.
package linktest
