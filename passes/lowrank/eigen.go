package lowrank

import (
	"errors"
	"math"
	"slices"
)

// symmetricEigen returns the eigenvalues of a symmetric n x n matrix, largest first, and
// its eigenvectors, in the same order, as the rows of a matrix. It overwrites a. It
// returns an error if the eigenvalues do not converge.
//
// Householder reflections make the matrix tridiagonal. Then the implicit QL algorithm
// with Wilkinson's shift makes it diagonal (Golub and Van Loan, Matrix Computations,
// sections 8.3.1 and 8.3.5). The eigenvectors are orthonormal up to rounding, for any
// eigenvalues. Decompose relies only on this.
func symmetricEigen(a []float64, n int) (values, vectors []float64, err error) {
	d, e, q := tridiagonal(a, n)
	if err := diagonalize(d, e, q, n); err != nil {
		return nil, nil, err
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case d[i] > d[j]:
			return -1
		case d[i] < d[j]:
			return 1
		}
		return 0
	})
	values, vectors = make([]float64, n), make([]float64, n*n)
	for i, j := range order {
		values[i] = d[j]
		copy(vectors[i*n:(i+1)*n], q[j*n:(j+1)*n])
	}
	return values, vectors, nil
}

// tridiagonal returns a tridiagonal matrix T and a row-major orthogonal matrix q with
// a = transpose(q) T q. d is the diagonal of T, and e[i] its element in row i+1, column i.
// It overwrites a.
func tridiagonal(a []float64, n int) (d, e, q []float64) {
	d, e = make([]float64, n), make([]float64, n)
	type reflection struct {
		v    []float64 // of rows k+1 to n-1
		beta float64
	}
	hs := make([]reflection, max(0, n-2))
	p := make([]float64, n)
	for k := range hs {
		m := n - k - 1
		v := make([]float64, m)
		norm := 0.0
		for i := range v {
			v[i] = a[(k+1+i)*n+k]
			norm = math.Hypot(norm, v[i])
		}
		e[k] = v[0]
		if norm == 0 {
			hs[k].v = v
			continue
		}
		// Choose the sign for which v[0] - alpha does not cancel.
		alpha := -math.Copysign(norm, v[0])
		v[0] -= alpha
		sq := dot(v, v)
		beta := 2 / sq
		e[k] = alpha
		hs[k] = reflection{v, beta}
		// A <- A - v w' - w v' with p = beta A v, w = p - beta/2 (p'v) v.
		w := p[:m]
		for i := range w {
			w[i] = beta * dot(a[(k+1+i)*n+k+1:(k+2+i)*n], v)
		}
		h := beta / 2 * dot(w, v)
		for i := range w {
			w[i] -= h * v[i]
		}
		for i := range m {
			row := a[(k+1+i)*n+k+1 : (k+2+i)*n]
			vi, wi := v[i], w[i]
			for j := range row {
				row[j] -= vi*w[j] + wi*v[j]
			}
		}
	}
	for i := range n {
		d[i] = a[i*n+i]
	}
	if n > 1 {
		e[n-2] = a[(n-1)*n+n-2]
	}
	// q = H_{n-3} ... H_0. Begin with the last reflection: then each one changes only rows
	// and columns from k+1 on; the rest is still the identity.
	q = make([]float64, n*n)
	for i := range n {
		q[i*n+i] = 1
	}
	for k := len(hs) - 1; k >= 0; k-- {
		h := hs[k]
		if h.beta == 0 {
			continue
		}
		// q holds the transpose of the product so far, so the reflection is applied to the
		// elements of its rows.
		for i := k + 1; i < n; i++ {
			row := q[i*n+k+1 : (i+1)*n]
			f := h.beta * dot(row, h.v)
			for j := range row {
				row[j] -= f * h.v[j]
			}
		}
	}
	return d, e, q
}

// diagonalize replaces d by the eigenvalues of the tridiagonal matrix with diagonal d and
// subdiagonal e, and rotates the rows of q into the eigenvectors. It overwrites e.
func diagonalize(d, e, q []float64, n int) error {
	const most = 60 // iterations for one eigenvalue; two are usual
	// An element below the rounding of the largest one counts as 0: of a matrix of low rank, a
	// large part is nothing but rounding, which does not get smaller by itself.
	norm := 0.0
	for i, x := range d {
		norm = max(norm, math.Abs(x), math.Abs(e[i]))
	}
	for l := range n {
		for round := 0; ; round++ {
			m := l
			for ; m < n-1; m++ {
				if s := math.Abs(d[m]) + math.Abs(d[m+1]); math.Abs(e[m]) <= 0x1p-53*max(s, norm) {
					break
				}
			}
			if m == l {
				break
			}
			if round == most {
				return errors.New("the eigenvalues do not converge: are the weights finite?")
			}
			g := (d[l+1] - d[l]) / (2 * e[l])
			r := math.Hypot(g, 1)
			g = d[m] - d[l] + e[l]/(g+math.Copysign(r, g))
			s, c, shift := 1.0, 1.0, 0.0
			i := m - 1
			for ; i >= l; i-- {
				f, b := s*e[i], c*e[i]
				r = math.Hypot(f, g)
				e[i+1] = r
				if r == 0 {
					// The matrix splits into two here.
					d[i+1] -= shift
					e[m] = 0
					break
				}
				s, c = f/r, g/r
				g = d[i+1] - shift
				r = (d[i]-g)*s + 2*c*b
				shift = s * r
				d[i+1] = g + shift
				g = c*r - b
				rotate(q[i*n:(i+1)*n], q[(i+1)*n:(i+2)*n], c, s)
			}
			if r == 0 && i >= l {
				continue
			}
			d[l] -= shift
			e[l] = g
			e[m] = 0
		}
	}
	return nil
}

// rotate replaces x by c*x - s*y, and y by s*x + c*y.
func rotate(x, y []float64, c, s float64) {
	y = y[:len(x)]
	for i, a := range x {
		b := y[i]
		x[i], y[i] = c*a-s*b, s*a+c*b
	}
}

func dot(x, y []float64) float64 {
	y = y[:len(x)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return (a + b) + (c + d)
}
