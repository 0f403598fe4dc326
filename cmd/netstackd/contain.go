package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/contain"
)

// becomeUser makes the process the user that it is to be, if one is named. Call it
// when the device is open, and before anything is made that is to be that user's.
func becomeUser(cfg *config.Config) error {
	if cfg.User == "" {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("become user %s: only root may become somebody else: leave -user out, or start as root", cfg.User)
	}
	uid, gid, err := lookUpUser(cfg.User)
	if err != nil {
		return fmt.Errorf("become user %s: %w", cfg.User, err)
	}
	return contain.Become(uid, gid)
}

// enterContainment gives up, for good, what the host does not need any more. Call it
// when everything is open.
func enterContainment(cfg *config.Config, log logrus.FieldLogger) error {
	if !cfg.Contain {
		log.Warn("not contained (-contain off): the process keeps the privileges that it was started with")
		return nil
	}
	c := contain.Config{Log: log}
	if cfg.PcapngRotate > 0 {
		c.Write = append(c.Write, filepath.Dir(cfg.Pcapng))
	}
	for _, name := range cfg.Answerers() {
		if dir, ok := strings.CutPrefix(name, "fifo:"); ok {
			c.Use, c.Remove = append(c.Use, dir), append(c.Remove, dir)
		}
	}
	if cfg.HTTP.Network == "unix" {
		c.Remove = append(c.Remove, filepath.Dir(cfg.HTTP.Address))
	}
	if cfg.File != "" {
		c.Rewrite = rewritable(cfg)
		// SIGHUP reads it again, and who edits it may have put another in its place.
		c.Read = append(c.Read, filepath.Dir(cfg.File))
		if target, err := filepath.EvalSymlinks(cfg.File); err == nil {
			c.Read = append(c.Read, filepath.Dir(target))
		}
	}
	if err := contain.Enter(c); err != nil {
		return err
	}
	log.WithField("uid", os.Getuid()).Debug("contained: no capability, and no system call or file but those that are needed")
	return nil
}
