package main

import (
	"net"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"netstackd/link"
)

const (
	// notifyPatience bounds how long systemd's socket may be full.
	notifyPatience = time.Second
	// readyInterval is how often a host that does not answer yet is looked at.
	readyInterval = 100 * time.Millisecond
	// leastWatch is how often, at most, the watchdog is told that packets move.
	leastWatch = 10 * time.Millisecond

	statusAnswers = "STATUS=the host answers"
)

// A notifier tells systemd how the host is, as sd_notify(3) has it. Its socket is
// connected once: a contained process can make none, so that a library that makes one
// for each message will not do.
type notifier struct {
	// conn is nil if nobody wants to know.
	conn *net.UnixConn
	// watchdog is within what time it has to be told that the host lives; 0 if it need
	// not.
	watchdog time.Duration
	log      logrus.FieldLogger

	mu sync.Mutex
	// ready says that READY=1 was said; guarded by mu.
	ready bool
}

// openNotifier connects to the socket that the environment names, if it does. That
// this fails is logged and no more: the host is of use without.
func openNotifier(log logrus.FieldLogger) *notifier {
	n := &notifier{log: log}
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return n
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		n.conn = conn
		// It is not for what exec answerers start.
		err = os.Unsetenv("NOTIFY_SOCKET")
	}
	if err != nil {
		log.WithError(err).Warn("systemd is not told when the host is up: NOTIFY_SOCKET must name a unix socket that takes datagrams")
	}
	if n.watchdog, err = daemon.SdWatchdogEnabled(true); err != nil {
		log.WithError(err).Warn("systemd's watchdog is not told that the host lives: WATCHDOG_USEC must be a number of microseconds")
	}
	return n
}

// say sends one message, lines of NAME=value.
func (n *notifier) say(message string) {
	if n.conn == nil {
		return
	}
	err := n.conn.SetWriteDeadline(time.Now().Add(notifyPatience))
	if err == nil {
		_, err = n.conn.Write([]byte(message))
	}
	if err != nil {
		n.log.WithError(err).Warn("systemd could not be told how the host is")
	}
}

// sayReady says that the host is ready once it answers, and why it does not until
// then. It returns after that, or when ending is closed.
func (n *notifier) sayReady(device *link.Device, ending <-chan struct{}) {
	if n.conn == nil {
		return
	}
	said := ""
	for {
		why := unready(device)
		if why == "" {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.ready = true
			n.say(daemon.SdNotifyReady + "\n" + statusAnswers)
			return
		}
		if why != said {
			n.say("STATUS=" + why)
			said = why
		}
		select {
		case <-ending:
			return
		case <-time.After(readyInterval):
		}
	}
}

// during says that a reload is going on while it does. A host that is not ready yet
// says nothing: the end of a reload is READY=1.
func (n *notifier) during(reload func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ready {
		// Type=notify-reload tells this reload from another by the time.
		n.say(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec() + "STATUS=the configuration is read again")
		defer n.say(daemon.SdNotifyReady + "\n" + statusAnswers)
	}
	reload()
}

// keepAlive tells the watchdog that packets can move, each time that moves has shown
// so, which may take as long as it takes: a host that is stuck says nothing, and
// systemd ends it. It returns when ending is closed, which moves gets, too.
func (n *notifier) keepAlive(moves func(stop <-chan struct{}) bool, ending <-chan struct{}) {
	if n.conn == nil || n.watchdog == 0 {
		return
	}
	every := max(n.watchdog/2, leastWatch)
	for {
		next := time.NewTimer(every)
		shown := make(chan bool, 1)
		// On its own, for a lock that nobody gives back would not heed ending.
		go func() { shown <- moves(ending) }()
		late := next.C
		for waiting := true; waiting; {
			select {
			case ok := <-shown:
				if waiting = false; ok {
					n.say(daemon.SdNotifyWatchdog)
				}
			case <-late:
				late = nil
				next.Reset(0) // no pause after it
				n.log.WithField("for", every).Warn("packets do not move: if that stays so, the watchdog will end the host")
			case <-ending:
				next.Stop()
				return
			}
		}
		select {
		case <-next.C:
		case <-ending:
			next.Stop()
			return
		}
	}
}

// close closes the socket.
func (n *notifier) close() {
	if n.conn != nil {
		_ = n.conn.Close() // there is nothing in it to lose
	}
}
