package kernel

import (
	"math"

	"github.com/incc-lang/incc/backends/cpu/random"
	"github.com/incc-lang/incc/backends/cpu/scalar"
)

var portableOps = vecOps{
	relu: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = relu(x)
		}
	},
	exp: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.Exp(x)
		}
	},
	sigmoid: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.Sigmoid(x)
		}
	},
	tanh: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.Tanh(x)
		}
	},
	gelu: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.GELU(x)
		}
	},
	normalTail: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.NormalTail(x)
		}
	},
	affine: func(dst, src, scale, shift []float32) {
		scale, shift = scale[:Block], shift[:Block]
		for i, x := range src[:len(dst)] {
			dst[i] = float32(x*scale[i%Block]) + shift[i%Block]
		}
	},
	add:     zip(func(a, b float32) float32 { return a + b }),
	sub:     zip(func(a, b float32) float32 { return a - b }),
	subFrom: zip(func(a, b float32) float32 { return b - a }),
	mul:     zip(func(a, b float32) float32 { return a * b }),
	max:     zip(maxOf2),
	min:     zip(func(a, b float32) float32 { return -maxOf2(-a, -b) }),
	addScaled: func(dst, a, b []float32, scale float32) {
		b = b[:len(dst)]
		for i, x := range a[:len(dst)] {
			dst[i] = x + float32(scale*b[i])
		}
	},
	maxPool: func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int) {
		for o := 0; o < len(dst); o += Block {
			var acc [Block]float32
			for i := range acc {
				acc[i] = float32(math.Inf(-1))
			}
			for x := range kw {
				for y := range kh {
					s := src[o/Block*pixStep+y*rowStep+x*colStep:][:Block]
					for i := range acc {
						acc[i] = maxOf2(acc[i], s[i])
					}
				}
			}
			copy(dst[o:o+Block], acc[:])
		}
	},
	sumPool: func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int, scale float32) {
		for o := 0; o < len(dst); o += Block {
			var acc [Block]float32
			for x := range kw {
				var column [Block]float32
				for y := range kh {
					s := src[o/Block*pixStep+y*rowStep+x*colStep:][:Block]
					for i := range column {
						column[i] += s[i]
					}
				}
				for i := range acc {
					acc[i] += column[i]
				}
			}
			for i := range acc {
				dst[o+i] = acc[i] * scale
			}
		}
	},
	square: func(dst, src []float32, step int) {
		for b := 0; b*Block < len(src); b++ {
			d, s := dst[b*step:][:Block], src[b*Block:][:Block]
			for i := range d {
				d[i] = s[i] * s[i]
			}
		}
	},
	lrn34: func(dst, src, sq []float32, step, size int, alpha, k float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = x * scalar.InvPow34(lrnScaleOf(sq[i/Block*step+i%Block:], size, alpha, k))
		}
	},
	lrnScale: func(dst, sq []float32, step, size int, alpha, k float32) {
		for i := range dst {
			dst[i] = lrnScaleOf(sq[i/Block*step+i%Block:], size, alpha, k)
		}
	},
	maxOf: func(src []float32) float32 {
		var acc [Block]float32
		for i := range acc {
			acc[i] = float32(math.Inf(-1))
		}
		larger := func(a, b float32) float32 {
			if a > b {
				return a
			}
			return b
		}
		for i, x := range src {
			acc[i%Block] = larger(acc[i%Block], x)
		}
		for n := Block / 2; n > 0; n /= 2 {
			for i := range n {
				acc[i] = larger(acc[i], acc[i+n])
			}
		}
		return acc[0]
	},
	sum: func(src []float32) float32 {
		var acc [Block]float32
		for i, x := range src {
			acc[i%Block] += x
		}
		return sumLanes(&acc)
	},
	expSum: func(dst, src []float32, shift float32) float32 {
		var acc [Block]float32
		for i, x := range src[:len(dst)] {
			dst[i] = scalar.Exp(x - shift)
			acc[i%Block] += dst[i]
		}
		return sumLanes(&acc)
	},
	divBy: func(dst, src []float32, by float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = x / by
		}
	},
}

