package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/hooks/respond/spawn"
)

// spawnCommand is the argument with which this program is its own spawner.
const spawnCommand = "spawner"

// A spawner starts the processes of exec answerers, for the host may not.
type spawner struct {
	*spawn.Spawner
	commands []string
}

// startSpawner starts the spawner, if there is anything for it to start; else it
// returns nil.
func startSpawner(cfg *config.Config) (*spawner, error) {
	var commands []string
	for _, name := range cfg.Answerers() {
		if command, ok := strings.CutPrefix(name, "exec:"); ok {
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		return nil, nil
	}
	user, err := execUser(cfg.ExecUser)
	if err != nil {
		return nil, err
	}
	s, err := spawn.Start(spawn.Config{Args: []string{spawnCommand}, Commands: commands, User: user})
	if err != nil {
		return nil, fmt.Errorf("respond exec: %w", err)
	}
	return &spawner{s, commands}, nil
}

// launcher returns what starts a command.
func (s *spawner) launcher(command string) func(stdin, stdout, stderr *os.File) (*spawn.Process, error) {
	n := slices.Index(s.commands, command)
	return func(stdin, stdout, stderr *os.File) (*spawn.Process, error) {
		return s.Launch(n, stdin, stdout, stderr)
	}
}

// close ends the spawner, if there is one.
func (s *spawner) close() error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// execUser returns the user that commands run as: nobody, if no name is given. Who
// is not root has no choice.
func execUser(name string) (spawn.User, error) {
	given := name != ""
	if !given {
		name = "nobody"
	}
	if os.Geteuid() > 0 {
		if given {
			return spawn.User{}, fmt.Errorf("respond exec: -exec-user %s: only root may become somebody else: leave it out, or start as root", name)
		}
		return spawn.User{Stay: true}, nil
	}
	uid, gid, err := lookUpUser(name)
	switch {
	case err != nil && given:
		return spawn.User{}, fmt.Errorf("respond exec: -exec-user %s: %w", name, err)
	case err != nil:
		uid, gid = overflowID, overflowID
	}
	if !given && alone() {
		return spawn.User{Stay: true}, nil
	}
	return spawn.User{UID: uid, GID: gid}, nil
}

// alone reports whether there is nobody else to become: in a user namespace of one
// user, such as unshare -r makes, who is that of whoever made it, outside
// (user_namespaces(7)).
func alone() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && len(fields) == 3 && fields[2] == "1"
}

// overflowID is the user and group that nobody is where no file says it: the
// kernel's overflowuid.
const overflowID = 65534

// lookUpUser returns the numbers of a user and of its group, by its name or number.
func lookUpUser(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, 0, errors.New("there is no such user")
	}
	id, errUID := strconv.ParseUint(u.Uid, 10, 32)
	group, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), errors.Join(errUID, errGID)
}
