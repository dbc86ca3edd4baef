package cpu

import (
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
)

// TestRunAllocatesNothing: a run allocates nothing where the caller keeps its slices.
func TestRunAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		p, err := Compile(load(t, "nin_cifar10", 2), Options{Threads: threads, Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		s := p.NewSession()
		_, in := draw(load(t, "nin_cifar10", 2), 2, 1)
		out := outputs(p, 2)
		if n := testing.AllocsPerRun(5, func() {
			if err := s.Run(in, out); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%d threads: %v allocations a run", threads, n)
		}
	}
}

// TestThreads runs one network on every number of threads and every vector tier:
// the bits are the same.
func TestThreads(t *testing.T) {
	g := load(t, "nin_cifar10", 2)
	var first [][]float32
	for _, isa := range kernel.Available() {
		if isa == kernel.Portable {
			continue
		}
		for _, threads := range []int{1, 2, 3, 4, 8} {
			p, err := Compile(g, Options{Threads: threads, Batch: 3, ISA: isa.String()})
			if err != nil {
				t.Fatal(err)
			}
			_, in := draw(g, 3, 1)
			out := outputs(p, 3)
			if err := p.NewSession().Run(in, out); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = out
			}
			if !sameBits(out[0], first[0]) {
				t.Errorf("%v, %d threads: other bits", isa, threads)
			}
			p.pool.Close()
		}
	}
}

func TestConcurrentSessions(t *testing.T) {
	g := lenet(t)
	p, err := Compile(g, Options{Threads: 2, Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	_, in := draw(g, 4, 1)
	want := outputs(p, 4)
	if err := p.NewSession().Run(in, want); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, out := p.NewSession(), outputs(p, 4)
			for range 20 {
				if err := s.Run(in, out); err != nil {
					t.Error(err)
				}
				if !sameBits(out[0], want[0]) {
					t.Error("sessions that run at the same time disturb each other")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestRunErrors(t *testing.T) {
	p, err := Compile(lenet(t), Options{Batch: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	f := func(n int) []float32 { return make([]float32, n) }
	for _, c := range []struct {
		name    string
		in, out [][]float32
	}{
		{"no input", nil, [][]float32{f(10)}},
		{"two inputs", [][]float32{f(784), f(784)}, [][]float32{f(10)}},
		{"empty", [][]float32{f(0)}, [][]float32{f(0)}},
		{"part of an image", [][]float32{f(783)}, [][]float32{f(10)}},
		{"an image and a half", [][]float32{f(1000)}, [][]float32{f(10)}},
		{"too many images", [][]float32{f(3 * 784)}, [][]float32{f(30)}},
		{"short output", [][]float32{f(784)}, [][]float32{f(9)}},
		{"long output", [][]float32{f(784)}, [][]float32{f(20)}},
	} {
		if err := s.Run(c.in, c.out); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := s.Run([][]float32{f(784)}, [][]float32{f(10)}); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

func TestCompileErrors(t *testing.T) {
	g := lenet(t)
	for name, opt := range map[string]Options{
		"negative batch":   {Batch: -1},
		"enormous batch":   {Batch: math.MaxInt},
		"negative threads": {Threads: -1},
		"enormous threads": {Threads: 1 << 30},
		"unknown ISA":      {ISA: "mmx"},
	} {
		if _, err := Compile(g, opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTraced compares a run under observation with a plain one.
func TestTraced(t *testing.T) {
	g := lenet(t)
	p, err := Compile(g, Options{Threads: 2, Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	_, in := draw(g, 4, 1)
	s, want, got := p.NewSession(), outputs(p, 4), outputs(p, 4)
	if err := s.Run(in, want); err != nil {
		t.Fatal(err)
	}
	events, err := s.RunTraced(in, got)
	if err != nil {
		t.Fatal(err)
	}
	if !sameBits(got[0], want[0]) {
		t.Error("a traced run gives other bits")
	}
	seen := make([]bool, len(p.Plan().Steps))
	for _, e := range events {
		seen[e.Step] = true
		if e.End < e.Start {
			t.Errorf("step %d ends before it begins", e.Step)
		}
	}
	for i, ok := range seen {
		if !ok {
			t.Errorf("no event of step %d", i)
		}
	}
}

func TestTune(t *testing.T) {
	g := load(t, "nin_cifar10", 2)
	tuning, err := Tune(g, Options{Threads: 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(tuning.Algorithm) < 3 {
		t.Fatalf("only %d convolutions were measured: %v", len(tuning.Algorithm), tuning.Algorithm)
	}
	// What a tuning file says is done, whether it is wise or not.
	for _, name := range []string{"direct", "winograd"} {
		for key := range tuning.Algorithm {
			tuning.Algorithm[key] = name
		}
		p, err := Plan(g, Options{Tuning: tuning})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps {
			if c, ok := convOf(s.Do); ok && s.Algo != name && tuning.Algorithm[tuningKey(c, 1)] != "" && (name == "direct" || kernel.WinogradFits(c)) {
				t.Errorf("%s is %s, the tuning says %s", s.Name, s.Algo, name)
			}
		}
	}
}
