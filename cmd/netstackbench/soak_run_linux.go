package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackbench/internal/report"
	"netstackd/cmd/netstackbench/internal/soak"
	"netstackd/deploy/agent"
)

const (
	// soakWarm is how long the first load lasts, after which the baseline is taken,
	// and soakCalm how long the last one goes on without a fault.
	soakWarm, soakCalm = 5 * time.Second, 3 * time.Second
	// soakRests is how long netstackd has nothing to do before it is weighed first:
	// twice as long as it waits before it gives memory back, and a little.
	soakRests = 21 * time.Second
	// backPatience is how long its memory and all else may take to come back.
	backPatience = 6 * time.Minute
	// wellPatience is how long all may take to be well after a fault: a client at
	// the FIFOs that died may be waited for for 30 s.
	wellPatience = 60 * time.Second
	// lookInterval is how often something that is waited for is looked at, and
	// backInterval memory: to scrape takes some.
	lookInterval, backInterval = 50 * time.Millisecond, 2 * time.Second
	// onItsWay is how long before a fault a packet may have been sent that it meets.
	onItsWay = 2 * time.Second
	// faultPause is the longest pause between two faults.
	faultPause = 1500 * time.Millisecond
)

// soaker does a soak. It belongs to the main goroutine.
type soaker struct {
	opts    *soakOptions
	begin   time.Time
	log     io.Writer
	random  *rand.Rand
	account *soak.Account
	report  *report.Soak
	daemon  *soakDaemon
	watch   *watch
	trace   *traceReader
	disk    *soakDiskKeeper
	http    *http.Client
	beside  *companion // answers at the FIFOs
	holders holders
	// cold is how netstackd was before any fault, warm what it had in memory after the
	// first round of them, 0 if that was not weighed.
	cold levels
	warm uint64
	// loads are those that go on, past those that have ended.
	loads *soakLoads
	past  []*soakLoads
}

func newSoaker(opts *soakOptions, log io.Writer) *soaker {
	begin := time.Now()
	return &soaker{
		opts: opts, begin: begin, log: log, random: soak.Rand(opts.Seed), account: &soak.Account{},
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		report: &report.Soak{Date: begin, Machine: machine(), Omitted: omitted(), Run: report.SoakRun{
			Minutes: opts.Minutes, Seed: opts.Seed, Idle: opts.Idle, Netstackd: strings.Join(opts.Daemon, " "),
		}},
	}
}

// say tells how far it is.
func (s *soaker) say(format string, args ...any) {
	fmt.Fprintf(s.log, "%6.1f s  %s\n", time.Since(s.begin).Seconds(), fmt.Sprintf(format, args...))
}

// problem notes what must not be.
func (s *soaker) problem(text string) {
	s.report.Problems = append(s.report.Problems, text)
	s.say("PROBLEM %s", text)
}

// run does all of it, until ctx ends, which stop does.
func (s *soaker) run(ctx context.Context, stop context.CancelCauseFunc) *report.Soak {
	if err := s.runAll(ctx, stop); err != nil {
		s.problem(err.Error())
	}
	s.report.Judge()
	s.report.Run.Took = time.Since(s.begin)
	return s.report
}

func (s *soaker) runAll(ctx context.Context, stop context.CancelCauseFunc) (err error) {
	s.say("seed %d", s.opts.Seed)
	beside, ended := context.WithCancel(context.Background())
	var helpers sync.WaitGroup
	defer func() {
		ended()
		helpers.Wait()
	}()
	if err := s.prepare(beside, &helpers); err != nil {
		return err
	}
	if s.daemon, err = startSoakDaemon(s.opts); err != nil {
		return err
	}
	// Whatever ends it ends the run.
	helpers.Go(func() {
		select {
		case <-s.daemon.done:
			stop(errors.New("netstackd has ended"))
		case <-beside.Done():
		}
	})
	defer func() {
		err = errors.Join(err, s.daemon.stop())
		s.daemon.tell(s.report)
		s.finish()
	}()
	s.watch = &watch{pid: s.daemon.cmd.Process.Pid, begin: s.begin, account: s.account, seen: time.Now()}
	if s.watch.counted, err = kernelDrops(soakDevice); err != nil {
		return err
	}
	helpers.Go(func() { s.watch.run(beside) })
	if err := s.startAnswerer(); err != nil {
		return err
	}
	defer func() { s.beside.stop() }()
	if s.cold, err = s.baseline(ctx); err != nil {
		return err
	}
	if err := s.faults(ctx); err != nil {
		return err
	}
	return s.comesBack(ctx)
}

