package ops_test

import (
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// naiveConv computes a convolution by its definition, with seven nested loops.
func naiveConv(c ops.Conv, x, w, bias *tensor.Tensor, oh, ow int) *tensor.Tensor {
	oc, ic := w.Shape[0]/c.Groups, w.Shape[1]
	y := tensor.New(x.Shape[0], w.Shape[0], oh, ow)
	for n := range x.Shape[0] {
		for o := range w.Shape[0] {
			for p := range oh {
				for q := range ow {
					sum := 0.0
					for i := range ic {
						for kh := range w.Shape[2] {
							for kw := range w.Shape[3] {
								h := p*c.Stride[0] - c.Pad[0] + kh*c.Dilation[0]
								v := q*c.Stride[1] - c.Pad[1] + kw*c.Dilation[1]
								if h >= 0 && h < x.Shape[2] && v >= 0 && v < x.Shape[3] {
									sum += w.At(o, i, kh, kw) * x.At(n, o/oc*ic+i, h, v)
								}
							}
						}
					}
					if bias != nil {
						sum += bias.Data[o]
					}
					y.Set(sum, n, o, p, q)
				}
			}
		}
	}
	return y
}

// The optimized loops of conv agree with the definition, for every kind of geometry and
// for maps large enough to be divided into several tasks.
func TestConvIsNaive(t *testing.T) {
	r := newDraw(11)
	type use struct {
		op ops.Conv
		in []ir.Type
	}
	var uses []use
	for range 300 {
		op, in := random["conv"](r)
		uses = append(uses, use{op.(ops.Conv), in})
	}
	plain := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}
	wide := plain
	wide.Stride, wide.Pad = ir.HW{2, 1}, ir.Pads{3, 3, 2, 4}
	uses = append(uses, use{wide, []ir.Type{float(batch, 9, 67, 61), float(33, 9, 7, 7), float(33)}},
		use{plain, []ir.Type{float(batch, 64, 7, 7), float(65, 64, 1, 1)}},
		use{plain, []ir.Type{float(batch, 300, 20, 20), float(17, 300, 3, 3)}})
	for _, u := range uses {
		u.op.Act = ops.ActNone
		xs := r.values(u.op, u.in, r.in(1, 2))
		got, err := u.op.Eval(xs)
		if err != nil {
			t.Fatal(err)
		}
		var bias *tensor.Tensor
		if len(xs) > 2 {
			bias = xs[2]
		}
		want := naiveConv(u.op, xs[0], xs[1], bias, got[0].Shape[2], got[0].Shape[3])
		if d, s := tensor.MaxDiff(got[0], want); d > 1e-12*(1+s) {
			t.Errorf("%s of %v: differs by %g of %g", ir.FormatOp(u.op), u.in, d, s)
		}
	}
}

// naivePool computes windows as PyTorch's kernels do: first start and end within the
// padded input, then within the input.
func naivePool(x *tensor.Tensor, k, s ir.HW, p ir.Pads, ceil, average, include bool) *tensor.Tensor {
	size := func(in, k, s, before, after int) int {
		f := float64(in+before+after-k) / float64(s)
		n := int(math.Floor(f)) + 1
		if ceil {
			n = int(math.Ceil(f)) + 1
			if (n-1)*s >= in+before {
				n--
			}
		}
		return n
	}
	h, w := x.Shape[2], x.Shape[3]
	y := tensor.New(x.Shape[0], x.Shape[1], size(h, k[0], s[0], p[0], p[2]), size(w, k[1], s[1], p[1], p[3]))
	for n := range y.Shape[0] {
		for c := range y.Shape[1] {
			for i := range y.Shape[2] {
				for j := range y.Shape[3] {
					sum, top, count, inside := 0.0, math.Inf(-1), 0, 0
					for a := i*s[0] - p[0]; a < i*s[0]-p[0]+k[0]; a++ {
						for b := j*s[1] - p[1]; b < j*s[1]-p[1]+k[1]; b++ {
							if a >= h+p[2] || b >= w+p[3] {
								continue // outside of the padding, because of ceil
							}
							count++
							if a >= 0 && a < h && b >= 0 && b < w {
								inside++
								v := x.At(n, c, a, b)
								sum += v
								top = math.Max(top, v)
							}
						}
					}
					if !include {
						count = inside
					}
					if average {
						top = sum / float64(count)
					}
					y.Set(top, n, c, i, j)
				}
			}
		}
	}
	return y
}

