package kernel

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"github.com/incc-lang/incc/ir/irtest/longtest"
)

// act is an activation in memory for tests: a view, its border, guard zones of
// NaN on all sides that no kernel may read or write.
type actBuf struct {
	Buf
	v            View
	n, c, h, w   int
	top, left    int
	bottom, rght int
	lanes        bool  // n blocks of 16 images, each channel a block: c is 16 times theirs
	guard        []int // indexes that must still be canaries
}

var canary = math.Float32frombits(0x7fc0dead)

const guardLen = 64

// newAct makes n x c x h x w with a border of zeros. gap adds canaries between
// rows, blocks and images.
func newAct(n, c, h, w, top, left, bottom, right, gap int, planar bool) *actBuf {
	l := Block
	if planar {
		l = 1
	}
	b := &actBuf{n: n, c: c, h: h, w: w, top: top, left: left, bottom: bottom, rght: right}
	b.v.H = (left+w+right)*l + gap*l
	b.v.C = (top+h+bottom)*b.v.H + gap*l
	b.v.N = ceilDiv(c, l)*b.v.C + gap*l
	b.Off = guardLen + top*b.v.H + left*l
	b.Mem = alignedFloats(guardLen + n*b.v.N + guardLen)
	for i := range b.Mem {
		b.Mem[i] = canary
	}
	used := make([]bool, len(b.Mem))
	for i := range n {
		for cb := range ceilDiv(c, l) {
			for y := -top; y < h+bottom; y++ {
				for x := -left * l; x < (w+right)*l; x++ {
					j := b.Off + i*b.v.N + cb*b.v.C + y*b.v.H + x
					b.Mem[j] = 0
					used[j] = true
				}
			}
		}
	}
	for i, u := range used {
		if !u {
			b.guard = append(b.guard, i)
		}
	}
	return b
}

// wider is a copy of b with more zeros around it: bottom rows below and right columns to the right.
func (b *actBuf) wider(bottom, right int) *actBuf {
	w := newAct(b.n, b.c, b.h, b.w, b.top, b.left, bottom, right, 1, false)
	for i := range b.n {
		for c := range ceilDiv(b.c, Block) * Block {
			for y := range b.h {
				for x := range b.w {
					*w.at(i, c, y, x, false) = *b.at(i, c, y, x, false)
				}
			}
		}
	}
	return w
}

func alignedFloats(n int) []float32 {
	b := make([]float32, n+16)
	o := 0
	for uintptr(unsafe.Pointer(&b[o]))&63 != 0 {
		o++
	}
	return b[o : o+n : o+n]
}

// newN16Act is newAct for images that lie in N16.
func newN16Act(images, c, h, w, top, left, bottom, right, gap int) *actBuf {
	b := newAct(imageBlocks(images), c*Block, h, w, top, left, bottom, right, gap, false)
	b.lanes = true
	return b
}

// at is an element, by image and channel also where these lie in N16.
func (b *actBuf) at(n, c, y, x int, planar bool) *float32 {
	if b.lanes {
		n, c = n/Block, c*Block+n%Block
	}
	return b.raw(n, c, y, x, planar)
}

func (b *actBuf) raw(n, c, y, x int, planar bool) *float32 {
	if planar {
		return &b.Mem[b.Off+n*b.v.N+c*b.v.C+y*b.v.H+x]
	}
	return &b.Mem[b.Off+n*b.v.N+c/Block*b.v.C+y*b.v.H+x*Block+c%Block]
}

func (b *actBuf) fill(r *rand.Rand, planar bool) {
	for n := range b.n {
		for c := range b.c {
			for y := range b.h {
				for x := range b.w {
					*b.raw(n, c, y, x, planar) = r.Float32()*2 - 1
				}
			}
		}
	}
}

// check reports canaries that changed, and border and padded lanes that are not
// zero any more.
func (b *actBuf) check() error {
	for _, i := range b.guard {
		if math.Float32bits(b.Mem[i]) != math.Float32bits(canary) {
			return fmt.Errorf("guard zone written at element %d of %d", i-b.Off, len(b.Mem))
		}
	}
	for n := range b.n {
		for c := range Blocks(b.c) * Block {
			for y := -b.top; y < b.h+b.bottom; y++ {
				for x := -b.left; x < b.w+b.rght; x++ {
					if c < b.c && y >= 0 && y < b.h && x >= 0 && x < b.w {
						continue
					}
					if v := *b.raw(n, c, y, x, false); v != 0 {
						return fmt.Errorf("border or padded lane (%d,%d,%d,%d) holds %g", n, c, y, x, v)
					}
				}
			}
		}
	}
	return nil
}

