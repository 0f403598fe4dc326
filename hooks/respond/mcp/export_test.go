package mcp

import "time"

const (
	MaxMessage  = maxMessage
	MaxReaders  = maxReaders
	MaxInFlight = maxInFlight
)

// SetBodyPatience shortens the time in which a message must be there.
func (s *Server) SetBodyPatience(d time.Duration) { s.bodyPatience = d }

// Readers returns how many calls of read_packet wait.
func (s *Server) Readers() int { return len(s.readers) }
