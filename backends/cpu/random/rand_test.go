package random

import (
	"math"
	"testing"
)

// TestPhilox: the known answers of the Random123 distribution.
func TestPhilox(t *testing.T) {
	for _, k := range []struct {
		c    [4]uint32
		k    [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := Philox(k.c, k.k); got != k.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", k.c, k.k, got, k.want)
		}
	}
}

func TestRandFillsAreTheNumbers(t *testing.T) {
	r := NewRand(0x123456789abcdef, 3, 14, 15)
	for first := range uint64(9) {
		u, n := make([]float32, 23), make([]float32, 23)
		r.FillUniform(u, 0, 1, first)
		r.FillNormal(n, 0, 1, first)
		for i := range u {
			if u[i] != r.Float32(first+uint64(i)) || n[i] != r.Norm(first+uint64(i)) {
				t.Fatalf("number %d from %d: %g, %g; want %g, %g", i, first, u[i], n[i], r.Float32(first+uint64(i)), r.Norm(first+uint64(i)))
			}
		}
	}
	if r.Uint32(0) == NewRand(0x123456789abcdef, 3, 14, 16).Uint32(0) || r.Uint32(0) == NewRand(0x123456789abcdee, 3, 14, 15).Uint32(0) {
		t.Error("streams or seeds share their first number")
	}
}

// TestRandMoments: mean, variance and the fourth moment, and no correlation of
// neighbours, within five standard errors.
func TestRandMoments(t *testing.T) {
	const n = 1 << 20
	x := make([]float32, n)
	moments := func(name string, mean, variance, fourth, low, high float64) {
		var m1, m2, m4, c float64
		for i, v := range x {
			if float64(v) < low || float64(v) > high {
				t.Fatalf("%s: %g", name, v)
			}
			d := float64(v) - mean
			m1 += d
			m2 += d * d
			m4 += d * d * d * d
			c += d * (float64(x[(i+1)%n]) - mean)
		}
		se := math.Sqrt(variance / n)
		if math.Abs(m1/n) > 5*se || math.Abs(m2/n-variance) > 5*variance*2/math.Sqrt(n) || math.Abs(m4/n-fourth) > 5*fourth*4/math.Sqrt(n) || math.Abs(c/n) > 5*variance/math.Sqrt(n) {
			t.Errorf("%s: mean %g + %g, variance %g (%g), fourth moment %g (%g), covariance %g", name, mean, m1/n, m2/n, variance, m4/n, fourth, c/n)
		}
	}
	r := NewRand(7, 0, 0, 0)
	r.FillUniform(x, 0, 1, 5)
	moments("uniform", 0.5, 1.0/12, 1.0/80, 0, 1-0x1p-24)
	r.FillNormal(x, 2, 3, 0)
	moments("normal", 2, 9, 243, -20, 24)
	r.FillTruncNormal(x, 0, 1, 0)
	const v = 0.7737413035499249 // 1 - 4*phi(2)/(2*Phi(2)-1)
	moments("truncated", 0, v, 1.413556, -2, 2)
}
