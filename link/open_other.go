//go:build !linux

package link

import (
	"errors"
	"fmt"
	"runtime"
)

// Open fails: only Linux is told how to configure its side of the link. The
// error wraps errors.ErrUnsupported.
func Open(c Config) (*Device, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("create device %s on %s: %w: netstackd opens devices on Linux only", c.Name, runtime.GOOS, errors.ErrUnsupported)
}

// OpenPrepared fails as Open does.
func OpenPrepared(c Config) (*Device, error) {
	return nil, fmt.Errorf("open device %s on %s: %w: netstackd opens devices on Linux only", c.Name, runtime.GOOS, errors.ErrUnsupported)
}

// OpenDescriptor fails as Open does.
func OpenDescriptor(fd int, _ Config) (*Device, error) {
	return nil, fmt.Errorf("use descriptor %d on %s: %w: netstackd opens devices on Linux only", fd, runtime.GOOS, errors.ErrUnsupported)
}

// Up does nothing: no device is configured here.
func (d *Device) Up() error {
	d.configured.Store(true)
	return nil
}

func (d *Device) keepAddresses(string) {}

func (d *Device) leave() {}

func (d *Device) kernelState() (State, error) { return State{}, errors.ErrUnsupported }

// Statistics fails: there are none here.
func (d *Device) Statistics() (Statistics, error) { return Statistics{}, errors.ErrUnsupported }
