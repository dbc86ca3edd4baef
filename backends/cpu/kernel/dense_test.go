package kernel

import (
	"math"
	"reflect"
	"testing"
)

func TestDense(t *testing.T) {
	r := newRand(5, 6)
	for n := 1; n <= 67; n++ {
		images := []int{1, 1, 2, 7, 14, 15, 31, 61}[r.IntN(8)]
		if n%13 == 0 {
			images = denseStrip + 3 // several strips
		}
		d := Dense{C: n, H: 1, W: 1, Out: Output{C: 1 + r.IntN(100), Act: fusedAct(r)}}
		switch n % 3 {
		case 1:
			d.H, d.W, d.C = 1+r.IntN(5), 1+r.IntN(5), 1+n/4
		case 2:
			d.C *= 60 // several ranges of taps
			d.Out.C = 1 + r.IntN(40)
		}
		in := newAct(images, d.C, d.H, d.W, n%2, n%2, n%2, n%2, n%2, false)
		in.fill(r, false)
		d.In = in.v
		out := newAct(images, d.Out.C, 1, 1, 0, 0, 0, 0, n%2, false)
		d.Out.View = out.v
		if n%2 == 0 && images > 1 { // blocks of all images side by side
			out.v.N, out.v.C = Block, images*Block
			out.Mem = alignedFloats(len(out.Mem))
			for i := range out.Mem {
				out.Mem[i] = canary
			}
			out.guard = nil
			for i := range out.Mem {
				if j := i - out.Off; j < 0 || j >= Blocks(out.c)*images*Block {
					out.guard = append(out.guard, i)
				}
			}
			d.Out.View = out.v
		}
		k := d.C * d.H * d.W
		w, b := make([]float32, d.Out.C*k), make([]float32, d.Out.C)
		for i := range w {
			w[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(k)))
		}
		for i := range b {
			b[i] = r.Float32()
		}
		a := &Args{Images: images, Table: d.Table(Portable)}
		a.In[0], a.Out[0] = in.Buf, out.Buf
		a.W[0], a.W[1] = alignedFloats(d.PackedLen()), make([]float32, d.BiasLen())
		d.Pack(a.W[0], w)
		d.PackBias(a.W[1], b)
		ref := denseReference(images, d.C, d.H, d.W, d.Out, in, w, b)
		var gradient []float32
		for isa := range tiers(r) {
			got, squares := checkDenseBackward(t, isa, d, images, in, out, w, a.W[0])
			if got = append(got, squares...); isa == Portable {
				continue
			}
			if gradient != nil && !reflect.DeepEqual(bits(gradient), bits(got)) {
				t.Fatalf("AVX2 and AVX-512 differ in the gradient of the weights\n%#v", d)
			}
			gradient = got
		}
		checkDenseParts(t, d, images, a, out, ref)
		var simd []float32
		for isa := range tiers(r) {
			var first []float32
			for _, split := range [][2]int{{0, 0}, {1, 3}, {2, 28}, {-1, -1}} {
				d.Pairs, d.Images = split[0], split[1]
				if split[0] < 0 {
					d = d.Split(images)
				}
				clearOutputs(out, images, d.Out.C)
				runAll(isa, d, a)
				got := outputs(out, images, d.Out.C)
				if err := out.check(); err != nil {
					t.Fatalf("%v: %v\n%#v", isa, err, d)
				}
				if e := maxErr(got, ref); e > 4e-6 {
					t.Fatalf("%v: error %.2g\n%#v", isa, e, d)
				}
				if first != nil && !reflect.DeepEqual(bits(first), bits(got)) {
					t.Fatalf("%v: other bits with the split %v\n%#v", isa, split, d)
				}
				first = got
			}
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(first)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", d)
			}
			simd = first
		}
	}
}

// clearOutputs makes sure that what a test reads has been written.
func clearOutputs(out *actBuf, images, c int) {
	for i := range images {
		for o := range Blocks(c) * Block {
			*out.at(i, o, 0, 0, false) = canary
		}
	}
}

// outputs are those of a dense layer, image by image.
func outputs(out *actBuf, images, c int) (l []float32) {
	for i := range images {
		for o := range c {
			l = append(l, *out.at(i, o, 0, 0, false))
		}
	}
	return l
}

