// Package guard keeps from netstack the packets that would harm it, and
// nothing else. Each kind has a reason of its own, so that traces and counts
// say what was done and why.
//
// Today it knows one harm: an ICMPv4 echo request in fragments whose
// reassembled message leaves no room for the header of the reply panics the
// process inside gVisor. The rule is coarse, on the safe side: it also stops
// conforming fragmented pings that carry IP options.
package guard
