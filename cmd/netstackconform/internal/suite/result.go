package suite

// A Status is how a case ended at a host.
type Status string

// The statuses.
const (
	// Pass: the host did what the RFC asks for.
	Pass Status = "pass"
	// Deviate: it did not.
	Deviate Status = "deviate"
	// Killed: it died of it, or never answered anything again.
	Killed Status = "killed"
	// NoOpinion: the reference host has no rule for it.
	NoOpinion Status = "no opinion"
	// NotRun: the host was not there to be asked.
	NotRun Status = "not run"
)

// An Event is a packet of a case.
type Event struct {
	// Step counts from 1.
	Step int `json:"step"`
	// ToHost says that the case sent it.
	ToHost bool `json:"to_host"`
	// Packet is in hex.
	Packet Hex `json:"packet"`
}

// A Result is what came of a case at a host.
type Result struct {
	Case   *Case
	Status Status
	// Reason says what was otherwise, if the case did not pass.
	Reason string
	// Live says of the reference host that what it answered went through a TUN
	// device, or some of it; else all was predicted.
	Live   bool
	Events []Event
}

// A HostResult is what came of all cases at a host.
type HostResult struct {
	Host string
	// Skipped says why the host was left out, and Failed why it could not be
	// run; empty if it was.
	Skipped, Failed string
	// Results are in the order of the cases.
	Results []Result
}

// Count returns how many cases passed of those that were judged, with must of
// those alone that a host MUST do.
func (h *HostResult) Count(must bool) (passed, judged int) {
	for _, r := range h.Results {
		if must && r.Case.Requirement != Must || r.Status == NoOpinion || r.Status == NotRun {
			continue
		}
		judged++
		if r.Status == Pass {
			passed++
		}
	}
	return passed, judged
}

// Live counts the cases that passed with an answer through a TUN device, at the
// reference host.
func (h *HostResult) Live() int {
	n := 0
	for _, r := range h.Results {
		if r.Live && r.Status == Pass {
			n++
		}
	}
	return n
}