// checkDenseParts compares the layer in parts of its sums with its definition, and the
// bits of all tiers but the portable one.
func checkDenseParts(t *testing.T, d Dense, images int, a *Args, out *actBuf, ref []float64) {
	t.Helper()
	taps := len(a.Table)
	for _, parts := range []int{1, 2, 3, 5, 16} {
		if parts > taps {
			continue
		}
		k := DenseSplitK{d, parts}
		k.Dense.Pairs, k.Dense.Images = 0, 0
		var simd []float32
		for isa := range tiers(nil) {
			mem := alignedFloats(k.PartialsLen(images) + 1)
			for i := range mem {
				mem[i] = canary
			}
			b := *a
			b.Out[0] = Buf{Mem: mem}
			runAll(isa, k, &b)
			if math.Float32bits(mem[len(mem)-1]) != math.Float32bits(canary) {
				t.Fatalf("%v: parts are longer than PartialsLen says\n%#v", isa, k)
			}
			clearOutputs(out, images, d.Out.C)
			runAll(isa, k.Sum(), &Args{Images: images, In: b.Out, Out: [4]Buf{out.Buf}})
			if err := out.check(); err != nil {
				t.Fatalf("%v: %v\n%#v", isa, err, k)
			}
			got := outputs(out, images, d.Out.C)
			if e := maxErr(got, ref); e > 4e-6 {
				t.Fatalf("%v: error %.2g\n%#v", isa, e, k)
			}
			for i := range images {
				for c := d.Out.C; c < Blocks(d.Out.C)*Block; c++ {
					if x := *out.at(i, c, 0, 0, false); x != 0 {
						t.Fatalf("%v: the padding of image %d has %g\n%#v", isa, i, x, k)
					}
				}
			}
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", k)
			}
			simd = got
		}
	}
}

// checkDenseBackward compares both gradients with their definitions; dY is random. It returns
// that of the weights and the sums of its squares.
func checkDenseBackward(t *testing.T, isa ISA, d Dense, images int, in, out *actBuf, w, packed []float32) (gw, squares []float32) {
	t.Helper()
	r := newRand(1, uint64(d.C))
	k := d.C * d.H * d.W
	out.fill(r, false)
	for i := range images {
		for c := d.Out.C; c < Blocks(d.Out.C)*Block; c++ {
			*out.at(i, c, 0, 0, false) = 0
		}
	}
	dx := *in
	dx.Mem = append([]float32(nil), in.Mem...)
	back := DenseBackwardData{Dense: d, Add: d.C%2 == 0}
	ba := &Args{Images: images, Table: back.Table(isa)}
	ba.In[0], ba.Out[0], ba.W[0] = out.Buf, dx.Buf, packed
	runAll(isa, back, ba)
	if err := dx.check(); err != nil {
		t.Fatalf("%v: %v\n%#v", isa, err, back)
	}

	gw = alignedFloats(d.PackedLen())
	gb := make([]float32, d.BiasLen())
	for i := range gw {
		gw[i] = canary
	}
	weights := DenseBackwardWeights{Dense: d}
	if d.C%3 > 0 {
		weights = weights.Split(images)
	}
	squares = squaresOf(weights, images)
	ga := &Args{Images: images, Table: weights.Table(isa)}
	ga.In[0], ga.In[1], ga.Out = in.Buf, out.Buf, [4]Buf{{Mem: gw}, {Mem: gb}, {Mem: squares}}
	runAll(isa, weights, ga)
	squares = checkSquares(t, isa, weights, squares, gw)
	number, order := make([]float32, len(w)), make([]float32, len(gw))
	for i := range number {
		number[i] = float32(i + 1)
	}
	d.Pack(order, number)
	where := make([]int, len(w))
	for i, v := range order {
		if v != 0 {
			where[int(v)-1] = i
		} else if gw[i] != 0 {
			t.Fatalf("%v: padding %d of the packed weights has the gradient %g\n%#v", isa, i, gw[i], d)
		}
	}
	for c := range d.C {
		for p := range d.H * d.W {
			for i := range images {
				s := 0.0
				if back.Add {
					s = float64(*in.at(i, c, p/d.W, p%d.W, false))
				}
				for o := range d.Out.C {
					s += float64(w[o*k+c*d.H*d.W+p]) * float64(*out.at(i, o, 0, 0, false))
				}
				if got := float64(*dx.at(i, c, p/d.W, p%d.W, false)); !(math.Abs(got-s) < 3e-5) {
					t.Fatalf("%v: dX[%d][%d][%d] is %g, want %g\n%#v", isa, i, c, p, got, s, back)
				}
			}
			for o := range d.Out.C {
				s := 0.0
				for i := range images {
					s += float64(*in.at(i, c, p/d.W, p%d.W, false)) * float64(*out.at(i, o, 0, 0, false))
				}
				if got := float64(gw[where[o*k+c*d.H*d.W+p]]); !(math.Abs(got-s) < 3e-5) {
					t.Fatalf("%v: dW[%d][%d][%d] is %g, want %g\n%#v", isa, o, c, p, got, s, d)
				}
			}
		}
	}
	for o := range d.Out.C {
		s := 0.0
		for i := range images {
			s += float64(*out.at(i, o, 0, 0, false))
		}
		if math.Abs(float64(gb[o])-s) > 3e-5 {
			t.Fatalf("%v: dB[%d] is %g, want %g\n%#v", isa, o, gb[o], s, d)
		}
	}
	return gw, squares
}