// maxPoolBackward2Go is maxPoolBackward2, and maxPoolReluBackward2 with relu, in portable Go.
func maxPoolBackward2Go(dx, x, dy, acc []float32, rowStep, dxRowStep int, relu bool) {
	for o := 0; o < len(dy); o += Block {
		for l := range Block {
			in, out, d := x[2*o+l:], dx[2*o+l:], dy[o+l]
			best, to := in[0], 0
			for i := range 4 {
				if v := in[i/2*rowStep+i%2*Block]; above(v, best) {
					best, to = v, i
				}
				out[i/2*dxRowStep+i%2*Block] = 0
			}
			if relu {
				if best <= 0 {
					d = 0
				}
				acc[l] += d
			}
			out[to/2*dxRowStep+to%2*Block] += d
		}
	}
}

// The portable primitives that need others, or have no place in a table of literals.
func init() {
	portableOps.div = zip(func(a, b float32) float32 { return a / b })
	portableOps.maxout = func(dst, src, at []float32) {
		for o := 0; o < len(dst); o += Block {
			for l := range Block {
				best := src[o+int(Int(at, l))]
				for p := Block + l; p < len(at); p += Block {
					best = maxOf2(best, src[o+int(Int(at, p))])
				}
				dst[o+l] = best
			}
		}
	}
	portableOps.maxoutBackward = func(dx, x, dy, at, lane, piece, best []float32, dxStep int) {
		for o := 0; o < len(dy); o += Block {
			for l := range Block {
				m := x[o+int(Int(at, l))]
				best[l] = 0
				for p := Block + l; p < len(at); p += Block {
					if v := x[o+int(Int(at, p))]; above(v, m) {
						m, best[l] = v, float32(p/Block)
					}
				}
			}
			for g := range lane {
				d := &dx[g/Block*dxStep+o+g%Block]
				*d = 0
				if l := Int(lane, g); best[l] == piece[g] {
					*d = dy[o+int(l)]
				}
			}
		}
	}
	portableOps.transpose = func(dst, src []float32, dstStep, srcStep, rows, cols int) {
		for r := range rows {
			for c, x := range src[r*srcStep:][:cols] {
				dst[c*dstStep+r] = x
			}
		}
	}
}

// Gradients of activations and pools.
func init() {
	portableOps.reluBackward = func(dx, dy, y []float32) {
		for i, v := range y[:len(dx)] {
			if v <= 0 {
				dx[i] = 0
			} else {
				dx[i] = dy[i]
			}
		}
	}
	portableOps.reluBackwardSum = func(dx, dy, y, acc []float32) {
		portableOps.reluBackward(dx, dy, y)
		for i, v := range dx {
			acc[i%Block] += v
		}
	}
	portableOps.sigmoidBackward = func(dx, dy, y []float32) {
		for i, v := range y[:len(dx)] {
			dx[i] = dy[i] * (v * (1 - v))
		}
	}
	portableOps.tanhBackward = func(dx, dy, y []float32) {
		for i, v := range y[:len(dx)] {
			dx[i] = dy[i] * (1 - float32(v*v))
		}
	}
	portableOps.maxPoolBackward = func(dx, x, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int) {
		for o := 0; o < len(dy); o += Block {
			at := o / Block * pixStep
			for l := range Block {
				best, to := x[at+l], at+l
				for i := range kh {
					for j := range kw {
						if v := x[at+i*rowStep+j*colStep+l]; above(v, best) {
							best, to = v, at+i*dxRowStep+j*colStep+l
						}
					}
				}
				dx[to] += dy[o+l]
			}
		}
	}
	portableOps.maxPoolBackward2 = func(dx, x, dy []float32, rowStep, dxRowStep int) {
		maxPoolBackward2Go(dx, x, dy, nil, rowStep, dxRowStep, false)
	}
	portableOps.maxPoolReluBackward2 = func(dx, x, dy, acc []float32, rowStep, dxRowStep int) {
		maxPoolBackward2Go(dx, x, dy, acc, rowStep, dxRowStep, true)
	}
	portableOps.maxPool2 = func(dst, src []float32, rowStep int) { portableOps.maxPool(dst, src, 2, 2, rowStep, Block, 2*Block) }
	portableOps.maxPoolIndices2 = func(dst, indices, src []float32, rowStep int) int {
		maxPoolIndicesGo(dst, indices, src, rowStep, false)
		return 0
	}
	portableOps.maxPoolReluIndices2 = func(dst, indices, src []float32, rowStep int) int {
		maxPoolIndicesGo(dst, indices, src, rowStep, true)
		return 0
	}
	portableOps.maxPoolIndexedBackward2 = maxPoolIndexedBackwardGo
	portableOps.maxPoolSpread = func(dx, x, _, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int) {
		portableOps.maxPoolBackward(dx, x, dy, kh, kw, rowStep, dxRowStep, colStep, pixStep)
	}
	portableOps.maxPoolSpread3 = func(dx, x, _, dy []float32, rowStep, dxRowStep, pixStep int) {
		portableOps.maxPoolBackward(dx, x, dy, 3, 3, rowStep, dxRowStep, Block, pixStep)
	}
	portableOps.spreadAdd = func(dx, dy []float32, kh, kw, rowStep, colStep, pixStep int, scale float32) {
		for o := 0; o < len(dy); o += Block {
			for i := range kh {
				for j := range kw {
					d := dx[o/Block*pixStep+i*rowStep+j*colStep:][:Block]
					for l := range d {
						d[l] += float32(dy[o+l] * scale)
					}
				}
			}
		}
	}
}

