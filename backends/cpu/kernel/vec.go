package kernel

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

	gelu, normalTail func(dst, src []float32) // scalar.GELU and scalar.NormalTail

	// b moves by step float32s a block: 16, or 0 to repeat one block.
	add, sub, subFrom, mul, div, max, min func(dst, a, b []float32, step int)

	addScaled func(dst, a, b []float32, scale float32) // a + scale*b

	// One output block for each kh x kw window; steps in float32s. Windows are
	// taken column by column (of zeros of either sign the first in that order is
	// a maximum, and each column has a sum of its own).
	maxPool func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int)
	sumPool func(dst, src []float32, kh, kw, rowStep, colStep, pixStep int, scale float32)

	maxPool2 func(dst, src []float32, rowStep int) // windows of 2 x 2, one beside the other
	// The same, and indices say which element of each window is the maximum (pool_indices.go); the
	// relu form names no element where the maximum is <= 0. If the result is not 0, the input had
	// a NaN and dst and indices are wrong. Portable always returns 0.
	maxPoolIndices2, maxPoolReluIndices2 func(dst, indices, src []float32, rowStep int) (nan int)

	// The same for rows of w windows of three columns, which share the columns' maxima or
	// sums; nil on tiers without such a primitive. maxPool3 may lose a NaN; its result is
	// then not 0.
	maxPool3 func(dst, src []float32, rows, dstRow, srcRow, w, row1, row2, stride, left, right int) int
	sumPool3 func(dst, src []float32, rows, dstRow, srcRow, w, row1, row2, stride int, scale float32)

	square   func(dst, src []float32, step int) // blocks of src to blocks of dst, step float32s apart
	lrn34    func(dst, src, sq []float32, step, size int, alpha, k float32)
	lrnScale func(dst, sq []float32, step, size int, alpha, k float32)

	maxOf  func(src []float32) float32
	sum    func(src []float32) float32
	expSum func(dst, src []float32, shift float32) float32
	divBy  func(dst, src []float32, by float32)

	// at holds integers: for each piece and lane a place in src, from the pixel on;
	// for maxoutBackward, lane and piece say what each lane of an input block is.
	maxout         func(dst, src, at []float32)
	maxoutBackward func(dx, x, dy, at, lane, piece, best []float32, dxStep int)

	transpose func(dst, src []float32, dstStep, srcStep, rows, cols int) // multiples of 8: dst[c*dstStep+r] = src[r*srcStep+c]

	// Training.
	reluBackward, sigmoidBackward, tanhBackward func(dx, dy, y []float32)
	reluBackwardSum                             func(dx, dy, y, acc []float32) // and adds the blocks of dx to acc, in order

	maxPoolBackward func(dx, x, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int)
	// The same for windows of 2 x 2, one beside the other: every place of dx is written.
	// With relu, dy counts where the maximum is > 0 or NaN, and is added to acc.
	maxPoolBackward2     func(dx, x, dy []float32, rowStep, dxRowStep int)
	maxPoolReluBackward2 func(dx, x, dy, acc []float32, rowStep, dxRowStep int)
	// The same given the indices: dy counts where there is one, and is added to acc.
	maxPoolIndexedBackward2 func(dx, indices, dy, acc []float32, dxRowStep int)
	// The same as maxPoolBackward where the maxima are known and none is NaN.
	maxPoolSpread  func(dx, x, most, dy []float32, kh, kw, rowStep, dxRowStep, colStep, pixStep int)
	maxPoolSpread3 func(dx, x, most, dy []float32, rowStep, dxRowStep, pixStep int) // 3 x 3, no dilation
	spreadAdd      func(dx, dy []float32, kh, kw, rowStep, colStep, pixStep int, scale float32)

	sumRow            func(acc, src []float32)         // one block: the sum of all
	devRow            func(acc, src, mean []float32)   // of (src-mean)**2
	dotRow            func(acc, dy, x, mean []float32) // two blocks: of dy, of dy*(x-mean)
	batchNormBackward func(dst, dy, x, coef []float32) // (x-coef0)*coef2 + (dy*coef1 + coef3), blocks
	// The same two where dy counts as 0 unless x*coef4 + coef5 is above coef6 and below coef7, or NaN.
	maskedDotRow       func(acc, dy, x, coef []float32)
	maskedNormBackward func(dst, dy, x, coef []float32)

	lrnTerms34  func(g, t, dy, x, s []float32, step int) // g = dy/s**0.75, t = g*x/s by blocks step apart
	lrnBackward func(dst, g, x, t []float32, step, size int, factor float32)

	dropout func(dst, src []float32, key0, key1, place, quad, image, step, below uint32, scale float32)

	sumSquares                  func(src []float32) float32
	sgd, nesterov               func(p, g, v, coef []float32)
	rmsprop, rmspropTorch, adam func(p, g, v, s, coef []float32)
	toward                      func(dst, src []float32, rate float32)
}

var vecTable [isas]vecOps // filled by init

func vecFor(isa ISA) *vecOps { return &vecTable[isa] }
