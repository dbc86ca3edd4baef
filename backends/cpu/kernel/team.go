package kernel

import (
	"github.com/incc-lang/incc/backends/cpu/memory"
	"github.com/incc-lang/incc/backends/cpu/threads"
)

// Team is what a session needs of a pool of threads: a Worker, with scratch memory, for every
// thread. It serves one Run at a time.
type Team struct {
	group   *threads.Group
	workers []Worker
	body    func(*Worker)         // of the run under way
	each    func(*threads.Thread) // calls body
	back    bool                  // the run under way, or the last: every other one
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
func NewTeam(p *threads.Pool, isa ISA, scratch int) *Team {
	// A cache line pair between the scratch memories keeps the prefetcher of
	// one thread out of the other's.
	scratch = (scratch+Block-1)/Block*Block + 2*Block
	t := &Team{group: p.NewGroup(), workers: make([]Worker, p.Threads())}
	mem := memory.NewArena(scratch * p.Threads()).Mem
	for i := range t.workers {
		w := &t.workers[i]
		w.ID, w.ISA, w.team, w.thread = i, isa, t, t.group.Thread(i)
		w.Scratch = mem[i*scratch : (i+1)*scratch-2*Block : (i+1)*scratch-2*Block]
	}
	t.each = func(thread *threads.Thread) { t.body(&t.workers[thread.ID]) }
	return t
}

// Run runs body on the threads of the pool, worker 0 on the caller's, and returns
// when all is done; or, if the pool is busy, once with a single worker. Body must
// be the same sequence of Do, DoAll and Barrier for every worker. A worker that
// comes late to a run without Barrier may find nothing left of it, or not be in it
// at all. Run allocates nothing if body is a func value that the caller keeps.
func (t *Team) Run(body func(w *Worker)) {
	t.back, t.body = !t.back, body
	t.group.Run(t.each)
}

// RunAlone runs body on the caller's goroutine only.
func (t *Team) RunAlone(body func(w *Worker)) {
	t.back, t.body = !t.back, body
	t.group.RunAlone(t.each)
}

// fail keeps the first error of a worker. The run goes on: its results are of no use.
func (w *Worker) fail(a *Args, err error) {
	if w.err == nil {
		w.err, w.failed = err, a.Step
	}
}

// Err returns the error of the first step of the last run that met one, and forgets it: an
// element of an operand for which a node has no result.
func (t *Team) Err() error {
	var first *Worker
	for i := range t.workers {
		if w := &t.workers[i]; w.err != nil && (first == nil || w.failed < first.failed) {
			first = w
		}
	}
	if first == nil {
		return nil
	}
	err := first.err
	for i := range t.workers {
		t.workers[i].err = nil
	}
	return err
}

// Members is the number of workers of the run: 1 if the pool was busy.
func (w *Worker) Members() int { return w.thread.Members() }

// Barrier returns when every worker of the run has come to it.
func (w *Worker) Barrier() { w.thread.Barrier() }

// Job is one kernel of several that run beside each other.
type Job struct {
	Do     Runner
	Args   *Args
	Weight int // what one of its tasks costs compared with the others' (0 means 1)
}

// Do runs the kernel's tasks on all workers and returns when they are done (threads.Do).
func (w *Worker) Do(k Runner, a *Args) {
	w.job[0] = Job{Do: k, Args: a}
	w.DoAll(w.job[:])
}

// DoAll runs jobs that do not depend on each other as Do runs the tasks of one, as
// one list of tasks in which the workers' ranges are of equal weight.
func (w *Worker) DoAll(jobs []Job) {
	w.jobs = jobList{w, jobs}
	w.thread.Do(&w.jobs)
}

// jobList is jobs as package threads sees them, for one worker.
type jobList struct {
	w    *Worker
	list []Job
}

func (l *jobList) Jobs() int { return len(l.list) }

func (l *jobList) Job(i int) (tasks, weight int) {
	j := &l.list[i]
	return j.Do.Tasks(j.Args.Images), max(1, j.Weight)
}

func (l *jobList) LastFirst() bool { return len(l.list) == 1 && l.w.back(l.list[0].Do) }

func (l *jobList) Run(lo, hi int) {
	for i := range l.list {
		j := &l.list[i]
		n := j.Do.Tasks(j.Args.Images)
		l.w.RunTasks(j.Do, j.Args, max(lo, 0), min(hi, n))
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