// passed is dy where the line of a lane is between its bounds or NaN, otherwise 0.
func passed(dy, x float32, coef []float32, lane int) float32 {
	z := float32(x*coef[4*Block+lane]) + coef[5*Block+lane]
	if z-coef[6*Block+lane] <= 0 || coef[7*Block+lane]-z <= 0 {
		return 0
	}
	return dy
}

// Sums and gradients of normalizations.
func init() {
	portableOps.sumRow = func(acc, src []float32) {
		clear(acc[:Block])
		for i, x := range src {
			acc[i%Block] += x
		}
	}
	portableOps.devRow = func(acc, src, mean []float32) {
		clear(acc[:Block])
		for i, x := range src {
			d := x - mean[i%Block]
			acc[i%Block] += float32(d * d)
		}
	}
	portableOps.dotRow = func(acc, dy, x, mean []float32) {
		clear(acc[:2*Block])
		for i, d := range dy {
			acc[i%Block] += d
			acc[Block+i%Block] += float32(d * (x[i] - mean[i%Block]))
		}
	}
	portableOps.batchNormBackward = func(dst, dy, x, coef []float32) {
		for i := range dst {
			l := i % Block
			dst[i] = float32((x[i]-coef[l])*coef[2*Block+l]) + (float32(dy[i]*coef[Block+l]) + coef[3*Block+l])
		}
	}
	portableOps.maskedDotRow = func(acc, dy, x, coef []float32) {
		clear(acc[:2*Block])
		for i, d := range dy {
			d = passed(d, x[i], coef, i%Block)
			acc[i%Block] += d
			acc[Block+i%Block] += float32(d * (x[i] - coef[i%Block]))
		}
	}
	portableOps.maskedNormBackward = func(dst, dy, x, coef []float32) {
		for i := range dst {
			l := i % Block
			d := passed(dy[i], x[i], coef, l)
			dst[i] = float32((x[i]-coef[l])*coef[2*Block+l]) + (float32(d*coef[Block+l]) + coef[3*Block+l])
		}
	}
	portableOps.lrnTerms34 = func(g, t, dy, x, s []float32, step int) {
		for i := range g {
			y := scalar.InvPow34(s[i])
			r := float32(min(s[i], math.MaxFloat32)*y) * y // the inverse of the square root
			g[i] = dy[i] * y
			t[i/Block*step+i%Block] = float32(g[i]*x[i]) * float32(r*r)
		}
	}
	portableOps.lrnBackward = func(dst, g, x, t []float32, step, size int, factor float32) {
		for i := range dst {
			var sum float32
			for _, v := range t[i/Block*step+i%Block:][:size] {
				sum += v
			}
			dst[i] = g[i] - float32(float32(x[i]*factor)*sum)
		}
	}
}

// Dropout.
func init() {
	portableOps.dropout = func(dst, src []float32, key0, key1, place, quad, image, step, below uint32, scale float32) {
		for i := 0; i < len(dst); i += 4 {
			f := random.Philox([4]uint32{place + uint32(i/Block), quad + uint32(i%Block/4), image, step}, [2]uint32{key0, key1})
			for j, u := range f {
				if u < below {
					dst[i+j] = 0
				} else {
					dst[i+j] = src[i+j] * scale
				}
			}
		}
	}
}

