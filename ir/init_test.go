package ir

import (
	"math"
	"testing"
)

func TestLog(t *testing.T) {
	for x := 1e-300; x < 1e300; x *= 1.37 {
		if got, want := Log(x), math.Log(x); math.Abs(got-want) > 1e-14*math.Max(1, math.Abs(want)) {
			t.Errorf("log(%g) = %.17g, want %.17g", x, got, want)
		}
	}
}

// A drawn weight has the mean and variance that its init specifies, and depends only
// on its own name, seed and index.
func TestDrawMoments(t *testing.T) {
	shape := Shape{64, 32, 5, 5}
	in, out := 32*25.0, 64*25.0
	for _, c := range []struct {
		init     Init
		variance float64
		bound    float64
	}{
		{Init{Kind: InitHe}, 2 / in, math.Inf(1)},
		{Init{Kind: InitHeUniform}, 2 / in, math.Sqrt(6 / in)},
		{Init{Kind: InitGlorot}, 2 / (in + out), math.Sqrt(6 / (in + out))},
		{Init{Kind: InitXavier}, 1 / in, math.Sqrt(3 / in)},
		{Init{InitGaussian, 0.05}, 0.0025, math.Inf(1)},
		{Init{InitUniform, 0.1}, 0.01 / 3, 0.1},
		// Variance of a normal cut at two std: 1 - 4 phi(2) / (2 Phi(2) - 1).
		{Init{InitTrunc, 1}, 0.7737413, 2},
	} {
		d := Draw("a/weight", shape, c.init, 1)
		var s, s2, m float64
		for _, v := range d.Data {
			s += float64(v)
			s2 += float64(v) * float64(v)
			m = math.Max(m, math.Abs(float64(v)))
		}
		n := float64(len(d.Data))
		if v := s2/n - s*s/n/n; math.Abs(v/c.variance-1) > 0.03 {
			t.Errorf("%v: variance %g, want %g", c.init, v, c.variance)
		}
		if mean := s / n; math.Abs(mean) > 5*math.Sqrt(c.variance/n) {
			t.Errorf("%v: mean %g", c.init, mean)
		}
		if m > c.bound*(1+1e-6) {
			t.Errorf("%v: largest %g, bound %g", c.init, m, c.bound)
		}
		few := Draw("a/weight", Shape{64, 32, 5, 5}, c.init, 1)
		other := Draw("b/weight", shape, c.init, 1)
		if few.Data[51199] != d.Data[51199] || other.Data[0] == d.Data[0] {
			t.Errorf("%v: a weight depends on its name, seed and index alone", c.init)
		}
	}
}

// TestDrawIsStable compares bits with fixed ones: a change of the generator would
// change every network that is reproduced from its seed.
func TestDrawIsStable(t *testing.T) {
	d := Draw("conv1/weight", Shape{2, 3}, Init{Kind: InitHe}, 7)
	var h uint64
	for _, v := range d.Data {
		h = h*31 + uint64(math.Float32bits(v))
	}
	if want := uint64(0x762ea6a1737d35); h != want {
		t.Errorf("hash %#x, want %#x: %v", h, want, d.Data)
	}
}

func TestInitText(t *testing.T) {
	for _, s := range []string{"he", "he_uniform", "glorot", "xavier", "gaussian,0.05", "uniform,0.005", "constant,-0.2", "trunc,0.1"} {
		i, err := ParseInit(s)
		if err != nil || i.String() != s {
			t.Errorf("%s reads as %v, %v", s, i, err)
		}
	}
	for _, s := range []string{"", "hee", "he,1", "gaussian", "gaussian,x", "uniform,-1", "trunc,NaN"} {
		if i, err := ParseInit(s); err == nil {
			t.Errorf("%q reads as %v", s, i)
		}
	}
}
