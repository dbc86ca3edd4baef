package kernel

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/incc-lang/incc/backends/cpu/threads"
)

// marks is a kernel that counts how often each task ran.
type marks struct{ N int }

func (m marks) Tasks(images int) int { return m.N * images }
func (m marks) Run(w *Worker, task int, a *Args) {
	a.Out[0].Mem[task]++
}

// TestTeamOrder runs steps of which each needs all of the one before.
func TestTeamOrder(t *testing.T) {
	for _, number := range []int{1, 2, 3, 4, 8} {
		t.Run(fmt.Sprint(number), func(t *testing.T) {
			p := threads.NewPool(number)
			defer p.Close()
			team := NewTeam(p, Portable, 100)
			const n = 97
			shared := make([]int, n)
			run := 0
			body := func(w *Worker) {
				for step := range 20 {
					lo, hi := n*w.ID/w.Members(), n*(w.ID+1)/w.Members()
					for i := lo; i < hi; i++ {
						shared[i]++
					}
					w.Barrier()
					for i, v := range shared {
						if v != run*20+step+1 {
							t.Errorf("step %d: worker %d sees %d at %d", step, w.ID, v, i)
						}
					}
					w.Barrier()
				}
			}
			for run = range 50 {
				team.Run(body)
			}
		})
	}
}

func TestDoAndDoAllRunEveryTaskOnce(t *testing.T) {
	for _, number := range []int{1, 2, 3, 5} {
		p := threads.NewPool(number)
		team := NewTeam(p, Portable, 0)
		sizes := []int{1, 7, 2, 30, 3, 1}
		var jobs []Job
		for i, n := range sizes {
			jobs = append(jobs, Job{Do: marks{n}, Args: &Args{Images: 2, Out: [4]Buf{{Mem: make([]float32, 2*n)}}}, Weight: i * i})
		}
		team.Run(func(w *Worker) {
			w.DoAll(jobs)
			for i := range jobs {
				w.Do(jobs[i].Do, jobs[i].Args)
			}
			w.DoAll(jobs)
		})
		for i, j := range jobs {
			for task, v := range j.Args.Out[0].Mem {
				if v != 3 {
					t.Errorf("%d threads, job %d, task %d ran %g times of 3", number, i, task, v)
				}
			}
		}
		p.Close()
	}
}

// orders is a Turner that notes what ran, by worker.
type orders struct {
	N    int
	seen *[][]int
}

func (o orders) Tasks(int) int                    { return o.N }
func (o orders) Turns()                           {}
func (o orders) Run(w *Worker, task int, a *Args) { (*o.seen)[w.ID] = append((*o.seen)[w.ID], task) }

// TestTurns looks at the order of a Turner's tasks: up in one run and down in the
// next. With several threads others may take from a share, so that the order is not
// certain, but every task runs once.
func TestTurns(t *testing.T) {
	for _, number := range []int{1, 2, 3} {
		p := threads.NewPool(number)
		team := NewTeam(p, Portable, 0)
		k, a := orders{7, new([][]int)}, &Args{Images: 1}
		for run := range 100 {
			*k.seen = make([][]int, number)
			team.Run(func(w *Worker) { w.Do(k, a) })
			var all [7]int
			for _, l := range *k.seen {
				for _, task := range l {
					all[task]++
				}
			}
			if all != [7]int{1, 1, 1, 1, 1, 1, 1} {
				t.Fatalf("%d threads, run %d: %v", number, run, *k.seen)
			}
			if number > 1 {
				continue
			}
			want := []int{6, 5, 4, 3, 2, 1, 0}
			if run%2 == 1 {
				want = []int{0, 1, 2, 3, 4, 5, 6}
			}
			if fmt.Sprint((*k.seen)[0]) != fmt.Sprint(want) {
				t.Fatalf("run %d: %v, want %v", run, (*k.seen)[0], want)
			}
		}
		p.Close()
	}
}

