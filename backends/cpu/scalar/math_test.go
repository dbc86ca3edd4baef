package scalar

import (
	"math"
	"testing"
)

// ulps returns |got-want| in units of the last place of want rounded to float32.
func ulps(got float32, want float64) float64 {
	if math.IsNaN(want) || math.IsInf(want, 0) {
		if float64(got) == want || got != got && want != want {
			return 0
		}
		return math.Inf(1)
	}
	if math.Abs(want) > math.MaxFloat32 {
		if math.IsInf(float64(got), int(math.Copysign(1, want))) || math.Abs(want) < math.MaxFloat32*(1+1e-7) {
			return 0
		}
		return math.Inf(1)
	}
	_, e := math.Frexp(want)
	u := math.Ldexp(1, max(e-24, -149))
	return math.Abs(float64(got)-want) / u
}

// normalTailOf is P(X > |x|) for a standard normal X.
func normalTailOf(x float64) float64 { return math.Erfc(math.Abs(x)/math.Sqrt2) / 2 }

func TestMathULP(t *testing.T) {
	cases := []struct {
		name   string
		f      func(float32) float32
		ref    func(float64) float64
		lo, hi float32
		max    float64
	}{
		{"exp", Exp, math.Exp, -110, 95, 1},
		{"log", Log, math.Log, 0, math.MaxFloat32, 0.9},
		{"log near 1", Log, math.Log, 0.4, 2.5, 0.9},
		{"sigmoid", Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -86, 100, 2.5},
		{"tanh", Tanh, math.Tanh, -12, 12, 1.5},
		{"normal tail", NormalTail, normalTailOf, -3, 3, 12},
		{"normal tail far out", NormalTail, normalTailOf, -13, 13, 130},
		{"gelu", GELU, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }, -3, 100, 12},
		{"sqrt", Sqrt, math.Sqrt, 0, math.MaxFloat32, 0.5},
	}
	for _, c := range cases {
		worst, at := 0.0, float32(0)
		try := func(x float32) {
			if x < c.lo || x > c.hi {
				return
			}
			if u := ulps(c.f(x), c.ref(float64(x))); u > worst {
				worst, at = u, x
			}
		}
		for i := range 300001 { // even steps over the interval
			try(c.lo + float32(float64(i)/300000*(float64(c.hi)-float64(c.lo))))
		}
		for b := uint32(0); b < 0xff000000-7919; b += 7919 { // all exponents
			try(math.Float32frombits(b))
		}
		t.Logf("%-12s %.3f ulp at %g", c.name, worst, at)
		if worst > c.max {
			t.Errorf("%s: %.3f ulp at %g (%g), allowed %g", c.name, worst, at, c.f(at), c.max)
		}
	}
}

func TestMathSpecials(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"exp(-inf)", Exp(-inf), 0}, {"exp(inf)", Exp(inf), inf}, {"exp(0)", Exp(0), 1}, {"exp(nan)", Exp(nan), nan},
		{"log(0)", Log(0), -inf}, {"log(-1)", Log(-1), nan}, {"log(inf)", Log(inf), inf}, {"log(1)", Log(1), 0}, {"log(nan)", Log(nan), nan},
		{"sigmoid(-inf)", Sigmoid(-inf), 0}, {"sigmoid(inf)", Sigmoid(inf), 1}, {"sigmoid(0)", Sigmoid(0), 0.5},
		{"gelu(-inf)", GELU(-inf), 0}, {"gelu(inf)", GELU(inf), inf}, {"gelu(0)", GELU(0), 0}, {"gelu(nan)", GELU(nan), nan},
		{"normal tail(inf)", NormalTail(inf), 0}, {"normal tail(-inf)", NormalTail(-inf), 0}, {"normal tail(nan)", NormalTail(nan), nan},
		{"tanh(inf)", Tanh(inf), 1}, {"tanh(-inf)", Tanh(-inf), -1}, {"tanh(0)", Tanh(0), 0}, {"tanh(nan)", Tanh(nan), nan},
	} {
		if c.got != c.want && !(c.got != c.got && c.want != c.want) {
			t.Errorf("%s = %g, want %g", c.name, c.got, c.want)
		}
	}
}

func TestSincos2pi(t *testing.T) {
	for i := range 100000 {
		u := float64(i) / 100000
		s, c := SinCos2Pi(u)
		ws, wc := math.Sincos(2 * math.Pi * u)
		if math.Abs(s-ws) > 1e-9 || math.Abs(c-wc) > 1e-9 {
			t.Fatalf("SinCos2Pi(%g) = %g, %g; want %g, %g", u, s, c, ws, wc)
		}
	}
}

func TestInvPow34(t *testing.T) {
	worst := 0.0
	for bits := uint32(0x00800000); bits < 0x7f800000; bits += 9973 {
		s := math.Float32frombits(bits)
		want := math.Pow(float64(s), -0.75)
		worst = max(worst, math.Abs(float64(InvPow34(s))/want-1))
	}
	if worst > 1.3e-7 {
		t.Errorf("a relative error of %g", worst)
	}
	if y := InvPow34(float32(math.Inf(1))); y <= 0 || y > 1e-28 {
		t.Errorf("%g for an infinite sum", y)
	}
	if y := InvPow34(float32(math.NaN())); y == y {
		t.Errorf("%g for a sum that is none", y)
	}
}
