package kernel

import (
	"math"
	"testing"
)

// stepTest runs a kernel over arrays on every tier for several steps and compares
// with a reference in float64.
func stepTest(t *testing.T, k Kernel, n, slots int, nonNegative []bool, ref func(step int, g float64, x []float64) []float64) {
	t.Helper()
	r := newRand(uint64(n))
	const guard = 7
	const rate = 0.1
	arrays := make([][]float64, slots)
	for i := range arrays {
		arrays[i] = make([]float64, n)
		for j := range arrays[i] {
			arrays[i][j] = float64(float32(r.NormFloat64()))
			if nonNegative[i] {
				arrays[i][j] = math.Abs(arrays[i][j])
			}
		}
	}
	grads := make([][]float32, 3)
	for s := range grads {
		grads[s] = make([]float32, n)
		for i := range grads[s] {
			grads[s][i] = float32(r.NormFloat64())
		}
	}
	var first [][]float32
	for isa, r := range tiers(r) {
		var a Args
		bufs := make([][]float32, slots)
		for i := range bufs {
			bufs[i] = make([]float32, n+2*guard)
			fill(bufs[i], poison)
			for j := range n {
				bufs[i][guard+j] = float32(arrays[i][j])
			}
			a.Out[i] = Buf{bufs[i], guard}
		}
		step := make([]float32, 1)
		a.In[1], a.In[2] = Buf{[]float32{rate}, 0}, Buf{step, 0}
		for s := range grads {
			a.In[0] = Buf{grads[s], 0}
			PutInt(step, 0, int32(s))
			execute(r, isa, k, &a)
		}
		if b := a; n == 67 {
			for i := range b.Out {
				b.Out[i].Mem = append([]float32(nil), b.Out[i].Mem...)
			}
			if n := allocations(isa, k, &b); n != 0 {
				t.Fatalf("%v %#v: %g allocations", isa, k, n)
			}
		}
		for i := range bufs {
			for j, v := range bufs[i] {
				if out := j < guard || j >= guard+n; out != isPoison(v) {
					t.Fatalf("%v %#v: array %d, place %d is %g", isa, k, i, j-guard, v)
				}
			}
		}
		if first == nil {
			first = bufs
			continue
		}
		for i := range bufs {
			if err := sameBits(first[i], bufs[i]); err != nil {
				t.Fatalf("portable and %v: %#v: array %d: %v", isa, k, i, err)
			}
		}
	}
	x := make([]float64, slots)
	for j := range n {
		for i := range x {
			x[i] = arrays[i][j]
		}
		for s := range grads {
			x = ref(s, float64(grads[s][j]), x)
		}
		for i := range x {
			if got := float64(first[i][guard+j]); math.Abs(got-x[i]) > 1e-5*(1+math.Abs(x[i])) {
				t.Fatalf("%#v: array %d, place %d is %g, want %g", k, i, j, got, x[i])
			}
		}
	}
}

