package kernel

import "math"

// vecOps are the primitives under the kernels that are not convolutions. Their
// lengths are multiples of 16 (a block); no primitive fuses a multiply with an
// add, and sums over lanes take 16 partial sums and then the tree 8, 4, 2, 1.
// So all tiers, Portable too, give the same bits. They are called through a
// table, so what they are handed must live on the heap.
type vecOps struct {
	relu    func(dst, src []float32)
	exp     func(dst, src []float32)
	sigmoid func(dst, src []float32)
	tanh    func(dst, src []float32)
	affine  func(dst, src, scale, shift []float32)

	// b moves by step float32s a block: 16, or 0 to repeat one block.
	add, sub, subFrom, mul, max func(dst, a, b []float32, step int)

	addScaled func(dst, a, b []float32, scale float32) // a + scale*b

	// One output block for each kh x kw window; steps in float32s. Windows are
	// taken column by column (of zeros of either sign the first in that order is
	// a maximum, and each column has a sum of its own).
	maxPool func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int)
	sumPool func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int, scale float32)

	// The same for windows of three columns, which share the columns' maxima or
	// sums; nil where there is no such primitive. maxPool3 may lose a NaN and says
	// so by a result other than 0.
	maxPool3 func(dst, src []float32, row1, row2, stride, left, right int) int
	sumPool3 func(dst, src []float32, row1, row2, stride int, scale float32)

	square   func(dst, src []float32, step int) // blocks of src to blocks of dst, step float32s apart
	lrn34    func(dst, src, sq []float32, step, size int, alpha, k float32)
	lrnScale func(dst, sq []float32, step, size int, alpha, k float32)

	maxOf  func(src []float32) float32
	sum    func(src []float32) float32
	expSum func(dst, src []float32, shift float32) float32
	divBy  func(dst, src []float32, by float32)
}

var vecTable = [AVX512 + 1]vecOps{Portable: portableOps, AVX2: portableOps, AVX512: portableOps}

func vecFor(isa ISA) *vecOps { return &vecTable[isa] }

var portableOps = vecOps{
	relu: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = relu(x)
		}
	},
	exp: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = Exp(x)
		}
	},
	sigmoid: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = sigmoid(x)
		}
	},
	tanh: func(dst, src []float32) {
		for i, x := range src[:len(dst)] {
			dst[i] = tanh(x)
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
			dst[i] = x / pow34(lrnScaleOf(sq[i/Block*step+i%Block:], size, alpha, k))
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
			dst[i] = Exp(x - shift)
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
