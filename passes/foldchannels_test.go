package passes

import (
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// A bias and a layer scale behind a product become its weights, for maps and for vectors, and an
// operand that is computed, or has one number for each pixel, stays.
func TestFoldChannels(t *testing.T) {
	conv := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}, Groups: 1}
	for _, c := range []struct {
		name         string
		in, weight   ir.Shape
		layer        ir.Op
		operand      ir.Shape
		bias, folded bool
	}{
		{"a map", ir.Shape{ir.Batch, 4, 6, 5}, ir.Shape{8, 4, 3, 3}, conv, ir.Shape{1, 8, 1, 1}, false, true},
		{"a map and a bias", ir.Shape{ir.Batch, 4, 6, 5}, ir.Shape{8, 4, 3, 3}, conv, ir.Shape{8, 1, 1}, true, true},
		{"a vector", ir.Shape{ir.Batch, 4}, ir.Shape{8, 4}, ops.Dense{}, ir.Shape{8}, true, true},
		{"pixels", ir.Shape{ir.Batch, 4, 6, 8}, ir.Shape{8, 4, 3, 3}, conv, ir.Shape{8}, true, false},
	} {
		b := ir.NewBuilder("n")
		weight := func(name string, shape ...int) *ir.Value {
			return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGaussian, A: 1}, LR: 1})
		}
		in := []*ir.Value{b.Input("x", ir.Float(c.in...)), weight("c/weight", c.weight...)}
		if c.bias {
			in = append(in, weight("c/bias", 8))
		}
		y := b.Do(c.layer, in...)
		y = b.Do(ops.Add{}, weight("shift", c.operand...), y)
		y = b.Do(ops.Mul{}, y, weight("scale", c.operand...))
		y = b.Do(ops.GELU{}, y)
		g := b.Graph()
		g.Outputs = []*ir.Value{y}
		if err := b.Err(); err != nil {
			t.Fatal(c.name, err)
		}
		ir.Materialize(g, 1)
		if _, err := check(g, Pipeline{{Pass: &FoldLinear}, {Pass: &FuseAct}, {Pass: &ConstFold}}, Options{Cost: always{}}); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		left := slices.ContainsFunc(g.Nodes, func(n *ir.Node) bool {
			return !slices.Contains(n.In, g.Inputs[0])
		})
		if left == c.folded {
			t.Errorf("%s: the layer is followed by other nodes: %v, want %v", c.name, left, !c.folded)
		}
	}
}
