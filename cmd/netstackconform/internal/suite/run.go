package suite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"netstackd/hooks/wire"
)

// pace is how much time a case has at least, so that hosts that limit the rate
// of their errors (RFC 1812 §4.3.2.8) have one for each.
const pace = 2 * time.Millisecond

// Run runs cases at a host. index tells a case's place among all there are,
// which its addresses depend on. Cases that ctx leaves no time for are not run.
// Call it on a goroutine that is bound to its thread.
func Run(ctx context.Context, h Host, cases []*Case, index func(*Case) int) *HostResult {
	r := &runner{host: h, mail: newMail(), index: index, tries: map[*Case]int{}}
	out := &HostResult{Host: h.Name(), Results: make([]Result, len(cases))}
	for i, c := range cases {
		out.Results[i] = Result{Case: c, Status: NotRun}
	}
	if err := r.start(); err != nil {
		if errors.Is(err, ErrSkip) {
			out.Skipped = err.Error()
		} else {
			out.Failed = err.Error()
		}
		return out
	}
	if err := r.all(ctx, cases, out.Results); err != nil {
		out.Failed = err.Error()
	}
	if err := h.Stop(); err != nil && out.Failed == "" {
		out.Failed = err.Error()
	}
	return out
}

type runner struct {
	host  Host
	mail  *mail
	index func(*Case) int
	// tries counts how often a case was run.
	tries map[*Case]int
	// beside are the slow cases under way.
	beside sync.WaitGroup
}

// start starts the host, and sees that it answers.
func (r *runner) start() error {
	if err := r.host.Start(r.mail.deliver); err != nil {
		return err
	}
	x := r.mail.open(MaxCases-1, 0, true)
	defer r.mail.close(x)
	if _, err := r.collect(x, 0, &Step{Want: Anything()}); err != nil {
		if died := r.host.Died(); died != nil {
			err = died
		}
		return errors.Join(fmt.Errorf("start %s: %w", r.host.Name(), err), r.host.Stop())
	}
	return nil
}

// all runs the cases: the slow ones together, beside the others, the deadly
// ones when all that is done. One that a host dies beside is run again.
func (r *runner) all(ctx context.Context, cases []*Case, results []Result) error {
	var slow, quick, deadly []int
	_, taciturn := r.host.(Taciturn)
	for i, c := range cases {
		switch {
		case c.Deadly:
			deadly = append(deadly, i)
		case c.Slow && !taciturn:
			slow = append(slow, i)
		default:
			quick = append(quick, i)
		}
	}
	for _, i := range slow {
		x := r.open(cases[i], false)
		r.beside.Go(func() { results[i] = r.one(x, cases[i]) })
	}
	err := r.inTurn(ctx, cases, results, quick)
	r.beside.Wait()
	if err != nil {
		return err
	}
	var again []int
	for _, i := range slow {
		if results[i].Status == Killed {
			again = append(again, i)
		}
	}
	return r.inTurn(ctx, cases, results, append(again, deadly...))
}

// inTurn runs cases one after the other.
func (r *runner) inTurn(ctx context.Context, cases []*Case, results []Result, which []int) error {
	for _, i := range which {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.host.Died() != nil {
			// Of a case that was over, or beside: whatever it was is run again.
			if err := r.restart(); err != nil {
				return err
			}
		}
		begun := time.Now()
		results[i] = r.one(r.open(cases[i], true), cases[i])
		if results[i].Status == Killed {
			if err := r.restart(); err != nil {
				return err
			}
		}
		time.Sleep(pace - time.Since(begun))
	}
	return nil
}

// restart starts the host again, when nobody speaks to it any more.
func (r *runner) restart() error {
	r.beside.Wait()
	if err := r.host.Stop(); err != nil {
		return err
	}
	return r.start()
}

// open begins an exchange for a case, with addresses that none had before.
func (r *runner) open(c *Case, front bool) *Exchange {
	try := r.tries[c]
	r.tries[c]++
	return r.mail.open(r.index(c), try, front)
}

// one runs a case.
func (r *runner) one(x *Exchange, c *Case) (result Result) {
	defer r.mail.close(x)
	if r.unable(c) {
		return Result{Case: c, Status: NoOpinion}
	}
	result = Result{Case: c, Status: Pass}
	sources := map[netip.Addr]bool{}
	for n := range c.Steps {
		st := &c.Steps[n]
		x.begin()
		x.bulk = st.Bulk
		got, err := r.step(x, n+1, st, sources)
		result.Events = x.events
		if err != nil {
			result.Status, result.Reason = Killed, "killed the host: "+r.death(err)
			return result
		}
		if why := st.judge(x, got); why != "" {
			result.Status, result.Reason = Deviate, fmt.Sprintf("wanted %s; %s", st.Want.Text, why)
			if len(c.Steps) > 1 {
				result.Reason = fmt.Sprintf("step %d: %s", n+1, result.Reason)
			}
			break
		}
		x.Got = append(x.Got, got...)
	}
	if a := r.account(sources); a.NoOpinion {
		result.Status, result.Reason = NoOpinion, ""
	} else {
		result.Live = a.Live
	}
	return result
}

func (r *runner) step(x *Exchange, n int, st *Step, sources map[netip.Addr]bool) ([]*wire.Packet, error) {
	if st.Send != nil {
		x.sent = st.Send(x)
	}
	for _, b := range x.sent {
		x.note(n, true, b)
		var p wire.Packet
		if p.Decode(b); p.Src.IsValid() {
			sources[p.Src] = true
		}
		if err := r.send(b, st); err != nil {
			return nil, err
		}
	}
	if st.Wait > 0 {
		r.host.Wait(st.Wait)
	}
	return r.collect(x, n, st)
}

func (r *runner) send(b []byte, st *Step) error {
	if o, ok := r.host.(Offloader); ok && st.Unfinished {
		return o.SendUnfinished(b, st.Segment)
	}
	return r.host.Send(b)
}

// unable reports whether a host cannot be given what a case sends.
func (r *runner) unable(c *Case) bool {
	_, ok := r.host.(Offloader)
	return !ok && slices.ContainsFunc(c.Steps, func(st Step) bool { return st.Unfinished })
}

// account ends a case at a taciturn host, and returns what that says of it.
func (r *runner) account(sources map[netip.Addr]bool) (all Account) {
	t, ok := r.host.(Taciturn)
	if !ok {
		return all
	}
	for src := range sources {
		a := t.Forget(src)
		all.NoOpinion, all.Live = all.NoOpinion || a.NoOpinion, all.Live || a.Live
	}
	return all
}

// death says what a host died of, once it is known: a process takes a moment to
// be no more.
func (r *runner) death(err error) string {
	for range 20 {
		if died := r.host.Died(); died != nil {
			return died.Error()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err.Error()
}
