package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check says what New would refuse, as far as that shows without listening: the
// token, and what stands in the place of a socket. It changes nothing.
func Check(c Config) error {
	if c.TokenFile != "" {
		if _, err := readToken(c.TokenFile); err != nil {
			return err
		}
	}
	if c.Address.Network != "unix" {
		return nil
	}
	dir := filepath.Dir(c.Address.Address)
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("listen on %s: %w%s", c.Address, cause(err), advice(err))
	} else if !info.IsDir() {
		return fmt.Errorf("listen on %s: %s is no directory", c.Address, dir)
	}
	info, err := os.Lstat(c.Address.Address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen on %s: %w", c.Address, cause(err))
	}
	return isSocket(c.Address.Address, info)
}

// isSocket wants what is in a socket's place to be one.
func isSocket(path string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("listen on unix:%s: the path exists and is no socket: remove it, or give another", path)
	}
	return nil
}