func TestOptimizers(t *testing.T) {
	const rate = 0.1
	sizes := []int{chunk - 1, chunk, chunk + 1, 2*chunk + 37}
	for n := 1; n <= 67; n++ {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		f := float64(float32(0.9))
		d := float64(float32(0.01))
		stepTest(t, SGD{N: n, Decay: 0.01, LR: 2}, n, 1, []bool{false}, func(_ int, g float64, x []float64) []float64 {
			return []float64{x[0] - 2*rate*(g+d*x[0])}
		})
		stepTest(t, SGD{N: n, Decay: 0.01, Momentum: 0.9}, n, 2, []bool{false, false}, func(_ int, g float64, x []float64) []float64 {
			v := f*x[1] + g + d*x[0]
			return []float64{x[0] - rate*v, v}
		})
		stepTest(t, SGD{N: n, Decay: 0.01, Momentum: 0.9, Nesterov: true}, n, 2, []bool{false, false}, func(_ int, g float64, x []float64) []float64 {
			g += d * x[0]
			v := f*x[1] + g
			return []float64{x[0] - rate*(g+f*v), v}
		})
		stepTest(t, RMSProp{N: n, Decay: 0.01, Momentum: 0.9, Rho: 0.9, Eps: 1}, n, 3, []bool{false, false, true}, func(_ int, g float64, x []float64) []float64 {
			g += d * x[0]
			s := f*x[2] + (1-f)*g*g
			v := f*x[1] + rate*g/math.Sqrt(s+1)
			return []float64{x[0] - v, v, s}
		})
		stepTest(t, RMSProp{N: n, Decay: 0.01, Momentum: 0.9, Rho: 0.9, Eps: 1e-3, LR: 2, Torch: true}, n, 3, []bool{false, false, true}, func(_ int, g float64, x []float64) []float64 {
			g += d * x[0]
			s := f*x[2] + (1-f)*g*g
			v := f*x[1] + g/(math.Sqrt(s)+float64(float32(1e-3)))
			return []float64{x[0] - 2*rate*v, v, s}
		})
		for _, decoupled := range []bool{false, true} {
			b2 := float64(float32(0.999))
			stepTest(t, Adam{N: n, Decay: 0.01, Decoupled: decoupled, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, n, 3, []bool{false, false, true}, func(s int, g float64, x []float64) []float64 {
				p := x[0]
				if decoupled {
					p -= rate * d * p
				} else {
					g += d * p
				}
				m, v := f*x[1]+(1-f)*g, b2*x[2]+(1-b2)*g*g
				p -= rate * m / (1 - math.Pow(f, float64(s+1))) / (math.Sqrt(v/(1-math.Pow(b2, float64(s+1)))) + 1e-8)
				return []float64{p, m, v}
			})
		}
		stepTest(t, Average{N: n, Rate: 0.01}, n, 1, []bool{false}, func(_ int, g float64, x []float64) []float64 {
			return []float64{x[0] + d*(g-x[0])}
		})
		stepTest(t, Average{N: n}, n, 1, []bool{false}, func(_ int, g float64, x []float64) []float64 {
			return []float64{x[0] + rate*(g-x[0])}
		})
		stepTest(t, ClipValue{N: n, Bound: 0.5}, n, 1, []bool{false}, func(_ int, g float64, x []float64) []float64 {
			return []float64{math.Max(-0.5, math.Min(0.5, g))}
		})
		for _, bound := range []float32{0.05, 0.5} { // the norm is rate
			stepTest(t, ClipNorm{N: n, Bound: bound}, n, 1, []bool{false}, func(_ int, g float64, x []float64) []float64 {
				return []float64{g * math.Min(1, float64(bound)/rate)}
			})
		}
	}
}

// TestRMSPropWithoutVelocity: a missing velocity is a momentum of 0.
func TestRMSPropWithoutVelocity(t *testing.T) {
	for _, n := range []int{5, 100, chunk + 3} {
		r := newRand(1)
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(r.NormFloat64())
		}
		run := func(velocity []float32) []float32 {
			p := make([]float32, n)
			a := &Args{In: [4]Buf{{g, 0}, {[]float32{0.1}, 0}}, Out: [4]Buf{{p, 0}, {velocity, 0}, {make([]float32, n), 0}}}
			for range 3 {
				execute(r, Available()[len(Available())-1], RMSProp{N: n, Rho: 0.9, Eps: 1}, a)
			}
			return p
		}
		if err := sameBits(run(nil), run(make([]float32, n))); err != nil {
			t.Error(err)
		}
	}
}

func TestPenalty(t *testing.T) {
	weight, grad, out := []float32{2, -3, 0}, []float32{1, 1, 1}, make([]float32, 3)
	Penalty{N: 3, L1: 0.5, L2: 0.25}.Run(nil, 0, &Args{In: [4]Buf{{weight, 0}, {grad, 0}}, Out: [4]Buf{{out, 0}}})
	if want := [3]float32{2, -0.25, 1}; [3]float32(out) != want {
		t.Errorf("%v, want %v", out, want)
	}
}

// squaresOf is room for the sums of squares that the tasks of a kernel leave, and one more
// number.
func squaresOf(k Kernel, images int) []float32 {
	sums := make([]float32, k.Tasks(images)+1)
	for i := range sums {
		sums[i] = canary
	}
	return sums
}

// checkSquares compares what a kernel has left there with the squares of what it wrote, and
// returns it.
func checkSquares(t *testing.T, isa ISA, k Kernel, sums, wrote []float32) []float32 {
	t.Helper()
	got, want, last := 0.0, 0.0, len(sums)-1
	for _, x := range sums[:last] {
		got += float64(x)
	}
	for _, x := range wrote {
		want += float64(x) * float64(x)
	}
	if !(math.Abs(got-want) <= 1e-6*want) || math.Float32bits(sums[last]) != math.Float32bits(canary) {
		t.Fatalf("%v: the sum of squares is %g, want %g; %g behind the last\n%#v", isa, got, want, sums[last], k)
	}
	return sums[:last]
}

func TestNorms(t *testing.T) {
	r := newRand(40)
	for _, n := range []int{1, 15, 16, 17, 67, chunk, chunk + 1, 3*chunk - 5} {
		x := make([]float32, n)
		want := 0.0
		for i := range x {
			x[i] = float32(r.NormFloat64())
			want += float64(x[i]) * float64(x[i])
		}
		k := SquareSums{N: n}
		var first []float32
		for isa, r := range tiers(r) {
			sums, norm := make([]float32, k.Len()), make([]float32, 1)
			execute(r, isa, k, &Args{In: [4]Buf{{x, 0}}, Out: [4]Buf{{sums, 0}}})
			if first == nil {
				first = sums
			} else if err := sameBits(first, sums); err != nil {
				t.Fatal(err)
			}
			execute(r, isa, NormOfSums{N: len(sums)}, &Args{In: [4]Buf{{sums, 0}}, Out: [4]Buf{{norm, 0}}})
			if math.Abs(float64(norm[0])-math.Sqrt(want)) > 1e-6*math.Sqrt(want) {
				t.Errorf("norm of %d is %g, want %g", n, norm[0], math.Sqrt(want))
			}
		}
	}
}
