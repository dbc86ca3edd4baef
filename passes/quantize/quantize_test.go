package quantize_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/passes/quantize"
)

// TestRanges: each method on elements whose best range is known.
func TestRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 100000)
	for i := range x {
		x[i] = float32(math.Abs(r.NormFloat64()))
	}
	x[7] = 100 // one outlier
	h := &quantize.Histogram{}
	h.Bound(x)
	h.Count(x)
	for method, limits := range map[string][2]float64{"minmax": {100, 100}, "percentile": {3, 6}, "mse": {10, 100}, "entropy": {3, 100}} {
		if got := h.Range(method); got.Low < 0 || got.High < limits[0] || got.High > limits[1] {
			t.Errorf("%s: %+v, want an end in %v", method, got, limits)
		}
	}
	// mse chooses the least of the squared errors that the definition gives for any part of the range.
	squared := func(high float64) float64 {
		step, sum := high/255, 0.0
		for _, v := range x {
			d := math.Min(math.RoundToEven(float64(v)/step), 255)*step - float64(v)
			sum += d * d
		}
		return sum
	}
	best := squared(h.Range("mse").High)
	for part := 7; part <= 64; part++ {
		if e := squared(100 * float64(part) / 64); e < 0.95*best {
			t.Errorf("mse: an end of %g has the error %g, the chosen one %g", 100*float64(part)/64, e, best)
		}
	}
	zero := &quantize.Histogram{}
	zero.Bound(make([]float32, 10))
	zero.Count(make([]float32, 10))
	for _, m := range quantize.Methods {
		if got := zero.Range(m); got != (quantize.Range{}) {
			t.Errorf("%s of zeros: %+v", m, got)
		}
	}
}

// net is a network with two branches that a concat joins, and a layer behind it.
func net(t *testing.T) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("net")
	weight := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1})
	}
	op := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ops.ActReLU}
	x := b.Do(op, b.Input("x", ir.Float(ir.Batch, 3, 8, 8)), weight("w0", 16, 3, 3, 3))
	y := b.Do(op, x, weight("w1", 8, 16, 1, 1))
	z := b.Do(ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x)
	x = b.Do(op, b.Do(ops.Concat{Axis: 1}, y, z), weight("w2", 12, 24, 3, 3))
	x = b.Do(ops.Dense{}, b.Do(ops.Flatten{}, b.Do(ops.GlobalAvgPool{}, x)), weight("w3", 5, 12))
	b.Graph().Outputs = []*ir.Value{x}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(b.Graph(), 1)
	return b.Graph()
}

// TestPoints: what a concat joins, and what a max pool reads and writes, share one group.
func TestPoints(t *testing.T) {
	g := net(t)
	layers := quantize.Layers(g)
	if len(layers) != 4 {
		t.Fatalf("%d layers, want 4", len(layers))
	}
	groups := map[string]int{}
	for _, p := range quantize.Points(g, layers[1:3]) {
		groups[p.Value.Name] = p.Group
	}
	if len(groups) != 4 {
		t.Fatalf("the points are %v, want the outputs of conv, conv_2, maxpool and concat", groups)
	}
	for _, name := range []string{"conv", "conv_2", "maxpool", "concat"} {
		if g, ok := groups[name]; !ok || g != 0 {
			t.Errorf("%s is in group %d, %v; all share the scale of the concat", name, g, ok)
		}
	}
}

