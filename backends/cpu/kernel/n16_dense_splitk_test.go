package kernel

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// n16DenseCase is a dense layer over a map in N16, as a training step has it.
type n16DenseCase struct {
	images       int
	d            Dense // over the map; its Out.View is blocked
	flat         Dense // over the map as a vector
	x, out       *actBuf
	weight, bias []float32
	packed       []float32
}

func newN16DenseCase(r *rand.Rand) *n16DenseCase {
	k := &n16DenseCase{images: []int{1, 5, 16, 17, 33, 48, 64, 70, 128, 150, 260}[r.IntN(11)]}
	k.d = Dense{C: 1 + r.IntN(9), H: 1 + r.IntN(9), W: 1 + r.IntN(12), Out: Output{C: 1 + r.IntN(70), Act: fusedAct(r)}}
	switch r.IntN(6) {
	case 0: // several calls a part, whose inputs do not stay near together
		k.d.C, k.d.H, k.d.W = 20+r.IntN(20), 7, 9
		k.d.Out.C = 1 + k.d.Out.C%40
	case 1:
		k.d.C, k.d.H, k.d.W = 1+r.IntN(3), 1, 1+r.IntN(3)
	}
	border := r.IntN(3)
	k.x = newN16Act(k.images, k.d.C, k.d.H, k.d.W, border, border, border, border, r.IntN(2))
	k.d.In = k.x.v
	k.out = newAct(k.images, k.d.Out.C, 1, 1, 0, 0, 0, 0, r.IntN(2), false)
	k.d.Out.View = k.out.v
	inputs := k.inputs()
	for n := range k.images { // what is past them has zeros
		for i := range inputs {
			*k.in(n, i) = r.Float32()*2 - 1
		}
	}
	k.flat = Dense{C: inputs, H: 1, W: 1, Out: k.d.Out}
	k.weight, k.bias = make([]float32, k.d.Out.C*inputs), make([]float32, k.flat.BiasLen())
	for i := range k.weight {
		k.weight[i] = (r.Float32()*2 - 1) / float32(math.Sqrt(float64(inputs)))
	}
	for i := range k.d.Out.C {
		k.bias[i] = r.Float32()*2 - 1
	}
	k.packed = alignedFloats(k.flat.PackedLen())
	k.flat.Pack(k.packed, k.weight)
	return k
}

func (k *n16DenseCase) inputs() int { return k.d.C * k.d.H * k.d.W }

// in is input i of image n.
func (k *n16DenseCase) in(n, i int) *float32 {
	return k.x.at(n, i/(k.d.H*k.d.W), i/k.d.W%k.d.H, i%k.d.W, false)
}

// TestN16DenseParts compares with the definition, and the bits of all ways to cut the
// images and of all tiers but the portable one.
func TestN16DenseParts(t *testing.T) {
	r := newRand(63)
	count := longtest.Count(80, 320, 2000)
	for range count {
		k := newN16DenseCase(r)
		inputs := k.inputs()
		ref := make([]float64, 0, k.images*k.d.Out.C)
		for n := range k.images {
			for o := range k.d.Out.C {
				s := float64(k.bias[o])
				for i := range inputs {
					s += float64(k.weight[o*inputs+i]) * float64(*k.in(n, i))
				}
				ref = append(ref, activated(k.d.Out.Act, s))
			}
		}
		first := map[int][]float32{}
		for isa := range tiers(r) {
			for _, cut := range [][3]int{{1, 0, 0}, {2, 1, 1}, {3, 4, 2}, {3, 0, 1}, {3, 3, 0}, {-1, 0, 0}} {
				p := N16DenseSplitK{Dense: k.d, Splits: min(cut[0], inputs), ImageBlocks: cut[1]}
				p.Dense.Pairs = cut[2]
				if cut[0] < 0 {
					p = p.Split(k.images)
				}
				mem := alignedFloats(p.PartialsLen(k.images) + 1)
				fill(mem, poison)
				runAll(isa, p, &Args{Images: k.images, In: [4]Buf{k.x.Buf}, Out: [4]Buf{{Mem: mem}}, W: [4][]float32{k.packed}})
				for i, x := range mem {
					if isPoison(x) != (i == len(mem)-1) {
						t.Fatalf("%v: element %d of %d is %g\n%#v", isa, i, len(mem)-1, x, p)
					}
				}
				clearOutputs(k.out, k.images, k.d.Out.C)
				runAll(isa, p.Sum(), &Args{Images: k.images, In: [4]Buf{{Mem: mem}}, Out: [4]Buf{k.out.Buf}, W: [4][]float32{nil, k.bias}})
				if err := k.out.check(); err != nil {
					t.Fatalf("%v: %v\n%#v", isa, err, p)
				}
				got := outputs(k.out, k.images, k.d.Out.C)
				if e := maxErr(got, ref); e > 4e-6 {
					t.Fatalf("%v: error %.2g\n%#v", isa, e, p)
				}
				for i := range k.images {
					for c := k.d.Out.C; c < Blocks(k.d.Out.C)*Block; c++ {
						if x := *k.out.at(i, c, 0, 0, false); x != 0 {
							t.Fatalf("%v: the padding of image %d has %g\n%#v", isa, i, x, p)
						}
					}
				}
				if isa == Portable {
					continue
				}
				if first[p.Splits] != nil && !reflect.DeepEqual(bits(first[p.Splits]), bits(got)) {
					t.Fatalf("%v: other bits than before\n%#v", isa, p)
				}
				first[p.Splits] = got
			}
		}
	}
}

