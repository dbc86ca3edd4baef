package quantize_test

import (
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/quantize"
)

// lsqGolden is what PyTorch computes: testdata/lsq.py.
//
//go:embed testdata/lsq.json
var lsqGolden []byte

// TestWeightsStep: with plain gradient descent, weights and steps become what the gradients of PyTorch's
// _fake_quantize_learnable_per_channel_affine make of them.
func TestWeightsStep(t *testing.T) {
	var c struct{ X, Steps, Y, Dy, Dx, Dsteps []float32 }
	if err := json.Unmarshal(lsqGolden, &c); err != nil {
		t.Fatal(err)
	}
	// One input channel: no two weights are neighbours.
	b := ir.NewBuilder("t")
	y := b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, b.Input("x", ir.Float(ir.Batch, 1, 9, 9)), b.Param("w", []int{3, 1, 4, 5}, ir.Param{LR: 1}))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Graph().Data = map[string]*tensor.F32{"w": tensor.Of(c.X, 3, 1, 4, 5)}
	w, err := quantize.NewWeights(b.Graph(), y.Def)
	if err != nil {
		t.Fatal(err)
	}
	rounded, after := make([]float32, len(c.X)), make([]float32, len(c.X))
	w.Round(rounded, c.X, c.Steps)
	const rate = 1e-4
	for i, v := range rounded {
		if math.Abs(float64(v-c.Y[i])) > 1e-6 {
			t.Fatalf("%g becomes %g, PyTorch has %g", c.X[i], v, c.Y[i])
		}
		after[i] = v - rate*c.Dy[i]
	}
	x, steps := slices.Clone(c.X), slices.Clone(c.Steps)
	w.Step(x, steps, rounded, after)
	cut := 0
	for i, v := range x {
		if want := c.X[i] - rate*c.Dx[i]; math.Abs(float64(v-want)) > 3e-7 {
			t.Errorf("weight %d is %g, want %g", i, v, want)
		}
		if c.Dx[i] == 0 {
			cut++
		}
	}
	for i, s := range steps {
		if got, want := float64(s-c.Steps[i]), -rate*float64(c.Dsteps[i]); math.Abs(got-want) > 0.01*math.Abs(want)+1e-8 {
			t.Errorf("step %d changes by %g, want %g", i, got, want)
		}
	}
	if cut == 0 {
		t.Error("no weight is cut off")
	}
}

// TestFake: a network that is ready for the training computes what Apply makes of it with the same ranges
// and scales.
func TestFake(t *testing.T) {
	g := net(t)
	layers := quantize.Trained(g)
	if len(layers) != 2 {
		t.Fatalf("%d layers are trained, want the 2 between the first and the last", len(layers))
	}
	fake := g.Clone()
	layers = quantize.Trained(fake)
	points := quantize.Points(fake, layers)
	ranges := make([]quantize.Range, len(points))
	for i := range ranges {
		ranges[i] = quantize.Range{High: 2.5}
	}
	var rounding []quantize.Weights
	for _, n := range layers {
		w, err := quantize.NewWeights(fake, n)
		if err != nil {
			t.Fatal(err)
		}
		rounding = append(rounding, w)
	}
	if err := quantize.Fake(fake, layers, points, ranges); err != nil {
		t.Fatal(err)
	}
	fakes := 0
	for _, n := range fake.Nodes {
		if _, ok := n.Op.(ops.FakeQuantize); ok {
			fakes++
		}
	}
	if fakes != 2 {
		t.Errorf("%d fake_quantize ops, want one for each of the convolutions that the concat joins: the pool and the concat move numbers alone", fakes)
	}
	scales := map[string][]float32{}
	for i, w := range rounding {
		steps := fake.Data[w.Name+quantize.StepSuffix].Data
		scales[layers[i].Out[0].Name] = steps
		y := tensor.Make[float32](fake.Data[w.Name].Shape)
		w.Round(y.Data, fake.Data[w.Name].Data, steps)
		fake.Data[w.Name] = y
	}
	whole := g.Clone()
	l := quantize.Trained(whole)
	if err := quantize.Apply(whole, l, quantize.Points(whole, l), ranges, quantize.Options{Scales: scales}); err != nil {
		t.Fatal(err)
	}
	x := irtest.Inputs(g, 3, 1)[0]
	a, b := outputs(t, fake, x), outputs(t, whole, x)
	for i, v := range a.Data {
		if math.Abs(v-b.Data[i]) > 1e-5 {
			t.Errorf("output %d is %g, the quantized network has %g", i, v, b.Data[i])
		}
	}
	if d := squaredError(a, outputs(t, g, x)); d == 0 {
		t.Error("rounding changes nothing")
	}
	h := g.Clone()
	l = quantize.Trained(h)
	if err := quantize.Fake(h, l, quantize.Points(h, l), nil); err == nil {
		t.Error("without ranges there is no error")
	}
	if q := (ops.FakeQuantize{Signed: true}); quantize.RangeOf(q, 0.5) != (quantize.Range{Low: -64, High: 63.5}) {
		t.Errorf("the range of a step of 0.5 is %v", quantize.RangeOf(q, 0.5))
	}
}
