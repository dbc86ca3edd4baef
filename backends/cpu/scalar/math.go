// Package scalar has functions of one float32 that give the same bits on every machine: exp,
// log, tanh, the logistic function, and powers. Packages math of different processors take
// different algorithms. Every product that is followed by a sum is rounded by an
// explicit conversion, so that no compiler fuses the two and the results are
// the same bits on every architecture and at every GOAMD64 level. The vector
// versions of package kernel take the same steps in the same order and give the same bits.
//
// Largest errors, found against float64 on all exponents (math_test.go):
//
//	Exp      1.0 ulp, subnormal results included
//	Log      0.9 ulp
//	Sigmoid  2.5 ulp where the result is normal
//	Tanh     1.5 ulp
//	GELU     9 ulp where x > -3; NormalTail 11 ulp where |x| < 3. Beyond these the error grows as x*x/2 ulp
package scalar

import "math"

const (
	expMagic = 12582912.0 // 1.5 * 2^23: adding it rounds to the nearest integer
	expHi    = 89.0       // exp of it and of all above is +Inf
	expLo    = -104.0     // exp of it and of all below is 0
	log2e    = 1.44269504088896341
	ln2Hi    = 0.693359375 // nine bits, so that n*ln2Hi is exact for |n| < 2^15
	ln2Lo    = -2.12194440e-4
	expC0    = 1.9875691500e-4
	expC1    = 1.3981999507e-3
	expC2    = 8.3334519073e-3
	expC3    = 4.1665795894e-2
	expC4    = 1.6666665459e-1
	expC5    = 5.0000001201e-1
)

// Exp returns e**x: reduction by Cody and Waite, a polynomial of degree 7, and
// a scale by two powers of two, so that overflow and subnormal results round
// as they should.
func Exp(x float32) float32 {
	if x != x {
		return x
	}
	if x > expHi {
		x = expHi
	}
	if x < expLo {
		x = expLo
	}
	t := float32(x*log2e) + expMagic
	n := int32(math.Float32bits(t)) - int32(math.Float32bits(expMagic))
	f := t - expMagic
	r := x - float32(f*ln2Hi)
	r -= float32(f * ln2Lo)
	p := float32(expC0*r) + expC1
	p = float32(p*r) + expC2
	p = float32(p*r) + expC3
	p = float32(p*r) + expC4
	p = float32(p*r) + expC5
	p = float32(p*float32(r*r)) + r
	p += 1
	h := n >> 1
	p *= math.Float32frombits(uint32(h+127) << 23)
	return p * math.Float32frombits(uint32(n-h+127)<<23)
}

// Log returns the natural logarithm of x: NaN below zero, -Inf at zero.
func Log(x float32) float32 {
	switch {
	case x != x || x > math.MaxFloat32:
		return x
	case x < 0:
		return float32(math.NaN())
	case x == 0:
		return float32(math.Inf(-1))
	}
	e := int32(0)
	if x < 0x1p-126 {
		x *= 0x1p23
		e = -23
	}
	b := math.Float32bits(x)
	e += int32(b>>23) - 126
	m := math.Float32frombits(b&0x7fffff | 0x3f000000) // 0.5 <= m < 1
	if m < 0.707106781186547524 {
		e--
		m += m
	}
	m--
	z := m * m
	y := float32(7.0376836292e-2*m) - 1.1514610310e-1
	y = float32(y*m) + 1.1676998740e-1
	y = float32(y*m) - 1.2420140846e-1
	y = float32(y*m) + 1.4249322787e-1
	y = float32(y*m) - 1.6668057665e-1
	y = float32(y*m) + 2.0000714765e-1
	y = float32(y*m) - 2.4999993993e-1
	y = float32(y*m) + 3.3333331174e-1
	y = float32(float32(y*m) * z)
	f := float32(e)
	y += float32(f * ln2Lo)
	y -= float32(0.5 * z)
	y = m + y
	return y + float32(f*ln2Hi)
}

// Sigmoid returns 1 / (1 + e**-x).
func Sigmoid(x float32) float32 {
	return 1 / (1 + Exp(-x))
}

const (
	tanhSmall = 0.625
	tanhC0    = -5.70498872745e-3
	tanhC1    = 2.06390887954e-2
	tanhC2    = -5.37397155531e-2
	tanhC3    = 1.33314422036e-1
	tanhC4    = -3.33332819422e-1
)

