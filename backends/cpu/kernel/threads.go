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
// Unused pools end with the garbage collection that finds them.
type Pool struct{ *crew }

// crew is what the goroutines of a pool hold; Pool is apart from it so that the
// pool can be collected.
type crew struct {
	threads int
	patient spinning
	busy    atomic.Bool
	closed  atomic.Bool
	start   event
	barrier barrier
	team    *Team
	body    func(*Worker)
}

// NewPool makes a pool of so many threads, the caller's among them; 0 or less
// means as many as Go may use (GOMAXPROCS, at most the number of CPUs). More
// threads than that are possible and yield to each other instead of spinning.
func NewPool(threads int) *Pool {
	cpus := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	if threads <= 0 {
		threads = cpus
	}
	c := &crew{threads: threads, patient: spinning{alone: threads <= cpus}}
	c.start.init()
	c.barrier.init(threads)
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
	for seen := uint32(0); ; seen++ {
		c.start.wait(seen, c.patient)
		if c.closed.Load() {
			return
		}
		c.body(&c.team.workers[id])
		c.barrier.wait(c.patient)
	}
}

// Team is what a session needs of a pool: a Worker, with scratch memory, for
// every thread. It serves one Run at a time.
type Team struct {
	pool    *Pool
	workers []Worker
}

// NewTeam makes a team whose workers run kernels of the tier and have scratch
// memory of so many float32s each: the largest Scratch of the plan's kernels.
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

// Run runs body once on every thread of the pool, and returns when all are
// done; or, if the pool is busy, once with a single worker. Body must be the
// same sequence of Do, DoAll and Barrier for every worker. Run allocates
// nothing if body is a func value that the caller keeps.
func (t *Team) Run(body func(w *Worker)) {
	c := t.pool.crew
	if c.threads == 1 || !c.busy.CompareAndSwap(false, true) {
		w := &t.workers[0]
		w.members = 1
		body(w)
	} else {
		for i := range t.workers {
			t.workers[i].members = c.threads
		}
		c.team, c.body = t, body
		c.start.signal()
		body(&t.workers[0])
		c.barrier.wait(c.patient)
		c.team, c.body = nil, nil
		c.busy.Store(false)
	}
}

// Members is the number of workers that take part in the run: 1 if the pool
// was busy.
func (w *Worker) Members() int { return w.members }

// Barrier returns when every worker of the run has come to it.
func (w *Worker) Barrier() {
	if w.members > 1 {
		c := w.team.pool.crew
		c.barrier.wait(c.patient)
	}
}

// Do runs this worker's share of the kernel's tasks, a fixed range of them, and
// then waits for the others.
func (w *Worker) Do(k Kernel, a *Args) {
	n := k.Tasks(a.Images)
	hi := n * (w.ID + 1) / w.members
	for t := n * w.ID / w.members; t < hi; t++ {
		k.Run(w, t, a)
	}
	w.Barrier()
}

// Job is one kernel of several that run beside each other.
type Job struct {
	Do     Kernel
	Args   *Args
	Weight int // what one of its tasks costs compared with the others' (0 means 1)
}

// DoAll runs jobs that do not depend on each other as one list of tasks, cut
// into shares of equal weight, and then waits for the other workers.
func (w *Worker) DoAll(jobs []Job) {
	total := 0
	for i := range jobs {
		total += jobs[i].Do.Tasks(jobs[i].Args.Images) * max(1, jobs[i].Weight)
	}
	lo, hi := total*w.ID/w.members, total*(w.ID+1)/w.members
	at := 0
	for i := range jobs {
		j := &jobs[i]
		n, weight := j.Do.Tasks(j.Args.Images), max(1, j.Weight)
		// A task belongs to the worker in whose share it begins.
		first, end := ceilDiv(max(lo-at, 0), weight), ceilDiv(max(hi-at, 0), weight)
		for t := first; t < min(end, n); t++ {
			j.Do.Run(w, t, j.Args)
		}
		at += n * weight
	}
	w.Barrier()
}

// spinning says how a thread waits.
type spinning struct {
	alone bool // every thread of the pool has a CPU of its own
}

const spinFor = 4 * time.Millisecond

// event is a counter that threads wait for: first by looking at it again and
// again, then asleep.
type event struct {
	n        atomic.Uint32
	sleepers atomic.Int32
	mu       sync.Mutex
	cond     sync.Cond
	_        [64]byte // what follows is another cache line's
}

func (e *event) init() { e.cond.L = &e.mu }

func (e *event) signal() {
	e.n.Add(1)
	if e.sleepers.Load() > 0 { // a sleeper counts itself first and looks at n again after
		e.mu.Lock()
		e.cond.Broadcast()
		e.mu.Unlock()
	}
}

// wait returns once the counter is not old any more.
func (e *event) wait(old uint32, s spinning) {
	if s.alone {
		for range 200 {
			if e.n.Load() != old {
				return
			}
		}
		begin := time.Now()
		for time.Since(begin) < spinFor {
			for range 200 {
				if e.n.Load() != old {
					return
				}
				pause()
			}
			runtime.Gosched() // who else wants this thread of Go's may have it
		}
	} else {
		for range 20 {
			if e.n.Load() != old {
				return
			}
			runtime.Gosched()
		}
	}
	e.sleepers.Add(1)
	e.mu.Lock()
	for e.n.Load() == old {
		e.cond.Wait()
	}
	e.mu.Unlock()
	e.sleepers.Add(-1)
}

// barrier lets threads pass when all of them have come. The count of its
// openings takes the place of the flag of a sense-reversing barrier.
type barrier struct {
	members int32
	arrived atomic.Int32
	_       [64]byte
	opened  event
}

func (b *barrier) init(members int) {
	b.members = int32(members)
	b.opened.init()
}

func (b *barrier) wait(s spinning) {
	old := b.opened.n.Load()
	if b.arrived.Add(1) == b.members {
		b.arrived.Store(0)
		b.opened.signal()
		return
	}
	b.opened.wait(old, s)
}