func TestPoolsAreNaive(t *testing.T) {
	r := newDraw(5)
	for i := range 500 {
		name := []string{"maxpool", "avgpool"}[i%2]
		op, in := random[name](r)
		xs := r.values(op, in, 2)
		got, err := op.Eval(xs)
		if err != nil {
			t.Fatal(err)
		}
		var want *tensor.Tensor
		switch p := op.(type) {
		case ops.MaxPool:
			want = naivePool(xs[0], p.Kernel, p.Stride, p.Pad, p.Ceil, false, false)
		case ops.AvgPool:
			want = naivePool(xs[0], p.Kernel, p.Stride, p.Pad, p.Ceil, true, p.IncludePad)
		}
		if d, s := tensor.MaxDiff(got[0], want); d > 1e-14*(1+s) || !slices.Equal(got[0].Shape, want.Shape) {
			t.Errorf("%s of %v: %v, want %v", ir.FormatOp(op), in, got[0], want)
		}
	}
}

// Values computed by hand, for each rule of the language that defines an op.
func TestByHand(t *testing.T) {
	nan := math.NaN()
	row := func(v ...float64) *tensor.Tensor { return tensor.Of(v, 1, 1, 1, len(v)) }
	col := func(v ...float64) *tensor.Tensor { return tensor.Of(v, 1, len(v), 1, 1) }
	vec := func(v ...float64) *tensor.Tensor { return tensor.Of(v, len(v)) }
	mat := func(n int, v ...float64) *tensor.Tensor { return tensor.Of(v, n, len(v)/n) }
	k13, k12, s11, s12 := ir.HW{1, 3}, ir.HW{1, 2}, ir.HW{1, 1}, ir.HW{1, 2}
	ramp := row(1, 2, 3, 4, 5, 6)
	for _, c := range []struct {
		why  string
		op   ir.Op
		in   []*tensor.Tensor
		want []float64
	}{
		{"ceil adds a window", ops.MaxPool{Kernel: k13, Stride: s12, Ceil: true}, []*tensor.Tensor{ramp}, []float64{3, 5, 6}},
		{"floor does not", ops.MaxPool{Kernel: k13, Stride: s12}, []*tensor.Tensor{ramp}, []float64{3, 5}},
		{"a window that would start in the padding behind is dropped", ops.MaxPool{Kernel: k12, Stride: ir.HW{1, 3}, Pad: ir.Pads{0, 1, 0, 1}, Ceil: true}, []*tensor.Tensor{row(1, 2, 3, 4, 5)}, []float64{1, 4}},
		{"a window larger than the input", ops.MaxPool{Kernel: k13, Stride: s12, Ceil: true}, []*tensor.Tensor{row(2, 1)}, []float64{2}},
		{"the mean leaves padding out", ops.AvgPool{Kernel: k13, Stride: s12, Pad: ir.Pads{0, 1, 0, 1}}, []*tensor.Tensor{ramp}, []float64{1.5, 3, 5}},
		{"include_pad counts it", ops.AvgPool{Kernel: k13, Stride: s12, Pad: ir.Pads{0, 1, 0, 1}, IncludePad: true}, []*tensor.Tensor{ramp}, []float64{1, 3, 5}},
		{"but not what ceil adds", ops.AvgPool{Kernel: k13, Stride: s12, Pad: ir.Pads{0, 1, 0, 1}, Ceil: true, IncludePad: true}, []*tensor.Tensor{ramp}, []float64{1, 3, 5, 3}},
		{"NaN wins a maximum", ops.MaxPool{Kernel: k12, Stride: s11}, []*tensor.Tensor{row(1, nan, 3, 2)}, []float64{nan, nan, 3}},
		{"relu lets NaN pass", ops.ReLU{}, []*tensor.Tensor{vec(-1, nan, 0, 2)}, []float64{0, nan, 0, 2}},
		{"relu'(0) is 0", ops.ReLUDx{}, []*tensor.Tensor{vec(5, 6, 7), vec(0, 3, 0)}, []float64{0, 6, 0}},
		// The numbers of the next lines are PyTorch 2.15's in float64: torch.nn.functional.NAME(x), and
		// the gradients of their sums.
		{"clip", ops.Clip{Min: -1, Max: 2}, []*tensor.Tensor{vec(-3, -1, nan, 0.5, 2, 7)}, []float64{-1, -1, nan, 0.5, 2, 2}},
		{"clip' at the bounds is 0", ops.ClipDx{Min: -1, Max: 2}, []*tensor.Tensor{vec(3, 4, 5, 6), vec(-1, 2, 1, -0.5)}, []float64{0, 0, 5, 6}},
		{"silu", ops.SiLU{}, []*tensor.Tensor{vec(-2, 0, 1.5)}, []float64{-0.23840584404423515, 0, 1.2263617142904062}},
		{"silu'", ops.SiLUDx{}, []*tensor.Tensor{vec(1, 1, 2), vec(-2, 0, 1.5)}, []float64{-0.09078424878489547, 0.5, 2 * 1.041294154299143}},
		{"hardswish", ops.HardSwish{}, []*tensor.Tensor{vec(-4, -3, -1, 2, 3, 4)}, []float64{0, 0, -1. / 3, 5. / 3, 3, 4}},
		{"hardswish'", ops.HardSwishDx{}, []*tensor.Tensor{vec(1, 1, 3, 1), vec(-4, -1, 2, 4)}, []float64{0, 1. / 6, 3.5, 1}},
		{"hardsigmoid", ops.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}, []*tensor.Tensor{vec(-4, -1, 2, 4)}, []float64{0, 1. / 3, 5. / 6, 1}},
		{"gelu", ops.GELU{}, []*tensor.Tensor{vec(-2, -0.5, 0, 1)}, []float64{-0.045500263896358417, -0.15426876936299344, 0, 0.8413447460685429}},
		{"gelu by tanh", ops.GELU{Tanh: true}, []*tensor.Tensor{vec(-2, -0.5, 0, 1)}, []float64{-0.04540230591222494, -0.15428599017485606, 0, 0.8411919906082768}},
		{"gelu'", ops.GELUDx{}, []*tensor.Tensor{vec(1, 1, 1), vec(-2, -0.5, 1)}, []float64{-0.08523180107819692, 0.13250487534383712, 1.0833154705876864}},
		{"leaky relu", ops.LeakyReLU{Alpha: 0.1}, []*tensor.Tensor{vec(-2, 0, 3, nan)}, []float64{-0.2, 0, 3, nan}},
		{"ties of maxpool go to the first", ops.MaxPoolDx{Kernel: k13, Stride: s11}, []*tensor.Tensor{row(10, 20), row(4, 4, 1, 4)}, []float64{10, 20, 0, 0}},
		{"ties of maxout too", ops.MaxoutDx{Pieces: 2}, []*tensor.Tensor{col(10, 20), col(4, 4, 1, 3)}, []float64{10, 0, 0, 20}},
		{"pieces of a unit are adjacent", ops.Maxout{Pieces: 2}, []*tensor.Tensor{col(1, 5, nan, 2, 7, 3)}, []float64{5, nan, 7}},
		{"lrn divides alpha by size", ops.LRN{Size: 3, Alpha: 3, Beta: 1, K: 1}, []*tensor.Tensor{col(1, 2, 3, 4)}, []float64{1. / 6, 2. / 15, 3. / 30, 4. / 26}},
		{"an even lrn looks further ahead than back", ops.LRN{Size: 2, Alpha: 2, Beta: 1, K: 1}, []*tensor.Tensor{col(1, 2, 3)}, []float64{1. / 6, 2. / 14, 3. / 10}},
		{"softmax over C of a map", ops.Softmax{Axis: 1}, []*tensor.Tensor{tensor.Of([]float64{0, math.Log(9), math.Log(3), 0}, 1, 2, 1, 2)}, []float64{0.25, 0.9, 0.75, 0.1}},
		{"pytorch's rmsprop, eps outside the root", ops.RMSProp{Rho: 0.75, Eps: 2, Momentum: 0.5, LR: 1, Torch: true}, []*tensor.Tensor{vec(10), vec(4), tensor.Scalar(0.3), vec(0), vec(2)}, []float64{10 - 0.3*(1+4/(2.0+2))}},
		{"softmax does not overflow", ops.Softmax{Axis: 1}, []*tensor.Tensor{mat(1, 1000, 1000)}, []float64{0.5, 0.5}},
		{"batch norm", ops.BatchNorm{Eps: 1}, []*tensor.Tensor{mat(1, 5, 7), vec(2, 3), vec(1, 0), vec(1, 1), vec(3, 8)}, []float64{5, 6}},
		{"flatten goes C, H, W", ops.Flatten{}, []*tensor.Tensor{tensor.Of([]float64{1, 2, 3, 4}, 1, 2, 1, 2)}, []float64{1, 2, 3, 4}},
		{"conv is a correlation", ops.Conv{Stride: s11, Dilation: s11, Groups: 1, Pad: ir.Pads{0, 1, 0, 0}}, []*tensor.Tensor{row(1, 2, 3), row(10, 1)}, []float64{1, 12, 23}},
		{"dense adds its bias", ops.Dense{Act: ops.ActReLU}, []*tensor.Tensor{mat(1, 1, 2), mat(2, 3, 4, -5, 1), vec(1, 1)}, []float64{12, 0}},
		{"cross-entropy", ops.CrossEntropy{}, []*tensor.Tensor{mat(2, 0, math.Log(3), math.Log(3), 0), vec(1, 1)}, []float64{(-math.Log(0.75) - math.Log(0.25)) / 2}},
		{"label smoothing", ops.CrossEntropy{Smoothing: 0.2}, []*tensor.Tensor{mat(1, 0, math.Log(3)), vec(1)}, []float64{-0.9*math.Log(0.75) - 0.1*math.Log(0.25)}},
		{"weights of classes", ops.CrossEntropy{}, []*tensor.Tensor{mat(2, 0, math.Log(3), 0, math.Log(3)), vec(1, 0), vec(2, 6)}, []float64{(-6*math.Log(0.75) - 2*math.Log(0.25)) / 8}},
		{"focal loss", ops.CrossEntropy{Gamma: 2}, []*tensor.Tensor{mat(2, 0, math.Log(3), 0, math.Log(3)), vec(1, 0), vec(2, 6)}, []float64{(-6*0.0625*math.Log(0.75) - 2*0.5625*math.Log(0.25)) / 8}},
		{"concat then split order", ops.Concat{Axis: 1}, []*tensor.Tensor{col(1, 2), col(3)}, []float64{1, 2, 3}},
		{"max of two, tie to the first", ops.Max{}, []*tensor.Tensor{vec(1, nan, 3), vec(2, 2, nan)}, []float64{2, nan, nan}},
		{"momentum", ops.SGD{Momentum: 0.5, Decay: 0.1, LR: 2}, []*tensor.Tensor{vec(10), vec(3), tensor.Scalar(0.1), vec(4)}, []float64{10 - 0.2*6}},
		{"nesterov", ops.SGD{Momentum: 0.5, Nesterov: true, Decay: 0.1, LR: 2}, []*tensor.Tensor{vec(10), vec(3), tensor.Scalar(0.1), vec(4)}, []float64{10 - 0.2*(4+0.5*6)}},
		{"rmsprop, eps under the root", ops.RMSProp{Rho: 0.75, Eps: 2, Momentum: 0.5, LR: 1}, []*tensor.Tensor{vec(10), vec(4), tensor.Scalar(0.3), vec(4), vec(2)}, []float64{10 - (1 + 0.3*4/3)}},
		{"adam's first step is the sign", ops.Adam{Beta1: 0.9, Beta2: 0.999, LR: 1}, []*tensor.Tensor{vec(1, 1), vec(0.3, -7), tensor.Scalar(0.01), tensor.Scalar(0), vec(0, 0), vec(0, 0)}, []float64{0.99, 1.01}},
		{"adamw decays apart", ops.Adam{Beta1: 0.9, Beta2: 0.999, Decay: 0.5, Decoupled: true, LR: 1}, []*tensor.Tensor{vec(2), vec(0.3), tensor.Scalar(0.01), tensor.Scalar(0), vec(0), vec(0)}, []float64{2 - 0.01 - 0.01}},
		{"adam decays in the gradient", ops.Adam{Beta1: 0.9, Beta2: 0.999, Decay: 0.5, LR: 1}, []*tensor.Tensor{vec(2), vec(-0.3), tensor.Scalar(0.01), tensor.Scalar(0), vec(0), vec(0)}, []float64{2 - 0.01}},
		{"max norm of each output", ops.MaxNorm{Bound: 1}, []*tensor.Tensor{mat(2, 3, 4, 0.3, 0.4)}, []float64{0.6, 0.8, 0.3, 0.4}},
		{"global norm", ops.GlobalNorm{}, []*tensor.Tensor{vec(1, 2), mat(1, 4, 2)}, []float64{5}},
		{"clip by norm", ops.ClipNorm{Bound: 2}, []*tensor.Tensor{vec(1, 2), tensor.Scalar(4)}, []float64{0.5, 1}},
		{"no clip below it", ops.ClipNorm{Bound: 2}, []*tensor.Tensor{vec(1, 2), tensor.Scalar(1)}, []float64{1, 2}},
		{"clip by value", ops.ClipValue{Bound: 1}, []*tensor.Tensor{vec(-3, 0.5, 3, nan)}, []float64{-1, 0.5, 1, nan}},
		{"an average begins as the mean", ops.Average{Decay: 0.9}, []*tensor.Tensor{vec(4), vec(10), tensor.Scalar(2)}, []float64{6}},
		{"and forgets later", ops.Average{Decay: 0.9}, []*tensor.Tensor{vec(4), vec(10), tensor.Scalar(20)}, []float64{4.6}},
		{"its first value is the value", ops.Average{Decay: 1}, []*tensor.Tensor{vec(99), vec(10), tensor.Scalar(0)}, []float64{10}},
		{"penalties", ops.PenaltyDx{L1: 0.5, L2: 0.1}, []*tensor.Tensor{vec(-2, 0, 2), vec(1, 1, 1)}, []float64{0.3, 1, 1.7}},
	} {
		got, err := c.op.Eval(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if d, _ := tensor.MaxDiff(got[0], vec(c.want...)); d > 1e-12 {
			t.Errorf("%s: %v, want %v", c.why, got[0].Data, c.want)
		}
	}
}