// TestApply: the quantized network computes nearly what the network did; every weight is a whole
// multiple of its scale, of which the largest of a channel is at most 127, and pairs fit.
func TestApply(t *testing.T) {
	g := net(t)
	x := irtest.Inputs(g, 2, 1)
	want, err := ref.Run(g, x, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := g.Clone()
	layers := quantize.Layers(q)
	points := quantize.Points(q, layers)
	var keep []*ir.Value
	for _, p := range points {
		if p.Value.Def != nil {
			keep = append(keep, p.Value)
		}
	}
	res, err := ref.Run(q, x, ref.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	ranges := make([]quantize.Range, len(points))
	for _, p := range points {
		data := x[0].Data
		if p.Value.Def != nil {
			data = res[p.Value].Data
		}
		for _, v := range data {
			ranges[p.Group].Low, ranges[p.Group].High = math.Min(ranges[p.Group].Low, v), math.Max(ranges[p.Group].High, v)
		}
	}
	if err := quantize.Apply(q, layers, points, ranges, quantize.Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := ref.Run(q, x, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	diff, size := 0.0, 0.0
	for i, w := range want[g.Outputs[0]].Data {
		d := got[q.Outputs[0]].Data[i] - w
		diff, size = diff+d*d, size+w*w
	}
	if e := math.Sqrt(diff / size); e > 0.05 || e == 0 {
		t.Errorf("the outputs change by %g of their size", e)
	}
	for _, n := range q.Nodes {
		w, scale, ok := ops.QuantizedWeight(n.Out[0])
		if !ok {
			continue
		}
		data, s := q.Data[w.Name].Data, q.Data[scale.Name].Data
		pairsFit(t, q, w, scale)
		for o := range s {
			most := 0.0
			for _, v := range data[o*len(data)/len(s) : (o+1)*len(data)/len(s)] {
				k := float64(v / s[o])
				if math.Abs(k-math.RoundToEven(k)) > 1e-4 {
					t.Fatalf("%s: %v is %g times the scale %v", w.Name, v, k, s[o])
				}
				most = math.Max(most, math.Abs(math.RoundToEven(k)))
			}
			if most < 64 || most > 127 {
				t.Errorf("%s: the largest weight of channel %d is %g times its scale", w.Name, o, most)
			}
		}
	}
	if err := quantize.Apply(g.Clone(), quantize.Layers(g), points, ranges[:0], quantize.Options{}); err == nil || !strings.Contains(err.Error(), "no range") {
		t.Errorf("without ranges: %v", err)
	}
	h := g.Clone()
	delete(h.Data, "w1")
	l := quantize.Layers(h)
	if err := quantize.Apply(h, l, quantize.Points(h, l), ranges, quantize.Options{}); err == nil || !strings.Contains(err.Error(), "w1 has no values") {
		t.Errorf("without weights: %v", err)
	}
	h = g.Clone()
	l = quantize.Layers(h)
	if err := quantize.Apply(h, l, quantize.Points(h, l), []quantize.Range{{0, math.Inf(1)}, {0, 1}, {0, 1}, {0, 1}}, quantize.Options{}); err == nil || !strings.Contains(err.Error(), "no scale") {
		t.Errorf("an infinite range: %v", err)
	}
}

// pairsFit checks that the weights of channels 2i and 2i+1 that have one sign add up to at most 128
// steps: then kernels can add their products with bytes in 16 bits.
func pairsFit(t *testing.T, g *ir.Graph, w, scale *ir.Value) {
	t.Helper()
	x, s := g.Data[w.Name], g.Data[scale.Name].Data
	size := len(x.Data) / len(s)
	place := size / x.Shape[1] // weights of a channel
	for o := range s {
		for c := 0; c+1 < x.Shape[1]; c += 2 {
			for k := range place {
				at := o*size + c*place + k
				a, b := x.Data[at]/s[o], x.Data[at+place]/s[o]
				if sum := math.RoundToEven(float64(a)) + math.RoundToEven(float64(b)); a*b > 0 && math.Abs(sum) > 128 {
					t.Fatalf("%s: the weights %g and %g of channel %d do not fit", w.Name, a, b, o)
				}
			}
		}
	}
}

// TestApplyPairs: whatever the distribution of weights, pairs fit, and the error is at most that of
// rounding with a scale with which they fit unchanged. A dense layer behind a flatten reads maps.
func TestApplyPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for name, draw := range map[string]func() float64{
		"uniform": func() float64 { return 2*r.Float64() - 1 },
		"normal":  r.NormFloat64,
		"laplace": func() float64 { return r.ExpFloat64() * float64(1-2*r.IntN(2)) },
		"equal":   func() float64 { return 1 },
		"zero":    func() float64 { return 0 },
	} {
		b := ir.NewBuilder("net")
		weight := func(name string, shape ...int) *ir.Value {
			return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1})
		}
		op := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ops.ActReLU}
		x := b.Do(op, b.Input("x", ir.Float(ir.Batch, 7, 4, 5)), weight("conv", 6, 7, 3, 3))
		b.Graph().Outputs = []*ir.Value{b.Do(ops.Dense{}, b.Do(ops.Flatten{}, x), weight("dense", 5, 6*2*3))}
		g := b.Graph()
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		ir.Materialize(g, 1)
		before := map[string][]float32{}
		for w, d := range g.Data {
			for i := range d.Data {
				d.Data[i] = float32(draw())
			}
			before[w] = slices.Clone(d.Data)
		}
		layers := quantize.Layers(g)
		points := quantize.Points(g, layers)
		if err := quantize.Apply(g, layers, points, slices.Repeat([]quantize.Range{{High: 1}}, len(points)), quantize.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, n := range g.Nodes {
			w, scale, ok := ops.QuantizedWeight(n.Out[0])
			if !ok {
				continue
			}
			maps := *g.Data[w.Name]
			if w.Name == "dense" {
				maps.Shape = []int{5, 6, 2, 3}
				g.Data[w.Name] = &maps
			}
			pairsFit(t, g, w, scale)
			sum, bound := 0.0, 0.0
			row := len(maps.Data) / maps.Shape[0]
			for o := range maps.Shape[0] {
				most := 0.0
				for i, y := range maps.Data[o*row : (o+1)*row] {
					d := float64(y) - float64(before[w.Name][o*row+i])
					sum += d * d
					most = math.Max(most, math.Abs(float64(before[w.Name][o*row+i])))
				}
				bound += float64(row) * math.Pow(most/64/2, 2) // half a step where no weight has more than 64
			}
			if sum > bound {
				t.Errorf("%s weights of %s: the sum of the squares of the errors is %g, more than %g", name, w.Name, sum, bound)
			}
		}
	}
}

// TestApplyLargeBias: a bias that has more than 30 bits in steps of a channel's products gets a larger
// scale, so that neither it nor a sum saturates.
func TestApplyLargeBias(t *testing.T) {
	b := ir.NewBuilder("net")
	param := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1})
	}
	op := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ops.ActReLU}
	out := b.Do(op, b.Input("x", ir.Float(ir.Batch, 3, 8, 8)), param("w", 4, 3, 3, 3), b.Param("b", []int{4}, ir.Param{Init: ir.Init{Kind: ir.InitConstant}, LR: 1}))
	g := b.Graph()
	g.Outputs = []*ir.Value{out}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	ir.Materialize(g, 1)
	layers := quantize.Layers(g)
	points := quantize.Points(g, layers)
	n := layers[0]
	bias := g.Data[n.In[2].Name]
	bias.Data[0], bias.Data[1] = -1e6, 3e9
	ranges := make([]quantize.Range, len(points))
	for i := range ranges {
		ranges[i] = quantize.Range{Low: 0, High: 1}
	}
	if err := quantize.Apply(g, layers, points, ranges, quantize.Options{}); err != nil {
		t.Fatal(err)
	}
	x, ok := ops.Grid(n.In[0])
	_, scale, quantized := ops.QuantizedWeight(n.In[1])
	if !ok || !quantized {
		t.Fatal("the layer is not quantized")
	}
	for o, b := range bias.Data {
		steps := math.Abs(float64(b)) / (x.Scale * float64(g.Data[scale.Name].Data[o]))
		if steps > 1<<30+128 || o < 2 && steps < 1<<29 {
			t.Errorf("channel %d: a bias of %g is %g steps", o, b, steps)
		}
	}
}
