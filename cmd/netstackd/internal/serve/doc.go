// Package serve is the HTTP server of netstackd: one address that the user
// named with -http, or none. Who wants to be reached there gives it a handler
// under a path; the server brings the manners: who may connect, how long a
// client may take, how it all ends.
//
//   - address.go: [Address], what -http may name, and who can reach it.
//   - token.go: the token of -http-token-file, and who needs it. page.go: what web
//     pages may ask where there is none.
//   - check.go: what can be said of it all without listening.
//   - listen.go: the listener; unix sockets are the owner's alone, and what is
//     in a socket's place is not removed if it is none. listen_linux.go,
//     listen_other.go: how a socket's mode is set.
//   - server.go: [Server], its limits, its start and its end; /healthz and /readyz.
//   - crowd.go: how many connections there are at most, and which goes first.
//   - show.go: what is shown as JSON; profiles, one at a time.
package serve
