package kernel

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestDepthwiseBackward compares both gradients of depthwise convolutions, of 1 to 67 channels and
// maps as wide, with the definition, and the bits of the vector tiers.
func TestDepthwiseBackward(t *testing.T) {
	r := newRand(9, 3)
	for n := 1; n <= 67; n++ {
		channels := max(2, n)
		c := Conv{IC: channels, Groups: channels, KH: 1 + r.IntN(4), KW: 3, SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), PH: r.IntN(3), PW: r.IntN(3), Outputs: [4]Output{{C: channels}}}
		h, w := (c.KH-1)*one(c.DH)+1+r.IntN(6), 3+n
		c.H, c.W = (h+2*c.PH-(c.KH-1)*one(c.DH)-1)/c.SH+1, (w+2*c.PW-3)/c.SW+1
		if !DepthwiseTrains(c) {
			t.Fatalf("%#v has no gradients", c)
		}
		depthwiseData(t, r, c, h, w, n%3)
		depthwiseWeights(t, r, c)
	}
}

// depthwiseData checks the gradient with respect to an input of h x w pixels; kind 1 adds it to
// what is there, 2 takes that in front of a ReLU.
func depthwiseData(t *testing.T, r *rand.Rand, c Conv, h, w, kind int) {
	t.Helper()
	const images, border = 2, 8
	weight := make([]float32, c.IC*c.KH*c.KW)
	for i := range weight {
		weight[i] = r.Float32()*2 - 1
	}
	packed := alignedFloats(Depthwise{c}.PackedLen())
	Depthwise{c}.Pack(packed, weight)
	dy := newAct(images, c.IC, c.H, c.W, border, border, border+3*4, border+3*4, 1, false)
	dy.fill(r, false)
	dx, before := newAct(images, c.IC, h, w, 1, 0, 0, 1, 0, false), newAct(images, c.IC, h, w, 1, 0, 0, 1, 0, false)
	before.fill(r, false)
	var into *actBuf
	if kind == 1 {
		into = before
	}
	ref := inputGradient(c, images, h, w, weight, dy, into)
	mask := newAct(images, c.IC, h, w, 0, 1, 1, 0, 1, false)
	mask.fill(r, false)
	if kind == 2 {
		for i, x := range elements(mask) {
			if x <= 0 {
				ref[i] = 0
			}
		}
	}
	var simd []float32
	for isa := range tiers(r) {
		copy(dx.Mem, before.Mem)
		for _, p := range ConvBackwardDataOf(c, h, w, dy.v, dx.v) {
			if kind == 1 {
				p.Conv.Residual, p.Conv.Scale, p.Conv.Res = true, 1, p.Conv.Outputs[0].View
			}
			a := &Args{Images: images}
			a.Out[0] = Buf{dx.Mem, dx.Off + p.Y*dx.v.H + p.X*Block}
			a.In[0], a.In[1] = dy.Buf, a.Out[0]
			if kind == 2 {
				p = p.Masked(mask.v)
				a.In[1] = Buf{mask.Mem, mask.Off + p.Y*mask.v.H + p.X*Block}
			}
			if p.Conv.IC == 0 { // no tap
				a.Table, a.W[0] = p.Conv.Table(isa), alignedFloats(Block)
				runAll(isa, p.Conv, a)
				continue
			}
			k := Depthwise{p.Conv}.Split(images)
			a.W[0] = alignedFloats(k.PackedLen())
			runAll(isa, DepthwiseRepack{p.Repack}, &Args{In: [4]Buf{{Mem: packed}}, Out: [4]Buf{{Mem: a.W[0]}}})
			a.Table = k.Table(isa)
			runAll(isa, k, a)
		}
		got := elements(dx)
		if e := maxErr(got, ref); e > 3e-6 {
			t.Fatalf("%v: error %.2g of the input's gradient\n%#v", isa, e, c)
		}
		if err := dx.check(); err != nil {
			t.Fatalf("%v: %v\n%#v", isa, err, c)
		}
		if isa == Portable {
			continue
		}
		if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
			t.Fatalf("%v has other bits\n%#v", isa, c)
		}
		simd = got
	}
}

// elements are those of an activation, in the order of the references.
func elements(b *actBuf) (l []float32) {
	for n := range b.n {
		for c := range b.c {
			for y := range b.h {
				for x := range b.w {
					l = append(l, *b.at(n, c, y, x, false))
				}
			}
		}
	}
	return l
}

// depthwiseWeights checks the gradient with respect to the weights.
func depthwiseWeights(t *testing.T, r *rand.Rand, c Conv) {
	t.Helper()
	images := 1 + r.IntN(5)
	k := newConvCase(r, images, c, images%2)
	dy := k.out[0]
	dy.fill(r, false)
	dw, _ := k.weightGradient()
	for j := range k.w {
		k.w[j] = float32(j + 1) // so that the packed order is known
	}
	b := DepthwiseBackwardWeights{Conv: k.c}.Split(images)
	n := b.PackedLen()
	number := make([]float32, n)
	Depthwise{k.c}.Pack(number, k.w)
	b.Images = 1 + r.IntN(images)
	var simd []float32
	for isa := range tiers(r) {
		parts := alignedFloats(b.Count(images)*n + 2*guardLen)
		fill(parts, canary)
		a := &Args{Images: images, In: [4]Buf{k.in.Buf, dy.Buf}, Out: [4]Buf{{parts, guardLen}}}
		runAll(isa, b, a)
		for j := range guardLen {
			if math.Float32bits(parts[j]) != math.Float32bits(canary) || math.Float32bits(parts[len(parts)-1-j]) != math.Float32bits(canary) {
				t.Fatalf("%v: guard zone written\n%#v", isa, b)
			}
		}
		got := make([]float32, n)
		runAll(isa, SumPartials{N: n, Images: b.Images}, &Args{Images: images, In: [4]Buf{a.Out[0]}, Out: [4]Buf{{Mem: got}}})
		checkGradient(t, isa, b, got, number, dw, 1/math.Sqrt(float64(images*c.H*c.W)))
		if isa == Portable {
			continue
		}
		if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
			t.Fatalf("%v has other bits\n%#v", isa, b)
		}
		simd = got
	}
}
