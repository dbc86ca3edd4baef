package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// planes is an image in planes, in memory full of canaries.
type planes struct {
	n, c, h, w int
	view       View
	buf        Buf
}

func newPlanes(r *rand.Rand, n, c, h, w int, f func() float32) *planes {
	p := &planes{n: n, c: c, h: h, w: w}
	p.view.H = w + r.IntN(3)
	p.view.C = h*p.view.H + r.IntN(3)
	p.view.N = c*p.view.C + r.IntN(3)
	p.buf = Buf{Mem: make([]float32, n*p.view.N+7), Off: 7}
	fill(p.buf.Mem, poison)
	for i := range n * c * h * w {
		*p.at(i/(c*h*w), i/(h*w)%c, i/w%h, i%w) = f()
	}
	return p
}

func (p *planes) at(n, c, y, x int) *float32 {
	return &p.buf.Mem[p.buf.Off+n*p.view.N+c*p.view.C+y*p.view.H+x]
}

// quadCase is a convolution that quantizes its image, and the same with the image in blocks of bytes.
type quadCase struct {
	*int8Case
	image *planes
	to    QuantizeQuads
	quads []float32
}

// newQuadCase makes bytes of an image for int8Case and lets the convolution read the image itself.
func newQuadCase(r *rand.Rand, k ConvInt8, n int, w func() int) *quadCase {
	q := &quadCase{int8Case: newInt8Case(r, k, n, anyByte(r), w)}
	odd := special(r)
	h, wide := q.ih, q.iw
	if k.PH == 0 && k.PW == 0 { // rows and columns that no filter reads
		h, wide = h+r.IntN(4), wide+r.IntN(9)
	}
	q.image = newPlanes(r, n, k.IC, h, wide, func() float32 {
		if v := odd(); r.IntN(9) == 0 {
			return v
		}
		return k.InScale * (float32(r.IntN(800)) - 400) / 2 // ties
	})
	for i := range n {
		for c := range k.IC {
			for y := range q.ih {
				for x := range q.iw {
					*q.x.at(i, c, y, x) = roundedByte(*q.image.at(i, c, y, x)/k.InScale, k.InZero, 0, 255)
				}
			}
		}
	}
	return q
}

// run compares what each tier makes of the image, and of that, with the definitions.
func (q *quadCase) run(t *testing.T, r *rand.Rand) {
	t.Helper()
	q.to, q.does = q.k.FromPlanes(q.image.h, q.image.w, q.image.view)
	q.packAs(q.does)
	const guard = 19
	q.quads = make([]float32, q.to.Len(q.n)+2*guard)
	out := Buf{Mem: q.quads, Off: guard}
	for isa, r := range tiers(r) {
		fill(q.quads, poison)
		execute(r, isa, q.to, &Args{Images: q.n, In: [4]Buf{q.image.buf}, Out: [4]Buf{out}})
		if err := q.check(guard); err != nil {
			t.Fatalf("%v: %#v\n%v", isa, q.to, err)
		}
	}
	q.reads = &out
	q.int8Case.run(t, r)
}

// check compares the bytes of all channels with those of the image, and looks at what is beside.
func (q *quadCase) check(guard int) error {
	raw := bytesOf(q.quads)
	for i, v := range q.quads {
		if (i < guard || i >= len(q.quads)-guard) && math.Float32bits(v) != math.Float32bits(poison) {
			return fmt.Errorf("it writes float32 %d, beside the output", i-guard)
		}
	}
	for i := range q.n * q.to.H * q.to.W {
		n, y, x := i/(q.to.H*q.to.W), i/q.to.W%q.to.H-q.to.PH, i%q.to.W-q.to.PW
		for c := range q.k.IC {
			want := byte(q.k.InZero)
			if y >= 0 && y < q.image.h && x >= 0 && x < q.image.w {
				want = roundedByte(*q.image.at(n, c, y, x)/q.k.InScale, q.k.InZero, 0, 255)
			}
			if got := raw[4*(guard+i)+c]; got != want {
				return fmt.Errorf("byte %d of pixel (%d, %d) of image %d is %d, want %d", c, y, x, n, got, want)
			}
		}
	}
	return nil
}

// TestConvInt8Quads: first layers of images of one to four channels, at every width and geometry, with
// any zero point and padding.
func TestConvInt8Quads(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 11))
	channels := []int{1, 15, 16, 17, 32, 33, 48, 64, 67}
	for i := range 120 {
		k := ConvInt8{IC: 1 + i%4, C: channels[r.IntN(len(channels))], H: 1 + r.IntN(7), W: 1 + i%67,
			KH: 1 + r.IntN(7), KW: 1 + r.IntN(11), SH: 1 + r.IntN(2), SW: 1 + r.IntN(4), DH: 1 + r.IntN(2), DW: r.IntN(2),
			InScale: 0.01 + 0.05*r.Float32(), InZero: r.IntN(256), OutScale: 0.01 + 0.1*r.Float32(), Zero: r.IntN(256), High: 255, Real: i%5 == 0, ReLU: i%10 == 0}
		if i%3 == 0 {
			k.KH, k.KW, k.DH = 3, 3, 1
		}
		k.PH, k.PW = r.IntN(k.KH), r.IntN(k.KW)
		k.H, k.W = k.H+2*k.PH, k.W+2*k.PW
		k = k.Split()
		if r.IntN(2) == 0 {
			k.Rows, k.Pairs = 1+r.IntN(k.H), 1+r.IntN(3)
		}
		newQuadCase(r, k, 1+r.IntN(2), anyWeight(r, i%3)).run(t, r)
	}
	// The largest products of one sign, and those of pairs that do not fit.
	for _, w := range []int{-128, -64, 64, 127} {
		k := ConvInt8{IC: 4, C: 33, H: 3, W: 20, KH: 11, KW: 11, PH: 5, PW: 5, InScale: 1e-30, OutScale: 3e-28, High: 255}
		newQuadCase(r, k, 1, func() int { return w }).run(t, r)
	}
}