// The statistics of the batch: biased for y, unbiased for the running variance.
func TestBatchNormTrainStatistics(t *testing.T) {
	x := tensor.Of([]float64{1, 5, 3, 7}, 2, 1, 1, 2)
	one := func(v float64) *tensor.Tensor { return tensor.Of([]float64{v}, 1) }
	got, err := ops.BatchNormTrain{Eps: 0, Momentum: 0.75}.Eval([]*tensor.Tensor{x, one(1), one(0), one(8), one(4)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{4, 5, 0.75*8 + 0.25*4, 0.75*4 + 0.25*20/3} {
		if math.Abs(got[i+1].Data[0]-want) > 1e-14 {
			t.Errorf("output %d is %g, want %g", i+1, got[i+1].Data[0], want)
		}
	}
	if y := got[0].Data[3]; math.Abs(y-3/math.Sqrt(5)) > 1e-14 {
		t.Errorf("y is %g", y)
	}
}

// Known results of Philox4x32-10, from the file kat_vectors of Random123.
func TestPhilox(t *testing.T) {
	for _, c := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0)}, [2]uint32{^uint32(0), ^uint32(0)}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := ops.Philox(c.key, c.ctr); got != c.want {
			t.Errorf("%#x, want %#x", got, c.want)
		}
	}
}

