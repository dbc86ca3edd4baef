package lowrank

import (
	"math"

	"github.com/incc-lang/incc/ir/tensor"
)

// Tucker is the Tucker-2 decomposition of filters W[o,c,i,j] over output and input channels (Tucker
// 1966; Kim 2016, Compression of Deep Convolutional Neural Networks, section 3.1):
//
//	W[o,c,i,j] = sum over a,b of Out[o,a] Core[a,b,i,j] In[b,c]
//
// Out and In are the singular vectors of W unfolded along o and along c, the largest singular value
// first (De Lathauwer 2000, the higher-order singular value decomposition).
type Tucker struct {
	o, c, k int
	out, in []float64 // as rows, the singular vectors along o and along c
	core    []float64 // [o,c,k] at full ranks
	total   float64   // the sum of the squares of core
}

// NewTucker decomposes filters [O,C,KH,KW]. It returns an error if the eigenvalues do not converge.
func NewTucker(w *tensor.F32) (*Tucker, error) {
	t := &Tucker{o: w.Shape[0], c: w.Shape[1], k: w.Shape[2] * w.Shape[3]}
	x := make([]float64, len(w.Data))
	for i, v := range w.Data {
		x[i] = float64(v)
	}
	var err error
	if t.out, err = vectorsAlong(t.o, func(a int) []float64 { return x[a*t.c*t.k : (a+1)*t.c*t.k] }); err != nil {
		return nil, err
	}
	byInput := make([]float64, len(x)) // [c,o,k]
	for o := range t.o {
		for c := range t.c {
			copy(byInput[(c*t.o+o)*t.k:][:t.k], x[(o*t.c+c)*t.k:])
		}
	}
	if t.in, err = vectorsAlong(t.c, func(a int) []float64 { return byInput[a*t.o*t.k : (a+1)*t.o*t.k] }); err != nil {
		return nil, err
	}
	row := t.c * t.k
	half := make([]float64, len(x)) // Out' W
	for a := range t.o {
		to := half[a*row : (a+1)*row]
		for o, u := range t.out[a*t.o : (a+1)*t.o] {
			for i, v := range x[o*row : (o+1)*row] {
				to[i] += u * v
			}
		}
	}
	t.core = make([]float64, len(x))
	for a := range t.o {
		for b := range t.c {
			to := t.core[(a*t.c+b)*t.k:][:t.k]
			for c, u := range t.in[b*t.c : (b+1)*t.c] {
				for i, v := range half[(a*t.c+c)*t.k:][:t.k] {
					to[i] += u * v
				}
			}
		}
	}
	for _, v := range t.core {
		t.total += v * v
	}
	return t, nil
}

// vectorsAlong returns, as rows, the left singular vectors of the matrix with the given rows.
func vectorsAlong(n int, row func(int) []float64) ([]float64, error) {
	gram := make([]float64, n*n)
	for a := range n {
		for b := range a + 1 {
			gram[a*n+b] = dot(row(a), row(b))
			gram[b*n+a] = gram[a*n+b]
		}
	}
	_, vectors, err := symmetricEigen(gram, n)
	return vectors, err
}

// Error returns |W - approximation| / |W| in the Frobenius norm for a core of the given ranks.
func (t *Tucker) Error(out, in int) float64 {
	if t.total == 0 {
		return 0
	}
	rest := 0.0
	for a := range t.o {
		for b := range t.c {
			if a < out && b < in {
				continue
			}
			for _, v := range t.core[(a*t.c+b)*t.k:][:t.k] {
				rest += v * v
			}
		}
	}
	return math.Sqrt(rest / t.total)
}

// Factors returns the filters for the given ranks: last [O,out], core [out,in,k] and first [in,C].
// At the rank O, last is the identity and core has the original outputs; likewise first at the rank
// C. Such a factor need not be a layer.
func (t *Tucker) Factors(out, in int) (last, core, first []float64) {
	last, first = make([]float64, t.o*out), make([]float64, in*t.c)
	core = make([]float64, 0, out*in*t.k)
	for a := range out {
		core = append(core, t.core[a*t.c*t.k:][:in*t.k]...)
		for o := range t.o {
			last[o*out+a] = t.out[a*t.o+o]
		}
	}
	copy(first, t.in[:in*t.c])
	if out == t.o {
		core, last = along0(last, core, t.o), identity(t.o)
	}
	if in == t.c {
		core, first = along1(core, first, out, in, t.k), identity(t.c)
	}
	return last, core, first
}

// along0 returns the product of a square matrix [n,n] and x [n,rest].
func along0(m, x []float64, n int) []float64 {
	row := len(x) / n
	y := make([]float64, len(x))
	for o := range n {
		to := y[o*row : (o+1)*row]
		for a, u := range m[o*n : (o+1)*n] {
			for i, v := range x[a*row : (a+1)*row] {
				to[i] += u * v
			}
		}
	}
	return y
}

// along1 returns sum over b of x[a,b,k] m[b,c].
func along1(x, m []float64, a, n, k int) []float64 {
	y := make([]float64, len(x))
	for i := range a {
		for b := range n {
			from := x[(i*n+b)*k:][:k]
			for c, u := range m[b*n : (b+1)*n] {
				to := y[(i*n+c)*k:][:k]
				for j, v := range from {
					to[j] += u * v
				}
			}
		}
	}
	return y
}

func identity(n int) []float64 {
	m := make([]float64, n*n)
	for i := range n {
		m[i*n+i] = 1
	}
	return m
}
