package lowrank

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Eigenvectors are orthonormal, A v equals lambda v, and eigenvalues are in order. This
// also holds for matrices that have low rank or equal eigenvalues, are diagonal or zero.
func TestSymmetricEigen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= 40; n++ {
		for kind := range 5 {
			a := make([]float64, n*n)
			rank := []int{n, (n + 2) / 3, 1, 0, n}[kind]
			for range rank {
				v := make([]float64, n)
				for i := range v {
					v[i] = r.NormFloat64() * math.Pow(10, float64(r.IntN(5)-2))
				}
				for i := range n {
					for j := range n {
						a[i*n+j] += v[i] * v[j]
					}
				}
			}
			if kind == 4 {
				clear(a)
				for i := range n {
					a[i*n+i] = float64(i % 3)
				}
			}
			norm := 0.0
			for _, x := range a {
				norm = math.Max(norm, math.Abs(x))
			}
			values, vectors, err := symmetricEigen(append([]float64(nil), a...), n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				v := vectors[i*n : (i+1)*n]
				if i > 0 && values[i] > values[i-1] {
					t.Fatalf("n %d kind %d: values are not in order", n, kind)
				}
				for j := range n {
					want := 0.0
					if i == j {
						want = 1
					}
					if x := dot(v, vectors[j*n:(j+1)*n]); math.Abs(x-want) > 1e-12 {
						t.Fatalf("n %d kind %d: product of vectors %d and %d is %g", n, kind, i, j, x)
					}
					if x := dot(a[j*n:(j+1)*n], v) - values[i]*v[j]; math.Abs(x) > 1e-12*norm*float64(n) {
						t.Fatalf("n %d kind %d: A v misses lambda v by %g of %g", n, kind, x, norm)
					}
				}
			}
		}
	}
	if _, _, err := symmetricEigen([]float64{1, math.NaN(), math.NaN(), 1}, 2); err == nil {
		t.Error("a matrix with NaN has eigenvalues")
	}
}
