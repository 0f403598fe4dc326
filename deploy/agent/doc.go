// Package agent holds what an agent needs to be the host's ICMP: ping-respond.md,
// the prompt; answer.py, the reference answerer, for comparison; README.md, how
// to start them. The package itself is its tests, which hold the prompt's worked
// example against hooks/wire number by number, and the answerer's replies against
// hooks/byhand.
package agent
