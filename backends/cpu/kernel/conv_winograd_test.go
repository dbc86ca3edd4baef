package kernel

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// wino makes the Winograd kernel of the shapes; the splits of check become
// numbers of tiles.
func wino(c Conv) Kernel { return Winograd{Conv: c, Tiles: 7 * c.Rows} }

func TestWinogradRandom(t *testing.T) {
	r := newRand(4, 3)
	count := longtest.Count(40, 160, 3000)
	for range count {
		k := 3 + 2*r.IntN(2)
		c := Conv{IC: 1 + r.IntN(67), H: 1 + r.IntN(18), W: 1 + r.IntN(18), KH: k, KW: k, PH: r.IntN(k + 2), PW: r.IntN(k + 2)}
		c.Outputs[0] = Output{C: 1 + r.IntN(67), Act: fusedAct(r)}
		switch r.IntN(4) {
		case 0:
			c.Residual, c.Scale = true, r.Float32()
		case 1:
			c.Outputs[1] = Output{C: 1 + r.IntN(40)}
		}
		newConvCase(r, 1+r.IntN(3), c, r.IntN(2)).check(t, wino, 3e-5)
	}
}

// TestWinogradGroups compares groups of whole blocks with the definition.
func TestWinogradGroups(t *testing.T) {
	r := newRand(4, 5)
	for i := range 24 {
		k, groups := 3+2*(i%2), 2+i%3
		c := Conv{IC: groups * Block * (1 + r.IntN(3)), H: 1 + r.IntN(18), W: 1 + r.IntN(18), KH: k, KW: k, PH: k / 2, PW: k / 2, Groups: groups}
		c.Outputs[0] = Output{C: groups * Block * (1 + r.IntN(4)), Act: fusedAct(r)}
		if c.Residual = i%4 == 0; c.Residual {
			c.Scale = r.Float32()
		}
		if !WinogradGroupsFit(c) || WinogradFits(c) {
			t.Fatalf("%#v does not fit", c)
		}
		newConvCase(r, 1+r.IntN(3), c, r.IntN(2)).check(t, wino, 3e-5)
	}
	for _, c := range []Conv{
		{IC: 48, Groups: 2, KH: 3, KW: 3, Outputs: [4]Output{{C: 64}}},
		{IC: 64, Groups: 2, KH: 3, KW: 3, Outputs: [4]Output{{C: 48}}},
		{IC: 64, Groups: 2, KH: 3, KW: 3, SH: 2, SW: 2, Outputs: [4]Output{{C: 64}}},
		{IC: 64, KH: 3, KW: 3, Outputs: [4]Output{{C: 64}}},
	} {
		if WinogradGroupsFit(c) {
			t.Errorf("%#v fits", c)
		}
	}
}

// TestWinogradNarrow is for the loop over positions in assembly: few weights, and
// tasks of 1 to 67 tiles.
func TestWinogradNarrow(t *testing.T) {
	r := newRand(4, 4)
	for n := 1; n <= 67; n++ {
		c := Conv{IC: 1 + r.IntN(Block), H: 1 + r.IntN(18), W: 1 + r.IntN(18), KH: 3, KW: 3, PH: 1, PW: 1}
		c.Outputs[0] = Output{C: 1 + r.IntN(Block), Act: fusedAct(r)}
		if c.IC <= Block/2 {
			c.Outputs[0].C = 1 + r.IntN(2*Block)
		}
		if n%2 == 0 {
			c.KH, c.KW, c.PH, c.PW = 5, 5, 2, 2
		}
		newConvCase(r, 1+r.IntN(3), c, r.IntN(2)).check(t, func(c Conv) Kernel { return Winograd{Conv: c, Tiles: n} }, 3e-5)
	}
}

