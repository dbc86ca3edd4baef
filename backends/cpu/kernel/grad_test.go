package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/random"
)

// newVector is a vector of whole blocks without gaps.
func newVector(c int) *box {
	const guard = Block + 3
	b := &box{n: 1, c: c, h: 1, w: 1, view: View{N: Blocks(c) * Block, C: Block, H: Block}}
	b.buf = Buf{Mem: make([]float32, b.view.N+2*guard), Off: guard}
	fill(b.buf.Mem, poison)
	return b
}

func (b *box) vectorAt(c int) float64 { return b.at(0, c, 0, 0) }

// actDerivative is the derivative of an activation by z, its output or input as ActBackward
// says.
func actDerivative(act Act, p, q, z float64) float64 {
	between := func(low, high float64) float64 {
		if z <= low || z >= high {
			return 0
		}
		return 1
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	switch act {
	case ActReLU:
		if z <= 0 {
			return 0
		}
	case ActSigmoid:
		return z * (1 - z)
	case ActTanh:
		return 1 - z*z
	case ActReLU6:
		return between(0, 6)
	case ActClip:
		return between(p, q)
	case ActHardSigmoid:
		return p * between(0, 1)
	case ActLeakyReLU:
		if z <= 0 {
			return p
		}
	case ActSiLU:
		return sigmoid(z) + z*sigmoid(z)*sigmoid(-z)
	case ActHardSwish:
		switch {
		case z <= -3:
			return 0
		case z < 3:
			return z/3 + 0.5
		}
	case ActGELU:
		return math.Erfc(-z/math.Sqrt2)/2 + z*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)
	case ActGELUTanh:
		k := math.Sqrt(8 / math.Pi)
		s := sigmoid(k * (z + 0.044715*z*z*z))
		return s + z*s*(1-s)*k*(1+3*0.044715*z*z)
	}
	return 1
}

func TestActGrad(t *testing.T) {
	r := newRand(30)
	for size := 1; size <= 67; size++ {
		for act := ActNone; act < ActReLUBackward; act++ {
			k := ActBackward{Act: act, C: 1 + r.IntN(40), H: 1 + r.IntN(4), W: size}
			k.A, k.B = actParams(r, act)
			dy, y, dx := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W).fill(special(r)), newBox(r, 2, k.C, k.H, k.W)
			switch act {
			case ActReLU:
			case ActReLU6, ActClip, ActHardSigmoid, ActLeakyReLU: // the corners often
				y.fill(func() float32 { return float32(r.IntN(8)) - 1 })
			case ActSiLU, ActHardSwish, ActGELU, ActGELUTanh:
				y.fill(func() float32 { return 3 * float32(r.NormFloat64()) })
			default:
				y.fill(r.Float32)
			}
			k.DY, k.Y, k.DX = dy.view, y.view, dx.view
			ref := func(n, c, h, w int) float64 {
				d, v := dy.at(n, c, h, w), y.at(n, c, h, w)
				if act == ActReLU && v <= 0 {
					return 0
				}
				return d * actDerivative(act, float64(k.A), float64(k.B), v)
			}
			onAllTiers(t, r, k, func() (*Args, *box) {
				o := dx.clone()
				return &Args{Images: 2, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{o.buf}}, o
			}, ref, 1e-6)
			k.DX = k.DY
			onAllTiers(t, r, k, func() (*Args, *box) { // in place
				o := dy.clone()
				return &Args{Images: 2, In: [4]Buf{o.buf, y.buf}, Out: [4]Buf{o.buf}}, o
			}, ref, 1e-6)
			if act != ActReLU {
				continue
			}
			k.Sums = true
			sums := make([]exactSum, k.C)
			dx.each(func(n, c, h, w int, _ *float32) {
				if c < k.C {
					sums[c].add(ref(n, c, h, w))
				}
			})
			for _, in := range []*box{dx, dy} { // apart, and in place
				k.DX = in.view
				onAllTiers(t, r, k, func() (*Args, *box) {
					d, o := dy, in.clone()
					if in == dy {
						d = o
					}
					return &Args{Images: 2, In: [4]Buf{d.buf, y.buf}, Out: [4]Buf{o.buf, newSums(2, k.C, k.Partials())}}, o
				}, ref, 0)
			}
			k.DX = dx.view
			sumsOnAllTiers(t, r, k, ChannelSums{C: k.C, Partials: k.Partials()}, 2, func() *Args {
				return &Args{Images: 2, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{dx.clone().buf}}
			}, sums, 0)
		}
	}
}

