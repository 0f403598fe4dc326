//go:build !linux

package contain

import (
	"errors"
	"fmt"
)

// Become is for Linux alone.
func Become(uid, _ uint32) error { return fmt.Errorf("become user %d: %w", uid, errors.ErrUnsupported) }

// Enter is for Linux alone.
func Enter(Config) error { return fmt.Errorf("give up privileges: %w", errors.ErrUnsupported) }
