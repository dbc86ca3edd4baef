// Package lowrank approximates matrices and filters by products of smaller ones: the truncated
// singular value decomposition and Tucker's decomposition.
package lowrank

import "math"

// Matrix has its elements row by row.
type Matrix struct {
	Rows, Cols int
	Data       []float64
}

func (m Matrix) row(i int) []float64 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Decomposition is what is needed of the singular value decomposition of a matrix: its best
// approximation of rank r, for every r, follows from the first r singular values and vectors
// (Eckart 1936).
type Decomposition struct {
	m Matrix
	// Values are the squares of the singular values, largest first.
	Values []float64
	// vectors has, as rows, the right singular vectors if Cols <= Rows, otherwise the left ones.
	vectors []float64
}

// Decompose decomposes a matrix, by the eigenvectors of M'M or MM', whichever is smaller. Squaring
// M makes small singular values less exact, but at full rank only the orthonormality of the
// vectors matters. It returns an error if the eigenvalues do not converge, as with elements that
// are not finite.
func (m Matrix) Decompose() (*Decomposition, error) {
	n := min(m.Rows, m.Cols)
	gram := make([]float64, n*n)
	if m.Cols <= m.Rows {
		for i := range m.Rows {
			row := m.row(i)
			for a, x := range row {
				if x == 0 {
					continue
				}
				g := gram[a*n : (a+1)*n]
				for b, y := range row[:a+1] {
					g[b] += x * y
				}
			}
		}
	} else {
		for a := range m.Rows {
			for b := range a + 1 {
				gram[a*n+b] = dot(m.row(a), m.row(b))
			}
		}
	}
	for a := range n {
		for b := range a {
			gram[b*n+a] = gram[a*n+b]
		}
	}
	values, vectors, err := symmetricEigen(gram, n)
	return &Decomposition{m, values, vectors}, err
}

// Rank returns the smallest rank whose relative error is not above bound.
func (d *Decomposition) Rank(bound float64) int {
	total := 0.0
	for _, v := range d.Values {
		total += max(v, 0)
	}
	tail, rank := 0.0, len(d.Values)
	for rank > 1 {
		tail += max(d.Values[rank-1], 0)
		if math.Sqrt(tail) > bound*math.Sqrt(total) {
			break
		}
		rank--
	}
	return rank
}

// Error returns the relative error of the best approximation of rank r, |M - M_r| / |M| in the
// Frobenius norm.
func (d *Decomposition) Error(r int) float64 {
	total, tail := 0.0, 0.0
	for i, v := range d.Values {
		total += max(v, 0)
		if i >= r {
			tail += max(v, 0)
		}
	}
	if total == 0 {
		return 0
	}
	return math.Sqrt(tail / total)
}

// Factors calls put for each k below r with column k of A [Rows,r] and row k of B [r,Cols], whose
// product is the best approximation of rank r: M V and V', or U and U'M. Each of the two contains
// the square root of the singular value. put must not keep the slices.
func (d *Decomposition) Factors(r int, put func(k int, left, right []float64)) {
	m, n := d.m, len(d.Values)
	least := 0x1p-40 * math.Sqrt(max(d.Values[0], 0))
	left, right := make([]float64, m.Rows), make([]float64, m.Cols)
	for k := range r {
		v := d.vectors[k*n : (k+1)*n]
		// For a singular value near 0, any positive scale would do.
		share := math.Sqrt(max(math.Sqrt(max(d.Values[k], 0)), least))
		if share == 0 {
			share = 1
		}
		if m.Cols <= m.Rows {
			for i := range left {
				left[i] = dot(m.row(i), v) / share
			}
			for j := range right {
				right[j] = v[j] * share
			}
		} else {
			clear(right)
			for i := range left {
				for j, x := range m.row(i) {
					right[j] += v[i] * x
				}
				left[i] = v[i] * share
			}
			for j := range right {
				right[j] /= share
			}
		}
		put(k, left, right)
	}
}