type convCase struct {
	images  int
	c       Conv
	in, res *actBuf
	out     [4]*actBuf
	w, b    []float32
	packed  []float32
	packedB []float32
}

// newConvCase lays out random operands for the shapes in c, whose views it sets.
func newConvCase(r *rand.Rand, images int, c Conv, gap int) *convCase {
	return layConvCase(r, images, c, gap, newAct)
}

// newN16Case is newConvCase for images that lie in N16.
func newN16Case(r *rand.Rand, images int, c Conv, gap int) *convCase {
	return layConvCase(r, images, c, gap, func(n, c, h, w, top, left, bottom, right, gap int, _ bool) *actBuf {
		return newN16Act(n, c, h, w, top, left, bottom, right, gap)
	})
}

func layConvCase(r *rand.Rand, images int, c Conv, gap int, newAct func(n, c, h, w, top, left, bottom, right, gap int, planar bool) *actBuf) *convCase {
	k := &convCase{images: images}
	ih := (c.H-1)*one(c.SH) + (c.KH-1)*one(c.DH) + 1 // rows read
	iw := (c.W-1)*one(c.SW) + (c.KW-1)*one(c.DW) + 1
	h, w := max(1, ih-2*c.PH), max(1, iw-2*c.PW)
	k.in = newAct(images, c.IC, h, w, c.PH, c.PW, max(0, ih-c.PH-h), max(0, iw-c.PW-w), gap, c.Planar)
	k.in.fill(r, c.Planar)
	c.In = k.in.v
	for i, p := range c.Outputs {
		if p.C == 0 {
			continue
		}
		border := i % 3
		if gap == 0 {
			border = 0
		}
		k.out[i] = newAct(images, p.C, c.H, c.W, border, border, border, border, gap, false)
		c.Outputs[i].View = k.out[i].v
	}
	if c.second() {
		k.res = newAct(images, c.OC(), c.H, c.W, 0, 0, 0, 0, gap, false)
		k.res.fill(r, false)
		c.Res = k.res.v
	}
	k.w = make([]float32, c.OC()*c.IC/one(c.Groups)*c.KH*c.KW)
	k.b = make([]float32, c.OC())
	scale := float32(1 / math.Sqrt(float64(len(k.w)/c.OC())))
	for i := range k.w {
		k.w[i] = (r.Float32()*2 - 1) * scale
	}
	for i := range k.b {
		k.b[i] = r.Float32()*2 - 1
	}
	k.c = c
	return k
}

func (k *convCase) pack(p Packer) {
	k.packed = alignedFloats(p.PackedLen())
	for i := range k.packed {
		k.packed[i] = canary
	}
	p.Pack(k.packed, k.w)
	b := p.(interface {
		BiasLen() int
		PackBias(dst, bias []float32)
	})
	k.packedB = make([]float32, b.BiasLen())
	b.PackBias(k.packedB, k.b)
}

func (k *convCase) args(table []int) *Args {
	a := &Args{Images: k.images, Table: table}
	a.In[0] = k.in.Buf
	if k.res != nil {
		a.In[1] = k.res.Buf
	}
	for i, o := range k.out {
		if o != nil {
			a.Out[i] = o.Buf
		}
	}
	a.W[0], a.W[1] = k.packed, k.packedB
	return a
}

