package quantize_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/quantize"
)

// layer is a network of one convolution with a bias, of stride 2, padding and dilation.
func layer(t *testing.T, act ops.Act) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("layer")
	param := func(name string, kind ir.InitKind, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: kind, A: 0.5}, LR: 1})
	}
	op := ops.Conv{Stride: ir.HW{2, 1}, Dilation: ir.HW{1, 2}, Pad: ir.Pads{1, 2, 0, 1}, Groups: 1, Act: act}
	y := b.Do(op, b.Input("x", ir.Float(ir.Batch, 3, 7, 9)), param("w", ir.InitGlorot, 8, 3, 3, 2), param("b", ir.InitUniform, 8))
	b.Graph().Outputs = []*ir.Value{y}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(b.Graph(), 1)
	return b.Graph()
}

// outputs runs a graph on images.
func outputs(t *testing.T, g *ir.Graph, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	y, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return y[g.Outputs[0]]
}

// correlated returns images whose channels and pixels depend on each other.
func correlated(g *ir.Graph, images int) *tensor.Tensor {
	x := irtest.Inputs(g, images, 3)[0]
	r := rand.New(rand.NewPCG(4, 5))
	for at := 0; at < len(x.Data); at += 9 {
		shared := 1 + r.NormFloat64()
		for i := range 9 {
			x.Data[at+i] = float64(float32(0.2*x.Data[at+i] + shared))
		}
	}
	return x
}

func momentsOf(t *testing.T, g *ir.Graph, x *tensor.Tensor, patches int) map[string]*quantize.Moments {
	t.Helper()
	n := quantize.Layers(g)[0]
	m, err := quantize.NewMoments(n)
	if err != nil {
		t.Fatal(err)
	}
	image := tensor.Round(x).Data
	draw := rand.New(rand.NewPCG(1, 1))
	for at := 0; at < len(image); at += m.Size() {
		m.Add(image[at:at+m.Size()], draw, patches)
	}
	return map[string]*quantize.Moments{n.Out[0].Name: m}
}

// apply quantizes the weights of a graph of one layer, with the input's range so wide and fine that
// only the weights count.
func apply(t *testing.T, g *ir.Graph, opt quantize.Options) *ir.Graph {
	t.Helper()
	q := g.Clone()
	l := quantize.Layers(q)
	points := quantize.Points(q, l)
	if err := quantize.Apply(q, l, points, []quantize.Range{{Low: -1e3, High: 1e3}}, opt); err != nil {
		t.Fatal(err)
	}
	// The input stays as it is.
	for _, n := range q.Nodes {
		if n.Op == (ops.Quantize{Scale: 1, Signed: true}) {
			continue
		}
		if _, ok := n.Op.(ops.Conv); ok {
			n.In[0] = q.Inputs[0]
		}
	}
	return q
}

func squaredError(a, b *tensor.Tensor) float64 {
	s := 0.0
	for i := range a.Data {
		s += (a.Data[i] - b.Data[i]) * (a.Data[i] - b.Data[i])
	}
	return s
}

// TestRound: the rounding that moments choose has a smaller error on the images that they are
// of, and on others, than rounding to the nearest; every weight is a whole multiple of its scale.
func TestRound(t *testing.T) {
	g := layer(t, ops.ActNone)
	// Four bits would show more; eight show enough: the scale of a large weight.
	for o := range 8 {
		g.Data["w"].Data[o*18] = 20
	}
	x := correlated(g, 40)
	plain := apply(t, g, quantize.Options{})
	round := apply(t, g, quantize.Options{Moments: momentsOf(t, g, x, 100), Round: true})
	for name, x := range map[string]*tensor.Tensor{"calibration": x, "others": correlated(g, 7)} {
		want := outputs(t, g, x)
		if a, b := squaredError(outputs(t, plain, x), want), squaredError(outputs(t, round, x), want); b > 0.7*a || a == 0 {
			t.Errorf("%s: the error is %g, that of rounding to the nearest %g", name, b, a)
		}
	}
	moved := 0
	scales := round.Data["w/scale"]
	for i, v := range round.Data["w"].Data {
		k := float64(v / scales.Data[i/18])
		if math.Abs(k-math.RoundToEven(k)) > 1e-4 || math.Abs(k) > 127.5 {
			t.Fatalf("weight %d is %g times its scale", i, k)
		}
		if v != plain.Data["w"].Data[i] {
			moved++
		}
		if i%18 >= 6 { // the second of two neighbours; the third channel has none
			continue
		}
		if a := math.RoundToEven(float64(round.Data["w"].Data[i+6] / scales.Data[i/18])); a*k > 0 && math.Abs(a+k) > 128.5 {
			t.Errorf("neighbours %g and %g", k, a)
		}
	}
	if moved == 0 {
		t.Error("all weights are rounded to the nearest")
	}
}

