package kernel

import (
	"math"
	"testing"
)

// TestWeightedCrossEntropy compares loss and gradient with the formulas in float64.
func TestWeightedCrossEntropy(t *testing.T) {
	r := newRand(36)
	for size := 1; size <= 40; size++ {
		c, images := size, 1+r.IntN(5)
		k := WeightedCrossEntropy{C: c, Smoothing: []float32{0, 0.1, 0, 0}[size%4], Gamma: []float32{0, 0, 2, 0.5}[size%4]}
		wide := []float64{5, 60}[size/20%2] // of the wide ones, many probabilities are 1 in float32
		in, out := newBox(r, images, c, 1, 1).fill(func() float32 { return float32(wide * r.NormFloat64()) }), newBox(r, images, c, 1, 1)
		k.In = in.view
		labels := make([]float32, images+3)
		weights := []float32{poison}
		for range c {
			weights = append(weights, 0.25+4*r.Float32())
		}
		given := Buf{weights, 1}
		if size%3 == 0 {
			given = Buf{}
		}
		weight := func(ch int) float64 {
			if given.Mem == nil {
				return 1
			}
			return float64(weights[1+ch])
		}
		of := 0.0
		for i := range images {
			label := r.IntN(c)
			PutInt(labels, 3+i, int32(label))
			of += weight(label)
		}
		gamma, s := float64(k.Gamma), float64(k.Smoothing)
		q := func(n, ch int) float64 {
			v := s / float64(c)
			if int(Int(labels, 3+n)) == ch {
				v += 1 - s
			}
			return v
		}
		logp := func(n, ch int) float64 { // log1p keeps the digits of probabilities near 1
			rest := 0.0
			for j := range c {
				if j != ch {
					rest += math.Exp(in.at(n, j, 0, 0) - in.at(n, ch, 0, 0))
				}
			}
			return -math.Log1p(rest)
		}
		want := 0.0
		for n := range images {
			label := int(Int(labels, 3+n))
			if gamma > 0 {
				want -= weight(label) * math.Pow(-math.Expm1(logp(n, label)), gamma) * logp(n, label) / of
				continue
			}
			for ch := range c {
				want -= weight(ch) * q(n, ch) * logp(n, ch) / of
			}
		}
		var first float32
		for isa, r := range tiers(r) {
			loss := []float32{poison, poison, poison}
			execute(r, isa, k, &Args{Images: images, In: [4]Buf{in.buf, {labels, 3}, given}, Out: [4]Buf{{loss, 1}}})
			if isa == Portable {
				first = loss[1]
			}
			if loss[1] != first || math.Abs(float64(loss[1])-want) > 1e-5*(1+want) || !isPoison(loss[0]) || !isPoison(loss[2]) {
				t.Fatalf("%v: loss of %d classes, %+v, is %v, want %g", isa, c, k, loss, want)
			}
		}
		back := WeightedCrossEntropyBackward{C: c, Smoothing: k.Smoothing, Gamma: k.Gamma, In: in.view, Out: out.view}
		onAllTiers(t, r, back, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: images, In: [4]Buf{{[]float32{2}, 0}, in.buf, {labels, 3}, given}, Out: [4]Buf{o.buf}}, o
		}, func(n, ch, _, _ int) float64 {
			label := int(Int(labels, 3+n))
			if gamma > 0 {
				l := logp(n, label)
				rest := -math.Expm1(l)
				slope := 0.0
				if rest > 0 {
					slope = math.Pow(rest, gamma) - gamma*math.Exp(l)*math.Pow(rest, gamma-1)*l
				}
				d := math.Exp(logp(n, ch))
				if ch == label {
					d = -rest
				}
				return 2 / of * weight(label) * slope * d
			}
			all := 0.0
			for j := range c {
				all += weight(j) * q(n, j)
			}
			return 2 / of * (math.Exp(logp(n, ch))*all - weight(ch)*q(n, ch))
		}, 1e-5)
	}
	// A label that is no class.
	in := newBox(r, 2, 3, 1, 1).fill(normal(r))
	for _, label := range []int32{-1, 3, math.MaxInt32, math.MinInt32} {
		l, loss, dx := make([]float32, 2), make([]float32, 1), newBox(r, 2, 3, 1, 1)
		PutInt(l, 1, label)
		weights := Buf{[]float32{1, 2, 3}, 0}
		execute(r, Portable, WeightedCrossEntropy{C: 3, In: in.view}, &Args{Images: 2, In: [4]Buf{in.buf, {l, 0}, weights}, Out: [4]Buf{{loss, 0}}})
		execute(r, Portable, WeightedCrossEntropyBackward{C: 3, In: in.view, Out: dx.view}, &Args{Images: 2, In: [4]Buf{{}, in.buf, {l, 0}, weights}, Out: [4]Buf{dx.buf}})
		if loss[0] == loss[0] || !math.IsNaN(dx.at(1, 0, 0, 0)) {
			t.Errorf("label %d: loss %g, gradient %g", label, loss[0], dx.at(1, 0, 0, 0))
		}
	}
}

