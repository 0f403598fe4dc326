package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// replyPatience is how long a worker may take beyond what it was asked to do.
const replyPatience = 40 * time.Second

// peer is a worker, seen from the outer process. Its methods belong to the main
// goroutine.
type peer struct {
	cmd      *exec.Cmd
	requests io.WriteCloser
	replies  chan reply    // closed when there are no more
	done     chan struct{} // closed when the process was reaped; err is set before
	err      error

	mu   sync.Mutex
	says []byte // guarded by mu; the end of its standard error
}

// saysMost is how much of what a worker says is kept, in bytes.
const saysMost = 4 << 10

// Write keeps what the worker says on standard error.
func (p *peer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = append(p.says, b...)
	p.says = p.says[max(0, len(p.says)-saysMost):]
	return len(b), nil
}

// startPeer starts a worker in a namespace of its own.
func startPeer() (*peer, error) {
	p := &peer{replies: make(chan reply), done: make(chan struct{})}
	var out io.ReadCloser
	var err error
	p.cmd, err = startInNamespace(func() (*exec.Cmd, error) {
		cmd, err := ownProgram(roleWorker)
		if err != nil {
			return nil, err
		}
		cmd.Stderr = p
		if p.requests, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
		out, err = cmd.StdoutPipe()
		return cmd, err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		decoder := json.NewDecoder(out)
		for {
			var r reply
			if decoder.Decode(&r) != nil {
				break
			}
			p.replies <- r
		}
		close(p.replies)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// ask sends a request and waits for the reply. After an error that wraps
// errWorker the peer is of no use any more.
func (p *peer) ask(ctx context.Context, r request, patience time.Duration) (reply, error) {
	if err := json.NewEncoder(p.requests).Encode(r); err != nil {
		return reply{}, fmt.Errorf("%w: %w%s", errWorker, err, p.lastWords())
	}
	select {
	case answer, ok := <-p.replies:
		switch {
		case !ok:
			<-p.done
			return reply{}, fmt.Errorf("%w: it ended: %v%s", errWorker, p.err, p.lastWords())
		case answer.Error != "":
			return answer, errors.New(answer.Error)
		}
		return answer, nil
	case <-time.After(patience):
		return reply{}, fmt.Errorf("%w: no answer within %v", errWorker, patience)
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
}

// errWorker is what goes wrong with a worker itself.
var errWorker = errors.New("load generator failed")

func (p *peer) lastWords() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.says) == 0 {
		return ""
	}
	return ": " + string(p.says)
}

// end ends the worker, and with it its host: gently, then by force.
func (p *peer) end(patience time.Duration) {
	_ = p.requests.Close() // it may have ended
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	for range p.replies {
		// Whatever it still says, nobody asks for any more.
	}
	<-p.done
}
