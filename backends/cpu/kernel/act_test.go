package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// actParams draws parameters for the activations that have some.
func actParams(r *rand.Rand, act Act) (a, b float32) {
	switch act {
	case ActClip:
		a = float32(r.IntN(5) - 3)
		return a, a + float32(1+r.IntN(3))
	case ActHardSigmoid:
		return float32(1+r.IntN(5)) / 8, float32(r.IntN(3)) / 4
	case ActLeakyReLU:
		return float32(r.IntN(9)) / 8, 0
	}
	return 0, 0
}

// finiteOr returns values whose infinities are replaced, for functions such as x * sigmoid(x)
// that are not defined there.
func finiteOr(values func() float32, instead float32) func() float32 {
	return func() float32 {
		if x := values(); !math.IsInf(float64(x), 0) {
			return x
		}
		return instead
	}
}

func TestActivation(t *testing.T) {
	r := newRand(2)
	for size := 1; size <= 67; size++ {
		for act := ActNone; act <= ActSqrt; act++ {
			if act == ActReLUBackward {
				continue
			}
			k := Activation{Act: act, C: 1 + r.IntN(40), H: 1 + r.IntN(5), W: size}
			k.A, k.B = actParams(r, act)
			values := special(r)
			switch act {
			case ActSiLU, ActHardSwish, ActGELU, ActGELUTanh, ActLeakyReLU:
				values = finiteOr(values, -3.5)
			}
			in, out := newBox(r, 2, k.C, k.H, k.W).fill(values), newBox(r, 2, k.C, k.H, k.W)
			k.In, k.Out = in.view, out.view
			ref := func(n, c, y, x int) float64 { return activatedBy(act, float64(k.A), float64(k.B), in.at(n, c, y, x)) }
			onAllTiers(t, r, k, func() (*Args, *box) {
				o := out.clone()
				return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}}, o
			}, ref, 1e-6)
			k.Out = k.In
			onAllTiers(t, r, k, func() (*Args, *box) { // in place
				o := in.clone()
				return &Args{Images: 2, In: [4]Buf{o.buf}, Out: [4]Buf{o.buf}}, o
			}, ref, 1e-6)
		}
	}
}

// The composed functions are as exact as a float32 can be over the range in which they are
// curved, also where the result is small.
func TestActivationRange(t *testing.T) {
	const n = 4096
	w := &Worker{ISA: Available()[0]}
	for act := ActReLU6; act < ActClip; act++ {
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = 24*float32(i)/n - 12
		}
		w.activate(act, hardSlope, hardShift, y, x)
		for i, got := range y {
			want := activated(act, float64(x[i]))
			if !(math.Abs(float64(got)-want) <= 2e-6*math.Abs(want)+1e-7) {
				t.Fatalf("%v of %g is %g, want %g", act, x[i], got, want)
			}
		}
	}
}

func TestAffine(t *testing.T) {
	r := newRand(3)
	for size := 1; size <= 67; size++ {
		k := Affine{Act: fusedAct(r), C: 1 + r.IntN(40), H: 1 + r.IntN(5), W: size}
		in, out := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W)
		k.In, k.Out = in.view, out.view
		var w [2][]float32
		scale, shift := make([]float32, k.C), make([]float32, k.C)
		for i, p := range [][]float32{scale, shift} {
			for j := range p {
				p[j] = float32(r.NormFloat64())
			}
			w[i] = make([]float32, k.PackedLen())
			fill(w[i], poison)
		}
		k.Pack(w[0], scale)
		k.PackBias(w[1], shift)
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}, W: [4][]float32{w[0], w[1]}}, o
		}, func(n, c, y, x int) float64 {
			return activated(k.Act, in.at(n, c, y, x)*float64(scale[c])+float64(shift[c]))
		}, 2e-6)
	}
}

func TestBinary(t *testing.T) {
	r := newRand(4)
	for size := 1; size <= 67; size++ {
		for op := OpAdd; op <= OpDiv; op++ {
			for how := BySame; how <= ByScalar; how++ {
				k := Binary{Op: op, Stretch: how, Swap: r.IntN(2) == 0, Act: fusedAct(r), C: 1 + r.IntN(40), H: 1 + r.IntN(4), W: size}
				if op == OpMax || op == OpAdd || op == OpDiv {
					k.Swap = false
				}
				if op == OpAdd && how == BySame && r.IntN(2) == 0 {
					k.Scale = 0.17
				}
				values := normal(r)
				if op == OpMax {
					values = finiteOr(special(r), -3.5)
				}
				c, h, w := k.C, k.H, k.W
				switch how {
				case ByChannel:
					h, w = 1, 1
				case ByPixel:
					c = 1
				case ByScalar:
					c, h, w = 1, 1, 1
				}
				a, b, out := newBox(r, 2, k.C, k.H, k.W).fill(values), newBox(r, 2, c, h, w).fill(values), newBox(r, 2, k.C, k.H, k.W)
				if how != BySame && r.IntN(2) == 0 {
					b.view.N = 0
				}
				k.A, k.B, k.Out = a.view, b.view, out.view
				asWeight := how == ByChannel && b.view.N == 0 // as a constant comes
				onAllTiers(t, r, k, func() (*Args, *box) {
					o := out.clone()
					args := &Args{Images: 2, In: [4]Buf{a.clone().buf, b.clone().buf}, Out: [4]Buf{o.buf}}
					if asWeight {
						args.W[0], args.In[1] = b.buf.Mem[b.buf.Off:], Buf{}
					}
					return args, o
				}, func(n, ch, y, x int) float64 {
					p, q := a.at(n, ch, y, x), b.at(n, min(ch, c-1), min(y, h-1), min(x, w-1))
					if k.Swap {
						p, q = q, p
					}
					switch op {
					case OpAdd:
						if k.Scale != 0 {
							q *= float64(k.Scale)
						}
						p += q
					case OpSub:
						p -= q
					case OpMul:
						p *= q
					case OpMax:
						p = maxNaN(p, q)
					case OpDiv:
						p /= q
					}
					return activated(k.Act, p)
				}, 2e-6)
			}
		}
	}
}

func TestMaxout(t *testing.T) {
	r := newRand(5)
	for size := 1; size <= 67; size++ {
		k := Maxout{C: 1 + r.IntN(40), Pieces: 1 + r.IntN(6), H: 1 + r.IntN(3), W: size}
		if size%4 == 0 {
			k.C, k.H, k.W = size, 1, 1 // dense
		}
		in, out := newBox(r, 2, k.C*k.Pieces, k.H, k.W).fill(special(r)), newBox(r, 2, k.C, k.H, k.W)
		k.In, k.Out = in.view, out.view
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{in.clone().buf}, Out: [4]Buf{o.buf}}, o
		}, func(n, c, y, x int) float64 {
			best := math.Inf(-1)
			for p := range k.Pieces {
				best = maxNaN(best, in.at(n, c*k.Pieces+p, y, x))
			}
			return best
		}, 0)
	}
}