// reference is the convolution by its definition, in float64.
func (k *convCase) reference() []float64 {
	c := k.c
	gs := one(c.Groups)
	icg, ocg := c.IC/gs, c.OC()/gs
	var ref []float64
	for n := range k.images {
		for o := range c.OC() {
			part, first := 0, 0
			for o-first >= c.Outputs[part].C {
				first += c.Outputs[part].C
				part++
			}
			for y := range c.H {
				for x := range c.W {
					s := float64(k.b[o])
					for i := range icg {
						for kh := range c.KH {
							for kw := range c.KW {
								iy, ix := y*one(c.SH)-c.PH+kh*one(c.DH), x*one(c.SW)-c.PW+kw*one(c.DW)
								if iy < 0 || iy >= k.in.h || ix < 0 || ix >= k.in.w {
									continue
								}
								s += float64(*k.in.at(n, o/ocg*icg+i, iy, ix, c.Planar)) * float64(k.w[((o*icg+i)*c.KH+kh)*c.KW+kw])
							}
						}
					}
					if c.Residual {
						s = float64(*k.res.at(n, o, y, x, false)) + float64(c.Scale)*s
					}
					if c.masked() && *k.res.at(n, o, y, x, false) <= 0 {
						s = 0
					}
					ref = append(ref, activated(c.Outputs[part].Act, s))
				}
			}
		}
	}
	return ref
}

// got reads the outputs in the order of reference.
func (k *convCase) got() []float32 {
	var g []float32
	for n := range k.images {
		for i, o := range k.out {
			for c := range k.c.Outputs[i].C {
				for y := range k.c.H {
					for x := range k.c.W {
						g = append(g, *o.at(n, c, y, x, false))
					}
				}
			}
		}
	}
	return g
}

func (k *convCase) clearOut() {
	for _, o := range k.out {
		if o == nil {
			continue
		}
		for n := range o.n {
			for c := range Blocks(o.c) * Block {
				for y := range o.h {
					for x := range o.w {
						*o.raw(n, c, y, x, false) = canary
					}
				}
			}
		}
	}
}

func runAll(isa ISA, kern Kernel, a *Args) {
	w := &Worker{ISA: isa}
	if s, ok := kern.(Scratcher); ok {
		w.Scratch = alignedFloats(s.Scratch() + guardLen)
		for i := range w.Scratch {
			w.Scratch[i] = canary
		}
		w.Scratch = w.Scratch[:s.Scratch()]
	}
	n := kern.Tasks(a.Images)
	for i := range n {
		kern.Run(w, n-1-i, a) // the order does not matter
	}
	for i, v := range w.Scratch[len(w.Scratch):cap(w.Scratch)] {
		if i < guardLen && len(w.Scratch) > 0 && math.Float32bits(v) != math.Float32bits(canary) {
			panic(fmt.Sprintf("scratch written %d past its end", i))
		}
	}
}

func maxErr(got []float32, ref []float64) float64 {
	worst := 0.0
	for i, r := range ref {
		d := math.Abs(float64(got[i])-r) / (1 + math.Abs(r))
		if !(d <= worst) { // NaN as well
			worst = d
			if d != d {
				return math.Inf(1)
			}
		}
	}
	return worst
}

func bits(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

// check runs the kernel that mk makes of the shapes on every tier and compares.
func (k *convCase) check(t *testing.T, mk func(Conv) Kernel, tol float64) {
	t.Helper()
	ref := k.reference()
	var simd []float32
	for isa := range tiers(nil) {
		var first []float32
		for _, split := range [][2]int{{0, 0}, {1, 1}, {3, 2}, {-1, -1}} {
			c := k.c
			c.Rows, c.Pairs = split[0], split[1]
			kern := mk(c)
			if split[0] < 0 { // the one that Split chooses
				switch s := kern.(type) {
				case Conv:
					kern = s.Split(k.images)
				case Winograd:
					s.Tiles = 0
					kern = s.Split(k.images)
				case Winograd1D:
					s.Tiles = 0
					kern = s.Split(k.images)
				case Depthwise:
					kern = s.Split(k.images)
				case Grouped:
					kern = s.Split(k.images)
				case N16Conv:
					kern = s.Split(k.images)
				}
			}
			if k.packed == nil {
				k.pack(kern.(Packer))
			}
			k.clearOut()
			runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
			g := k.got()
			if first == nil {
				first = g
				if e := maxErr(g, ref); e > tol {
					t.Fatalf("%v: error %.2g\n%#v", isa, e, kern)
				}
			} else if !reflect.DeepEqual(bits(first), bits(g)) {
				t.Fatalf("%v: other bits with the split %v\n%#v", isa, split, kern)
			}
			for i, o := range append(k.out[:], k.in) {
				if o == nil || o == k.in && c.Planar {
					continue
				}
				if err := o.check(); err != nil {
					t.Fatalf("%v: buffer %d: %v\n%#v", isa, i, err, kern)
				}
			}
		}
		if isa == Portable {
			continue
		}
		if simd != nil && !reflect.DeepEqual(bits(simd), bits(first)) {
			t.Fatalf("AVX2 and AVX-512 differ\n%#v", k.c)
		}
		simd = first
	}
}

func direct(c Conv) Kernel { return c }

func TestConvSizes(t *testing.T) {
	for n := 1; n <= 67; n++ {
		r := newRand(uint64(n), 1)
		c := Conv{IC: n, H: 1 + n%5, W: n, KH: 1, KW: 1, Outputs: [4]Output{{C: 68 - n, Act: ActReLU}}}
		newConvCase(r, 1+n%2, c, n%2).check(t, direct, 2e-6)
		c = Conv{IC: 3, H: n, W: 3 + n%4, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: n}}}
		newConvCase(r, 1, c, 1-n%2).check(t, direct, 2e-6)
	}
}