// TestRoundWithoutCorrelation: where inputs do not depend on each other, the nearest number is best.
func TestRoundWithoutCorrelation(t *testing.T) {
	b := ir.NewBuilder("dense")
	y := b.Do(ops.Dense{}, b.Input("x", ir.Float(ir.Batch, 6)), b.Param("w", []int{4, 6}, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1}))
	g := b.Graph()
	g.Outputs = []*ir.Value{y}
	ir.Materialize(g, 1)
	x := tensor.New(6, 6)
	for i := range 6 {
		x.Data[i*7] = float64(1 + i)
	}
	m := momentsOf(t, g, x, 1)
	var w [2][]float32
	for i, opt := range []quantize.Options{{}, {Moments: m, Round: true}} {
		q := g.Clone()
		l := quantize.Layers(q)
		if err := quantize.Apply(q, l, quantize.Points(q, l), []quantize.Range{{0, 8}}, opt); err != nil {
			t.Fatal(err)
		}
		w[i] = q.Data["w"].Data
	}
	for i := range w[0] {
		if w[0][i] != w[1][i] {
			t.Errorf("weight %d: %g, want %g", i, w[1][i], w[0][i])
		}
	}
}

// TestBias: the mean output of each channel is that of the network in float32.
func TestBias(t *testing.T) {
	g := layer(t, ops.ActNone)
	x := correlated(g, 20)
	m := momentsOf(t, g, x, 1)
	means := func(y *tensor.Tensor) []float64 {
		l := make([]float64, 8)
		plane := y.Shape[2] * y.Shape[3]
		for i, v := range y.Data {
			l[i/plane%8] += v / float64(len(y.Data)/8)
		}
		return l
	}
	want := means(outputs(t, g, x))
	plain, fixed := means(outputs(t, apply(t, g, quantize.Options{}), x)), means(outputs(t, apply(t, g, quantize.Options{Moments: m, Bias: true}), x))
	off := 0.0
	for c, w := range want {
		off += math.Abs(plain[c] - w)
		if d := math.Abs(fixed[c] - w); d > 1e-6 {
			t.Errorf("channel %d: the mean is off by %g", c, d)
		}
	}
	if off < 1e-4 {
		t.Errorf("without the correction the means are off by %g in all: the test says nothing", off)
	}
}

// TestEqualize: the network computes the same, and the largest elements of the channels are more
// alike; what is read by a softmax, or twice by another op, is not changed.
func TestEqualize(t *testing.T) {
	b := ir.NewBuilder("net")
	weight := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitHe}, LR: 1})
	}
	conv := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ops.ActReLU}
	x := b.Do(conv, b.Input("x", ir.Float(ir.Batch, 3, 8, 8)), weight("w0", 8, 3, 3, 3), b.Param("b0", []int{8}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 0.5}, LR: 1}))
	y := b.Do(conv, x, weight("w1", 6, 8, 1, 1))
	z := b.Do(ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x)
	x = b.Do(conv, b.Do(ops.Concat{Axis: 1}, y, z), weight("w2", 5, 14, 3, 3))
	x = b.Do(ops.Softmax{Axis: 1}, b.Do(ops.Dense{}, b.Do(ops.Flatten{}, b.Do(ops.GlobalAvgPool{}, x)), weight("w3", 5, 5)))
	g := b.Graph()
	g.Outputs = []*ir.Value{x}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(g, 1)
	for i := range g.Data["w0"].Data { // channels of unequal size
		g.Data["w0"].Data[i] *= float32(1 + i/27)
	}
	in := irtest.Inputs(g, 4, 2)[0]
	want := outputs(t, g, in)
	h := g.Clone()
	maxima := func(g *ir.Graph) map[string][]float32 {
		l := map[string][]float32{}
		var keep []*ir.Value
		for _, n := range quantize.Layers(g) {
			keep = append(keep, n.Out[0])
		}
		res, err := ref.Run(g, []*tensor.Tensor{in}, ref.Options{Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range keep {
			m := make([]float32, v.Type.Shape[1])
			plane := len(res[v].Data) / res[v].Shape[0] / len(m)
			for i, x := range res[v].Data {
				c := i / plane % len(m)
				m[c] = max(m[c], float32(math.Abs(x)))
			}
			l[v.Name] = m
		}
		return l
	}
	before := maxima(h)
	if n := quantize.Equalize(h, quantize.Layers(h), func(v *ir.Value) []float32 { return before[v.Name] }); n != 3 {
		t.Errorf("%d layers changed, want 3: all but the last", n)
	}
	got := outputs(t, h, in)
	for i, w := range want.Data {
		if math.Abs(got.Data[i]-w) > 1e-5 {
			t.Fatalf("output %d is %g, was %g", i, got.Data[i], w)
		}
	}
	spread := func(m []float32) float64 {
		low, high := math.Inf(1), 0.0
		for _, v := range m {
			if v > 0 {
				low, high = math.Min(low, float64(v)), math.Max(high, float64(v))
			}
		}
		return high / low
	}
	name := quantize.Layers(g)[0].Out[0].Name
	if a, b := spread(before[name]), spread(maxima(h)[name]); b > a/1.5 {
		t.Errorf("the largest elements of the channels of %s are within a factor of %g, were within %g", name, b, a)
	}
	if g.Data["w0"].Data[0] == h.Data["w0"].Data[0] {
		t.Error("the weights of the original changed, or none did")
	}
}
