package lower_test

import (
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
)

func shape(dims ...int) ir.Type { return ir.Float(dims...) }

// layers are nodes that Graph replaces.
func layers() []ir.Example {
	x := shape(ir.Batch, 4, 5, 6)
	list := []ir.Example{
		{Op: ops.Shuffle(2, true), In: []ir.Type{x}},
		{Op: ops.Shuffle(2, false), In: []ir.Type{x}},
		{Op: ops.InstanceNorm(1e-3), In: []ir.Type{x, shape(4), shape(4)}},
		{Op: ops.GroupNorm(2, 1e-5), In: []ir.Type{x, shape(4), shape(4)}},
		{Op: ops.GroupNorm(2, 1e-5), In: []ir.Type{x, shape(2), shape(2)}},
		{Op: ops.Node{Type: "PRelu"}, In: []ir.Type{x, shape(4, 1, 1)}},
		{Op: ops.Node{Type: "ConvTranspose", Attrs: "auto_pad:SAME_UPPER;strides:2,2"}, In: []ir.Type{x, shape(4, 2, 3, 3)}},
		{Op: ops.Node{Type: "ConvTranspose", Attrs: "auto_pad:SAME_LOWER;strides:3,2"}, In: []ir.Type{x, shape(4, 2, 4, 3)}},
		{Op: ops.Node{Type: "ConvTranspose", Attrs: "output_shape:9,12;strides:2,2"}, In: []ir.Type{x, shape(4, 2, 3, 3)}},
	}
	for _, mode := range ops.PadModes {
		list = append(list, ir.Example{Op: ops.Padding(ir.Pads{1, 2, 3, 0}, mode), In: []ir.Type{x}})
	}
	one := ir.HW{1, 1}
	for _, t := range []ops.Transposed{
		{Stride: ir.HW{2, 2}, Dilation: one, Groups: 1},
		{Stride: one, Dilation: one, Groups: 1, Pad: ir.Pads{1, 1, 1, 1}},
		{Stride: ir.HW{2, 1}, Dilation: one, Groups: 2, Pad: ir.Pads{1, 1, 1, 1}, Out: ir.HW{1, 0}},
		{Stride: ir.HW{3, 2}, Dilation: one, Groups: 4, Pad: ir.Pads{0, 1, 2, 0}},
	} {
		for _, k := range []ir.HW{{2, 2}, {3, 2}, {5, 4}} {
			w := shape(4, 2, k[0], k[1])
			list = append(list, ir.Example{Op: t.Node(), In: []ir.Type{x, w, shape(2 * t.Groups)}})
		}
	}
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, coords := range ops.ResizeCoords {
			for _, round := range ops.ResizeRounding {
				if mode != "nearest" && round != "floor" || mode == "nearest" && coords == "tf_half_pixel_for_nn" {
					continue
				}
				list = append(list,
					ir.Example{Op: ops.Resizing{By: [2]float64{2, 3}, Mode: mode, Coords: coords, Nearest: round, Cubic: -0.5}.Node(), In: []ir.Type{x}},
					ir.Example{Op: ops.Resizing{To: ir.HW{3, 9}, Mode: mode, Coords: coords, Nearest: round, Cubic: -0.75}.Node(), In: []ir.Type{x}})
			}
		}
	}
	return list
}

// A layer and the ops that replace it compute the same, whether the weights have elements or not.
func TestLayers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range layers() {
		for _, data := range []bool{true, false} {
			b := ir.NewBuilder("layer")
			in := []*ir.Value{b.Input("x", e.In[0])}
			for i, w := range e.In[1:] {
				p := b.Param([]string{"weight", "bias"}[i], w.Shape, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitUniform, A: 1}})
				if data {
					b.Graph().Data[p.Name] = ir.Draw(p.Name, w.Shape, p.Param.Init, 7)
				}
				in = append(in, p)
			}
			b.Graph().Outputs = []*ir.Value{b.Do(e.Op, in...)}
			if err := b.Err(); err != nil {
				t.Fatalf("%s: %v", ir.FormatOp(e.Op), err)
			}
			g := b.Graph()
			low, err := lower.Graph(g)
			if err != nil {
				t.Fatalf("%s: %v", ir.FormatOp(e.Op), err)
			}
			for _, n := range low.Nodes {
				if op, ok := n.Op.(ops.Node); ok {
					t.Errorf("%s stays %s", ir.FormatOp(e.Op), op.Type)
				}
			}
			x := tensor.New(e.In[0].Shape.Bind(2)...)
			for i := range x.Data {
				x.Data[i] = r.Float64()*2 - 1
			}
			want, got := run(t, g, x), run(t, low, x)
			if d, largest := tensor.MaxDiff(got, want); !(d <= 2e-6*(1+largest)) {
				t.Errorf("%s: differs by %g of %g", ir.FormatOp(e.Op), d, largest)
			}
		}
	}
}

func run(t *testing.T, g *ir.Graph, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	out, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return out[g.Outputs[0]]
}
