package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	ptq "github.com/incc-lang/incc/passes/quantize"
)

// quantized returns a graph with the layers quantized, from one on, by the ranges that its values have
// for an input.
func quantized(t *testing.T, g *ir.Graph, x []*tensor.Tensor, from int) *ir.Graph {
	t.Helper()
	g = g.Clone()
	ir.Materialize(g, 1)
	layers := ptq.Layers(g)[from:]
	points := ptq.Points(g, layers)
	var keep []*ir.Value
	for _, p := range points {
		keep = append(keep, p.Value)
	}
	res, err := ref.Run(g, x, ref.Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	ranges := make([]ptq.Range, len(points))
	for _, p := range points {
		r := &ranges[p.Group]
		for _, v := range res[p.Value].Data {
			r.Low, r.High = math.Min(r.Low, v), math.Max(r.High, v)
		}
	}
	if err := ptq.Apply(g, layers, points, ranges, ptq.Options{}); err != nil {
		t.Fatal(err)
	}
	return g
}

// int8Net has what kernels for bytes meet: branches that a join puts in place or copies, pools, a sum
// with a ReLU, inputs with a zero point, an activation that is no limit, and float ops between.
func int8Net(t *testing.T, seed uint64) *ir.Graph {
	r := rand.New(rand.NewPCG(seed, 9))
	b := newNet(t, fmt.Sprintf("int8 %d", seed))
	width := func() int { return []int{16, 32, 48, 1 + r.IntN(40)}[r.IntN(4)] }
	same := func(k int) ops.Conv { return ops.Conv{Pad: ir.Pads{k / 2, k / 2, k / 2, k / 2}} }
	x := b.image(3, 9+r.IntN(8), 9+r.IntN(8))
	x = b.op("stem/relu", ops.ReLU{}, b.conv("stem", x, width(), ir.HW{3, 3}, same(3)))
	x = b.op("pool", ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true}, x)
	var branches []*ir.Value
	for i := range 3 {
		n := func(s string) string { return fmt.Sprintf("b%d/%s", i, s) }
		y := b.op(n("relu"), ops.ReLU{}, b.conv(n("reduce"), x, width(), ir.HW{1, 1}, ops.Conv{}))
		k := []int{1, 3, 5}[i]
		op := same(k)
		op.Act = []ops.Act{ops.ActReLU, ops.ActNone, ops.ActReLU6}[r.IntN(3)]
		branches = append(branches, b.conv(n("conv"), y, width(), ir.HW{k, k}, op))
	}
	branches = append(branches, b.op("bp/pool", ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x))
	x = b.op("join", ops.Concat{Axis: 1}, branches...)
	y := b.conv("body", b.op("body/relu", ops.ReLU{}, b.conv("body/reduce", x, width(), ir.HW{1, 1}, ops.Conv{})), x.Type.Shape[1], ir.HW{3, 3}, same(3))
	x = b.op("sum/relu", ops.ReLU{}, b.op("sum", ops.Add{}, y, x))
	z := b.conv("gate", x, width(), ir.HW{1, 1}, ops.Conv{Act: ops.ActSigmoid})
	x = b.op("both", ops.Concat{Axis: 1}, b.conv("depthwise", x, x.Type.Shape[1], ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}, Groups: x.Type.Shape[1]}), z)
	x = b.conv("signed", x, 20, ir.HW{3, 3}, ops.Conv{Stride: ir.HW{2, 2}})
	x = b.op("flat", ops.Flatten{}, b.op("gap", ops.GlobalAvgPool{}, x))
	return b.done(b.dense("top", x, 10))
}

// TestInt8 runs quantized networks. All tiers and numbers of threads give the same bits; they differ
// from the reference, which computes the layers between the quantizes in float64, by no more than
// the steps that lie in the middle between two numbers.
func TestInt8(t *testing.T) {
	algos := map[string]int{}
	for seed := range uint64(12) {
		g := int8Net(t, seed)
		const batch = 3
		x := irtest.Inputs(g, batch, int64(seed))
		q := quantized(t, g, x, int(seed%2)) // every second time the first layer, too
		want, err := ref.Run(q, x, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		in, out := tensor.Round(x[0]).Data, q.Outputs[0]
		var first []float32
		for _, isa := range kernel.Available() {
			for _, threads := range []int{1, 3} {
				p, err := Compile(q, Options{Batch: batch, Threads: threads, ISA: isa.String(), Debug: threads > 1})
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range p.Plan().Steps {
					algos[s.Algo]++
					if _, ok := s.Do.(kernel.QuantizeQuads); ok {
						algos["quads"]++
					}
				}
				y := make([]float32, batch*out.Type.Shape.Size())
				if err := p.NewSession().Run([][]float32{in}, [][]float32{y}); err != nil {
					t.Fatal(err)
				}
				// The layers in float32 between them are rounded by portable kernels in another way.
				if isa == kernel.Portable {
					nearRMS(t, fmt.Sprint(isa, seed), y, want[out], 0.03)
					continue
				}
				if first == nil {
					first = y
				}
				if !slices.Equal(first, y) {
					t.Errorf("seed %d: %v on %d threads computes other bits", seed, isa, threads)
				}
			}
		}
		nearRMS(t, fmt.Sprint("vector", seed), first, want[out], 0.03)
		float, err := ref.Run(g, x, ref.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		nearRMS(t, fmt.Sprint("float", seed), first, float[g.Outputs[0]], 0.2)
	}
	for _, a := range []string{"int8", "int8 add", "quantize", "bytes to blocked", "max pool", "quads", "int8 depthwise"} {
		if algos[a] == 0 {
			t.Errorf("no step is %q", a)
		}
	}
}

// nearRMS compares by the root mean square of the differences.
func nearRMS(t *testing.T, what string, got []float32, want *tensor.Tensor, most float64) {
	t.Helper()
	if got == nil {
		return // this machine has the portable tier alone
	}
	diff, size := 0.0, 0.0
	for i, w := range want.Data {
		d := float64(got[i]) - w
		diff += d * d
		size += w * w
	}
	if !(diff <= most*most*size) {
		t.Errorf("%s: the difference is %.2g of the result", what, math.Sqrt(diff/size))
	}
}

// TestInt8Outputs: a network that consists of integer layers alone, whose output is quantized, and
// one whose input is.
func TestInt8Outputs(t *testing.T) {
	b := newNet(t, "bytes")
	scale := b.Const("s", tensor.Of([]float32{0.01, 0.02, 0.03, 0.01, 0.02}, 5))
	x := b.op("in", ops.Quantize{Scale: 0.02, Zero: 100}, b.image(20, 5, 4))
	w := b.op("wq", ops.Quantize{Scale: 1, Signed: true}, b.weight("w", 5, 20, 1, 1), scale)
	y := b.op("out", ops.Quantize{Scale: 0.05, Zero: -3, Signed: true}, b.op("conv", ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, x, w))
	g := b.done(y)
	in := irtest.Inputs(g, 2, 3)
	want, err := ref.Run(g, in, ref.Options{Seed: 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, isa := range kernel.Available() {
		p, err := Compile(g, Options{Batch: 2, ISA: isa.String()})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, 2*5*5*4)
		if err := p.NewSession().Run([][]float32{tensor.Round(in[0]).Data}, [][]float32{got}); err != nil {
			t.Fatal(err)
		}
		for i, v := range want[y].Data {
			if d := math.Abs(float64(got[i]) - v); d > 0.0501 {
				t.Fatalf("%v: element %d is %v, want %v", isa, i, got[i], v)
			}
		}
	}
}
