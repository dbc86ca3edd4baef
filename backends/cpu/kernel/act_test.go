package kernel

import (
	"math"
	"testing"
)

func actRef(a Act, x float64) float64 {
	switch {
	case a == ActReLU && x < 0:
		return 0
	case a == ActSigmoid:
		return 1 / (1 + math.Exp(-x))
	case a == ActTanh:
		return math.Tanh(x)
	}
	return x
}

func TestActivation(t *testing.T) {
	r := newRand(2)
	for size := 1; size <= 67; size++ {
		for act := ActNone; act <= ActTanh; act++ {
			k := Activation{Act: act, C: 1 + r.IntN(40), H: 1 + r.IntN(5), W: size}
			in, out := newBox(r, 2, k.C, k.H, k.W).fill(special(r)), newBox(r, 2, k.C, k.H, k.W)
			k.In, k.Out = in.view, out.view
			ref := func(n, c, y, x int) float64 { return actRef(act, in.at(n, c, y, x)) }
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

func TestAffine(t *testing.T) {
	r := newRand(3)
	for size := 1; size <= 67; size++ {
		k := Affine{Act: Act(r.IntN(4)), C: 1 + r.IntN(40), H: 1 + r.IntN(5), W: size}
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
			return actRef(k.Act, in.at(n, c, y, x)*float64(scale[c])+float64(shift[c]))
		}, 2e-6)
	}
}

func TestBinary(t *testing.T) {
	r := newRand(4)
	for size := 1; size <= 67; size++ {
		for op := OpAdd; op <= OpDiv; op++ {
			for how := BySame; how <= ByScalar; how++ {
				k := Binary{Op: op, Stretch: how, Swap: r.IntN(2) == 0, Act: Act(r.IntN(4)), C: 1 + r.IntN(40), H: 1 + r.IntN(4), W: size}
				if op == OpMax || op == OpAdd || op == OpDiv {
					k.Swap = false
				}
				if op == OpAdd && how == BySame && r.IntN(2) == 0 {
					k.Scale = 0.17
				}
				values := normal(r)
				if op == OpMax {
					values = special(r)
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
					return actRef(k.Act, p)
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