// Masks drop the right share of elements, differ between layers, steps and seeds, and do
// not depend on the number of images in the batch.
func TestDropoutMasks(t *testing.T) {
	x := tensor.New(4, 10, 16, 16)
	for i := range x.Data {
		x.Data[i] = 1
	}
	mask := func(d ops.DropoutTrain, x *tensor.Tensor, step float64) *tensor.Tensor {
		y, err := d.Eval([]*tensor.Tensor{x, tensor.Scalar(step)})
		if err != nil {
			t.Fatal(err)
		}
		return y[0]
	}
	d := ops.DropoutTrain{P: 0.3, Seed: 1, Layer: "a"}
	base := mask(d, x, 5)
	zero := 0
	for _, v := range base.Data {
		switch v {
		case 0:
			zero++
		case 1 / (1 - 0.3):
		default:
			t.Fatalf("an element of %g", v)
		}
	}
	if n := float64(len(base.Data)); math.Abs(float64(zero)-0.3*n) > 4*math.Sqrt(n*0.3*0.7) {
		t.Errorf("%d of %g dropped", zero, n)
	}
	few := mask(d, tensor.Of(x.Data[:2*2560], 2, 10, 16, 16), 5)
	if !slices.Equal(few.Data, base.Data[:len(few.Data)]) {
		t.Error("masks depend on the size of the batch")
	}
	for _, other := range []*tensor.Tensor{mask(d, x, 6), mask(ops.DropoutTrain{P: 0.3, Seed: 2, Layer: "a"}, x, 5), mask(ops.DropoutTrain{P: 0.3, Seed: 1, Layer: "b"}, x, 5)} {
		same := 0
		for i, v := range other.Data {
			if v == base.Data[i] {
				same++
			}
		}
		if n := float64(len(base.Data)); math.Abs(float64(same)-0.58*n) > 5*math.Sqrt(n*0.25) {
			t.Errorf("%d of %g elements are the same, want about 58 %%", same, n)
		}
	}
	// Kernels must reproduce this key and this threshold.
	if k := d.Key(); k != [2]uint32{0xc82161ae, 0xf655a58b} || d.Threshold() != 1288490188 {
		t.Errorf("key %#x, threshold %d", k, d.Threshold())
	}
}

// A label outside of the classes is an error, not a panic.
func TestLabels(t *testing.T) {
	for _, l := range []float64{-1, 3, 0.5, math.NaN(), 1e300} {
		in := []*tensor.Tensor{tensor.New(1, 3), tensor.Of([]float64{l}, 1)}
		if _, err := (ops.CrossEntropy{}).Eval(in); err == nil {
			t.Errorf("label %g is accepted", l)
		}
		if _, err := (ops.CrossEntropyDx{}).Eval(append([]*tensor.Tensor{tensor.Scalar(1)}, in...)); err == nil {
			t.Errorf("label %g is accepted by the gradient", l)
		}
	}
}