// newSums is room for the sums of a kernel, whose values another test looks at.
func newSums(images, c, parts int) Buf {
	return Buf{Mem: make([]float32, images*Blocks(c)*parts*Block)}
}

// TestActGradOfVectors: vectors whose images lie side by side are done by rows of
// images, as many as there are.
func TestActGradOfVectors(t *testing.T) {
	r := newRand(36)
	for size := 1; size <= 67; size++ {
		k := ActBackward{Act: ActReLU, C: 1 + r.IntN(70), H: 1, W: 1}
		room := size + r.IntN(3)
		vectors := func() *box {
			b := newBox(r, size, k.C, 1, 1)
			b.view = View{N: Block, C: room * Block, H: Block}
			b.buf.Mem = make([]float32, Blocks(k.C)*room*Block+2*b.buf.Off)
			fill(b.buf.Mem, poison)
			return b
		}
		dy, y, dx := vectors().fill(normal(r)), vectors().fill(special(r)), vectors()
		k.DY, k.Y, k.DX = dy.view, y.view, dx.view
		if n := k.Tasks(size); n != Blocks(k.C) {
			t.Errorf("%d tasks of %d images of %d channels", n, size, k.C)
		}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := dx.clone()
			return &Args{Images: size, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{o.buf}}, o
		}, func(n, c, h, w int) float64 {
			if y.at(n, c, h, w) <= 0 {
				return 0
			}
			return dy.at(n, c, h, w)
		}, 0)
	}
}

