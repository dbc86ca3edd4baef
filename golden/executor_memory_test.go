package golden

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestExecutorAllocatesNothing runs every built-in network in a session: no run
// allocates, and the arena holds less than a third of all activations of a large
// network, since buffers share memory.
func TestExecutorAllocatesNothing(t *testing.T) {
	for _, name := range networkNames() {
		t.Run(name, func(t *testing.T) {
			g := withZeroWeights(loadSmall(t, name))
			if _, err := passes.Run(g, passes.Level(1), passes.Options{}); err != nil {
				t.Fatal(err)
			}
			const batch = 2
			in, out := make([][]float32, len(g.Inputs)), make([][]float32, len(g.All()))
			for i, v := range g.Inputs {
				in[i] = make([]float32, v.Type.Shape.Bind(batch).Size())
			}
			for i, v := range g.All() {
				out[i] = make([]float32, v.Type.Shape.Bind(batch).Size())
			}
			images := 0
			one := func(x [][]float32) {
				for i := range x {
					x[i] = x[i][:cap(x[i])/batch*images]
				}
			}
			run := func(p *cpu.Program) func() {
				s := p.NewSession()
				return func() {
					images = images%batch + 1 // fewer than were planned, too
					one(in)
					one(out)
					if err := s.Run(in, out); err != nil {
						t.Fatal(err)
					}
				}
			}
			// AllocsPerRun leaves Go one thread, for which a pool of more would wait.
			p, err := cpu.Compile(g, cpu.Options{Batch: batch, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(2, run(p)); n != 0 {
				t.Errorf("%v allocations a run", n)
			}
			sum := ir.Summarize(g)
			if sum.Params < 30e6 { // packing takes time
				p, err := cpu.Compile(g, cpu.Options{Batch: batch, Threads: 3})
				if err != nil {
					t.Fatal(err)
				}
				if n := allocations(run(p)); n != 0 {
					t.Errorf("%d allocations in four runs on three threads", n)
				}
			}
			arena, all := 4*int64(p.Plan().Arena), batch*sum.Activations
			if len(g.Nodes) > 60 && sum.Activations > 4<<20 && arena > all/3 {
				t.Errorf("an arena of %d bytes for %d bytes of activations", arena, all)
			}
		})
	}
}

// allocations returns the number of allocations of four calls of f on all threads, the
// least of several attempts: Go's own run time sometimes allocates too, for example when a
// thread parks, but f allocates the same in every attempt.
func allocations(f func()) uint64 {
	f()
	least := ^uint64(0)
	var before, after runtime.MemStats
	begin := time.Now()
	for i := 0; least > 0 && (i < 10 || time.Since(begin) < 3*time.Second); i++ {
		runtime.ReadMemStats(&before)
		for range 4 {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return least
}

// TestExecutorMemory compiles and runs a network: the process must grow by as much memory as
// the plan says, which counts the weights once as they are and once packed.
func TestExecutorMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc, which only Linux has")
	}
	g := withZeroWeights(spectest.Load(t, "googlenet"))
	if _, err := passes.Run(g, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	// Writing 5 resets the peak to the current size (proc(5)).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip(err)
	}
	before := status(t, "VmRSS:")
	p, err := cpu.Compile(g, cpu.Options{Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	in, out := make([]float32, 4*g.Inputs[0].Type.Shape.Size()), make([]float32, 4*1000)
	for range 3 {
		if err := s.Run([][]float32{in}, [][]float32{out}); err != nil {
			t.Fatal(err)
		}
	}
	grown := status(t, "VmHWM:") - before
	planned := 4 * int64(p.Plan().Arena+p.Plan().Packed)
	t.Logf("grown by %.1f MB at most, arena and weights are %.1f MB", float64(grown)/1e6, float64(planned)/1e6)
	// The margin is for huge pages, which round up, inputs, outputs and Go's run time.
	if limit := planned + planned/4 + 24<<20; grown > limit {
		t.Errorf("grown by %d bytes, more than %d", grown, limit)
	}
}

// withZeroWeights sets all weights to zero, because drawing them takes long.
func withZeroWeights(g *ir.Graph) *ir.Graph {
	most := 0
	for _, v := range g.Params {
		most = max(most, v.Type.Shape.Size())
	}
	zeros := make([]float32, most)
	for _, v := range g.Params {
		if v.Param.Kind == ir.Constant || g.Data[v.Name] != nil {
			continue
		}
		g.Data[v.Name] = tensor.Of(zeros[:v.Type.Shape.Size()], v.Type.Shape...)
	}
	return g
}

// status reads a line of /proc/self/status, in bytes.
func status(t *testing.T, key string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s in /proc/self/status", key)
	return 0
}
