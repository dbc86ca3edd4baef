package train

import (
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/passes/autodiff"
)

// TestBitsOfAnyThreads trains three networks on 1, 2, 3, 4 and 8 threads, on both
// vector tiers: all that an engine holds ends with the same bits.
func TestBitsOfAnyThreads(t *testing.T) {
	steps := longtest.Count(50, 200, 5000)
	type net struct {
		name  string
		graph *ir.Graph
		opt   autodiff.Options
		rate  float32
	}
	nets := []net{{"tiny", tiny(t), autodiff.FromRecipe(&testRecipe), .05}}
	for _, name := range []string{"lenet5", "mnist/inception_v2"} {
		g, r, opt := network(t, name)
		nets = append(nets, net{name, g, opt, float32(r.Optimizer.LR)})
	}
	for _, n := range nets {
		t.Run(n.name, func(t *testing.T) {
			want, first := "", ""
			for _, threads := range []int{1, 2, 3, 4, 8} {
				for _, isa := range kernel.Available() {
					// The tiers take turns, but for the most used number of threads.
					if isa == kernel.Portable || threads != 2 && (isa == kernel.AVX2) != (threads == 3) && len(kernel.Available()) > 2 {
						continue
					}
					e, err := NewCPU(n.graph, n.opt, 6, 5, cpu.Options{Threads: threads, ISA: isa.String()})
					if err != nil {
						t.Fatal(err)
					}
					if first == "" {
						first = fingerprint(t, e)
					}
					for step := range steps {
						images, labels := noise(n.graph, 6, e.Classes(), uint64(step%7))
						s, err := e.Step(images, labels, n.rate, int64(step))
						if err != nil || !s.Finite() {
							t.Fatal(step, s, err)
						}
					}
					got := fingerprint(t, e)
					if want == "" {
						want = got
					}
					if got != want || got == first {
						t.Errorf("%d threads, %v: other bits", threads, isa)
					}
				}
			}
		})
	}
}
