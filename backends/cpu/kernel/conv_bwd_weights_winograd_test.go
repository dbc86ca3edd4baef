package kernel

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestWinoSumsLayout compares the struct with what the assembly assumes.
func TestWinoSumsLayout(t *testing.T) { checkLayout[winoSums](t, 12) }

// TestWinogradBackwardWeights: the gradient of every shape is that of the definition, in the
// packed order, on all tiers. Its bits depend only on how the images are cut into parts, and
// AVX2 and AVX-512 give the same.
func TestWinogradBackwardWeights(t *testing.T) {
	r := newRand(8, 9)
	count := longtest.Count(25, 200, 2000)
	for i := range count {
		side := 3 + 2*r.IntN(2)
		c := Conv{IC: 9 + r.IntN(60), H: 1 + r.IntN(18), W: 1 + r.IntN(18), KH: side, KW: side, SH: 1, SW: 1, PH: r.IntN(side + 2), PW: r.IntN(side + 2),
			Outputs: [4]Output{{C: 1 + r.IntN(80)}}}
		images := 1 + r.IntN(5)
		k := newConvCase(r, images, c, i%2)
		c = k.c
		dy := k.out[0]
		dy.fill(r, false)
		dw, _ := k.weightGradient()
		for j := range k.w {
			k.w[j] = float32(j + 1) // so that the packed order is known
		}
		number := make([]float32, c.PackedLen())
		c.Pack(number, k.w)
		b := ConvBackwardWeightsWinograd{Parts: ConvBackwardWeightsSplit{ConvBackwardWeights{Conv: c}, 1 + r.IntN(images)}, Padded: i%3 == 0}
		if b.Padded {
			below, beside := b.Border(k.in.h, k.in.w)
			k.in = k.in.wider(max(below[0], k.in.bottom), max(below[1], k.in.rght))
			dy = dy.wider(max(beside[0], dy.bottom), max(beside[1], dy.rght))
			b.Parts.Whole.Conv.In, b.Parts.Whole.Conv.Outputs[0].View = k.in.v, dy.v
		}
		if !b.Fits() {
			t.Fatalf("%#v does not fit", b)
		}
		n := b.Parts.Count(images)
		var simd []float32
		for isa := range tiers(r) {
			var first, squares []float32
			for _, cut := range [][3]int{{0, 0, 0}, {1, 1, 5}, {2, 0, 0}, {1, 2, 1}, {0, 1, 33}} {
				b.Parts.Whole.Units, b.Parts.Whole.Conv.Pairs, b.Tiles = cut[0], cut[1], cut[2]
				parts := alignedFloats(n*b.Parts.Whole.PackedLen() + 2*guardLen)
				for j := range parts {
					parts[j] = canary
				}
				a := &Args{Images: images}
				a.In[0], a.In[1], a.Out[0] = k.in.Buf, dy.Buf, Buf{parts, guardLen}
				if n == 1 {
					a.Out[2].Mem = squaresOf(b, images)
				}
				runAll(isa, b, a)
				if n == 1 {
					squares = append(squares, checkSquares(t, isa, b, a.Out[2].Mem, parts[guardLen:len(parts)-guardLen])...)
				}
				for j := range guardLen {
					if math.Float32bits(parts[j]) != math.Float32bits(canary) || math.Float32bits(parts[len(parts)-1-j]) != math.Float32bits(canary) {
						t.Fatalf("%v: guard zone written\n%#v", isa, b)
					}
				}
				got := make([]float32, b.Parts.Whole.PackedLen())
				runAll(isa, SumPartials{N: b.Parts.Whole.PackedLen(), Images: b.Parts.Images}, &Args{Images: images, In: [4]Buf{a.Out[0]}, Out: [4]Buf{{Mem: got}}})
				// checkGradient allows 3e-6.
				checkGradient(t, isa, b, got, number, dw, 3e-6/winoBwdientError(side, images*ceilDiv(c.H, b.m())*ceilDiv(c.W, b.m())))
				if first != nil && !reflect.DeepEqual(bits(first), bits(parts)) {
					t.Fatalf("%v: other bits with other units, pairs and tiles\n%#v", isa, b)
				}
				first = parts
			}
			if isa == Portable {
				continue
			}
			first = append(first, squares...)
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(first)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", b)
			}
			simd = first
		}
	}
}

// winoBwdientError bounds the error of ConvBackwardWeightsWinograd with r x r taps over a number
// of tiles, of inputs and dY that are uniform between -1 and 1. It is 6 standard deviations
// of what independent roundings give:
//
//   - A number of the transformed input is larger than one of the input by |B_k|, the
//     Euclidean norm of the transform's row, in either dimension; likewise one of dY by |A_k|.
//   - The sum over n tiles of their products rounds n partial sums, which grow with the root of
//     the number of tiles: n/sqrt(6) roundings of a product's size. The transforms round each
//     product a few times more, which adds 3*sqrt(n).
//   - The transform back adds position k times G_kj to tap j.
//
// So tap (i, j) has the roundings of a product times amplify(i)*amplify(j), where amplify(j)^2
// is the sum over k of (G_kj*|A_k|*|B_k|)^2.
func winoBwdientError(r, tiles int) float64 {
	inputs := [winoIn]float64{4*4 + 5*5 + 1, 4*4 + 4*4 + 1 + 1, 4*4 + 4*4 + 1 + 1, 2*2 + 1 + 2*2 + 1, 2*2 + 1 + 2*2 + 1, 4*4 + 5*5 + 1} // |B_k|^2
	most := 0.0
	for tap := range r {
		sum := 0.0
		for k := range winoIn {
			var unit [winoIn]float32
			unit[k] = 1
			g := float64(winoBwdOut1(r, unit)[tap])
			outputs := 0.0 // |A_k|^2
			for x := range winoIn + 1 - r {
				var y [4]float32
				y[x] = 1
				a := float64(winoBwdDY1(winoIn+1-r, y)[k])
				outputs += a * a
			}
			sum += g * g * inputs[k] * outputs
		}
		most = max(most, sum)
	}
	n := float64(tiles)
	const product = 1.0 / 3 // the standard deviation of a product of two uniform numbers
	return 6 * u * product * most * (n/math.Sqrt(6) + 3*math.Sqrt(n))
}