func TestConvRandom(t *testing.T) {
	r := newRand(7, 7)
	count := longtest.Count(100, 400, 5000)
	for range count {
		c := Conv{
			IC: 1 + r.IntN(40), H: 1 + r.IntN(12), W: 1 + r.IntN(30),
			KH: 1 + r.IntN(5), KW: 1 + r.IntN(5), SH: 1 + r.IntN(3), SW: 1 + r.IntN(3), DH: r.IntN(3), DW: r.IntN(3),
		}
		c.PH, c.PW = r.IntN(c.KH+2), r.IntN(c.KW+2) // larger than the kernel, too
		c.Outputs[0] = Output{C: 1 + r.IntN(70), Act: fusedAct(r)}
		switch r.IntN(6) {
		case 0:
			c.Residual, c.Scale = true, r.Float32()
		case 1:
			c.Outputs[1] = Output{C: 1 + r.IntN(40)}
			c.Outputs[2] = Output{C: 1 + r.IntN(40), Act: ActReLU}
		case 2:
			c.Planar, c.IC = true, 1+r.IntN(4)
		case 3:
			c.Groups = 1 + r.IntN(6)
			c.IC = c.Groups * (1 + r.IntN(20))
			c.Outputs[0].C = c.Groups * (1 + r.IntN(20))
		}
		newConvCase(r, 1+r.IntN(2), c, r.IntN(2)).check(t, direct, 4e-6)
	}
}

// TestConvTapParts computes convolutions with long sums. AVX2 computes these in parts if a task has at
// least four tiles. Tasks of single rows have fewer tiles; the bits must be the same.
func TestConvTapParts(t *testing.T) {
	r := newRand(5, 5)
	for _, c := range []Conv{
		{IC: 100, H: 5, W: 6, KH: 3, KW: 3, PH: 1, PW: 1, Outputs: [4]Output{{C: 40, Act: ActReLU6}}},
		{IC: 800, H: 4, W: 5, KH: 1, KW: 1, SH: 2, SW: 2, Outputs: [4]Output{{C: 20}, {C: 24, Act: ActSigmoid}}},
		{IC: 790, H: 5, W: 7, KH: 1, KW: 1, Outputs: [4]Output{{C: 33, Act: ActReLU}}}, // half a block less
		{IC: 100, H: 5, W: 6, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.5, Outputs: [4]Output{{C: 16, Act: ActReLU}}},
	} {
		newConvCase(r, 2, c, 1).check(t, direct, 2e-5)
	}
	// A worker keeps no pointer past the end of a table: it would be one into another object.
	k := newConvCase(r, 1, Conv{IC: 800, H: 4, W: 5, KH: 1, KW: 1, Outputs: [4]Output{{C: 20}}}, 0)
	k.pack(k.c)
	for isa := range tiers(nil) {
		w, table := &Worker{ISA: isa}, k.c.Table(isa)
		k.c.Run(w, 0, k.args(table))
		if at := uintptr(w.tile.taps); at != 0 && (at < uintptr(unsafe.Pointer(&table[0])) || at > uintptr(unsafe.Pointer(&table[len(table)-1]))) {
			t.Errorf("%v: the taps are not in the table", isa)
		}
	}
	avx2 := &tileTiers[AVX2]
	for _, x := range [][3]int{{2000, 3, 1}, {767, 9, 1}, {768, 4, 2}, {4608, 9, 12}} {
		if n := avx2.tapParts(x[0], x[1]); !avx2.portable() && n != x[2] {
			t.Errorf("%d products in %d tiles are cut into %d parts, want %d", x[0], x[1], n, x[2])
		}
	}
}

