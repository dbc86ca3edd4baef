package quantize

import (
	"math"
	"slices"
)

// damping is the part of the mean of the diagonal that is added to it, so that directions that no
// image showed cost something as well (Frantar 2023, section 3.3).
const damping = 0.01

// round chooses the whole numbers of the weights of a layer in steps of scales, one for each row: so
// that the layer's output changes least on the inputs that the moments are of. The error of a weight
// is made up for by those that are chosen after it (Frantar 2023, GPTQ; the order and the form are
// those of Babai's nearest plane, which computes the same: Chen 2025, The Geometry of LLM
// Quantization). Neighbours fit together as pairs says.
func (m *Moments) round(weights []float32, scales []float32, pairs pairing) []float64 {
	m.flush()
	whole := make([]float64, len(weights))
	for i := range whole {
		whole[i] = math.NaN()
	}
	if m.rows > 0 { // a row has one block
		parallel(len(scales), func(o int) {
			_, k := m.row(o)
			m.block(o).round(weights[o*k:][:k], whole[o*k:][:k], scales[o], pairs.partners(k))
		})
		return whole
	}
	partners := pairs.partners(m.K)
	for i := range m.products {
		b := m.block(i)
		parallel(len(scales), func(o int) {
			b.round(weights[o*m.K:][:m.K], whole[o*m.K:][:m.K], scales[o], partners)
		})
	}
	return whole
}

// roundingBlock is what round needs of some inputs of a row, from one on.
type roundingBlock struct {
	from   int
	order  []int     // of the inputs, the one that is chosen first last
	factor []float64 // of their products in that order; nil if these have none
}

// block prepares block b.
func (m *Moments) block(b int) roundingBlock {
	from, size := m.at[b], m.at[b+1]-m.at[b]
	if m.rows > 0 {
		from = 0
	}
	order := byDiagonal(m.products[b], size)
	return roundingBlock{from, order, cholesky(permuted(m.products[b], size, order), size)}
}

// round chooses the whole numbers of the inputs of b in a row of weights.
func (b roundingBlock) round(row []float32, whole []float64, scale float32, partners []int) {
	size := len(b.order)
	missed := make([]float64, size) // of the permuted weights, in steps
	for i := size - 1; i >= 0; i-- {
		at := b.from + b.order[i]
		u := float64(row[at]) / float64(scale)
		x := u
		if b.factor != nil {
			x += dot(b.factor[i*size+i+1:(i+1)*size], missed[i+1:]) / b.factor[i*size+i]
		}
		beside := math.NaN()
		if j := partners[at]; j >= 0 {
			beside = whole[j]
		}
		whole[at] = nearest(x, beside)
		missed[i] = u - whole[at]
	}
}

// dot is the dot product of x and the beginning of y.
func dot(x, y []float64) float64 {
	s := 0.0
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// byDiagonal sorts the inputs by their second moments, the largest last: round chooses it first.
func byDiagonal(h []float32, size int) []int {
	order := make([]int, size)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := h[a*size+a], h[b*size+b]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return order
}

// permuted returns the matrix whose upper triangle h holds, with rows and columns in an order, and
// damped.
func permuted(h []float32, size int, order []int) []float64 {
	p := make([]float64, size*size)
	mean := 0.0
	for i := range size {
		mean += float64(h[i*size+i]) / float64(size)
	}
	for i, a := range order {
		for j := i; j < size; j++ {
			b := order[j]
			p[i*size+j] = float64(h[min(a, b)*size+max(a, b)])
		}
		p[i*size+i] += damping * mean
	}
	return p
}

// cholesky replaces the upper triangle of a symmetric matrix A by that of R, with A = RT*R. It returns
// nil if A is not positive definite.
func cholesky(a []float64, size int) []float64 {
	for i := range size {
		pivot := a[i*size : (i+1)*size]
		if !(pivot[i] > 0) || math.IsInf(pivot[i], 1) {
			return nil
		}
		d := math.Sqrt(pivot[i])
		for j := i; j < size; j++ {
			pivot[j] /= d
		}
		parallel(size-i-1, func(k int) {
			row := a[(i+1+k)*size : (i+2+k)*size]
			f := pivot[i+1+k]
			for j := i + 1 + k; j < size; j++ {
				row[j] -= f * pivot[j]
			}
		})
	}
	return a
}