// prepare makes the little disk and has the trace read, all of which beside ends.
func (s *soaker) prepare(beside context.Context, helpers *sync.WaitGroup) error {
	disk := filepath.Join(s.opts.Dir, soakDisk)
	pipe := filepath.Join(s.opts.Dir, soakTrace)
	err := errors.Join(
		os.Chmod(s.opts.Dir, 0o755),
		os.Mkdir(disk, 0o755),
		unix.Mkfifo(pipe, 0o600),
		os.WriteFile(filepath.Join(s.opts.Dir, answerFIFO), []byte(agent.FIFO), 0o644))
	if err == nil {
		err = unix.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d", soakDiskSize))
	}
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	s.disk = &soakDiskKeeper{dir: disk}
	helpers.Go(func() { s.disk.run(beside) })
	s.trace = &traceReader{path: pipe, die: make(chan time.Duration)}
	opened := make(chan error, 1)
	helpers.Go(func() { s.trace.run(beside, opened) })
	if err := <-opened; err != nil {
		return fmt.Errorf("read the trace: %w", err)
	}
	return nil
}

// startAnswerer starts who answers at the FIFOs.
func (s *soaker) startAnswerer() (err error) {
	s.beside, err = startCompanion(&client{Command: []string{"sh", filepath.Join(s.opts.Dir, answerFIFO), s.opts.Dir}})
	return err
}

// start starts the loads.
func (s *soaker) start(ctx context.Context) (err error) {
	s.loads, err = startLoads(ctx, s.watch.scraped)
	return err
}

// stopLoads stops them.
func (s *soaker) stopLoads() {
	if s.loads == nil {
		return // they were to rest
	}
	s.loads.end()
	s.past = append(s.past, s.loads)
	s.loads = nil
}

// baseline weighs netstackd after a first load and a rest.
func (s *soaker) baseline(ctx context.Context) (levels, error) {
	s.say("load for %v, then %v of rest: the baseline", soakWarm, soakRests)
	if err := s.start(ctx); err != nil {
		return levels{}, err
	}
	err := wait(ctx, soakWarm)
	s.stopLoads()
	if err == nil {
		err = wait(ctx, soakRests)
	}
	if err != nil {
		return levels{}, err
	}
	return s.weigh(ctx)
}

// weigh is how netstackd is, its goroutines too.
func (s *soaker) weigh(ctx context.Context) (levels, error) {
	status, page, err := soak.Get(ctx, s.http, "http://"+soakHTTP+"/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("scrape: status %d", status)
	}
	if err == nil {
		err = s.watch.scraped(page)
	}
	if err != nil {
		return levels{}, err
	}
	return s.watch.now()
}

// faults makes faults under load.
func (s *soaker) faults(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stopLoads()
	until := time.Now().Add(s.opts.length())
	kinds := s.kinds()
	defer func() {
		for _, k := range kinds {
			s.report.Faults = append(s.report.Faults, k.told)
		}
	}()
	s.say("%v under load, with faults; %d idle connections at a time", s.opts.length(), s.opts.Idle)
	for k, last := range soak.Rounds(kinds, s.random) {
		if err := wait(ctx, 100*time.Millisecond+time.Duration(s.random.Int64N(int64(faultPause)))); err != nil {
			return err
		}
		if s.report.Run.Rounds > 0 && time.Now().After(until) {
			break
		}
		if err := s.make(ctx, k); err != nil {
			return err
		}
		if last {
			s.report.Run.Rounds++
		}
		if last && s.report.Run.Rounds == 1 && time.Now().Before(until) {
			rest := time.Now()
			if err := s.warmUp(ctx); err != nil {
				return err
			}
			until = until.Add(time.Since(rest))
		}
	}
	s.say("no more faults")
	return wait(ctx, soakCalm)
}