func TestMaxoutGrad(t *testing.T) {
	r := newRand(31)
	for size := 1; size <= 67; size++ {
		k := MaxoutBackward{C: size, Pieces: 1 + r.IntN(5), H: 1 + r.IntN(2), W: 1 + r.IntN(5)}
		values := func() float32 { return float32(r.IntN(4)) }
		dy, x, dx := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C*k.Pieces, k.H, k.W).fill(values), newBox(r, 2, k.C*k.Pieces, k.H, k.W)
		k.DY, k.X, k.DX = dy.view, x.view, dx.view
		ref := func(n, c, h, w int) float64 {
			o, best := c/k.Pieces, c/k.Pieces*k.Pieces
			for p := range k.Pieces {
				if x.at(n, o*k.Pieces+p, h, w) > x.at(n, best, h, w) {
					best = o*k.Pieces + p
				}
			}
			if best == c {
				return dy.at(n, o, h, w)
			}
			return 0
		}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := dx.clone()
			return &Args{Images: 2, In: [4]Buf{dy.buf, x.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 0)
		k.DX = k.X
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := x.clone()
			return &Args{Images: 2, In: [4]Buf{dy.buf, o.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 0)
	}
}

func TestPoolGrads(t *testing.T) {
	r := newRand(32)
	for size := 1; size <= 67; size++ {
		for range 2 {
			p := AvgPoolBackward{C: 1 + r.IntN(40), IH: 1 + r.IntN(9), IW: size, KH: 1 + r.IntN(4), KW: 1 + r.IntN(4), SH: 1 + r.IntN(3), SW: 1 + r.IntN(3),
				DH: r.IntN(3), DW: r.IntN(3), PH: r.IntN(5), PW: r.IntN(5), PB: r.IntN(5), PR: r.IntN(5), IncludePad: r.IntN(2) == 0}
			if r.IntN(2) == 0 { // windows that have a primitive of their own
				p.KH, p.KW, p.DW, p.PW, p.PR, p.SW = 1+r.IntN(3), 3, 1, r.IntN(2), r.IntN(2), 1+r.IntN(2)
			}
			if r.IntN(4) == 0 { // and those that have one of their own here
				p.KH, p.KW, p.SH, p.SW, p.DH, p.DW, p.PH, p.PW, p.PB, p.PR = 2, 2, 2, 2, 1, 1, 0, 0, r.IntN(2), r.IntN(2)
			}
			dh, dw := one(p.DH), one(p.DW)
			p.H = poolShape(p.IH, p.KH, p.SH, dh, p.PH, p.PB) + r.IntN(2)
			p.W = poolShape(p.IW, p.KW, p.SW, dw, p.PW, p.PR) + r.IntN(2)
			if p.KH == 2 && p.KW == 2 && p.IH > 1 && p.IW > 1 && r.IntN(2) == 0 {
				p.H, p.W = p.IH/2, p.IW/2 // inside of the map
			}
			if r.IntN(8) == 0 {
				p = AvgPoolBackward{C: p.C, IH: p.IH, IW: p.IW, KH: p.IH, KW: p.IW, H: 1, W: 1, SH: 1, SW: 1}
				dh, dw = 1, 1
			}
			dy, x, dx := newBox(r, 2, p.C, p.H, p.W).fill(normal(r)), newBox(r, 2, p.C, p.IH, p.IW).fill(func() float32 { return float32(r.IntN(4)) }), newBox(r, 2, p.C, p.IH, p.IW)
			if r.IntN(2) == 0 { // few are above zero
				x.fill(func() float32 { return float32(r.IntN(4) - 2) })
			}
			p.DY, p.DX = dy.view, dx.view
			m := MaxPoolBackward{C: p.C, H: p.H, W: p.W, IH: p.IH, IW: p.IW, KH: p.KH, KW: p.KW, SH: p.SH, SW: p.SW, DH: p.DH, DW: p.DW, PH: p.PH, PW: p.PW, DY: p.DY, X: x.view, DX: p.DX}
			index := func(n, c, y, x int) int { return ((n*p.C+c)*p.IH+y)*p.IW + x }
			maxGrad, avgGrad := make([]float64, 2*p.C*p.IH*p.IW), make([]float64, 2*p.C*p.IH*p.IW)
			reluBackward, sums := make([]float64, 2*p.C*p.IH*p.IW), make([]exactSum, p.C)
			for n := range 2 {
				for c := range p.C {
					for y := range p.H {
						for xx := range p.W {
							best, at, count := math.Inf(-1), -1, 0
							var inside []int
							for i := range p.KH {
								for j := range p.KW {
									iy, ix := y*p.SH-p.PH+i*dh, xx*p.SW-p.PW+j*dw
									in := iy >= 0 && iy < p.IH && ix >= 0 && ix < p.IW
									if in || p.IncludePad && iy < p.IH+p.PB && ix < p.IW+p.PR {
										count++
									}
									if in {
										inside = append(inside, index(n, c, iy, ix))
										if v := x.at(n, c, iy, ix); v > best {
											best, at = v, index(n, c, iy, ix)
										}
									}
								}
							}
							if at >= 0 {
								maxGrad[at] += dy.at(n, c, y, xx)
								if best > 0 {
									reluBackward[at] += dy.at(n, c, y, xx)
									sums[c].add(dy.at(n, c, y, xx))
								}
							}
							for _, i := range inside {
								avgGrad[i] += dy.at(n, c, y, xx) / float64(count)
							}
						}
					}
				}
			}
			args := func() (*Args, *box) {
				o := dx.clone()
				return &Args{Images: 2, In: [4]Buf{dy.buf, x.buf}, Out: [4]Buf{o.buf}}, o
			}
			onAllTiers(t, r, m, args, func(n, c, y, x int) float64 { return maxGrad[index(n, c, y, x)] }, 1e-5)
			onAllTiers(t, r, p, args, func(n, c, y, x int) float64 { return avgGrad[index(n, c, y, x)] }, 1e-5)
			m.ReLU = true
			onAllTiers(t, r, m, args, func(n, c, y, x int) float64 { return reluBackward[index(n, c, y, x)] }, 1e-5)
			m.Sums = true
			onAllTiers(t, r, m, func() (*Args, *box) {
				a, o := args()
				a.Out[1] = newSums(2, m.C, m.Partials())
				return a, o
			}, func(n, c, y, x int) float64 { return reluBackward[index(n, c, y, x)] }, 1e-5)
			sumsOnAllTiers(t, r, m, ChannelSums{C: m.C, Partials: m.Partials()}, 2, func() *Args {
				a, _ := args()
				return a
			}, sums, 16*u) // an element of dx is itself a sum of up to 16
		}
	}
}

// TestMaxPoolGradOfOdd: of NaN, infinities and zeros of either sign the gradient goes
// where above says, and a ReLU's passes where the maximum is above 0 or NaN.
func TestMaxPoolGradOfOdd(t *testing.T) {
	r := newRand(37)
	for size := 2; size <= 67; size++ {
		m := MaxPoolBackward{C: 1 + r.IntN(40), IH: 2 + r.IntN(5), IW: size, KH: 2, KW: 2, SH: 2, SW: 2, ReLU: size%2 == 0}
		if size%3 == 0 {
			m.KH, m.KW = 3, 3
		}
		m.H, m.W = poolShape(m.IH, m.KH, 2, 1, 0, 0), poolShape(m.IW, m.KW, 2, 1, 0, 0)
		if m.IH < m.KH || m.IW < m.KW {
			continue
		}
		dy, x, dx := newBox(r, 1, m.C, m.H, m.W).fill(normal(r)), newBox(r, 1, m.C, m.IH, m.IW).fill(special(r)), newBox(r, 1, m.C, m.IH, m.IW)
		m.DY, m.X, m.DX = dy.view, x.view, dx.view
		want := dx.clone().fill(func() float32 { return 0 })
		dy.each(func(n, c, y, xx int, d *float32) {
			place := func(i int) int { return want.view.at(&want.buf, n, c/Block, 2*y+i/m.KW, 2*xx+i%m.KW) + c%Block }
			value := func(i int) float32 { return float32(x.at(n, c, 2*y+i/m.KW, 2*xx+i%m.KW)) }
			best := 0
			for i := range m.KH * m.KW {
				if above(value(i), value(best)) {
					best = i
				}
			}
			if !m.ReLU || !(value(best) <= 0) {
				want.buf.Mem[place(best)] += *d
			}
		})
		onAllTiers(t, r, m, func() (*Args, *box) {
			o := dx.clone()
			return &Args{Images: 1, In: [4]Buf{dy.buf, x.buf}, Out: [4]Buf{o.buf}}, o
		}, want.at, 1e-6)
	}
}

// TestChannelSumsOfLanes: sums of kernels over lanes are added up over the lanes too.
func TestChannelSumsOfLanes(t *testing.T) {
	r := newRand(38)
	for size := 1; size <= 67; size++ {
		images := 1 + r.IntN(40)
		groups := imageBlocks(images)
		k := ActBackward{Act: ActReLU, Sums: true, C: size * Block, H: 1 + r.IntN(9), W: 1 + r.IntN(40)}
		dy, y, dx := newBox(r, groups, k.C, k.H, k.W).fill(normal(r)), newBox(r, groups, k.C, k.H, k.W).fill(normal(r)), newBox(r, groups, k.C, k.H, k.W)
		k.DY, k.Y, k.DX = dy.view, y.view, dx.view
		sums := make([]exactSum, size)
		dy.each(func(n, c, h, w int, p *float32) {
			if y.at(n, c, h, w) > 0 {
				sums[c/Block].add(float64(*p))
			}
		})
		sumsOnAllTiers(t, r, N16{k}, ChannelSums{C: size, Partials: k.Partials(), N16: true}, images, func() *Args {
			return &Args{Images: images, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{dx.clone().buf}}
		}, sums, 0)
	}
}

func TestLRNGrad(t *testing.T) {
	r := newRand(33)
	for size := 1; size <= 67; size++ {
		k := LRNBackward{C: size, H: 1 + r.IntN(2), W: 1 + r.IntN(10), Size: []int{5, 3, 1, 4, 2, 9, 19}[size%7], Alpha: 0.7, Beta: 0.75, K: float32(1 + r.IntN(2))}
		if size%5 == 0 {
			k.Beta = 0.5 + r.Float32()
		}
		dy, x, dx := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W)
		k.DY, k.X, k.DX = dy.view, x.view, dx.view
		alpha, beta := float64(k.Alpha)/float64(k.Size), float64(k.Beta)
		scale := func(n, c, h, w int) float64 {
			s := float64(k.K)
			for j := max(0, c-(k.Size-1)/2); j <= min(k.C-1, c+k.Size/2); j++ {
				s += alpha * x.at(n, j, h, w) * x.at(n, j, h, w)
			}
			return s
		}
		ref := func(n, c, h, w int) float64 {
			d := dy.at(n, c, h, w) * math.Pow(scale(n, c, h, w), -beta)
			for i := range k.C {
				if c >= i-(k.Size-1)/2 && c <= i+k.Size/2 {
					d -= 2 * beta * alpha * x.at(n, c, h, w) * dy.at(n, i, h, w) * x.at(n, i, h, w) * math.Pow(scale(n, i, h, w), -beta-1)
				}
			}
			return d
		}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := dx.clone()
			return &Args{Images: 2, In: [4]Buf{dy.buf, x.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 5e-6)
		k.DX = k.DY
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := dy.clone()
			return &Args{Images: 2, In: [4]Buf{o.buf, x.buf}, Out: [4]Buf{o.buf}}, o
		}, ref, 5e-6)
	}
}

