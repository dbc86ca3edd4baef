package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is a fixed set of threads that run plans. Its goroutines spin for a few
// milliseconds after a run, so that the next one starts within a microsecond,
// and then park. A Pool is safe for concurrent use: one Team runs on it at a
// time, and a Team that finds it busy runs alone on its caller's goroutine,
// which gives the same bits.
//
// If the operating system suspends a thread between two tasks, the other threads do its
// tasks, and it skips them when it resumes. So on a busy machine a run does not wait for
// its slowest thread.
//
// The garbage collector ends pools that are no longer used.
type Pool struct{ *crew }

// crew is what the goroutines of a pool hold; Pool is apart from it so that the
// pool can be collected.
type crew struct {
	threads int
	patient spinning
	busy    atomic.Bool
	closed  atomic.Bool
	start   event

	// Of the run under way, written while it is not open.
	team *Team
	body func(*Worker)
	base uint32 // its first phase

	// inside counts the pool's goroutines that are at work on the run, and has
	// the bit open while more may join.
	inside atomic.Uint32
	left   event // the last one has left a run that is not open any more
	_      [64]byte

	// phase counts the phases that are done: of a run, every Do, DoAll and
	// Barrier is one. Its low half counts the units that are done of the one under
	// way.
	phase  event
	shares []share // of each worker
}

// open is a bit of crew.inside.
const open = 1 << 31

// share is what is left of a worker's part of a phase: the phase, the first of the
// units that nobody has taken, and the end, in 32, 16 and 16 bits. A share of an
// earlier phase stands for one from which nothing has been taken. The owner takes
// from the front, others from the back.
type share struct {
	v atomic.Uint64
	_ [120]byte // two cache lines each: the prefetcher fetches pairs
}

// maxUnits bounds the units of a phase; more tasks than that are taken several at
// a time.
const maxUnits = 1<<16 - 1

// NewPool makes a pool of a number of threads, one of which is the caller. 0 or less means
// as many as Go may use (GOMAXPROCS, at most the number of CPUs). More threads than that are
// possible; they yield to each other instead of spinning.
func NewPool(threads int) *Pool {
	cpus := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	if threads <= 0 {
		threads = cpus
	}
	c := &crew{threads: threads, patient: spinning{alone: threads <= cpus}, shares: make([]share, threads)}
	c.start.init()
	c.left.init()
	c.phase.init()
	c.phase.n.Store(1 << 32) // shares are of phase 0
	for id := 1; id < threads; id++ {
		go c.work(id)
	}
	p := &Pool{c}
	runtime.AddCleanup(p, (*crew).close, c)
	return p
}

var defaultPool = sync.OnceValue(func() *Pool { return NewPool(0) })

// DefaultPool is the pool that sessions share unless told otherwise; it is made
// when first asked for.
func DefaultPool() *Pool { return defaultPool() }

// Threads is the number of threads, the caller's among them.
func (p *Pool) Threads() int { return p.threads }

// Close ends the pool's goroutines. Teams of a closed pool run alone.
func (p *Pool) Close() { p.close() }

func (c *crew) close() {
	for !c.busy.CompareAndSwap(false, true) { // busy for good
		if c.closed.Load() {
			return
		}
		runtime.Gosched()
	}
	c.closed.Store(true)
	c.start.signal()
}

func (c *crew) work(id int) {
	seen := uint32(0)
	for {
		c.start.wait(seen, c.patient)
		seen = c.start.count()
		if c.closed.Load() {
			return
		}
		if c.join() {
			w := &c.team.workers[id]
			w.phase = c.base
			c.body(w)
			if c.inside.Add(^uint32(0)) == 0 {
				c.left.signal()
			}
		}
	}
}

