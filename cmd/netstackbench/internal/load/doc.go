// Package load makes the traffic of the benchmark: with the kernel's sockets, in
// the network namespace that the process is in, against the services of a host.
//
// Every load has a warm-up and then a measured time, a [Window]. It calls
// Window.Mark at both ends of the measured time, so that the caller can read
// clocks of its own there, and counts only what happened in between.
//
//   - stream.go: [Send] and [Receive], bulk TCP to discard and from chargen.
//   - exchange.go: [Exchange], one small message there and back over TCP, again
//     and again.
//   - connect.go: [Connect], connections made and reset.
//   - hold.go: [Hold], many connections at a time.
//   - datagram.go: [Datagrams], UDP echoed with a window of outstanding ones.
//   - ping.go: [Ping], echo requests, as fast as they are answered or paced;
//     [Pinger], one at a time, over IPv6 too.
//   - socket.go: the sockets. They block, and a goroutine sits in each call:
//     with the few sockets there are here a thread costs less than a poller.
//
// All of it is for Linux, and all but the Pinger for IPv4.
package load