// TestBatchNormTrain checks batch norm, its gradient and its running statistics. The bounds
// come from the data, since two of the steps can lose many digits:
//
//   - With a mean of 30, x*scale + shift subtracts nearly equal numbers. Its error is that of
//     the two products, however small their difference is.
//   - The gradient is dy - mean(dy) - z*mean(dy*z). Of few pixels the three terms nearly
//     cancel, and 1/sqrt(v+eps) makes what is left up to 30 times as large. Its error is that
//     of the terms.
//
// Each step is compared with float64 on the step's own operands: the normalized values and
// the gradient are those of the mean and the variance that the kernel found, and these two
// are compared with the exact ones. So no bound has to allow for what an earlier step lost.
//
// u is the relative error of one rounding. A float32 sum of n numbers of one sign is, for its
// size, wrong by about u*sqrt(n)/3 where its roundings are independent; sumBound is 6 times
// that.
func TestBatchNormTrain(t *testing.T) {
	r := newRand(34)
	for size := 1; size <= 67; size++ {
		images := 1 + r.IntN(3)
		c, h, w := 1+r.IntN(40), 1+r.IntN(4), size
		if images*h*w < 2 {
			continue
		}
		offset := float32([]float64{0, 0, 30}[size%3]) // a mean far from zero
		checkBatchNorm(t, r, images, c, h, w, offset)
	}
}

