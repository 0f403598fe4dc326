package contain

import "github.com/sirupsen/logrus"

// Config says what a contained process goes on to do with files. Descriptors that
// are open are not touched.
type Config struct {
	// Write are directories in which files are made, rewritten and removed.
	Write []string
	// Rewrite are directories of which the same is true if the user may: it may do without.
	Rewrite []string
	// Remove are directories from which files are removed.
	Remove []string
	// Read are directories of which files are read.
	Read []string
	// Use are directories of which files are opened again, to be read or written, such
	// as FIFOs.
	Use []string
	// Log gets what this kernel cannot do.
	Log logrus.FieldLogger
}