// Tanh returns the hyperbolic tangent: an odd polynomial below 0.625, above it
// 1 - 2/(e**2x + 1).
func Tanh(x float32) float32 {
	a := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	if a < tanhSmall {
		z := x * x
		p := float32(tanhC0*z) + tanhC1
		p = float32(p*z) + tanhC2
		p = float32(p*z) + tanhC3
		p = float32(p*z) + tanhC4
		return float32(float32(p*z)*x) + x
	}
	y := 1 - 2/(Exp(a+a)+1)
	return math.Float32frombits(math.Float32bits(y) | math.Float32bits(x)&(1<<31))
}

// The complementary error function as a power of e times t = 1/(1 + z/2), within 1.2e-7 of
// its value for z >= 0 (Press, Numerical Recipes in C, 2nd edition, section 6.2, erfcc).
const (
	tailC0    = 0.17087277
	tailC1    = -0.82215223
	tailC2    = 1.48851587
	tailC3    = -1.13520398
	tailC4    = 0.27886807
	tailC5    = -0.18628806
	tailC6    = 0.09678418
	tailC7    = 0.37409196
	tailC8    = 1.00002368
	tailC9    = -1.26551223
	tailSlope = -0.35355339059327376 // of -|x|, z = |x|/sqrt(2)
	tailEnd   = -30                  // the tail of 30 is 0 as a float32
)

// NormalTail returns P(X > |x|) for a standard normal X.
func NormalTail(x float32) float32 {
	tail, _ := normalTail(x)
	return tail
}

// normalTail returns P(X > |x|), and -|x|, at least -30.
func normalTail(x float32) (tail, minus float32) {
	minus = math.Float32frombits(math.Float32bits(x) | 1<<31)
	if minus < tailEnd {
		minus = tailEnd
	}
	t := 1 / (float32(minus*tailSlope) + 1)
	p := float32(t*tailC0) + tailC1
	p = float32(p*t) + tailC2
	p = float32(p*t) + tailC3
	p = float32(p*t) + tailC4
	p = float32(p*t) + tailC5
	p = float32(p*t) + tailC6
	p = float32(p*t) + tailC7
	p = float32(p*t) + tailC8
	p = float32(p*t) + tailC9
	p = Exp(p - float32(float32(minus*minus)*0.5))
	return p * float32(t*0.5), minus
}

// GELU returns x * P(X <= x) for a standard normal X, as relu(x) - |x| * P(X > |x|), which is
// exact also where x is far below 0 (Hendrycks 2016).
func GELU(x float32) float32 {
	tail, minus := normalTail(x)
	tail = float32(tail * minus)
	if x < 0 {
		x = 0
	}
	return x + tail
}

// Sqrt returns the square root, correctly rounded.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// Pow returns x**y for x > 0: exp(y*log x), so its relative error grows as
// |y*log x| * 2^-24.
func Pow(x, y float32) float32 { return Exp(y * Log(x)) }

// InvPow34 is s**-0.75, the power of AlexNet's and GoogLeNet's LRN, for s > 0, within
// 1.2e-7 of it: the exponent's bits give it within 4.5 %, and two steps of
//
//	y += y*(d/4 + d*d*5/32), d = 1 - s**3*y**4
//
// each leave about the cube of the error. Multiplications take a fourth of the time
// of the divider, which two square roots and a quotient wait for. An infinite s
// counts as the largest number.
func InvPow34(s float32) float32 {
	if s > math.MaxFloat32 {
		s = math.MaxFloat32
	}
	i := math.Float32bits(s)
	y := math.Float32frombits(0x6f14cccc - (i - i>>2))
	for range 2 {
		t := float32(s * y)
		d := 1 - float32(float32(float32(t*t)*t)*y)
		y += float32(float32(float32(float32(d*(5.0/32))+1.0/4)*d) * y)
	}
	return y
}

// SinCos2Pi returns sin and cos of 2*pi*u for 0 <= u < 1, in float64: Taylor
// polynomials on an eighth of the circle, far better than a float32 needs.
func SinCos2Pi(u float64) (sin, cos float64) {
	q := int(u * 8)  // octant
	q = (q + 1) >> 1 // nearest quarter
	r := (u - float64(q)*0.25) * (2 * math.Pi)
	z := float64(r * r)
	s := float64(z*(-1.0/39916800)) + 1.0/362880
	s = float64(s*z) - 1.0/5040
	s = float64(s*z) + 1.0/120
	s = float64(s*z) - 1.0/6
	s = float64(float64(s*z)*r) + r
	c := float64(z*(1.0/479001600)) - 1.0/3628800
	c = float64(c*z) + 1.0/40320
	c = float64(c*z) - 1.0/720
	c = float64(c*z) + 1.0/24
	c = float64(c*z) - 0.5
	c = float64(c*z) + 1
	switch q & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}