// warmUp weighs the memory that netstackd has after the first round, once its
// goroutines are back and it has rested as long as before the first weighing: the least
// of that time, as at the end any time is good enough.
func (s *soaker) warmUp(ctx context.Context) error {
	s.say("the first round is over: a rest, then the warm baseline")
	s.stopLoads()
	var now levels
	look := func() (err error) {
		if err = wait(ctx, backInterval); err == nil {
			now, err = s.weigh(ctx)
		}
		return err
	}
	var failed error
	err := until(ctx, backPatience, func() bool {
		failed = look()
		left := report.SoakLevel{Baseline: float64(s.cold.goroutines), End: float64(now.goroutines)}
		return failed != nil || left.Back()
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("rest after the first round, %d goroutines: %w", now.goroutines, err)
	}
	for end := time.Now().Add(soakRests); time.Now().Before(end); {
		if err := look(); err != nil {
			return err
		}
		if s.warm == 0 || now.resident < s.warm {
			s.warm = now.resident
		}
	}
	s.say("%.1f MiB", mebibytes(s.warm))
	return s.start(ctx)
}

// make makes one fault and waits until all is well again.
func (s *soaker) make(ctx context.Context, k *faultKind) error {
	s.watch.setFault(k.told.Name)
	defer s.watch.setFault("")
	begin := time.Now()
	amount, err := k.do(ctx)
	if err == nil && ctx.Err() == nil {
		err = s.well(ctx, k)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	end := time.Now()
	s.account.Add(soak.Window{Span: soak.Span{From: begin.Add(-onItsWay), To: end}, Fault: k.told.Name, Costs: k.told.Costs})
	k.told.Times++
	k.told.Amount += amount
	k.told.Slowest = max(k.told.Slowest, end.Sub(begin).Seconds())
	s.say("%s: %d %s, well after %v", k.told.Name, amount, k.told.Unit, end.Sub(begin).Round(time.Millisecond))
	if err != nil {
		s.problem(fmt.Sprintf("%s: %v", k.told.Name, err))
	}
	return nil
}

// well waits until netstackd says that it is ready, and answers.
func (s *soaker) well(ctx context.Context, k *faultKind) error {
	before := map[string]uint64{}
	for _, name := range append(k.heals, loadPing4, loadPing6) {
		before[name] = s.loads.echoes[name].Counts().Answered
	}
	why := ""
	err := until(ctx, wellPatience, func() bool {
		status, page, err := soak.Get(ctx, s.http, "http://"+soakHTTP+"/readyz")
		if err != nil || status != http.StatusOK {
			why = fmt.Sprintf("/readyz: %d, %s, %v", status, page, err)
			return false
		}
		for name, n := range before {
			if s.loads.echoes[name].Counts().Answered == n {
				why = name + ": not answered"
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("not well: %s: %w", why, err)
	}
	return nil
}

// comesBack waits until netstackd is back where it was.
func (s *soaker) comesBack(ctx context.Context) error {
	s.say("no more load: memory and goroutines have to come back")
	var now levels
	before, warm := s.cold, 0.0
	if s.report.Run.Rounds > 1 {
		warm = mebibytes(s.warm)
	}
	tell := func() []report.SoakLevel {
		return []report.SoakLevel{
			{Name: "resident memory", Unit: "MiB", Warm: warm, Baseline: mebibytes(before.resident), Peak: mebibytes(s.watch.peak.resident), End: mebibytes(now.resident)},
			{Name: "goroutines", Baseline: float64(before.goroutines), Peak: float64(s.watch.peak.goroutines), End: float64(now.goroutines)},
			{Name: "open files", Baseline: float64(before.files), Peak: float64(s.watch.peak.files), End: float64(now.files)},
		}
	}
	var weighed error
	err := until(ctx, backPatience, func() bool {
		if err := wait(ctx, backInterval); err != nil {
			return false
		}
		if now, weighed = s.weigh(ctx); weighed != nil {
			return false
		}
		s.watch.mu.Lock()
		defer s.watch.mu.Unlock()
		s.report.Levels = tell()
		for _, l := range s.report.Levels {
			if !l.Back() {
				return false
			}
		}
		return true
	})
	if errors.Is(err, errPatience) && weighed == nil {
		return nil // the levels tell
	}
	return errors.Join(err, weighed)
}

// finish explains what was lost, when all is known.
func (s *soaker) finish() {
	s.watch.mu.Lock()
	s.report.Kernel, s.report.Samples = s.watch.dropped, s.watch.points
	s.watch.mu.Unlock()
	all := map[string]*report.SoakLoad{}
	var order []string
	for _, l := range s.past {
		order = l.account(s.account, all, s.problem)
	}
	for _, name := range order {
		s.report.Loads = append(s.report.Loads, *all[name])
	}
	s.report.Problems = append(s.report.Problems, s.trace.problems()...)
}

// wait waits. The error is ctx's cause.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// errPatience is that something has not come about in time.
var errPatience = errors.New("not in time")

// until waits until done, but no longer than patience.
func until(ctx context.Context, patience time.Duration, done func() bool) error {
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			return fmt.Errorf("%w: within %v", errPatience, patience)
		}
		if err := wait(ctx, lookInterval); err != nil {
			return err
		}
	}
	return nil
}

// addSoakSources gives the kernel's side of the device more addresses, the last ones
// of the subnet.
func addSoakSources(l netlink.Link) (all []netip.Addr, err error) {
	for i := range holdSources {
		a := netip.AddrFrom4([4]byte{172, 16, 255, byte(1 + i)})
		if err := netlink.AddrAdd(l, netlinkAddr(netip.PrefixFrom(a, subnet.Bits()))); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("add address %v: %w", a, err)
		}
		all = append(all, a)
	}
	return all, nil
}
