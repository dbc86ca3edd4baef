package kernel

import (
	"math"
	"testing"
)

func TestMaxNormPacked(t *testing.T) {
	r := newRand(41)
	for size := 1; size <= 67; size++ {
		c := Conv{IC: 1 + r.IntN(40), KH: 1 + r.IntN(3), KW: 1 + r.IntN(3), Planar: size%5 == 0, Outputs: [4]Output{{C: size}}}
		per := c.IC * c.KH * c.KW
		weight, want := make([]float32, size*per), make([]float32, size*per)
		bound := float32(math.Sqrt(float64(per)))
		for o := range size {
			s, row := 0.0, weight[o*per:(o+1)*per]
			for i := range row {
				row[i] = float32(r.NormFloat64()) * float32(o%3)
				s += float64(row[i]) * float64(row[i])
			}
			for i, x := range row {
				want[o*per+i] = x
				if n := math.Sqrt(s); n > float64(bound) {
					want[o*per+i] = float32(float64(x) * float64(bound) / n)
				}
			}
		}
		packed, expect := make([]float32, c.PackedLen()), make([]float32, c.PackedLen())
		c.Pack(packed, weight)
		c.Pack(expect, want)
		k := MaxNormPacked{Blocks: Blocks(size), K: len(packed) / (Blocks(size) * Block), Bound: bound}
		out := make([]float32, len(packed)+2)
		fill(out, poison)
		execute(r, Portable, k, &Args{In: [4]Buf{{packed, 0}}, Out: [4]Buf{{out, 1}}})
		if !isPoison(out[0]) || !isPoison(out[len(out)-1]) {
			t.Fatalf("%#v writes past its end", k)
		}
		for i, x := range expect {
			if math.Abs(float64(out[1+i]-x)) > 1e-6*(1+math.Abs(float64(x))) {
				t.Fatalf("%#v of %#v: place %d is %g, want %g", k, c, i, out[1+i], x)
			}
		}
		execute(r, Portable, k, &Args{In: [4]Buf{{packed, 0}}, Out: [4]Buf{{packed, 0}}})
		if err := sameBits(packed, out[1:len(out)-1]); err != nil {
			t.Fatalf("in place: %v", err)
		}
	}
}

// TestAverageOfSteps: the mean of the first values, then an exponential average.
func TestAverageOfSteps(t *testing.T) {
	for _, decay := range []float64{1, 0.75} {
		avg, step, rate := []float32{1e6}, make([]float32, 1), make([]float32, 1)
		want := 0.0
		for s, v := range []float32{3, -1, 4, 1, -5, 9, 2} {
			PutInt(step, 0, int32(s))
			execute(newRand(1), Portable, AverageRate{Decay: decay}, &Args{In: [4]Buf{{step, 0}}, Out: [4]Buf{{rate, 0}}})
			execute(newRand(1), Portable, Average{N: 1}, &Args{In: [4]Buf{{[]float32{v}, 0}, {rate, 0}}, Out: [4]Buf{{avg, 0}}})
			want += math.Max(1-decay, 1/float64(s+1)) * (float64(v) - want)
			if math.Abs(float64(avg[0])-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("decay %g, step %d: %g, want %g", decay, s, avg[0], want)
			}
		}
	}
}
