package epochs

import "math"

// Schedule is the learning rate of a run, by the epoch:
//
//	constant  Base
//	step      Base * Factor^floor(epoch / Every), or at the epochs of At
//	exp       Base * Factor^(epoch / Every)
//	poly      Base * (1 - epoch/Epochs)^Power
//	cosine    Base * (1 + cos(pi epoch/Epochs)) / 2 (Loshchilov 2017)
//	plateau   Base * Factor^drops, where the caller counts the drops
//
// During the warm-up the rate rises linearly to what the schedule says
// (Goyal 2017, section 2.2); Floor bounds it from below afterwards. The numbers
// are the same bits on every machine.
type Schedule struct {
	Kind   string  // "" is constant
	Base   float64 // rate at the begin
	Epochs float64 // of the whole run
	Every  float64 // epochs; 0 means 1
	Factor float64 // 0 means 0.1
	Power  float64 // 0 means 1
	Warmup float64 // epochs
	Floor  float64
	At     []float64
}

// Rate is the rate at a moment of the run, in epochs from its begin, after so
// many drops of a plateau.
func (s *Schedule) Rate(epoch float64, drops int) float64 {
	every, factor := s.Every, s.Factor
	if every == 0 {
		every = 1
	}
	if factor == 0 {
		factor = 0.1
	}
	r := s.Base
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
		r = s.Base * power(factor, n)
	case "exp":
		r = s.Base * power(factor, epoch/every)
	case "poly":
		p := s.Power
		if p == 0 {
			p = 1
		}
		r = s.Base * power(math.Max(0, 1-epoch/s.Epochs), p)
	case "cosine":
		r = s.Base * (1 + cosPi(math.Min(1, epoch/s.Epochs))) / 2
	}
	r = math.Max(r, s.Floor)
	if s.Warmup > 0 && epoch < s.Warmup {
		r *= (epoch + 1e-3) / s.Warmup
	}
	if s.Kind == "plateau" {
		r = math.Max(r*power(factor, float64(drops)), s.Floor)
	}
	return r
}

// power is x^y for x and y of 0 and more: the whole part of y by squaring, the
// rest bit by bit, each a square root further. Products and roots round the same
// everywhere, which math.Pow need not.
func power(x, y float64) float64 {
	n := math.Floor(y)
	r := 1.0
	for b, k := x, int64(min(n, 1<<62)); k > 0; k >>= 1 {
		if k&1 == 1 {
			r = float64(r * b)
		}
		b = float64(b * b)
	}
	root := x
	for f := y - n; f > 0; {
		root = math.Sqrt(root)
		if f *= 2; f >= 1 {
			r = float64(r * root)
			f--
		}
	}
	return r
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
