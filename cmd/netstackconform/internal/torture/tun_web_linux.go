package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// webPatience is how long the daemon may take to answer over HTTP, and mostTries how
// often it is asked while it is busy.
const (
	webPatience = 30 * time.Second
	mostTries   = 500
)

// A web asks the daemon over HTTP, at a socket's path.
type web struct {
	path   string
	client http.Client
}

func newWeb(path string) *web {
	var d net.Dialer
	return &web{path: path, client: http.Client{Timeout: webPatience, Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
		DisableKeepAlives: true,
	}}}
}

// sample is the daemon's heap, after a collection, and how many goroutines it has.
func (w *web) sample() (s Sample, err error) {
	if err = w.find("heap?gc=1&debug=1", "# HeapAlloc = %d", &s.Heap); err == nil {
		err = w.find("goroutine?debug=1", "goroutine profile: total %d", &s.Goroutines)
	}
	return s, err
}

// find reads a number from the line of a profile that has it.
func (w *web) find(profile, format string, value any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read profile %s: %w", profile, err)
		}
	}()
	response, err := w.client.Get("http://netstackd/debug/pprof/" + profile)
	for tries := 1; err == nil && response.StatusCode == http.StatusTooManyRequests && tries < mostTries; tries++ {
		// One profile at a time: the last one is sent, but not quite over.
		time.Sleep(10 * time.Millisecond)
		if err = response.Body.Close(); err == nil {
			response, err = w.client.Get("http://netstackd/debug/pprof/" + profile)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	prefix, _, _ := strings.Cut(format, "%")
	in := bufio.NewReader(response.Body)
	for {
		line, err := in.ReadString('\n')
		if strings.HasPrefix(line, prefix) {
			_, err := fmt.Sscanf(line, format, value)
			return err
		}
		if err == io.EOF {
			return errors.New("it does not say")
		} else if err != nil {
			return err
		}
	}
}
