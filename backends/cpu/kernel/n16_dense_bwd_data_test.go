package kernel

import (
	"math"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// TestN16DenseBackwardData compares with the definition: the tiers among one another, with
// the mask and without, and the sums.
func TestN16DenseBackwardData(t *testing.T) {
	r := newRand(61)
	count := longtest.Count(120, 480, 3000)
	for i := range count {
		images := []int{1, 5, 16, 17, 33, 48, 64, 70, 128, 150}[r.IntN(10)]
		d := N16DenseBackwardData{Dense: Dense{C: 1 + r.IntN(9), H: 1 + r.IntN(9), W: 1 + r.IntN(12), Out: Output{C: 1 + r.IntN(70)}}, ReLU: i%2 == 0}
		switch r.IntN(6) {
		case 0: // several calls a task
			d.Dense.Out.C = 200 + r.IntN(300)
			d.Dense.C = 1 + d.Dense.C%3
		case 1: // several channels a task
			d.Dense.C, d.Dense.H, d.Dense.W = 1+r.IntN(60), 1, 1+r.IntN(3)
		}
		border, gap := r.IntN(3), r.IntN(2)
		dx := newN16Act(images, d.Dense.C, d.Dense.H, d.Dense.W, border, border, border, border, gap)
		y := newN16Act(images, d.Dense.C, d.Dense.H, d.Dense.W, 0, r.IntN(2), 0, 0, r.IntN(2))
		dy := newN16Act(images, d.Dense.Out.C, 1, 1, 0, 0, 0, r.IntN(2), r.IntN(2))
		d.Dense.In, d.Y, d.Dense.Out.View = dx.v, y.v, dy.v
		odd := special(r)
		for n := range images { // what is past them has zeros
			for c := range d.Dense.C {
				for p := range d.Dense.H * d.Dense.W {
					*y.at(n, c, p/d.Dense.W, p%d.Dense.W, false) = odd()
				}
			}
			for o := range d.Dense.Out.C {
				*dy.at(n, o, 0, 0, false) = r.Float32()*2 - 1
			}
		}
		pixels := d.Dense.H * d.Dense.W
		inputs := d.Dense.C * pixels
		weight := make([]float32, d.Dense.Out.C*inputs)
		for j := range weight {
			weight[j] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(d.Dense.Out.C)))
		}
		flat := Dense{C: inputs, H: 1, W: 1, Out: d.Dense.Out}
		packed := alignedFloats(flat.PackedLen())
		flat.Pack(packed, weight)
		args := func() *Args {
			return &Args{Images: images, In: [4]Buf{dy.Buf, y.Buf}, Out: [4]Buf{dx.Buf}, W: [4][]float32{packed}}
		}
		var simd []float32
		for isa := range tiers(r) {
			for j := range dx.Mem { // each element has to be written
				if dx.Mem[j] != 0 {
					dx.Mem[j] = canary
				}
			}
			runAll(isa, d, args())
			if err := dx.check(); err != nil {
				t.Fatalf("%v: %v\n%#v", isa, err, d)
			}
			var got []float32
			for n := range imageBlocks(images) * Block {
				for in := range inputs {
					c, py, px := in/pixels, in%pixels/d.Dense.W, in%d.Dense.W
					want := 0.0
					if n < images && !(d.ReLU && *y.at(n, c, py, px, false) <= 0) {
						for o := range d.Dense.Out.C {
							want += float64(weight[o*inputs+in]) * float64(*dy.at(n, o, 0, 0, false))
						}
					}
					x := *dx.at(n, c, py, px, false)
					got = append(got, x)
					if !(math.Abs(float64(x)-want) < 4e-6) {
						t.Fatalf("%v: dX[%d][%d][%d][%d] is %g, want %g\n%#v", isa, n, c, py, px, x, want, d)
					}
				}
			}
			if isa == Portable {
				continue
			}
			if simd != nil && !reflect.DeepEqual(bits(simd), bits(got)) {
				t.Fatalf("AVX2 and AVX-512 differ\n%#v", d)
			}
			simd = got
		}
		if !d.ReLU {
			continue
		}
		sums := make([]exactSum, d.Dense.C)
		for n := range images {
			for in := range inputs {
				sums[in/pixels].add(float64(*dx.at(n, in/pixels, in%pixels/d.Dense.W, in%d.Dense.W, false)))
			}
		}
		sumsOnAllTiers(t, r, d, d.Sums(), images, args, sums, 4e-6)
	}
}

// TestN16DenseBackwardDataBits: DenseBackwardData has the same chains of fused multiply-adds.
func TestN16DenseBackwardDataBits(t *testing.T) {
	r := newRand(62)
	const images = 40
	d := N16DenseBackwardData{Dense: Dense{C: 3, H: 5, W: 7, Out: Output{C: 111}}}
	inputs := d.Dense.C * d.Dense.H * d.Dense.W
	flat := Dense{C: inputs, H: 1, W: 1, In: View{N: Block, C: Block * images}, Out: Output{C: d.Dense.Out.C, View: View{N: Block, C: Block * images}}}
	packed := alignedFloats(flat.PackedLen())
	weight := make([]float32, inputs*d.Dense.Out.C)
	for i := range weight {
		weight[i] = r.Float32() - 0.5
	}
	flat.Pack(packed, weight)
	dx, dy := newN16Act(images, d.Dense.C, d.Dense.H, d.Dense.W, 0, 0, 0, 0, 0), newN16Act(images, d.Dense.Out.C, 1, 1, 0, 0, 0, 0, 0)
	d.Dense.In, d.Dense.Out.View = dx.v, dy.v
	blocked, dxBlocked := alignedFloats(Blocks(d.Dense.Out.C)*Block*images), alignedFloats(Blocks(inputs)*Block*images)
	for n := range images {
		for o := range d.Dense.Out.C {
			x := r.Float32() - 0.5
			*dy.at(n, o, 0, 0, false), blocked[(o/Block*images+n)*Block+o%Block] = x, x
		}
	}
	for isa := range tiers(r) {
		if isa == Portable {
			continue
		}
		runAll(isa, d, &Args{Images: images, In: [4]Buf{dy.Buf}, Out: [4]Buf{dx.Buf}, W: [4][]float32{packed}})
		back := DenseBackwardData{Dense: flat}
		runAll(isa, back, &Args{Images: images, Table: back.Table(isa), In: [4]Buf{{Mem: blocked}}, Out: [4]Buf{{Mem: dxBlocked}}, W: [4][]float32{packed}})
		for n := range images {
			for i := range inputs {
				got, want := *dx.at(n, i/(d.Dense.H*d.Dense.W), i/d.Dense.W%d.Dense.H, i%d.Dense.W, false), dxBlocked[(i/Block*images+n)*Block+i%Block]
				if math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("%v: input %d of image %d is %g, in blocks %g", isa, i, n, got, want)
				}
			}
		}
	}
}