// u is the largest relative error of rounding to float32.
const u = 0x1p-24

// sumBound bounds the error of the sum of a channel of h*w pixels an image, relative to the
// sum of its magnitudes: sums are float32 over at most 128 pixels, and float64 over these.
func sumBound(h, w int) float64 { return 2 * u * math.Sqrt(float64(min(h*w, 128))) }

func checkBatchNorm(t *testing.T, r *rand.Rand, images, c, h, w int, offset float32) {
	t.Helper()
	const eps = 1e-3
	in, out := newBox(r, images, c, h, w).fill(func() float32 { return offset + float32(r.NormFloat64()) }), newBox(r, images, c, h, w)
	gamma, beta := make([]float32, Blocks(c)*Block), make([]float32, Blocks(c)*Block)
	for i := range c {
		gamma[i], beta[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	count := float64(images * h * w)
	// over sums f over the pixels of a channel.
	over := func(f func(n, y, x int) float64) (sum float64) {
		for n := range images {
			for y := range h {
				for x := range w {
					sum += f(n, y, x)
				}
			}
		}
		return sum
	}
	var mean, variance *box
	m, v := func(ch int) float64 { return mean.vectorAt(ch) }, func(ch int) float64 { return variance.vectorAt(ch) }
	deviation := func(n, ch, y, x int) float64 { return in.at(n, ch, y, x) - m(ch) }
	rate := func(ch int) float64 { return 1 / math.Sqrt(v(ch)+eps) }
	k := BatchNormTrain{C: c, H: h, W: w, Eps: eps, In: in.view, Out: out.view}
	onAllTiersWithin(t, r, k, func() (*Args, *box) {
		o := out.clone()
		mean, variance = newVector(c), newVector(c)
		return &Args{Images: images, In: [4]Buf{in.buf}, Out: [4]Buf{o.buf, mean.buf, variance.buf}, W: [4][]float32{gamma, beta}}, o
	}, func(n, ch, y, x int) float64 {
		return deviation(n, ch, y, x)*rate(ch)*float64(gamma[ch]) + float64(beta[ch])
	}, func(n, ch, y, x int) float64 {
		scale := math.Abs(float64(gamma[ch])) * rate(ch)
		return 6 * u * ((math.Abs(in.at(n, ch, y, x))+math.Abs(m(ch)))*scale + math.Abs(float64(beta[ch])))
	})
	for ch := range c {
		exact := over(func(n, y, x int) float64 { return in.at(n, ch, y, x) }) / count
		magnitude := over(func(n, y, x int) float64 { return math.Abs(in.at(n, ch, y, x)) }) / count
		if bound := (sumBound(h, w) + u) * magnitude; math.Abs(m(ch)-exact) > bound {
			t.Fatalf("%d images of %dx%d, channel %d: the mean is %g, want %g within %.2g", images, h, w, ch, m(ch), exact, bound)
		}
		// The mean of the squares of the deviations from the mean that the kernel found.
		exact = over(func(n, y, x int) float64 { return deviation(n, ch, y, x) * deviation(n, ch, y, x) }) / count
		if bound := (sumBound(h, w) + 4*u) * exact; math.Abs(v(ch)-exact) > bound {
			t.Fatalf("%d images of %dx%d, channel %d: the variance is %g, want %g within %.2g", images, h, w, ch, v(ch), exact, bound)
		}
	}

	// The gradient, from these statistics.
	dy, dx := newBox(r, images, c, h, w).fill(normal(r)), newBox(r, images, c, h, w)
	var dgamma, dbeta *box
	wantG, wantB, boundG, boundB := make([]float64, c), make([]float64, c), make([]float64, c), make([]float64, c)
	for ch := range c {
		gz := func(n, y, x int) float64 { return dy.at(n, ch, y, x) * deviation(n, ch, y, x) * rate(ch) }
		wantB[ch] = over(func(n, y, x int) float64 { return dy.at(n, ch, y, x) })
		wantG[ch] = over(gz)
		boundB[ch] = (sumBound(h, w) + u) * over(func(n, y, x int) float64 { return math.Abs(dy.at(n, ch, y, x)) })
		boundG[ch] = (sumBound(h, w) + 6*u) * over(func(n, y, x int) float64 { return math.Abs(gz(n, y, x)) })
	}
	g := BatchNormBackward{C: c, H: h, W: w, Eps: eps, DY: dy.view, X: in.view, DX: dx.view}
	onAllTiersWithin(t, r, g, func() (*Args, *box) {
		o := dx.clone()
		dgamma, dbeta = newVector(c), newVector(c)
		return &Args{Images: images, In: [4]Buf{dy.buf, in.buf, mean.buf, variance.buf}, Out: [4]Buf{o.buf, dgamma.buf, dbeta.buf}, W: [4][]float32{gamma}}, o
	}, func(n, ch, y, x int) float64 {
		z := deviation(n, ch, y, x) * rate(ch)
		return float64(gamma[ch]) * rate(ch) * (dy.at(n, ch, y, x) - wantB[ch]/count - z*wantG[ch]/count)
	}, func(n, ch, y, x int) float64 {
		z := math.Abs(deviation(n, ch, y, x)) * rate(ch)
		terms := math.Abs(dy.at(n, ch, y, x)) + math.Abs(wantB[ch])/count + z*math.Abs(wantG[ch])/count
		return math.Abs(float64(gamma[ch])) * rate(ch) * (8*u*terms + boundB[ch]/count + z*boundG[ch]/count)
	})
	for _, s := range []struct {
		b           *box
		want, bound []float64
	}{{dgamma, wantG, boundG}, {dbeta, wantB, boundB}} {
		if err := s.b.checkWithin(func(_, c, _, _ int) float64 { return s.want[c] }, func(_, c, _, _ int) float64 { return s.bound[c] }); err != nil {
			t.Fatal(err)
		}
	}
	onAllTiersWithin(t, r, SumPixels{C: c, H: h, W: w, In: dy.view}, func() (*Args, *box) {
		o := newVector(c)
		return &Args{Images: images, In: [4]Buf{dy.buf}, Out: [4]Buf{o.buf}}, o
	}, func(_, ch, _, _ int) float64 { return wantB[ch] }, func(_, ch, _, _ int) float64 { return boundB[ch] })

	rm, rv := make([]float32, c), make([]float32, c)
	for i := range rm {
		rm[i], rv[i] = float32(r.NormFloat64()), r.Float32()
	}
	am, av := append([]float32(nil), rm...), append([]float32(nil), rv...)
	run := BatchNormRunning{C: c, Pixels: h * w, Momentum: 0.9}
	execute(r, Portable, run, &Args{Images: images, In: [4]Buf{mean.buf, variance.buf}, Out: [4]Buf{{Mem: am}, {Mem: av}}})
	momentum := float64(run.Momentum)
	for i := range c {
		wm := momentum*float64(rm[i]) + (1-momentum)*m(i)
		wv := momentum*float64(rv[i]) + (1-momentum)*v(i)*count/(count-1)
		boundM := 4 * u * (momentum*math.Abs(float64(rm[i])) + (1-momentum)*math.Abs(m(i)))
		if math.Abs(float64(am[i])-wm) > boundM || math.Abs(float64(av[i])-wv) > 6*u*wv {
			t.Fatalf("running %d: %g, %g; want %g, %g", i, am[i], av[i], wm, wv)
		}
	}
}

func TestCrossEntropy(t *testing.T) {
	r := newRand(35)
	for size := 1; size <= 67; size++ {
		c, images := size, 1+r.IntN(5)
		smoothing := []float32{0, 0.1}[size%2]
		in, out := newBox(r, images, c, 1, 1).fill(func() float32 { return 5 * float32(r.NormFloat64()) }), newBox(r, images, c, 1, 1)
		labels := make([]float32, images+3)
		for i := range images {
			PutInt(labels, 3+i, int32(r.IntN(c)))
		}
		q := func(n, ch int) float64 {
			v := float64(smoothing) / float64(c)
			if int(Int(labels, 3+n)) == ch {
				v += 1 - float64(smoothing)
			}
			return v
		}
		prob := func(n, ch int) float64 {
			m, sum := math.Inf(-1), 0.0
			for j := range c {
				m = math.Max(m, in.at(n, j, 0, 0))
			}
			for j := range c {
				sum += math.Exp(in.at(n, j, 0, 0) - m)
			}
			return math.Exp(in.at(n, ch, 0, 0)-m) / sum
		}
		want := 0.0
		for n := range images {
			for ch := range c {
				want -= q(n, ch) * math.Log(prob(n, ch)) / float64(images)
			}
		}
		var first float32
		for isa, r := range tiers(r) {
			loss := []float32{poison, poison, poison}
			execute(r, isa, CrossEntropy{C: c, Smoothing: smoothing, In: in.view}, &Args{Images: images, In: [4]Buf{in.buf, {labels, 3}}, Out: [4]Buf{{loss, 1}}})
			if isa == Portable {
				first = loss[1]
			}
			if loss[1] != first || math.Abs(float64(loss[1])-want) > 1e-5*(1+want) || !isPoison(loss[0]) || !isPoison(loss[2]) {
				t.Fatalf("%v: loss of %d classes is %v, want %g", isa, c, loss, want)
			}
		}
		k := CrossEntropyBackward{C: c, Smoothing: smoothing, Weight: 0.3, In: in.view, Out: out.view}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: images, In: [4]Buf{{[]float32{2}, 0}, in.buf, {labels, 3}}, Out: [4]Buf{o.buf}}, o
		}, func(n, ch, _, _ int) float64 { return 0.6 * (prob(n, ch) - q(n, ch)) / float64(images) }, 1e-6)
	}
	// A label that is no class.
	in := newBox(r, 1, 3, 1, 1).fill(normal(r))
	for _, label := range []int32{-1, 3, math.MaxInt32, math.MinInt32} {
		l, loss := make([]float32, 1), make([]float32, 1)
		PutInt(l, 0, label)
		execute(r, Portable, CrossEntropy{C: 3, In: in.view}, &Args{Images: 1, In: [4]Buf{in.buf, {l, 0}}, Out: [4]Buf{{loss, 0}}})
		if loss[0] == loss[0] {
			t.Errorf("label %d: loss %g", label, loss[0])
		}
	}
}

