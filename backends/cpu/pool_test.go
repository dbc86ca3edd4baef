package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// pooled is a random network of convolutions with pools behind them. Every map in
// front of a pool is a part, so that KeepParts keeps the pool from being fused. alone is
// how many pools of 2 x 2 windows are the only readers of their maps.
func pooled(t *testing.T, r *rand.Rand) (g *ir.Graph, alone int) {
	b := newNet(t, "pooled")
	x := b.image(1+r.IntN(20), 6+r.IntN(15), 6+r.IntN(15))
	for i := range 1 + r.IntN(3) {
		name := func(s string) string { return fmt.Sprint(s, i) }
		k := 3 + 2*r.IntN(2)
		x = b.conv(name("conv"), x, 1+r.IntN(40), ir.HW{k, k}, ops.Conv{Pad: ir.Pads{k / 2, k / 2, k / 2, k / 2}})
		switch r.IntN(6) {
		case 0:
		case 1:
			x = b.op(name("tanh"), ops.Tanh{}, x)
		default:
			x = b.op(name("relu"), ops.ReLU{}, x)
		}
		h, w := x.Type.Shape[2], x.Type.Shape[3]
		if h < 3 || w < 3 {
			break
		}
		b.part(name("map"), x)
		op := ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{2, 2}, Ceil: r.IntN(3) == 0}
		pairs := !op.Ceil || h%2 == 0 && w%2 == 0
		switch r.IntN(8) {
		case 0:
			op.Kernel, pairs = ir.HW{3, 3}, false
		case 1:
			op.Pad, pairs = ir.Pads{1, 1, 1, 1}, false
		}
		y := b.op(name("pool"), op, x)
		switch r.IntN(6) {
		case 0: // the map is read beside the pool
			c := x.Type.Shape[1]
			skip := b.conv(name("skip"), x, c, ir.HW{1, 1}, ops.Conv{Stride: ir.HW{2, 2}})
			if skip.Type.Shape.Equal(y.Type.Shape) {
				y, pairs = b.op(name("sum"), ops.Add{}, y, skip), false
			}
		case 1: // by a second pool
			y, pairs = b.op(name("both"), ops.Concat{Axis: 1}, y, b.op(name("again"), op, x)), false
		}
		if x = y; pairs {
			alone++
		}
	}
	x = b.dense("fc", b.op("flat", ops.Flatten{}, x), 3)
	return b.done(b.op("probs", ops.Softmax{Axis: 1}, x)), alone
}

// TestFusedPools: a pool is fused to a convolution if it alone reads the map, its
// gradient reads indices, and the bits are those of the plan that keeps the map; a
// training step is that of the reference.
func TestFusedPools(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 27))
	count := longtest.Count(60, 240, 2000)
	fused, apart, indexed, inLanes := 0, 0, 0, 0
	for i := range count {
		g, alone := pooled(t, r)
		tr, err := autodiff.Train(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}})
		if err != nil {
			t.Fatal(err)
		}
		batch, lanes := 1+r.IntN(5), n16Never
		if r.IntN(8) == 0 {
			batch, lanes = n16From+r.IntN(20), []n16Choice{n16Never, n16Always}[r.IntN(2)]
		}
		for _, graph := range []*ir.Graph{g, tr.Graph} {
			var out [2][][]float32
			var params [2]map[string][]float32
			for j, keep := range []bool{false, true} {
				p, err := Compile(graph, Options{Batch: batch, Threads: 1 + r.IntN(3), KeepParts: keep, Debug: true, Seed: int64(i), lanes: lanes})
				if err != nil {
					t.Fatal(err)
				}
				if err := plan.Check(p.Plan()); err != nil {
					t.Fatalf("%v\n%v", err, p.Plan())
				}
				n := 0
				for _, s := range p.Plan().Steps {
					do := s.Do
					l, lane := do.(kernel.N16)
					if lane {
						do = l.Do
					}
					switch k := do.(type) {
					case kernel.Winograd:
						if k.Pool {
							n++
						}
					case kernel.MaxPool:
						apart++
					case kernel.MaxPoolBackward:
						if k.Indexed {
							indexed++
							if lane {
								inLanes++
							}
						}
					}
				}
				if fused += n; n > alone || keep && n > 0 {
					t.Fatalf("%d pools are fused of %d that may be, parts kept: %v\n%v", n, alone, keep, p.Plan())
				}
				s := p.NewSession()
				out[j] = outputs(p, batch)
				for step := range 2 {
					_, in := trainInputs(graph, batch, step)
					if err := s.Run(in, out[j]); err != nil {
						t.Fatal(err)
					}
				}
				params[j] = map[string][]float32{}
				for _, name := range p.Params() {
					if params[j][name], err = s.Param(name); err != nil {
						t.Fatal(err)
					}
				}
				p.pool.Close()
			}
			for j := range out[0] {
				if !sameBits(out[0][j], out[1][j]) {
					t.Fatalf("network %d: output %d has other bits where its maps are kept\n%v", i, j, g)
				}
			}
			for name, x := range params[0] {
				if !sameBits(x, params[1][name]) {
					t.Fatalf("network %d: %s has other bits where its maps are kept\n%v", i, name, g)
				}
			}
		}
		// Of many networks one has a maximum that Winograd's rounding takes from another
		// place than the reference: those of the short test have none.
		if i%3 == 0 && i < 60 {
			if err := verifyTraining(tr.Graph, batch, 1, Options{lanes: lanes}); err != nil {
				t.Fatalf("network %d: %.3000s", i, err)
			}
		}
	}
	t.Logf("%d pools fused, %d apart, %d gradients from indices, %d of them in lanes", fused, apart, indexed, inLanes)
	if fused < count/2 || apart < count || indexed < count || inLanes == 0 {
		t.Error("too few of a kind")
	}
}
