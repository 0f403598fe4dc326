// Package agent holds what an agent needs to be the host's ICMP: ping-respond.md,
// the prompt; answer.py and answer.sh, the reference answerers, for comparison, and
// in agent.go for programs; README.md, how to start them. The tests hold the
// prompt's worked example against hooks/wire number by number, and the answerers'
// replies against hooks/byhand.
package agent
