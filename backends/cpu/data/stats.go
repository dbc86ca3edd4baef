package data

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/incc-lang/incc/ir/recipe"
)

// channelStats returns the mean of each channel of a set in network input units,
// in the network's order, and 1 over its standard deviation.
func channelStats(s *Set, in *recipe.Input) (mean, scale []float32, err error) {
	n := s.H * s.W
	k := (in.Hi - in.Lo) / 255
	// Sums of whole numbers: exact in any order.
	sums, squares := make([]uint64, s.C), make([]uint64, s.C)
	err = s.Each(func(_ int, px []uint8) error {
		for i, v := range px {
			sums[i/n] += uint64(v)
			squares[i/n] += uint64(v) * uint64(v)
		}
		return nil
	})
	for c := range s.C {
		src := c
		if s.C == 3 && in.Order == "bgr" {
			src = 2 - c
		}
		count := float64(n * s.Len())
		m := float64(sums[src]) / count
		variance := float64(squares[src])/count - float64(m*m)
		lo, std := in.Lo, 1.0
		if len(in.Mean) == s.C {
			lo -= in.Mean[c]
		}
		if len(in.Std) == s.C {
			std = in.Std[c]
		}
		mean = append(mean, float32((float64(m*k)+lo)/std))
		scale = append(scale, float32(std/(k*math.Sqrt(math.Max(variance, 1e-12)))))
	}
	return mean, scale, err
}

// meanImage is the mean of the set's images as the network would see them.
func (t *Transform) meanImage(s *Set) ([]float32, error) {
	sum := make([]float64, t.Size())
	x := make([]float32, t.Size())
	err := s.Each(func(_ int, px []uint8) error {
		t.eval(x, newFrame(s, px))
		for j, v := range x {
			sum[j] += float64(v)
		}
		return nil
	})
	m := make([]float32, len(sum))
	for j, v := range sum {
		m[j] = float32(v / float64(s.Len()))
	}
	return m, err
}

// contrastNormalize subtracts an image's own mean and divides by its norm, times
// 55, as the preprocessing of Goodfellow 2013 does (pylearn2's global contrast
// normalization; Coates 2011, section 3.1).
func contrastNormalize(x []float32) {
	m := 0.0
	for _, v := range x {
		m += float64(v)
	}
	m /= float64(len(x))
	s := 0.0
	for _, v := range x {
		d := float64(v) - m
		s += float64(d * d)
	}
	norm := math.Sqrt(s) / 55
	if norm < 1e-8 {
		norm = 1
	}
	for i, v := range x {
		x[i] = float32((float64(v) - m) / norm)
	}
}

// whitening decorrelates the pixels: x -> W (x - mean), W = V (L + eps)^-1/2 V'
// of the covariance V L V' (zero-phase, Bell and Sejnowski 1997; eps 0.1 as in
// Goodfellow 2013).
type whitening struct {
	n    int
	mean []float32
	w    []float32
}

// maxWhitening bounds the pixels of an image to whiten: the covariance is
// quadratic in them, its decomposition cubic.
const maxWhitening = 3 * 32 * 32

func newWhitening(t *Transform, s *Set) (*whitening, error) {
	n := t.Size()
	if n > maxWhitening {
		return nil, fmt.Errorf("whitening of images of %d values (want at most %d)", n, maxWhitening)
	}
	mean := make([]float64, n)
	rows := make([]float64, 0, n*min(s.Len(), 10000))
	x := make([]float32, n)
	count := min(s.Len(), 10000)
	err := s.each(count, func(k int) int { return k * s.Len() / count }, func(_ int, px []uint8) error {
		t.eval(x, newFrame(s, px))
		for j, v := range x {
			mean[j] += float64(v) / float64(count)
			rows = append(rows, float64(v))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range count {
		for j := range n {
			rows[i*n+j] -= mean[j]
		}
	}
	var cov mat.SymDense
	cov.SymOuterK(1/float64(count), mat.NewDense(count, n, rows).T())
	var eig mat.EigenSym
	if !eig.Factorize(&cov, true) {
		return nil, fmt.Errorf("whitening: the covariance of the images has no eigenvectors")
	}
	var v mat.Dense
	eig.VectorsTo(&v)
	vals := eig.Values(nil)
	scaled := mat.DenseCopyOf(&v)
	for j, l := range vals {
		k := 1 / math.Sqrt(math.Max(l, 0)+0.1)
		for i := range n {
			scaled.Set(i, j, scaled.At(i, j)*k)
		}
	}
	var w mat.Dense
	w.Mul(scaled, v.T())
	r := &whitening{n: n, mean: make([]float32, n), w: make([]float32, n*n)}
	for i := range n {
		r.mean[i] = float32(mean[i])
		for j := range n {
			r.w[i*n+j] = float32(w.At(i, j))
		}
	}
	return r, nil
}

func (w *whitening) apply(x []float32) {
	d := make([]float32, w.n)
	for i, v := range x {
		d[i] = v - w.mean[i]
	}
	for i := range x {
		s := float32(0)
		row := w.w[i*w.n : (i+1)*w.n]
		for j, v := range d {
			s += float32(row[j] * v)
		}
		x[i] = s
	}
}

// colours are the principal components of a set's pixels in RGB (Krizhevsky
// 2012, section 4.1).
type colours struct {
	vectors [3][3]float64 // a component each
	std     [3]float64    // along it, in 0..255
}

func principalColours(s *Set) (*colours, error) {
	n := s.H * s.W
	var sum [3]float64
	var sq [3][3]float64
	count := 0.0
	err := s.Each(func(_ int, im []uint8) error {
		for p := 0; p < n; p += 7 {
			count++
			for a := range 3 {
				sum[a] += float64(im[a*n+p])
				for b := range 3 {
					sq[a][b] += float64(im[a*n+p]) * float64(im[b*n+p])
				}
			}
		}
		return nil
	})
	cov := mat.NewSymDense(3, nil)
	for a := range 3 {
		for b := a; b < 3; b++ {
			cov.SetSym(a, b, sq[a][b]/count-sum[a]/count*sum[b]/count)
		}
	}
	var eig mat.EigenSym
	c := &colours{}
	if err != nil || !eig.Factorize(cov, true) {
		return c, err
	}
	var v mat.Dense
	eig.VectorsTo(&v)
	for k, l := range eig.Values(nil) {
		c.std[k] = math.Sqrt(math.Max(l, 0))
		for a := range 3 {
			c.vectors[k][a] = v.At(a, k)
		}
	}
	return c, nil
}

// shift adds a random multiple of each component to every pixel.
func (c *colours) shift(f frame, std float64, r *Draws) {
	var d [3]float64
	for k := range 3 {
		g := r.normal() * std * c.std[k]
		for a := range 3 {
			d[a] += float64(g * c.vectors[k][a])
		}
	}
	n := f.h * f.w
	for a := range 3 {
		for i := a * n; i < (a+1)*n; i++ {
			f.px[i] = clamp(f.px[i] + float32(d[a]))
		}
	}
}