func TestSoftmaxGrad(t *testing.T) {
	r := newRand(36)
	for size := 1; size <= 67; size++ {
		for _, log := range []bool{false, true} {
			k := SoftmaxBackward{C: size, H: 1 + r.IntN(3), W: 1 + r.IntN(3), Log: log}
			dy, y, dx := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W).fill(func() float32 { return r.Float32() - 0.5 }), newBox(r, 2, k.C, k.H, k.W)
			k.DY, k.Y, k.DX = dy.view, y.view, dx.view
			ref := func(n, c, h, w int) float64 {
				sum := 0.0
				for j := range k.C {
					if log {
						sum += dy.at(n, j, h, w)
					} else {
						sum += dy.at(n, j, h, w) * y.at(n, j, h, w)
					}
				}
				if log {
					return dy.at(n, c, h, w) - math.Exp(y.at(n, c, h, w))*sum
				}
				return y.at(n, c, h, w) * (dy.at(n, c, h, w) - sum)
			}
			onAllTiers(t, r, k, func() (*Args, *box) {
				o := dx.clone()
				return &Args{Images: 2, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{o.buf}}, o
			}, ref, 1e-5)
		}
	}
}

func TestDropout(t *testing.T) {
	r := newRand(37)
	for size := 1; size <= 67; size++ {
		k := Dropout{C: 1 + r.IntN(40), H: 1 + r.IntN(4), W: size, Key: [2]uint32{r.Uint32(), r.Uint32()}, Below: uint32(r.Uint64N(1 << 32)), Scale: 1.25}
		in, out := newBox(r, 2, k.C, k.H, k.W).fill(normal(r)), newBox(r, 2, k.C, k.H, k.W)
		k.In, k.Out = in.view, out.view
		step := make([]float32, 1)
		PutInt(step, 0, int32(r.Uint32()))
		ref := func(n, c, y, x int) float64 {
			f := random.Philox([4]uint32{uint32(y*k.W + x), uint32(c / 4), uint32(n), uint32(Int(step, 0))}, k.Key)
			if f[c%4] < k.Below {
				return 0
			}
			return in.at(n, c, y, x) * 1.25
		}
		onAllTiers(t, r, k, func() (*Args, *box) {
			o := out.clone()
			return &Args{Images: 2, In: [4]Buf{in.buf, {step, 0}}, Out: [4]Buf{o.buf}}, o
		}, ref, 1e-7)
	}
}