// TestWinogradBackwardWeightsError bounds the errors of the direct kernel and of the Winograd
// one on shapes of real networks, against float64. It logs both relative to the largest
// gradient.
//
// The direct kernel rounds a partial sum at every pixel. Few partial sums exceed the largest
// gradient, so 6 standard deviations of n roundings are 6*u*largest*sqrt(n/3).
func TestWinogradBackwardWeightsError(t *testing.T) {
	for _, s := range [][5]int{{16, 16, 28, 3, 32}, {16, 16, 14, 3, 32}, {64, 32, 28, 3, 4}, {192, 32, 7, 3, 4}, {16, 32, 28, 5, 4}} {
		images := s[4]
		c := Conv{IC: s[0], H: s[2], W: s[2], KH: s[3], KW: s[3], SH: 1, SW: 1, PH: s[3] / 2, PW: s[3] / 2, Outputs: [4]Output{{C: s[1]}}}
		k := newConvCase(newRand(1, 1), images, c, 0)
		c = k.c
		k.out[0].fill(newRand(1, 2), false)
		dw, _ := k.weightGradient()
		for j := range k.w {
			k.w[j] = float32(j + 1)
		}
		number := make([]float32, c.PackedLen())
		c.Pack(number, k.w)
		for isa := range tiers(nil) {
			line := fmt.Sprintf("%v %dx%d %d->%d @%d, %d images:", isa, c.KH, c.KW, s[0], s[1], s[2], images)
			b := ConvBackwardWeights{Conv: c}
			wino := ConvBackwardWeightsWinograd{Parts: ConvBackwardWeightsSplit{b, images}}
			for _, kern := range []Kernel{b, wino} {
				got := make([]float32, c.PackedLen())
				runAll(isa, kern, &Args{Images: images, Table: kern.(Tabler).Table(isa), In: [4]Buf{k.in.Buf, k.out[0].Buf}, Out: [4]Buf{{Mem: got}}})
				worst, largest := 0.0, 0.0
				for i, g := range got {
					if number[i] != 0 {
						want := dw[int(number[i])-1]
						worst, largest = max(worst, math.Abs(float64(g)-want)), max(largest, math.Abs(want))
					}
				}
				line += fmt.Sprintf(" %.1e", worst/largest)
				bound := 6 * u * largest * math.Sqrt(float64(images*c.H*c.W)/3)
				if kern == Kernel(wino) {
					bound = winoBwdientError(c.KH, images*ceilDiv(c.H, wino.m())*ceilDiv(c.W, wino.m()))
				}
				if !(worst <= bound) {
					t.Errorf("%T on %v: error %g, more than %g", kern, isa, worst, bound)
				}
			}
			t.Log(line + " (direct, Winograd)")
		}
	}
}

// TestWinogradBackwardWeightsAllocates: not even the first task of a worker allocates.
func TestWinogradBackwardWeightsAllocates(t *testing.T) {
	k := newConvCase(newRand(1, 1), 3, Conv{IC: 40, H: 14, W: 14, KH: 3, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1, Outputs: [4]Output{{C: 100}}}, 0)
	b := ConvBackwardWeightsWinograd{Parts: ConvBackwardWeightsSplit{ConvBackwardWeights{Conv: k.c}, 3}}
	a := &Args{Images: 3, In: [4]Buf{k.in.Buf, k.out[0].Buf}, Out: [4]Buf{{Mem: make([]float32, b.Parts.Whole.PackedLen())}}}
	least := uint64(math.MaxUint64) // others may allocate meanwhile
	for range 5 {
		w := &Worker{ISA: Available()[0], Scratch: alignedFloats(b.Scratch())}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b.Run(w, 0, a)
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least > 0 {
		t.Errorf("a new worker's task allocates %d times", least)
	}
}

// TestWinogradBackwardWeightsFits: what the kernel cannot do it does not take.
func TestWinogradBackwardWeightsFits(t *testing.T) {
	fits := func(c Conv) bool {
		return ConvBackwardWeightsWinograd{Parts: ConvBackwardWeightsSplit{Whole: ConvBackwardWeights{Conv: c}}}.Fits()
	}
	good := Conv{IC: 16, H: 9, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 16}}}
	for i, change := range []func(c *Conv){
		func(c *Conv) { c.KW = 5 }, func(c *Conv) { c.SW = 2 }, func(c *Conv) { c.DH = 2 }, func(c *Conv) { c.IC = 8 }, func(c *Conv) { c.Groups = 2 },
		func(c *Conv) { c.Planar = true }, func(c *Conv) { c.KH, c.KW = 4, 4 },
	} {
		c := good
		if change(&c); !fits(good) || fits(c) {
			t.Errorf("change %d: %#v", i, c)
		}
	}
}
