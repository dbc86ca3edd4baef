package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// draw returns inputs for n images, in -1..1, as the reference takes them and as
// a session does.
func draw(g *ir.Graph, n int, seed uint64) ([]*tensor.Tensor, [][]float32) {
	r := rand.New(rand.NewPCG(seed, 1))
	var wide []*tensor.Tensor
	var flat [][]float32
	for _, v := range g.Inputs {
		t := tensor.Make[float32](v.Type.Shape.Bind(n))
		for i := range t.Data {
			t.Data[i] = r.Float32()*2 - 1
		}
		wide = append(wide, tensor.Widen(t))
		flat = append(flat, t.Data)
	}
	return wide, flat
}

// outputs makes room for the outputs of n images.
func outputs(p *Program, n int) [][]float32 {
	var out [][]float32
	for _, e := range p.Plan().Outputs {
		if !e.Fixed {
			out = append(out, make([]float32, n*e.Size))
		} else {
			out = append(out, make([]float32, e.Size))
		}
	}
	return out
}

// near reports the largest difference to the reference, as a share of the
// largest element.
func near(got []float32, want *tensor.Tensor) float64 {
	if len(got) != len(want.Data) {
		return math.Inf(1)
	}
	diff, scale := 0.0, 0.0
	for i, w := range want.Data {
		g := float64(got[i])
		if g == w || g != g && w != w {
			continue
		}
		d := math.Abs(g - w)
		if d != d {
			return math.Inf(1)
		}
		diff = max(diff, d)
	}
	for _, w := range want.Data {
		scale = max(scale, math.Abs(w))
	}
	if diff == 0 {
		return 0
	}
	return diff / max(scale, 1e-30)
}

const (
	directTol   = 1e-4
	winogradTol = 1e-3
)

func tolerance(p *plan.Plan) float64 {
	for _, s := range p.Steps {
		if strings.HasPrefix(s.Algo, "winograd") {
			return winogradTol
		}
	}
	return directTol
}

// verify compiles a graph for a batch in every way there is and compares outputs
// and parts with the reference, and the ways with each other, bit by bit.
func verify(t testing.TB, g *ir.Graph, batch int, threads ...int) {
	t.Helper()
	if err := verifyErr(g, batch, threads...); err != nil {
		t.Error(err)
	}
}

func verifyErr(g *ir.Graph, batch int, threads ...int) error {
	if len(threads) == 0 {
		threads = []int{1, 2}
	}
	for _, n := range slices.Compact([]int{batch, (batch + 1) / 2}) {
		wide, in := draw(g, n, uint64(batch))
		var keep []*ir.Value
		for _, part := range g.Parts {
			keep = append(keep, part.Out)
		}
		want, err := ref.Run(g, wide, ref.Options{Keep: keep})
		if err != nil {
			return fmt.Errorf("reference: %w", err)
		}
		for _, mode := range []struct {
			direct bool
			lanes  n16Choice
		}{{true, n16Never}, {false, n16Never}, {false, n16Always}} {
			direct := mode.direct
			first := map[bool][][]float32{} // by whether the tier is a vector tier
			for _, isa := range kernel.Available() {
				for i, th := range threads {
					if isa == kernel.Portable && (i > 0 || !direct && mode.lanes == n16Never) && !testing.Verbose() {
						continue // the slowest; the threads are the same code on every tier
					}
					where := fmt.Sprintf("%s, %v, %d threads, %d of %d images, %+v", g.Name, isa, th, n, batch, mode)
					p, err := Compile(g, Options{Batch: batch, Threads: th, ISA: isa.String(), Direct: direct, KeepParts: true, Debug: true, lanes: mode.lanes})
					if err != nil {
						return fmt.Errorf("%s: %w", where, err)
					}
					if err := plan.Check(p.Plan()); err != nil {
						return fmt.Errorf("%s: %w\n%v", where, err, p.Plan())
					}
					s := p.NewSession()
					out := outputs(p, n)
					for range 2 { // the second run finds the first one's leavings
						if err := s.Run(in, out); err != nil {
							return fmt.Errorf("%s: %w", where, err)
						}
						for i, v := range g.All() {
							if d := near(out[i], want[v]); d > tolerance(p.Plan()) {
								return fmt.Errorf("%s: output %s differs by %.3g of the largest\n%v", where, v.Name, d, p.Plan())
							}
						}
					}
					for _, part := range g.Parts {
						if d := near(s.Part(part.Name, n), want[part.Out]); d > tolerance(p.Plan()) {
							return fmt.Errorf("%s: part %s differs by %.3g of the largest\n%v", where, part.Name, d, p.Plan())
						}
					}
					vector := isa != kernel.Portable
					if first[vector] == nil {
						first[vector] = out
					}
					for i := range out {
						if !sameBits(out[i], first[vector][i]) {
							return fmt.Errorf("%s: output %d has other bits than with %d threads", where, i, threads[0])
						}
					}
					p.pool.Close()
				}
			}
		}
	}
	return nil
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}
