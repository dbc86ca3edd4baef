package cpu

import (
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// layerNorm adds layer normalization over channels, as the importer writes it.
func (b *net) layerNorm(name string, x *ir.Value, affine bool) *ir.Value {
	mean := ops.Reduce{Kind: ops.ReduceMean, Axes: ir.IntsOf(1), Keep: true}
	d := b.op(name+"/d", ops.Sub{}, x, b.op(name+"/mean", mean, x))
	variance := b.op(name+"/variance", mean, b.op(name+"/square", ops.Mul{}, d, d))
	eps := b.Const(name+"/eps", tensor.Of([]float32{1e-3}, 1, 1, 1, 1))
	y := b.op(name+"/div", ops.Div{}, d, b.op(name+"/root", ops.Sqrt{}, b.op(name+"/sum", ops.Add{}, variance, eps)))
	if !affine {
		return y
	}
	c := x.Type.Shape[1]
	vector := func(what string) *ir.Value {
		return b.Param(name+what, ir.Shape{1, c, 1, 1}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 0.5}, LR: 1})
	}
	return b.op(name+"/shift", ops.Add{}, b.op(name+"/scale", ops.Mul{}, y, vector("/gamma")), vector("/beta"))
}

// TestLayerNormIsOneStep: layer normalization over channels is one step at every level of
// optimization, also where a layer takes in what the step before it adds.
func TestLayerNormIsOneStep(t *testing.T) {
	for level := range 3 {
		b := newNet(t, "norms")
		x := b.conv("c1", b.image(3, 6, 5), 20, ir.HW{3, 3}, ops.Conv{})
		x = b.layerNorm("n1", x, true)
		x = b.conv("c2", x, 32, ir.HW{1, 1}, ops.Conv{})
		x = b.op("relu", ops.ReLU{}, b.layerNorm("n2", x, false))
		g := b.done(x)
		ir.Materialize(g, 1)
		if _, err := passes.Run(g, passes.Level(level), passes.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, batch := range []int{1, 2} {
			verify(t, g, batch)
		}
		n := kernelsOf(t, g, func(k plan.Kernel) bool { _, ok := k.(kernel.ChannelNorm); return ok })
		if n != 2 {
			t.Errorf("-O%d: %d steps normalize, want 2", level, n)
		}
	}
}