// TestConvBits pins the bits of a direct and a Winograd convolution: those of the
// portable tier on every architecture and GOAMD64 level, those of both SIMD tiers
// on every machine.
func TestConvBits(t *testing.T) {
	c := Conv{IC: 33, H: 13, W: 11, KH: 3, KW: 3, PH: 1, PW: 1, Residual: true, Scale: 0.17, Outputs: [4]Output{{C: 40, Act: ActReLU}}}
	k := newConvCase(fixedRand(11, 12), 1, c, 0)
	for isa := range tiers(nil) {
		h := fnv.New32a()
		for _, kern := range []Kernel{k.c, Winograd{Conv: k.c}} {
			k.pack(kern.(Packer))
			runAll(isa, kern, k.args(kern.(Tabler).Table(isa)))
			for _, b := range bits(k.got()) {
				h.Write(binary.LittleEndian.AppendUint32(nil, b))
			}
		}
		want := uint32(0x163b99cf)
		if isa == Portable {
			want = 0x6b9df3c9
		}
		if got := h.Sum32(); got != want {
			t.Errorf("%v: hash %#x, want %#x", isa, got, want)
		}
	}
}

// TestConvChecksBounds hands over buffers that are one element short: that must
// panic, on every tier, and not read or write past them.
func TestConvChecksBounds(t *testing.T) {
	for _, planar := range []bool{false, true} {
		c := Conv{IC: 16, H: 7, W: 9, KH: 3, KW: 3, PH: 1, PW: 1, Planar: planar, Outputs: [4]Output{{C: 48}}}
		k := newConvCase(newRand(1, 1), 1, c, 0)
		k.pack(k.c)
		for isa := range tiers(nil) {
			for short := range 3 {
				a := k.args(k.c.Table(isa))
				switch short {
				case 0:
					a.In[0].Mem = a.In[0].Mem[: guardLen+k.in.v.N-1 : guardLen+k.in.v.N-1]
				case 1:
					a.Out[0].Mem = a.Out[0].Mem[:guardLen+k.out[0].v.N-1]
				}
				panicked := func() (p bool) {
					defer func() { p = recover() != nil }()
					runAll(isa, k.c, a)
					return
				}()
				if panicked != (short < 2) {
					t.Errorf("%v planar %v case %d: panicked %v", isa, planar, short, panicked)
				}
			}
		}
	}
}

// TestConvHalfBlocks compares 1x1 convolutions that leave out half of their last input block with
// the definition, and counts what they multiply.
func TestConvHalfBlocks(t *testing.T) {
	r := newRand(24, 1)
	for _, ic := range []int{17, 24, 25, 40, 56, 58, 72, 116} {
		c := Conv{IC: ic, H: 1 + r.IntN(9), W: 1 + r.IntN(9), KH: 1, KW: 1, SH: 1 + ic%3/2, SW: 1 + ic%2}
		c.Outputs[0] = Output{C: 1 + r.IntN(67), Act: fusedAct(r)}
		if ic%4 == 0 {
			c.Residual, c.Scale = true, r.Float32()
		} else {
			c.Outputs[1] = Output{C: 1 + r.IntN(40)}
		}
		depth := ceilDiv(ic, 8) * 8
		if ic == 25 || ic == 58 {
			depth = ceilDiv(ic, Block) * Block
		}
		if got, want := c.PaddedMACs(), (Blocks(c.Outputs[0].C)+Blocks(c.Outputs[1].C))*Block*depth*c.H*c.W; got != want {
			t.Errorf("%d channels: %d multiplications, want %d", ic, got, want)
		}
		newConvCase(r, 2, c, r.IntN(2)).check(t, direct, 1e-5)
	}
}