// join reports whether a run is under way, and if so counts the caller among the threads
// that work on it.
func (c *crew) join() bool {
	for {
		n := c.inside.Load()
		if n&open == 0 {
			return false
		}
		if c.inside.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Team is what a session needs of a pool: a Worker, with scratch memory, for
// every thread. It serves one Run at a time.
type Team struct {
	pool    *Pool
	workers []Worker
	back    bool // the run under way, or the last: every other one
}

// Turner is a Kernel whose tasks each read their own part of large weights, the same in
// every run. A worker goes through its tasks forwards in one run and backwards in the next.
// So a run begins with the weights that the run before has left in the cache. In a fixed
// order, a cache that is too small for all of them would lose each part just before it is
// needed again.
type Turner interface {
	Runner
	Turns()
}

// back reports whether the run under way takes the kernel's tasks from the last on.
func (w *Worker) back(k Runner) bool {
	_, ok := k.(Turner)
	return ok && w.team.back
}

// NewTeam makes a team whose workers run kernels of the tier and have scratch
// memory of scratch float32s each: the largest Scratch of the plan's kernels.
func (p *Pool) NewTeam(isa ISA, scratch int) *Team {
	// A cache line pair between the scratch memories keeps the prefetcher of
	// one thread out of the other's.
	scratch = (scratch+Block-1)/Block*Block + 2*Block
	t := &Team{pool: p, workers: make([]Worker, p.threads)}
	mem := NewArena(scratch * p.threads).Mem
	for i := range t.workers {
		w := &t.workers[i]
		w.ID, w.ISA, w.team = i, isa, t
		w.Scratch = mem[i*scratch : (i+1)*scratch-2*Block : (i+1)*scratch-2*Block]
	}
	return t
}

// Run runs body on the threads of the pool, worker 0 on the caller's, and returns
// when all is done; or, if the pool is busy, once with a single worker. Body must
// be the same sequence of Do, DoAll and Barrier for every worker. A worker that
// comes late to a run without Barrier may find nothing left of it, or not be in it
// at all. Run allocates nothing if body is a func value that the caller keeps.
func (t *Team) Run(body func(w *Worker)) {
	c := t.pool.crew
	w := &t.workers[0]
	if c.threads == 1 || !c.busy.CompareAndSwap(false, true) {
		t.RunAlone(body)
		return
	}
	t.back = !t.back
	for i := range t.workers {
		t.workers[i].members = c.threads
	}
	if c.phase.count() > 1<<30 { // long before numbers of phases come again
		for i := range c.shares {
			c.shares[i].v.Store(0)
		}
		c.phase.n.Store(1 << 32) // as when the pool was new
	}
	c.team, c.body, c.base = t, body, c.phase.count()
	w.phase = c.base
	left := c.left.count()
	c.inside.Store(open)
	c.start.signal()
	body(w)
	for n := c.inside.Load(); ; n = c.inside.Load() {
		if c.inside.CompareAndSwap(n, n&^open) {
			if n != open {
				c.left.wait(left, c.patient)
			}
			break
		}
	}
	c.team, c.body = nil, nil
	c.busy.Store(false)
}

// RunAlone runs body on the caller's goroutine only.
func (t *Team) RunAlone(body func(w *Worker)) {
	t.back = !t.back
	t.workers[0].members = 1
	body(&t.workers[0])
}

// Members is the number of workers of the run: 1 if the pool was busy.
func (w *Worker) Members() int { return w.members }

// Barrier returns when every worker of the run has come to it.
func (w *Worker) Barrier() {
	if w.members == 1 {
		return
	}
	w.finish(1, w.members)
}

// finish adds to the finished units of w's phase, which has of units in all. It returns when
// all are finished.
func (w *Worker) finish(units, of int) {
	c := w.team.pool.crew
	w.phase++
	if units > 0 && c.phase.add(units, of) {
		return
	}
	c.phase.wait(w.phase-1, c.patient)
}

// Do runs the kernel's tasks on all workers and returns when they are done. Every
// worker begins with a fixed range of them, so that what one step left in a
// processor's cache is what its next step finds there. A worker that has finished its own
// tasks takes tasks of the others.
func (w *Worker) Do(k Runner, a *Args) {
	if w.members == 1 {
		w.RunTasks(k, a, 0, k.Tasks(a.Images))
		return
	}
	w.job[0] = Job{Do: k, Args: a}
	w.DoAll(w.job[:])
}

// Job is one kernel of several that run beside each other.
type Job struct {
	Do     Runner
	Args   *Args
	Weight int // what one of its tasks costs compared with the others' (0 means 1)
}

// DoAll runs jobs that do not depend on each other as Do runs the tasks of one, as
// one list of tasks in which the workers' ranges are of equal weight.
func (w *Worker) DoAll(jobs []Job) {
	if w.members == 1 {
		for i := range jobs {
			w.Do(jobs[i].Do, jobs[i].Args)
		}
		return
	}
	c := w.team.pool.crew
	if c.phase.count() != w.phase { // the others have done it
		w.phase++
		return
	}
	l := list{jobs: jobs, members: w.members, back: len(jobs) == 1 && w.back(jobs[0].Do)}
	for i := range jobs {
		n := jobs[i].Do.Tasks(jobs[i].Args.Images)
		l.tasks += n
		l.weight += n * max(1, jobs[i].Weight)
	}
	l.unit = ceilDiv(max(1, l.tasks), maxUnits)
	units := max(1, ceilDiv(l.tasks, l.unit))
	done, eager := 0, w.helped
	w.helped = false
	for i := range w.members {
		owner := (w.ID + i) % w.members
		if i == 1 && !eager {
			// Mostly the others are about to be done. A look at what they have left
			// would hold them up.
			if done > 0 && c.phase.add(done, units) || c.phase.soon(w.phase) {
				w.phase++
				return
			}
			done = 0
		}
		for {
			lo, hi := c.shares[owner].take(w.phase, &l, owner, (i == 0) != l.back)
			if lo == hi {
				break
			}
			w.run(jobs, lo*l.unit, min(hi*l.unit, l.tasks))
			done += hi - lo
			w.helped = w.helped || i > 0
		}
	}
	if l.tasks == 0 && w.ID == 0 {
		done = 1
	}
	w.finish(done, units)
}

// list is the tasks of some jobs, one after another.
type list struct {
	jobs          []Job
	members       int
	tasks, weight int
	unit          int  // tasks that are taken together
	back          bool // an owner takes his last ones first, and others his first ones
}

// bound is the first unit of a worker's share: the ranges are of equal weight.
func (l *list) bound(worker int) int {
	if worker == l.members {
		return ceilDiv(l.tasks, l.unit)
	}
	at, first := ceilDiv(l.weight*worker, l.members), 0
	for i := range l.jobs {
		j := &l.jobs[i]
		n, weight := j.Do.Tasks(j.Args.Images), max(1, j.Weight)
		if at <= n*weight {
			return (first + ceilDiv(at, weight)) / l.unit
		}
		at -= n * weight
		first += n
	}
	return first / l.unit
}

// take takes units of a share of that phase: some from the front, or, for others
// than the owner, from the back. lo == hi if there are none left.
func (s *share) take(phase uint32, l *list, owner int, front bool) (lo, hi int) {
	for {
		v := s.v.Load()
		is := uint32(v >> 32)
		if is == phase {
			lo, hi = int(v>>16&maxUnits), int(v&maxUnits)
		} else if int32(is-phase) > 0 {
			return 0, 0 // the phase is over
		} else {
			lo, hi = l.bound(owner), l.bound(owner+1)
		}
		if lo >= hi {
			return 0, 0
		}
		// A part of what is left, so that others find something to take if this
		// thread is stopped.
		n := (hi - lo + 3) / 4
		a, b := lo, hi-n
		if front {
			a, b = lo+n, hi
		}
		if s.v.CompareAndSwap(v, uint64(phase)<<32|uint64(a)<<16|uint64(b)) {
			if front {
				return lo, a
			}
			return b, hi
		}
	}
}

// run runs tasks lo to hi of a list of jobs.
func (w *Worker) run(jobs []Job, lo, hi int) {
	for i := range jobs {
		j := &jobs[i]
		n := j.Do.Tasks(j.Args.Images)
		w.RunTasks(j.Do, j.Args, max(lo, 0), min(hi, n))
		if lo, hi = lo-n, hi-n; hi <= 0 {
			return
		}
	}
}

// RunTasks runs tasks lo to hi-1 of a kernel, in the order that the run under way takes
// them in (Turner).
func (w *Worker) RunTasks(k Runner, a *Args, lo, hi int) {
	if w.back(k) {
		for t := hi - 1; t >= lo; t-- {
			k.Run(w, t, a)
		}
		return
	}
	for t := lo; t < hi; t++ {
		k.Run(w, t, a)
	}
}

// spinning says how a thread waits.
type spinning struct {
	alone bool // every thread of the pool has a CPU of its own
}

const spinFor = 4 * time.Millisecond

// event is a counter that threads wait for: first by looking at it again and
// again, then asleep. The counter is the high half of n; the low half is free for
// parts of one.
type event struct {
	n        atomic.Uint64
	sleepers atomic.Int32
	mu       sync.Mutex
	cond     sync.Cond
	_        [64]byte // what follows is another cache line's
}

func (e *event) init() { e.cond.L = &e.mu }

func (e *event) count() uint32 { return uint32(e.n.Load() >> 32) }

func (e *event) signal() {
	e.n.Add(1 << 32)
	e.wake()
}

// add adds parts. When there are of parts, it counts one event, begins again with no parts,
// and returns true.
func (e *event) add(parts, of int) bool {
	for {
		n := e.n.Load()
		if int(n&(1<<32-1))+parts < of {
			if e.n.CompareAndSwap(n, n+uint64(parts)) {
				return false
			}
		} else if e.n.CompareAndSwap(n, (n>>32+1)<<32) {
			e.wake()
			return true
		}
	}
}

func (e *event) wake() {
	if e.sleepers.Load() > 0 { // a sleeper counts itself first and looks at n again after
		e.mu.Lock()
		e.cond.Broadcast()
		e.mu.Unlock()
	}
}

// soon waits a microsecond or two and reports whether the counter is not old any more.
func (e *event) soon(old uint32) bool {
	for range 40 {
		if e.count() != old {
			return true
		}
		pause()
	}
	return false
}

// wait returns once the counter is not old any more.
func (e *event) wait(old uint32, s spinning) {
	if s.alone {
		for range 200 {
			if e.count() != old {
				return
			}
		}
		begin := time.Now()
		for time.Since(begin) < spinFor {
			for range 200 {
				if e.count() != old {
					return
				}
				pause()
			}
			runtime.Gosched() // who else wants this thread of Go's may have it
		}
	} else {
		for range 20 {
			if e.count() != old {
				return
			}
			runtime.Gosched()
		}
	}
	e.sleepers.Add(1)
	e.mu.Lock()
	for e.count() == old {
		e.cond.Wait()
	}
	e.mu.Unlock()
	e.sleepers.Add(-1)
}