// TestWinogradError compares the errors of Winograd and of direct convolution on
// the shapes of networks, against float64.
func TestWinogradError(t *testing.T) {
	for _, s := range [][4]int{{64, 32, 28, 3}, {192, 32, 14, 3}, {96, 64, 35, 3}, {192, 16, 14, 5}, {192, 32, 17, 7}} {
		c := Conv{IC: s[0], H: s[2], W: s[2], KH: s[3], KW: s[3], PH: s[3] / 2, PW: s[3] / 2, Outputs: [4]Output{{C: s[1]}}}
		wino := func(c Conv) Kernel { return Winograd{Conv: c, Tiles: 28} }
		if c.KH == wino1dTaps {
			c.KH, c.PH = 1, 0
			wino = func(c Conv) Kernel { return Winograd1D{Conv: c, Tiles: 28} }
		}
		k := newConvCase(newRand(1, 1), 1, c, 0)
		ref := k.reference()
		for isa := range tiers(nil) {
			line := fmt.Sprintf("%v %dx%d %d->%d @%d:", isa, c.KH, c.KW, s[0], s[1], s[2])
			for _, kern := range []Kernel{k.c, wino(k.c)} {
				k.pack(kern.(Packer))
				runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
				e := maxErr(k.got(), ref)
				line += fmt.Sprintf(" %.1e", e)
				if e > 2e-5 {
					t.Errorf("%T on %v: error %g", kern, isa, e)
				}
			}
			t.Log(line + " (direct, Winograd)")
		}
	}
}

// TestWinogradRepack compares the transform from packed weights in float32 with
// Pack's in float64.
func TestWinogradRepack(t *testing.T) {
	r := newRand(2, 2)
	for i := range 20 {
		k := 3 + 2*(i%2)
		c := Winograd{Conv: Conv{IC: 1 + r.IntN(67), H: 9, W: 9, KH: k, KW: k, Outputs: [4]Output{{C: 1 + r.IntN(67)}, {C: i % 30}}}}
		weight := make([]float32, c.Conv.OC()*c.Conv.IC*k*k)
		for i := range weight {
			weight[i] = r.Float32()*2 - 1
		}
		want, packed := make([]float32, c.PackedLen()), make([]float32, c.Conv.PackedLen())
		c.Pack(want, weight)
		c.Conv.Pack(packed, weight)
		var simd []float32
		for isa := range tiers(r) {
			got := alignedFloats(c.PackedLen() + 2*guardLen)
			for i := range got {
				got[i] = canary
			}
			a := &Args{Images: 1}
			a.In[0].Mem, a.Out[0] = packed, Buf{got, guardLen}
			runAll(isa, WinogradRepack{c}, a)
			for i := range guardLen {
				if math.Float32bits(got[i]) != math.Float32bits(canary) || math.Float32bits(got[len(got)-1-i]) != math.Float32bits(canary) {
					t.Fatalf("%v: guard zone written", isa)
				}
			}
			got = got[guardLen : len(got)-guardLen]
			for i, w := range want {
				if d := math.Abs(float64(got[i] - w)); !(d <= 1e-6) || w == 0 && got[i] != 0 {
					t.Fatalf("%v %dx%d: weight %d is %g, want %g", isa, k, k, i, got[i], w)
				}
			}
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
				t.Fatal("AVX2 and AVX-512 differ")
			}
			simd = got
		}
	}
}

func TestWinogradLine(t *testing.T) {
	r := newRand(7, 1)
	count := longtest.Count(60, 240, 3000)
	for i := range count {
		c := Conv{IC: 1 + r.IntN(67), H: 1 + r.IntN(18), W: 1 + r.IntN(18), KH: 1, KW: 7, PH: r.IntN(2), PW: r.IntN(9)}
		if i%2 == 0 {
			c.KH, c.KW, c.PH, c.PW = c.KW, c.KH, c.PW, c.PH
		}
		c.Outputs[0] = Output{C: 1 + r.IntN(67), Act: fusedAct(r)}
		switch r.IntN(4) {
		case 0:
			c.Residual, c.Scale = true, r.Float32()
		case 1:
			c.Outputs[1] = Output{C: 1 + r.IntN(40)}
		}
		newConvCase(r, 1+r.IntN(3), c, r.IntN(2)).check(t, func(c Conv) Kernel { return Winograd1D{Conv: c, Tiles: 7 * c.Rows} }, 3e-5)
	}
}
