package threads

// Jobs are jobs that do not depend on each other. Each has a number of tasks. The tasks of all
// jobs are numbered, those of the first job first.
type Jobs interface {
	Jobs() int                     // the number of jobs
	Job(i int) (tasks, weight int) // of a job: the number of its tasks, and what one costs compared with others
	Run(lo, hi int)                // runs tasks lo to hi-1
	LastFirst() bool               // whether a thread runs its last tasks first
}

// Do runs jobs on all threads and returns when they are done. Every thread has its own Jobs
// value for the same jobs. A thread begins with a fixed range of the tasks, so that what one
// step left in a processor's cache is what its next step finds there; the ranges are of equal
// weight. A thread that has finished its own tasks takes tasks of the others.
func (t *Thread) Do(jobs Jobs) {
	if t.members == 1 {
		n := 0
		for i := range jobs.Jobs() {
			tasks, _ := jobs.Job(i)
			n += tasks
		}
		jobs.Run(0, n)
		return
	}
	c := t.group.pool.crew
	if c.phase.count() != t.phase { // the others have done it
		t.phase++
		return
	}
	l := list{jobs: jobs, n: jobs.Jobs(), members: t.members, lastFirst: jobs.LastFirst()}
	for i := range l.n {
		n, weight := jobs.Job(i)
		l.tasks += n
		l.weight += n * weight
	}
	l.unit = divideUp(max(1, l.tasks), maxUnits)
	units := max(1, divideUp(l.tasks, l.unit))
	done, eager := 0, t.helped
	t.helped = false
	for i := range t.members {
		owner := (t.ID + i) % t.members
		if i == 1 && !eager {
			// Mostly the others are about to be done. A look at what they have left
			// would hold them up.
			if done > 0 && c.phase.add(done, units) || c.phase.soon(t.phase) {
				t.phase++
				return
			}
			done = 0
		}
		for {
			lo, hi := c.shares[owner].take(t.phase, &l, owner, (i == 0) != l.lastFirst)
			if lo == hi {
				break
			}
			jobs.Run(lo*l.unit, min(hi*l.unit, l.tasks))
			done += hi - lo
			t.helped = t.helped || i > 0
		}
	}
	if l.tasks == 0 && t.ID == 0 {
		done = 1
	}
	t.finish(done, units)
}

// list is the tasks of some jobs, one after another.
type list struct {
	jobs          Jobs
	n             int // of jobs
	members       int
	tasks, weight int
	unit          int  // tasks that are taken together
	lastFirst     bool // an owner takes his last ones first, and others his first ones
}

// bound is the first unit of a thread's share: the ranges are of equal weight.
func (l *list) bound(thread int) int {
	if thread == l.members {
		return divideUp(l.tasks, l.unit)
	}
	at, first := divideUp(l.weight*thread, l.members), 0
	for i := range l.n {
		n, weight := l.jobs.Job(i)
		if at <= n*weight {
			return (first + divideUp(at, weight)) / l.unit
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

// divideUp returns a/b, rounded up.
func divideUp(a, b int) int { return (a + b - 1) / b }
