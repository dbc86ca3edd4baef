package onnx

import (
	"math/rand/v2"
	"testing"
)

// TestIntegers compares arithmetic on integers that depend on a symbol with arithmetic on
// numbers, for several values of the symbol.
func TestIntegers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func() integer {
		c := rng.Int64N(13) - 6
		if rng.IntN(2) == 0 {
			return number(c)
		}
		return linear("N", rng.Int64N(13)-6, c)
	}
	at := func(a integer, n int64) int64 { return a.k*n + a.c }
	decided := 0
	for range 20000 {
		a, b := draw(), draw()
		sum, product, quotient, rest := a.plus(b), a.times(b), a.over(b), a.mod(b)
		sign, ok := a.compare(b)
		if ok {
			decided++
		}
		for n := int64(1); n < 50; n++ {
			x, y := at(a, n), at(b, n)
			check := func(what string, got integer, want int64) {
				if got != anything && at(got, n) != want {
					t.Fatalf("%v %s %v = %v, which is %d for N=%d, want %d", a, what, b, got, at(got, n), n, want)
				}
			}
			check("+", sum, x+y)
			check("*", product, x*y)
			if y != 0 {
				check("/", quotient, x/y)
				m := x % y
				if m != 0 && (m < 0) != (y < 0) {
					m += y
				}
				check("mod", rest, m)
			}
			if ok && (sign < 0) != (x < y) || ok && (sign == 0) != (x == y) {
				t.Fatalf("%v is %d against %v, but not for N=%d", a, sign, b, n)
			}
		}
	}
	if decided < 8000 {
		t.Errorf("only %d comparisons are decided", decided)
	}
	if c, ok := linear("N", 3, 7).compare(number(1<<63 - 1)); !ok || c != -1 {
		t.Error("a size is not known to be below 2^63-1")
	}
	if c, ok := number(-1 << 63).compare(linear("N", 1, 0)); !ok || c != -1 {
		t.Error("-2^63 is not known to be below a size")
	}
}

func TestHalfToFloat(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		want float32
	}{{0x0000, 0}, {0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 1. / 16384}, {0x0001, 1. / (1 << 24)}, {0x83ff, -1023. / (1 << 24)}, {0x3555, 0.333251953125}} {
		if got := halfToFloat(c.bits); got != c.want {
			t.Errorf("%#04x is %g, want %g", c.bits, got, c.want)
		}
	}
	if inf := halfToFloat(0x7c00); inf <= 1e38 {
		t.Error("0x7c00 is not infinite")
	}
	if nan := halfToFloat(0x7e00); nan == nan {
		t.Error("0x7e00 is not NaN")
	}
}