func TestWeightedSum(t *testing.T) {
	out := []float32{poison, 0, poison}
	WeightedSum{Weights: [4]float32{1, 0.3}}.Run(nil, 0, &Args{In: [4]Buf{{[]float32{2}, 0}, {[]float32{0, 10}, 1}}, Out: [4]Buf{{out, 1}}})
	if out[1] != 5 || !isPoison(out[0]) || !isPoison(out[2]) {
		t.Errorf("%v", out)
	}
	Product{}.Run(nil, 0, &Args{In: [4]Buf{{[]float32{0, 3}, 1}, {[]float32{-0.5}, 0}}, Out: [4]Buf{{out, 1}}})
	if out[1] != -1.5 || !isPoison(out[0]) || !isPoison(out[2]) {
		t.Errorf("%v", out)
	}
}

func TestMaxGradAndFill(t *testing.T) {
	r := newRand(38)
	for size := 1; size <= 67; size++ {
		k := MaxBackward{Operands: 2 + r.IntN(2), C: 1 + r.IntN(40), H: 1 + r.IntN(3), W: size}
		dy := newBox(r, 2, k.C, k.H, k.W).fill(normal(r))
		var x, dx [3]*box
		for i := range k.Operands {
			x[i], dx[i] = newBox(r, 2, k.C, k.H, k.W).fill(func() float32 { return float32(r.IntN(3)) }), newBox(r, 2, k.C, k.H, k.W)
			k.X[i], k.DX[i] = x[i].view, dx[i].view
		}
		k.DY = dy.view
		for which := range k.Operands {
			onAllTiers(t, r, k, func() (*Args, *box) {
				a := &Args{Images: 2, In: [4]Buf{dy.buf}}
				var out [3]*box
				for i := range k.Operands {
					out[i] = dx[i].clone()
					a.In[1+i], a.Out[i] = x[i].buf, out[i].buf
				}
				return a, out[which]
			}, func(n, c, h, w int) float64 {
				best := 0
				for i := range k.Operands {
					if x[i].at(n, c, h, w) > x[best].at(n, c, h, w) {
						best = i
					}
				}
				if best == which {
					return dy.at(n, c, h, w)
				}
				return 0
			}, 0)
		}
	}
}
