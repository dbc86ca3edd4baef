package train

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
)

// Rate is the learning rate at a moment of a run, in epochs from its begin.
// epochs is the length of the whole run. Plateau drops are not in it: they
// depend on what was measured, and the loop multiplies them in.
//
//	constant  base
//	step      base * factor^floor(epoch / every), or at the epochs of At
//	exp       base * factor^(epoch / every)
//	poly      base * (1 - epoch/epochs)^power
//	cosine    base * (1 + cos(pi epoch/epochs)) / 2 (Loshchilov 2017)
//
// During the warm-up the rate rises linearly to what the schedule says
// (Goyal 2017, section 2.2); Floor bounds it from below afterwards. The numbers
// are the same bits on every machine.
func Rate(s recipe.Schedule, base, epoch, epochs float64) float64 {
	every, factor := s.Every, s.Factor
	if every == 0 {
		every = 1
	}
	if factor == 0 {
		factor = 0.1
	}
	r := base
	switch s.Kind {
	case "step":
		n := math.Floor(epoch / every)
		if len(s.At) > 0 {
			n = 0
			for _, at := range s.At {
				if epoch >= at {
					n++
				}
			}
		}
		r = base * power(factor, n)
	case "exp":
		r = base * power(factor, epoch/every)
	case "poly":
		p := s.Power
		if p == 0 {
			p = 1
		}
		r = base * power(math.Max(0, 1-epoch/epochs), p)
	case "cosine":
		r = base * (1 + cosPi(math.Min(1, epoch/epochs))) / 2
	}
	r = math.Max(r, s.Floor)
	if s.Warmup > 0 && epoch < s.Warmup {
		r *= (epoch + 1e-3) / s.Warmup
	}
	return r
}

// power is x^y for 0 <= x: whole exponents by multiplication, others by exp and
// log that round the same everywhere (math.Pow is free to differ).
func power(x, y float64) float64 {
	if n := math.Floor(y); n == y && n >= 0 && n <= 1<<20 {
		r := 1.0
		for b, k := x, int(n); k > 0; k >>= 1 {
			if k&1 == 1 {
				r = float64(r * b)
			}
			b = float64(b * b)
		}
		return r
	}
	if x == 0 {
		return 0
	}
	return exp(float64(y * ir.Log(x)))
}

// exp by halving the argument until a series of 20 terms is exact, then squaring.
func exp(x float64) float64 {
	n := 0
	for math.Abs(x) > 0.5 {
		x /= 2
		n++
	}
	s, term := 1.0, 1.0
	for k := 1; k < 20; k++ {
		term = float64(term*x) / float64(k)
		s += term
	}
	for ; n > 0; n-- {
		s = float64(s * s)
	}
	return s
}

// cosPi is cos(pi x) for 0 <= x <= 1 by Taylor's series.
func cosPi(x float64) float64 {
	a := float64(x * math.Pi)
	a2 := float64(a * a)
	s, term := 1.0, 1.0
	for k := 1; k < 20; k++ {
		term = -float64(term*a2) / float64(2*k*(2*k-1))
		s += term
	}
	return s
}
