// Package iperf3 is a server for iperf3 clients, 3.12 and later, that does not
// know what carries it: it speaks to the connections of a Listener and is handed
// datagrams. Package stack puts it inside netstack; the tests use pipes.
//
// The protocol is that of esnet/iperf, which has no other specification. A
// client opens a control connection that begins with a cookie. Then
//
//	server                        client
//	PARAM_EXCHANGE    ──▶
//	                  ◀──   length, parameters in JSON
//	CREATE_STREAMS    ──▶
//	                  ◀──   each TCP stream: a connection to the same port that
//	                        begins with the same cookie; each UDP stream: a
//	                        datagram of 4 bytes, which is answered
//	TEST_START        ──▶
//	TEST_RUNNING      ──▶
//	   streams        ◀─▶      streams
//	                  ◀──   TEST_END
//	EXCHANGE_RESULTS  ──▶
//	                  ◀──   length, results in JSON
//	length, results   ──▶
//	DISPLAY_RESULTS   ──▶
//	                  ◀──   IPERF_DONE
//
// where each word in capitals is one byte. A client whom the server cannot serve
// gets SERVER_ERROR and the number of a message it has; one that comes while
// another's test runs gets ACCESS_DENIED.
//
// # What is measured
//
// The server counts bytes while the test runs and after the omitted time, the
// segments it has sent again, and over UDP what is lost, out of order, and the
// jitter, all as iperf3 does. The processor time is that of the whole process.
// Of congestion windows and round-trip times the protocol has no field for the
// server; the client shows its own.
//
// # What a client can hold
//
// One test runs at a time. Every step that the client owes has a time, as has
// the test; what it may announce has a size; what it may ask for has the bounds
// of iperf3. A client that is gone is noticed by the end of its control
// connection, and the next one waits a moment for that instead of being refused.
// Datagrams are only sent to the address that the control connection comes from.
//
// # Files
//
//	server.go      Server: who may begin a test
//	session.go     one client, from its cookie to its end
//	protocol.go    states, errors, cookies, messages
//	parameters.go  what the client asks for, checked
//	stream.go      what carries data and counts it; TCP
//	datagrams.go   UDP: opening streams, loss and jitter, sending
//	pace.go        sending at a rate
//	results.go     what the client is told
//	report.go      the same as text
//	cpu.go cpu_unix.go cpu_other.go   processor time
//	transport.go   what the server needs of TCP and UDP
package iperf3