// TestWeightedCrossEntropyTorch compares with the losses and gradients of PyTorch
// 1.12.1 in float64: torch.nn.functional.cross_entropy with weight and label_smoothing,
// and the focal loss written with log_softmax, its mean weighted likewise.
func TestWeightedCrossEntropyTorch(t *testing.T) {
	const images, classes = 5, 4
	r := newRand(37)
	in := newBox(r, images, classes, 1, 1)
	for n := range images {
		for c := range classes {
			in.buf.Mem[in.view.at(&in.buf, n, c/Block, 0, 0)+c%Block] = float32((n*7+c*5+n*c*3)%11)/4 - 1
		}
	}
	labels := make([]float32, images)
	for n := range images {
		PutInt(labels, n, int32((n*3+1)%classes))
	}
	weights := Buf{[]float32{0.5, 1, 2, 4}, 0}
	for _, c := range []struct {
		name             string
		smoothing, gamma float32
		weights          Buf
		loss             float64
		grad             []float64
	}{
		{"weights", 0, 0, weights, 1.659522742274, []float64{0.006067059, -0.096470943, 0.073911908, 0.016491976, -0.041233908, 0.008308749, 0.003924775, 0.029000384, 0.117647059, 0.117647059, 0.117647059, -0.352941176, 0.116001534, 0.015699100, -0.202059122, 0.070358487, 0.040037664, -0.106176076, 0.051409378, 0.014729034}},
		{"weights and smoothing", 0.1, 0, weights, 1.663646433919, []float64{0.005127338, -0.085794503, 0.074496847, 0.006170318, -0.031984997, 0.007652478, -0.000878265, 0.025210783, 0.109926471, 0.108455882, 0.105514706, -0.323897059, 0.113805936, 0.012659805, -0.184619782, 0.058154041, 0.042070372, -0.096348836, 0.050025346, 0.004253118}},
		{"focal", 0, 2, Buf{}, 1.173090874818, []float64{0.012156202, -0.193293040, 0.148092855, 0.033043983, -0.139839252, 0.028178005, 0.013310347, 0.098350900, 0.054118019, 0.054118019, 0.054118019, -0.162354058, 0.119531281, 0.016176800, -0.208207467, 0.072499386, 0.083323203, -0.220965207, 0.106989111, 0.030652893}},
		{"focal with weights", 0, 0.5, weights, 1.494050956676, []float64{0.006527972, -0.103799811, 0.079526974, 0.017744866, -0.043412150, 0.008747671, 0.004132107, 0.030532372, 0.125425854, 0.125425854, 0.125425854, -0.376277562, 0.124800495, 0.016889910, -0.217385733, 0.075695327, 0.042818639, -0.113550958, 0.054980221, 0.015752097}},
	} {
		loss := make([]float32, 1)
		execute(r, Portable, WeightedCrossEntropy{C: classes, Smoothing: c.smoothing, Gamma: c.gamma, In: in.view}, &Args{Images: images, In: [4]Buf{in.buf, {labels, 0}, c.weights}, Out: [4]Buf{{loss, 0}}})
		if math.Abs(float64(loss[0])-c.loss) > 1e-6 {
			t.Errorf("%s: loss %g, PyTorch has %g", c.name, loss[0], c.loss)
		}
		dx := newBox(r, images, classes, 1, 1)
		execute(r, Portable, WeightedCrossEntropyBackward{C: classes, Smoothing: c.smoothing, Gamma: c.gamma, In: in.view, Out: dx.view}, &Args{Images: images, In: [4]Buf{{}, in.buf, {labels, 0}, c.weights}, Out: [4]Buf{dx.buf}})
		for i, want := range c.grad {
			if got := dx.at(i/classes, i%classes, 0, 0); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: gradient %d is %g, PyTorch has %g", c.name, i, got, want)
			}
		}
	}
}
