package quantize_test

import (
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/quantize"
)

// TestDepthwise: which grouped convolutions are layers; equalizing a network with depthwise ones leaves
// its outputs as they are, and a training does not quantize them.
func TestDepthwise(t *testing.T) {
	b := ir.NewBuilder("net")
	weight := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitHe}, LR: 1})
	}
	conv := func(groups int, pad int, act ops.Act) ops.Conv {
		return ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Pad: ir.Pads{pad, pad, pad, pad}, Groups: groups, Act: act}
	}
	x := b.Do(conv(1, 0, ops.ActReLU), b.Input("x", ir.Float(ir.Batch, 3, 20, 20)), weight("first", 8, 3, 3, 3))
	x = b.Do(conv(8, 1, ops.ActReLU), x, weight("depthwise3", 8, 1, 3, 3))
	x = b.Do(conv(1, 0, ops.ActReLU), x, weight("point", 6, 8, 1, 1))
	x = b.Do(conv(6, 2, ops.ActReLU), x, weight("depthwise5", 6, 1, 5, 5))
	x = b.Do(conv(6, 3, ops.ActReLU), x, weight("columns7", 6, 1, 7, 7))
	x = b.Do(conv(2, 1, ops.ActReLU), x, weight("groups2", 6, 3, 3, 3))
	wide := conv(6, 0, ops.ActReLU)
	wide.Dilation = ir.HW{2, 2}
	x = b.Do(wide, x, weight("dilated", 6, 1, 3, 3))
	x = b.Do(conv(6, 1, ops.ActReLU), x, weight("multiplier2", 12, 1, 3, 3))
	x = b.Do(conv(1, 0, ops.ActNone), x, weight("last", 4, 12, 1, 1))
	g := b.Graph()
	g.Outputs = []*ir.Value{x}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(g, 1)
	names := func(l []*ir.Node) (names []string) {
		for _, n := range l {
			names = append(names, n.In[1].Name)
		}
		return names
	}
	if got, want := names(quantize.Layers(g)), []string{"first", "depthwise3", "point", "depthwise5", "last"}; !slices.Equal(got, want) {
		t.Errorf("the layers are those of %v, want %v", got, want)
	}
	if got, want := names(quantize.Trained(g)), []string{"point"}; !slices.Equal(got, want) {
		t.Errorf("a training quantizes %v, want %v", got, want)
	}
	in := irtest.Inputs(g, 2, 2)[0]
	want := outputs(t, g, in)
	before := slices.Clone(g.Data["depthwise3"].Data)
	most := func(v *ir.Value) []float32 { return ramp(v.Type.Shape[1]) }
	if n := quantize.Equalize(g, quantize.Layers(g), most); n != 1 {
		t.Errorf("%d layers are equalized, want that alone whose reader has weights of all channels", n)
	}
	if slices.Equal(before, g.Data["depthwise3"].Data) {
		t.Error("the filters of depthwise3, whose output point reads, are as they were")
	}
	near(t, outputs(t, g, in), want)
}

// ramp is 1, 2, 3 and so on.
func ramp(n int) (l []float32) {
	for i := range n {
		l = append(l, float32(1+i))
	}
	return l
}

// near compares up to the rounding of float32 weights.
func near(t *testing.T, got, want *tensor.Tensor) {
	t.Helper()
	for i, w := range want.Data {
		if d := math.Abs(got.Data[i] - w); d > 1e-5*(1+math.Abs(w)) {
			t.Fatalf("output %d is %g, want %g", i, got.Data[i], w)
		}
	}
}

// depthwiseLayer is a network of one depthwise convolution with a bias.
func depthwiseLayer(t *testing.T) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("layer")
	op := ops.Conv{Stride: ir.HW{2, 1}, Dilation: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 0, 1}, Groups: 8}
	y := b.Do(op, b.Input("x", ir.Float(ir.Batch, 8, 7, 9)), b.Param("w", []int{8, 1, 3, 3}, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1}),
		b.Param("b", []int{8}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 0.5}, LR: 1}))
	b.Graph().Outputs = []*ir.Value{y}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(b.Graph(), 1)
	return b.Graph()
}

// TestDepthwiseCorrections: rounding by moments and the correction of biases lessen the error of a
// depthwise layer, each of whose channels reads another one.
func TestDepthwiseCorrections(t *testing.T) {
	g := depthwiseLayer(t)
	for o := range 8 { // the scale of a large weight
		g.Data["w"].Data[o*9+o] = 20
	}
	x := correlated(g, 40)
	m := momentsOf(t, g, x, 100)
	want := outputs(t, g, x)
	plain, round := outputs(t, apply(t, g, quantize.Options{}), x), outputs(t, apply(t, g, quantize.Options{Moments: m, Round: true}), x)
	if a, b := squaredError(plain, want), squaredError(round, want); b > 0.7*a || a == 0 {
		t.Errorf("the error is %g, that of rounding to the nearest %g", b, a)
	}
	fixed := outputs(t, apply(t, g, quantize.Options{Moments: m, Bias: true}), x)
	plane, off := want.Shape[2]*want.Shape[3], 0.0
	for c := range 8 {
		before, after := 0.0, 0.0
		for i, w := range want.Data {
			if i/plane%8 == c {
				before, after = before+plain.Data[i]-w, after+fixed.Data[i]-w
			}
		}
		off += math.Abs(before)
		if n := float64(len(want.Data) / 8); math.Abs(after)/n > 1e-5 {
			t.Errorf("channel %d: the mean is off by %g", c, after/n)
		}
	}
	if off < 1e-2 {
		t.Errorf("without the correction the means are off by %g in all: the test says nothing", off)
	}
}
