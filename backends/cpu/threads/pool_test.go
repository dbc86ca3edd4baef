package threads

import "testing"

// counts is one job that counts how often each task ran.
type counts []int

func (c counts) Jobs() int          { return 1 }
func (c counts) Job(int) (int, int) { return len(c), 1 }
func (c counts) LastFirst() bool    { return false }
func (c counts) Run(lo, hi int) {
	for i := lo; i < hi; i++ {
		c[i]++
	}
}

// TestPhasesBeginAgain makes the numbers of phases run out.
func TestPhasesBeginAgain(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	group := p.NewGroup()
	c := make(counts, 64)
	body := func(t *Thread) {
		for range 3 {
			t.Do(c)
		}
	}
	group.Run(body)
	p.phase.n.Store((1<<30 - 4) << 32)
	for range 9 {
		group.Run(body)
	}
	if n := p.phase.count(); n > 1<<20 {
		t.Errorf("phase %d", n)
	}
	for i, v := range c {
		if v != 30 {
			t.Errorf("task %d ran %d times of 30", i, v)
		}
	}
}

// TestShare: what a thread takes of its own share, and what others take of it.
func TestShare(t *testing.T) {
	l := list{tasks: 10, weight: 10, members: 1, unit: 1, n: 1, jobs: make(counts, 10)}
	var s share
	if lo, hi := s.take(1, &l, 0, true); lo != 0 || hi != 3 {
		t.Errorf("from the front: %d to %d", lo, hi)
	}
	if lo, hi := s.take(1, &l, 0, false); lo != 8 || hi != 10 {
		t.Errorf("from the back: %d to %d", lo, hi)
	}
}

// weighted are jobs of one task each.
type weighted []int

func (w weighted) Jobs() int                     { return len(w) }
func (w weighted) Job(i int) (tasks, weight int) { return 1, w[i] }
func (w weighted) LastFirst() bool               { return false }
func (w weighted) Run(int, int)                  {}

// TestBound: the ranges of threads are of equal weight, and together all tasks.
func TestBound(t *testing.T) {
	w := weighted{6, 1, 1, 1, 1, 1, 1}
	l := list{jobs: w, n: len(w), members: 2, tasks: len(w), weight: 12, unit: 1}
	if a, b, c := l.bound(0), l.bound(1), l.bound(2); a != 0 || b != 1 || c != 7 {
		t.Errorf("bounds %d, %d, %d; want 0, 1, 7", a, b, c)
	}
}

// TestAloneOutsideOfRuns: a thread of a group works alone while no run is under way.
func TestAloneOutsideOfRuns(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	c := make(counts, 5)
	p.NewGroup().Thread(0).Do(c)
	for i, v := range c {
		if v != 1 {
			t.Errorf("task %d ran %d times", i, v)
		}
	}
}