// TestAbsentWorkers keeps the other workers out of a run until the caller's has come
// to its end: it does their work, and they find it done.
func TestAbsentWorkers(t *testing.T) {
	for _, number := range []int{2, 3, 5} {
		p := threads.NewPool(number)
		team := NewTeam(p, Portable, 0)
		many := 1<<16 + 77 // more tasks than threads.Thread.Do gives out one by one
		sizes := []int{1, 40, 0, 3, many}
		var jobs []Job
		for i, n := range sizes {
			jobs = append(jobs, Job{Do: marks{n}, Args: &Args{Images: 1, Out: [4]Buf{{Mem: make([]float32, n)}}}, Weight: 1 + i})
		}
		const runs = 20
		for run := range runs {
			gate := make(chan struct{})
			team.Run(func(w *Worker) {
				if w.ID > 0 && run%2 == 0 {
					<-gate
				}
				for i := range jobs {
					w.Do(jobs[i].Do, jobs[i].Args)
				}
				w.DoAll(jobs)
				if w.ID == 0 {
					close(gate)
				}
				w.DoAll(jobs)
			})
		}
		for i, j := range jobs {
			for task, v := range j.Args.Out[0].Mem {
				if v != 3*runs {
					t.Fatalf("%d threads, job %d, task %d ran %g times of %d", number, i, task, v, 3*runs)
				}
			}
		}
		p.Close()
	}
}

// TestBusyPool lets several sessions use one pool at once.
func TestBusyPool(t *testing.T) {
	p := threads.NewPool(2)
	defer p.Close()
	var wg sync.WaitGroup
	var alone atomic.Int32
	for g := range 4 {
		wg.Go(func() {
			team := NewTeam(p, Portable, 16)
			a := &Args{Images: 1, Out: [4]Buf{{Mem: make([]float32, 64)}}}
			body := func(w *Worker) {
				for range 10 {
					w.Do(marks{64}, a)
				}
				if w.Members() == 1 {
					alone.Add(1)
				}
			}
			for range 200 {
				team.Run(body)
			}
			for i, v := range a.Out[0].Mem {
				if v != 2000 {
					t.Errorf("session %d, task %d: %g", g, i, v)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d of 800 runs found the pool busy", alone.Load())
}

func TestClosedPoolRunsAlone(t *testing.T) {
	p := threads.NewPool(2)
	team := NewTeam(p, Portable, 0)
	p.Close()
	p.Close()
	n := 0
	team.Run(func(w *Worker) { n += w.Members() })
	if n != 1 {
		t.Errorf("%d members", n)
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := threads.NewPool(2)
	defer p.Close()
	team := NewTeam(p, Portable, 0)
	a := &Args{Images: 1, Out: [4]Buf{{Mem: make([]float32, 64)}}}
	body := func(w *Worker) { w.Do(marks{64}, a) }
	if n := testing.AllocsPerRun(100, func() { team.Run(body) }); n != 0 {
		t.Errorf("%g allocations a run", n)
	}
}

// aligned reports whether a slice begins at a multiple of 64 bytes.
func aligned(s []float32) bool { return uintptr(unsafe.Pointer(&s[0]))%64 == 0 }

func TestScratchIsApartAndAligned(t *testing.T) {
	for _, n := range []int{0, 1, 16, 1000, 600_000} {
		p := threads.NewPool(3)
		team := NewTeam(p, Portable, n)
		for i := range team.workers {
			s := team.workers[i].Scratch
			if len(s) < n || len(s) > 0 && !aligned(s) {
				t.Errorf("scratch %d of %d: length %d, aligned %v", i, n, len(s), len(s) == 0 || aligned(s))
			}
			for j := range s {
				s[j] += float32(i + 1)
			}
		}
		for i := range team.workers {
			for _, v := range team.workers[i].Scratch {
				if v != float32(i+1) {
					t.Fatalf("scratch of worker %d is shared", i)
				}
			}
		}
		p.Close()
	}
}

func BenchmarkForkJoin(b *testing.B) {
	p := threads.NewPool(2)
	defer p.Close()
	team := NewTeam(p, Portable, 0)
	b.Run("run", func(b *testing.B) {
		body := func(*Worker) {}
		for range b.N {
			team.Run(body)
		}
	})
	b.Run("do", func(b *testing.B) {
		a := &Args{Images: 1, Out: [4]Buf{{Mem: make([]float32, 64)}}}
		team.Run(func(w *Worker) {
			for range b.N {
				w.Do(marks{8}, a)
			}
		})
	})
	b.Run("barrier", func(b *testing.B) {
		team.Run(func(w *Worker) {
			for range b.N {
				w.Barrier()
			}
		})
	})
}
