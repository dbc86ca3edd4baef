// Package threads is the pool of threads that runs a compiled network. A run is a function
// that all threads execute; its parts are tasks, which they share, and barriers. Threads spin
// between two parts, because most parts take less time than the operating system needs to wake
// a thread.
package threads

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Pool is a fixed set of threads that run plans. Its goroutines spin for a few
// milliseconds after a run, so that the next one starts within a microsecond,
// and then park. A Pool is safe for concurrent use: one Group runs on it at a
// time, and a Group that finds it busy runs alone on its caller's goroutine,
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
	group *Group
	body  func(*Thread)
	base  uint32 // its first phase

	// inside counts the pool's goroutines that are at work on the run, and has
	// the bit open while more may join.
	inside atomic.Uint32
	left   event // the last one has left a run that is not open any more
	_      [64]byte

	// phase counts the phases that are done: of a run, every Do and
	// Barrier is one. Its low half counts the units that are done of the one under
	// way.
	phase  event
	shares []share // of each thread
}

// open is a bit of crew.inside.
const open = 1 << 31

// share is what is left of a thread's part of a phase: the phase, the first of the
// units that nobody has taken, and the end, in 32, 16 and 16 bits. While a share
// still names an earlier phase, nothing has been taken from this phase. The owner takes
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

// Close ends the pool's goroutines. Groups of a closed pool run alone.
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
			t := &c.group.threads[id]
			t.phase = c.base
			c.body(t)
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

// Group is what a session needs of a pool: a Thread for each of its threads. It serves one Run
// at a time.
type Group struct {
	pool    *Pool
	threads []Thread
}

// Thread is one thread of a pool as the body of a run sees it.
type Thread struct {
	ID int // 0 is the caller of Run

	group   *Group
	members int    // threads of the run under way
	phase   uint32 // of the run under way, that it is at
	helped  bool   // it did others' work when there last was some: they may be away
}

// NewGroup makes a group of a pool's threads.
func (p *Pool) NewGroup() *Group {
	g := &Group{pool: p, threads: make([]Thread, p.threads)}
	for i := range g.threads {
		g.threads[i] = Thread{ID: i, group: g, members: 1}
	}
	return g
}

// Thread returns a thread of the group.
func (g *Group) Thread(id int) *Thread { return &g.threads[id] }

// Run runs body on the threads of the pool, thread 0 on the caller's, and returns when all is
// done; or, if the pool is busy, once with a single thread. Body must be the same sequence of
// Do and Barrier for every thread. A thread that comes late to a run without Barrier may find
// nothing left of it, or not be in it at all. Run allocates nothing if body is a func value
// that the caller keeps.
func (g *Group) Run(body func(t *Thread)) {
	c := g.pool.crew
	t := &g.threads[0]
	if c.threads == 1 || !c.busy.CompareAndSwap(false, true) {
		g.RunAlone(body)
		return
	}
	for i := range g.threads {
		g.threads[i].members = c.threads
	}
	if c.phase.count() > 1<<30 { // long before numbers of phases come again
		for i := range c.shares {
			c.shares[i].v.Store(0)
		}
		c.phase.n.Store(1 << 32) // as when the pool was new
	}
	c.group, c.body, c.base = g, body, c.phase.count()
	t.phase = c.base
	left := c.left.count()
	c.inside.Store(open)
	c.start.signal()
	body(t)
	for n := c.inside.Load(); ; n = c.inside.Load() {
		if c.inside.CompareAndSwap(n, n&^open) {
			if n != open {
				c.left.wait(left, c.patient)
			}
			break
		}
	}
	c.group, c.body = nil, nil
	c.busy.Store(false)
}

// RunAlone runs body on the caller's goroutine only.
func (g *Group) RunAlone(body func(t *Thread)) {
	g.threads[0].members = 1
	body(&g.threads[0])
}

// Members is the number of threads of the run: 1 if the pool was busy.
func (t *Thread) Members() int { return t.members }

// Barrier returns when every thread of the run has come to it.
func (t *Thread) Barrier() {
	if t.members == 1 {
		return
	}
	t.finish(1, t.members)
}

// finish adds to the finished units of t's phase, which has of units in all. It returns when
// all are finished.
func (t *Thread) finish(units, of int) {
	c := t.group.pool.crew
	t.phase++
	if units > 0 && c.phase.add(units, of) {
		return
	}
	c.phase.wait(t.phase-1, c.patient)
}
