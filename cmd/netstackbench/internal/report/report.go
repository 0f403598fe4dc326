package report

import "time"

// Report is a whole run.
type Report struct {
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Run     Run       `json:"run"`
	Groups  []Group   `json:"groups"`
}

// Machine is what the figures depend on beside the program.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory uint64 `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	// Modules are versions by module path.
	Modules map[string]string `json:"modules"`
}

// Run is how it was measured.
type Run struct {
	Quick  bool          `json:"quick"`
	Rounds int           `json:"rounds"`
	Warm   time.Duration `json:"warm_ns"`   // before each measurement
	Length time.Duration `json:"length_ns"` // of each measurement
	Took   time.Duration `json:"took_ns"`   // the whole run
	// Binaries are the command lines of the paths that run one, by path.
	Binaries map[string]string `json:"binaries,omitempty"`
}

// The kinds of path. There may be several of Netstackd and Compare, one for each
// binary.
const (
	Kernel    = "kernel"    // kernel to kernel over veth
	Netstackd = "netstackd" // the binary
	Compare   = "compare"   // the binary with -trace compare, to a file
	FDBased   = "fdbased"   // netstack on gVisor's fdbased endpoint
	WireGuard = "wireguard" // netstack on wireguard/tun's Read and Write
	Minimal   = "minimal"   // read, swap addresses, write: ping alone
)

// alternatives are the kinds that somebody would use in netstackd's place.
var alternatives = []string{FDBased, WireGuard}

// Group is one figure of one work, for all paths.
type Group struct {
	// Work is the name that -only selects by.
	Work string `json:"work"`
	// Title is the work for people, Figure what is told of it.
	Title  string `json:"title"`
	Figure string `json:"figure"`
	// Unit of every value.
	Unit string `json:"unit"`
	// LessIsBetter of a time or a size.
	LessIsBetter bool  `json:"less_is_better,omitempty"`
	Rows         []Row `json:"rows"`
}

// Row is what one path did. With Error set there is no value, else there is at
// least one sample.
type Row struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	// Binary is which of several a path of kind Netstackd or Compare runs.
	Binary  string    `json:"binary,omitempty"`
	Samples []float64 `json:"samples,omitempty"` // one a round
	Spread  Spread    `json:"spread"`
	Cost    *Cost     `json:"cost,omitempty"`
	// TraceLost is the part of the packets whose trace line was lost, in a path
	// that traces.
	TraceLost *float64 `json:"trace_lost,omitempty"`
	// ToKernel and ToBest are the median divided by the kernel's, and by that of
	// the best alternative, whose path Best is.
	ToKernel *float64  `json:"to_kernel,omitempty"`
	ToBest   *float64  `json:"to_best,omitempty"`
	Best     string    `json:"best,omitempty"`
	Verdicts []Verdict `json:"verdicts,omitempty"`
	// Notes say what the value alone does not: losses, limits that were met.
	Notes []string `json:"notes,omitempty"`
	Error string   `json:"error,omitempty"`
}

// Cost is what the row's work took, medians over the rounds.
type Cost struct {
	// Per is what the CPU times are for: "GiB" of payload or "op".
	Per string `json:"per"`
	// Server and Total are CPU seconds of the host's process, and of that and
	// the load generator.
	Server float64 `json:"cpu_server_s"`
	Total  float64 `json:"cpu_total_s"`
	// Resident is the host's memory when the work ends, Peak the most while it
	// lasted, in bytes. The kernel's own is not in it.
	Resident uint64 `json:"resident_bytes"`
	Peak     uint64 `json:"peak_bytes"`
}
