package kernel

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// maskCase is a case of a convolution that takes the gradient of a ReLU: its output has
// what is easily got wrong, and so has, here and there, the convolution's input.
func maskCase(r *rand.Rand, images int, c Conv, lay func(*rand.Rand, int, Conv, int) *convCase) *convCase {
	c.Outputs[0].Act = ActReLUBackward
	k := lay(r, images, c, r.IntN(2))
	odd := special(r)
	for n := range k.res.n {
		for ch := range k.res.c {
			for y := range k.res.h {
				for x := range k.res.w {
					*k.res.raw(n, ch, y, x, false) = odd()
				}
			}
		}
	}
	return k
}

// checkMask compares with ActBackward of the same convolution without the mask, bit by bit,
// and the sums with those of what was written, whose elements x have an error of at most each*(1+|x|).
func (k *convCase) checkMask(t *testing.T, r *rand.Rand, mk func(Conv) Kernel, sums func(Kernel) ChannelSums, each float64) {
	t.Helper()
	plain := k.c
	plain.Outputs[0].Act = ActNone
	if r.IntN(2) == 0 { // an infinity, and with it NaNs
		*k.in.at(0, r.IntN(k.c.IC), k.in.h-1, k.in.w/2, false) = float32(math.Inf(1))
	}
	for isa := range tiers(r) {
		k.clearOut()
		kern := mk(plain)
		k.pack(kern.(Packer))
		runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
		want := k.got()
		i := 0
		for n := range k.images {
			for c := range k.c.Outputs[0].C {
				for y := range k.c.H {
					for x := range k.c.W {
						if *k.res.at(n, c, y, x, false) <= 0 {
							want[i] = 0
						}
						i++
					}
				}
			}
		}
		k.clearOut()
		kern = mk(k.c)
		runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
		if !reflect.DeepEqual(bits(want), bits(k.got())) {
			t.Fatalf("%v: other bits than ActBackward's\n%#v", isa, kern)
		}
	}
	for i := range k.in.Mem { // no infinities: they have no sums
		if math.IsInf(float64(k.in.Mem[i]), 0) {
			k.in.Mem[i] = 1
		}
	}
	kern := mk(k.c)
	runAll(Portable, kern, k.args(kern.(Tabler).Table(Portable)))
	ref := make([]exactSum, k.c.Outputs[0].C)
	out := k.out[0]
	for n := range out.n {
		for c := range out.c {
			for y := range out.h {
				for x := range out.w {
					i := c
					if out.lanes {
						i /= Block
					}
					ref[i].add(float64(*out.raw(n, c, y, x, false)))
				}
			}
		}
	}
	sumsOnAllTiers(t, r, kern, sums(kern), k.images, func() *Args { return k.args(nil) }, ref, each)
	if err := out.check(); err != nil {
		t.Fatalf("%v\n%#v", err, kern)
	}
}

// maskedShape is a convolution as a ConvBackwardData is one.
func maskedShape(r *rand.Rand) Conv {
	c := Conv{IC: 1 + r.IntN(40), H: 1 + r.IntN(12), W: 1 + r.IntN(30), KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), DH: r.IntN(3), DW: r.IntN(3)}
	c.PH, c.PW = r.IntN(c.KH+2), r.IntN(c.KW+2)
	c.Outputs[0].C = 1 + r.IntN(70)
	return c
}

func TestConvMasked(t *testing.T) {
	r := newRand(51)
	for range 100 {
		c := maskedShape(r)
		if r.IntN(4) == 0 {
			c.Groups = 1 + r.IntN(4)
			c.IC, c.Outputs[0].C = c.Groups*(1+r.IntN(20)), c.Groups*(1+r.IntN(20))
		}
		k := maskCase(r, 1+r.IntN(3), c, newConvCase)
		k.check(t, direct, 4e-6)
		rows, pairs := r.IntN(5), r.IntN(3)
		k.checkMask(t, r, func(c Conv) Kernel {
			c.Rows, c.Pairs = rows, pairs
			return c
		}, func(k Kernel) ChannelSums { return k.(Conv).Sums() }, 4e-6)
	}
	// Tiles of all sizes, of one and two blocks.
	for w := 1; w <= 67; w++ {
		c := Conv{IC: 3, H: 1, W: w, KH: 1, KW: 1, Outputs: [4]Output{{C: 1 + w%40}}}
		maskCase(r, 2, c, newConvCase).checkMask(t, r, direct, func(k Kernel) ChannelSums { return k.(Conv).Sums() }, 4e-6)
	}
}

func TestWinogradMasked(t *testing.T) {
	r := newRand(52)
	for range 60 {
		c := maskedShape(r)
		c.KH = 3 + 2*r.IntN(2)
		c.KW, c.DH, c.DW = c.KH, 1, 1
		k := maskCase(r, 1+r.IntN(3), c, newConvCase)
		k.check(t, wino, 3e-5)
		tiles, pairs := r.IntN(20), r.IntN(3)
		k.checkMask(t, r, func(c Conv) Kernel {
			c.Pairs = pairs
			return Winograd{Conv: c, Tiles: tiles}
		}, func(k Kernel) ChannelSums { return k.(Winograd).Sums() }, 3e-5)
	}
}

func TestN16ConvMasked(t *testing.T) {
	r := newRand(53)
	for range 60 {
		c := maskedShape(r)
		c.IC, c.Outputs[0].C = 1+c.IC%9, 1+c.Outputs[0].C%20
		if r.IntN(4) == 0 {
			c.Groups = 1 + r.IntN(4)
			c.IC, c.Outputs[0].C = c.Groups*(1+r.IntN(5)), c.Groups*(1+r.IntN(6))
		}
		k := maskCase(r, 1+r.IntN(33), c, newN16Case)
		k.check(t, inLanes, 4e-6)
		rows, pairs := r.IntN(5), r.IntN(3)
		k.checkMask(t, r, func(c Conv) Kernel {
			c.Rows, c.Pairs = rows, pairs
			return N16Conv{c}
		}, func(k Kernel) ChannelSums { return k.(N16Conv).Sums() }, 4e-6)
	}
}
