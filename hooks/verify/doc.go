// Package verify drops by name what has a wrong checksum. It is in the chain
// while netstack is told that checksums are verified already (receive offload),
// and only then: else netstack verifies each sum itself, which is what the
// comparison is about.
//
// It drops packets with a wrong IPv4 header sum, and with a wrong TCP or UDP sum
// that the kernel did not vouch for. A sum that the kernel left partial has to
// be that of the pseudo-header. Fragments it puts together, and drops the one
// that completes a datagram with a wrong sum. A wrong ICMP sum it lets pass:
// netstack verifies those whatever it is told.
//
// It does not stand alone. [hooks.Endpoint] has netstack verify what the chain
// could not or did not: fragments, malformed packets, a wrong sum behind options
// or extension headers, which may call for an error first. So two reassemblies
// that differ let nothing in that neither has verified.
package verify
