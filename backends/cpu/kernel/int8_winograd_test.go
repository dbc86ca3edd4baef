package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestConvInt8Winograd: 3x3 convolutions, which some tiers compute by Winograd's algorithm, at odd and
// even sizes, with and without padding, in tasks that end anywhere; every byte is that of the
// definition, and nothing beside the output is written.
func TestConvInt8Winograd(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 5))
	channels := []int{1, 3, 16, 17, 32, 33, 48}
	n := 0
	for i := range 60 {
		k := ConvInt8{IC: channels[r.IntN(len(channels))], C: channels[r.IntN(len(channels))], H: 1 + r.IntN(13), W: 1 + r.IntN(24), KH: 3, KW: 3,
			InScale: 0.01 + 0.05*r.Float32(), OutScale: 0.5 + r.Float32(), Zero: r.IntN(256), High: 255, Real: i%4 == 0, ReLU: i%8 == 0}
		if i%5 == 0 {
			k.W = 50 + r.IntN(18)
		}
		if i%3 == 0 {
			k.InZero = r.IntN(256)
		} else {
			k.PH, k.PW = r.IntN(2), r.IntN(2)
			k.H, k.W = max(k.H, 3), max(k.W, 3)
		}
		k = k.Split()
		if r.IntN(2) == 0 {
			k.Rows, k.Pairs = 1+r.IntN(k.H), 1+r.IntN(3)
		}
		if k.winograd() {
			n++
		}
		x := anyByte(r)
		if i%2 == 0 {
			x = extremeByte(r)
		}
		newInt8Case(r, k, 1+r.IntN(2), x, anyWeight(r, i%3)).run(t, r)
	}
	if n < 20 {
		t.Errorf("only %d of the convolutions are ones for Winograd's algorithm", n)
	}
}

// TestConvInt8WinogradDepth: at the largest depth, with the largest products of each sign, the sums of
// products overflow and the results are right. One channel more is left to direct convolution.
func TestConvInt8WinogradDepth(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 6))
	k := ConvInt8{IC: winogradDepth, C: 3, H: 8, W: 6, KH: 3, KW: 3, InScale: 0.01, OutScale: 1000, Zero: 128, High: 255}
	if !k.winograd() {
		t.Fatal("the test is not one of Winograd's algorithm")
	}
	if k.IC++; k.winograd() || 4*255*128*9*winogradDepth >= 1<<31 {
		t.Errorf("%d channels of 3x3 are not too many", k.IC)
	}
	k.IC--
	// Four times the largest sum nearly fills 32 bits; so a bias would be too much before the division,
	// and is added after it.
	for _, w := range [][9]int{{-128, -128, -128, -128, -128, -128, -128, -128, -128}, {127, 127, 127, 127, 127, 127, 127, 127, 127}, {127, -128, 127, -128, 127, -128, 127, -128, 127}} {
		at := 0
		weight := func() int {
			at++
			return w[(at-1)%9]
		}
		newInt8Case(r, k, 1, func() byte { return 255 }, weight).run(t, r)
		newInt8Case(r, k, 1, extremeByte(r), weight).run(t, r)
	}
}

// TestConvInt8WinogradHeld: maps whose transformed input is made in several parts.
func TestConvInt8WinogradHeld(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 7))
	k := ConvInt8{IC: 500, C: 3, H: 15, W: 25, KH: 3, KW: 3, InScale: 0.01, OutScale: 3, Zero: 10, High: 255}
	if 2*k.winogradShape(2).held >= k.H {
		t.Fatalf("%d rows of tiles are held at once: all", k.winogradShape(2).held)
	}
	newInt8Case(r, k, 1, anyByte(r), anyWeight(r, 1)).run(t, r)
}

// TestConvInt8WinogradWide: filters whose weights of one sign add up to the most with which tiles of 4x4
// are exact, and to one more, which the packer notices.
func TestConvInt8WinogradWide(t *testing.T) {
	if 64*255*winogradWide >= 1<<31 {
		t.Fatal("64 times the largest sum has more than 32 bits")
	}
	r := rand.New(rand.NewPCG(41, 8))
	k := ConvInt8{IC: 116, C: 17, H: 8, W: 11, KH: 3, KW: 3, InScale: 0.01, OutScale: 1000, Zero: 128, High: 255}
	for _, sign := range []int{1, -1} {
		for _, more := range []int{0, 1} {
			c := newInt8Case(r, k, 1, func() byte { return 255 }, func() int { return 0 })
			depth := 9 * k.IC
			for o := range k.C {
				left := winogradWide
				if o == 16 {
					left += more
				}
				for i := range depth {
					w := min(left, 127)
					c.whole[o*depth+i], left = sign*w, left-w
				}
			}
			c.pack()
			fit := int32sOf(c.packed[2*k.weightLen():])
			if got, want := [2]bool{fit[0]&fitsWide != 0, fit[1]&fitsWide != 0}, [2]bool{true, more == 0}; got != want {
				t.Errorf("sign %d, %d more: the packer says %v, want %v", sign, more, got, want)
			}
			c.run(t, r)
		}
	}
}