// Optimizers.
func init() {
	portableOps.sumSquares = func(src []float32) float32 {
		var acc [4][Block]float32
		whole := len(src) / (4 * Block) * (4 * Block)
		for i, x := range src {
			block := 0 // of what does not fill four
			if i < whole {
				block = i / Block % 4
			}
			acc[block][i%Block] += float32(x * x)
		}
		for i := range acc[0] {
			acc[0][i] = (acc[0][i] + acc[2][i]) + (acc[1][i] + acc[3][i])
		}
		return sumLanes(&acc[0])
	}
	// coef: rate, momentum, decay.
	portableOps.sgd = func(p, g, v, coef []float32) {
		for i := range p {
			v[i] = float32(v[i]*coef[1]) + (g[i] + float32(p[i]*coef[2]))
			p[i] -= float32(v[i] * coef[0])
		}
	}
	portableOps.nesterov = func(p, g, v, coef []float32) {
		for i := range p {
			d := g[i] + float32(p[i]*coef[2])
			v[i] = float32(v[i]*coef[1]) + d
			p[i] -= float32((d + float32(v[i]*coef[1])) * coef[0])
		}
	}
	// coef: rate, momentum, decay, rho, 1-rho, eps.
	portableOps.rmsprop = func(p, g, v, s, coef []float32) {
		for i := range p {
			d := g[i] + float32(p[i]*coef[2])
			s[i] = float32(s[i]*coef[3]) + float32(float32(d*d)*coef[4])
			v[i] = float32(v[i]*coef[1]) + float32(d*coef[0])/scalar.Sqrt(s[i]+coef[5])
			p[i] -= v[i]
		}
	}
	portableOps.rmspropTorch = func(p, g, v, s, coef []float32) {
		for i := range p {
			d := g[i] + float32(p[i]*coef[2])
			s[i] = float32(s[i]*coef[3]) + float32(float32(d*d)*coef[4])
			v[i] = float32(v[i]*coef[1]) + d/(scalar.Sqrt(s[i])+coef[5])
			p[i] -= float32(v[i] * coef[0])
		}
	}
	// coef: rate/(1-beta1^t), beta1, 1-beta1, beta2, 1-beta2, 1/(1-beta2^t), eps,
	// decay, factor on the param.
	portableOps.adam = func(p, g, m, s, coef []float32) {
		for i := range p {
			d := g[i] + float32(p[i]*coef[7])
			m[i] = float32(m[i]*coef[1]) + float32(d*coef[2])
			s[i] = float32(s[i]*coef[3]) + float32(float32(d*d)*coef[4])
			p[i] = float32(p[i]*coef[8]) - float32(m[i]*coef[0])/(scalar.Sqrt(float32(s[i]*coef[5]))+coef[6])
		}
	}
	portableOps.toward = func(dst, src []float32, rate float32) {
		for i, x := range src[:len(dst)] {
			dst[i] += float32((x - dst[i]) * rate)
		}
	}
}

// init runs last: every tier begins with the portable primitives.
func init() {
	for i := range vecTable {
		vecTable[i] = portableOps
	}
	vectorize()
}

func zip(f func(a, b float32) float32) func(dst, a, b []float32, step int) {
	return func(dst, a, b []float32, step int) {
		for i, x := range a[:len(dst)] {
			dst[i] = f(x, b[i/Block*step+i%Block])
		}
	}
}

// relu is 0 where x < 0 and x elsewhere, so NaN passes.
func relu(x float32) float32 {
	if x < 0 {
		return 0
	}
	return x
}

// maxOf2 is the larger: a on ties, NaN where either is.
func maxOf2(a, b float32) float32 {
	if b > a || b != b {
		return b
	}
	return a
}

func lrnScaleOf(sq []float32, size int, alpha, k float32) float32 {
	var s float32
	for _, q := range sq[:size] {
		s += q
	}
	return float32(s*alpha) + k
}

// sumLanes adds 16 partial sums in the order of every tier.
func sumLanes(acc *[Block]float32) float32 {
	for n := Block / 2; n > 0; n /= 2 {
		for i := range n {
			acc[i] += acc[i+n]
		}
	}
	return acc[0]
}