// TestN16DenseBackwardWeights: the bits are those of DenseBackwardWeights on every tier.
func TestN16DenseBackwardWeights(t *testing.T) {
	r := newRand(64)
	for range 60 {
		k := newN16DenseCase(r)
		inputs := k.inputs()
		blocked := newAct(k.images, inputs, 1, 1, 0, 0, 0, 0, r.IntN(2), false)
		for n := range k.images {
			for i := range inputs {
				*blocked.at(n, i, 0, 0, false) = *k.in(n, i)
			}
			for o := range k.d.Out.C {
				*k.out.at(n, o, 0, 0, false) = r.Float32() - 0.5
			}
		}
		for n := k.images; n < imageBlocks(k.images)*Block; n++ { // no images: not to be read
			for i := range inputs {
				*k.in(n, i) = canary
			}
		}
		flat := DenseBackwardWeights{Dense: k.flat}.Split(k.images)
		flat.Dense.In, flat.Dense.Out.View = blocked.v, k.out.v
		lanes := N16DenseBackwardWeights{DenseBackwardWeights{Dense: k.d}}.Split(k.images)
		for isa := range tiers(r) {
			want, got := alignedFloats(k.flat.PackedLen()), alignedFloats(k.flat.PackedLen()+1)
			fill(got, poison)
			bias := [2][]float32{make([]float32, k.flat.BiasLen()), make([]float32, k.flat.BiasLen())}
			squares := [2][]float32{make([]float32, flat.Tasks(k.images)), make([]float32, flat.Tasks(k.images))}
			runAll(isa, flat, &Args{Images: k.images, Table: flat.Table(isa), In: [4]Buf{blocked.Buf, k.out.Buf}, Out: [4]Buf{{Mem: want}, {Mem: bias[0]}, {Mem: squares[0]}}})
			runAll(isa, lanes, &Args{Images: k.images, Table: lanes.Table(isa), In: [4]Buf{k.x.Buf, k.out.Buf}, Out: [4]Buf{{Mem: got}, {Mem: bias[1]}, {Mem: squares[1]}}})
			if !isPoison(got[len(want)]) {
				t.Fatalf("%v: more is written than the packed weights\n%#v", isa, lanes)
			}
			if err := sameBits(want, got[:len(want)]); err != nil {
				t.Fatalf("%v: %v\n%#v", isa, err, lanes)
			}
			if err := sameBits(bias[0], bias[1]); err != nil {
				t.Fatalf("%v: bias: %v\n%#v", isa, err, lanes)
			}
			if err := sameBits(squares[0], squares[1]); err != nil {
				t.Fatalf("%v: sums of squares: %v\n%#v", isa, err, lanes)
			}
		}
	}
}
