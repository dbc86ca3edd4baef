package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"
)

// What the tests of the kernels that are not convolutions share: activations in
// NCHW16c inside of memory full of canaries, a run of all tasks in any order on
// every tier, and comparisons.

var poison = math.Float32frombits(0x7fc0dead)

func isPoison(x float32) bool { return math.Float32bits(x) == math.Float32bits(poison) }

// box is an activation of n images: its logical values in NCHW order, and its
// place in guarded memory with gaps of canaries between rows, blocks and images.
type box struct {
	n, c, h, w int
	view       View
	buf        Buf
}

func newBox(r *rand.Rand, n, c, h, w int) *box {
	b := &box{n: n, c: c, h: h, w: w}
	gap := func() int { return r.IntN(3) * Block * (1 + r.IntN(2)) }
	if r.IntN(2) == 0 {
		gap = func() int { return 0 }
	}
	b.view.H = w*Block + gap()
	b.view.C = h*b.view.H + gap()
	b.view.N = Blocks(c)*b.view.C + gap()
	const guard = 5*Block + 3 // and so not aligned
	b.buf = Buf{Mem: make([]float32, n*b.view.N+2*guard), Off: guard}
	fill(b.buf.Mem, poison)
	return b
}

// each calls f for every element, those of padded lanes (c past the end) too.
func (b *box) each(f func(n, c, y, x int, p *float32)) {
	for n := range b.n {
		for c := range Blocks(b.c) * Block {
			for y := range b.h {
				for x := range b.w {
					f(n, c, y, x, &b.buf.Mem[b.view.at(&b.buf, n, c/Block, y, x)+c%Block])
				}
			}
		}
	}
}

// fill sets the elements, and the padded lanes to zero.
func (b *box) fill(f func() float32) *box {
	b.each(func(n, c, y, x int, p *float32) {
		*p = 0
		if c < b.c {
			*p = f()
		}
	})
	return b
}

func (b *box) clone() *box {
	d := *b
	d.buf.Mem = append([]float32(nil), b.buf.Mem...)
	return &d
}

func (b *box) at(n, c, y, x int) float64 {
	return float64(b.buf.Mem[b.view.at(&b.buf, n, c/Block, y, x)+c%Block])
}

// check compares with the reference, and looks at padded lanes and canaries.
func (b *box) check(ref func(n, c, y, x int) float64, tol float64) error {
	return b.checkWithin(ref, func(n, c, y, x int) float64 { return tol * (1 + math.Abs(ref(n, c, y, x))) })
}

// checkWithin is check with a bound of the error of each element.
func (b *box) checkWithin(ref, bound func(n, c, y, x int) float64) error {
	left := 0
	for _, v := range b.buf.Mem {
		if isPoison(v) {
			left++
		}
	}
	if want := len(b.buf.Mem) - b.n*Blocks(b.c)*Block*b.h*b.w; left != want {
		return fmt.Errorf("%d canaries left of %d", left, want)
	}
	var err error
	b.each(func(n, c, y, x int, p *float32) {
		if err != nil {
			return
		}
		if c >= b.c {
			if *p != 0 {
				err = fmt.Errorf("padded lane (%d, %d, %d, %d) holds %g", n, c, y, x, *p)
			}
			return
		}
		want, got := ref(n, c, y, x), float64(*p)
		if got == want || got != got && want != want {
			return
		}
		if most := bound(n, c, y, x); !(math.Abs(got-want) <= most) {
			err = fmt.Errorf("element (%d, %d, %d, %d) is %g, want %g within %.2g", n, c, y, x, got, want, most)
		}
	})
	return err
}

// sameBits compares two runs; NaNs are all alike.
func sameBits(a, b []float32) error {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) && !(a[i] != a[i] && b[i] != b[i]) {
			return fmt.Errorf("bits differ at %d: %x (%g) and %x (%g)", i, math.Float32bits(a[i]), a[i], math.Float32bits(b[i]), b[i])
		}
	}
	return nil
}

// execute runs all tasks of a kernel, shuffled, by several workers in turn.
func execute(r *rand.Rand, isa ISA, k Kernel, a *Args) {
	n := 0
	if s, ok := k.(Scratcher); ok {
		n = s.Scratch()
	}
	var workers [3]Worker
	for i := range workers {
		workers[i] = Worker{ID: i, ISA: isa, Scratch: make([]float32, n)}
		fill(workers[i].Scratch, poison)
	}
	for _, t := range r.Perm(k.Tasks(a.Images)) {
		k.Run(&workers[r.IntN(3)], t, a)
	}
}

// allocations is how many a run of all tasks makes.
func allocations(isa ISA, k Kernel, a *Args) float64 {
	w := &Worker{ISA: isa}
	if s, ok := k.(Scratcher); ok {
		w.Scratch = make([]float32, s.Scratch())
	}
	n := k.Tasks(a.Images)
	return testing.AllocsPerRun(1, func() {
		for t := range n {
			k.Run(w, t, a)
		}
	})
}

// onAllTiers runs the kernel on every tier, compares the bits of the tiers, and
// each result with the reference. Args are made anew by each call of args.
func onAllTiers(t *testing.T, r *rand.Rand, k Kernel, args func() (*Args, *box), ref func(n, c, y, x int) float64, tol float64) {
	t.Helper()
	onAllTiersWithin(t, r, k, args, ref, func(n, c, y, x int) float64 { return tol * (1 + math.Abs(ref(n, c, y, x))) })
}

// onAllTiersWithin is onAllTiers with a bound of the error of each element.
func onAllTiersWithin(t *testing.T, r *rand.Rand, k Kernel, args func() (*Args, *box), ref, bound func(n, c, y, x int) float64) {
	t.Helper()
	var first *box
	for isa, r := range tiers(r) {
		a, _ := args()
		if n := allocations(isa, k, a); n != 0 {
			t.Fatalf("%v: %#v: %g allocations", isa, k, n)
		}
		a, out := args()
		execute(r, isa, k, a)
		if err := out.checkWithin(ref, bound); err != nil {
			t.Fatalf("%v: %#v\n%v", isa, k, err)
		}
		if first == nil {
			first = out
		} else if err := sameBits(first.buf.Mem, out.buf.Mem); err != nil {
			t.Fatalf("portable and %v: %#v\n%v", isa, k, err)
		}
	}
}

// sumsOnAllTiers runs a kernel that leaves partial sums of each channel block of an
// image in Out[1], and adds them up; images and channels are as ChannelSums counts
// them. Args are made anew by each call of args. A term x of a sum has itself an error of
// at most each*(1+|x|), as in check; each is 0 for terms that are copied.
func sumsOnAllTiers(t *testing.T, r *rand.Rand, k Kernel, sum ChannelSums, images int, args func() *Args, ref []exactSum, each float64) {
	t.Helper()
	const guard = 5
	var first []float32
	for isa, r := range tiers(r) {
		a, parts, out := args(), make([]float32, sum.Len(images)+2*guard), newVector(sum.C)
		fill(parts, poison)
		a.Out[1] = Buf{Mem: parts, Off: guard}
		if tabler, ok := k.(Tabler); ok {
			a.Table = tabler.Table(isa)
		}
		execute(r, isa, k, a)
		for i, x := range parts {
			if in := i >= guard && i < len(parts)-guard; in == isPoison(x) {
				t.Fatalf("%v: %#v: sum %d of %d is %x", isa, k, i-guard, sum.Len(images), math.Float32bits(x))
			}
		}
		execute(r, isa, sum, &Args{Images: images, In: [4]Buf{a.Out[1]}, Out: [4]Buf{out.buf}})
		if err := out.checkWithin(func(_, c, _, _ int) float64 { return ref[c].sum }, func(_, c, _, _ int) float64 { return ref[c].bound(each) }); err != nil {
			t.Fatalf("%v: %#v: sums: %v", isa, k, err)
		}
		_, packs := k.(Packer)
		_, ofDense := k.(N16DenseBackwardData)
		_, ofConv := k.(ConvBackwardData)
		if (packs || ofDense || ofConv) && isa == Portable {
			continue // their products are fused with sums on the other tiers alone
		}
		if first == nil {
			first = parts
		} else if err := sameBits(first, parts); err != nil {
			t.Fatalf("%v: %#v: sums are others than on another tier: %v", isa, k, err)
		}
	}
}

// exactSum is a sum in float64, and what bounds the error of the same sum in float32.
type exactSum struct {
	sum, sizes float64 // of the terms, and of their sizes
	terms      int
}

// add adds a term.
func (s *exactSum) add(x float64) {
	s.sum += x
	s.sizes += math.Abs(x)
	s.terms++
}

// bound is for roundings that are independent: those of n additions are together about
// u*sqrt(n)/3 of the terms' sizes, and 6 times that is allowed. The terms' own errors, of at
// most each*(1+|x|) and of either sign, add up to sqrt(n) times their mean. The size of the
// sum itself says little: it can be small because large terms cancel.
func (s *exactSum) bound(each float64) float64 {
	root := math.Sqrt(float64(max(s.terms, 1)))
	return 2*u*root*s.sizes + each/root*(s.sizes+float64(s.terms)) + u*math.Abs(s.sum)
}

func normal(r *rand.Rand) func() float32 { return func() float32 { return float32(r.NormFloat64()) } }

// special mixes in what is easily got wrong.
func special(r *rand.Rand) func() float32 {
	odd := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-40, -1e-40, 1e30, 1, 1, 1}
	return func() float32 {
		if r.IntN(3) == 0 {
			return odd[r.IntN(len(odd))]
		}
		return float32(r.IntN(5)) - 2
	}
}

// checkLayout compares an argument block with what the assembly assumes: the number of
// fields, and 8 bytes from one to the next.
func checkLayout[T any](t *testing.T, fields int) {
	t.Helper()
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("no assembly on 32-bit machines")
	}
	s := reflect.TypeFor[T]()
	if s.NumField() != fields {
		t.Fatalf("%d fields, the generator knows %d", s.NumField(), fields)
	}
	for i := range fields {
		if f := s.Field(i); f.Offset != uintptr(8*i) {
			t.Errorf("%s at %d, want %d", f.Name, f.Offset, 8*i)
		}
	}
}

// fusedAct draws an activation without parameters.
func fusedAct(r *rand.Rand) Act {
	if r.IntN(2) == 0 {
		return Act(r.IntN(int(ActTanh) + 1))
	}
	return Act(r.IntN(int(ActClip)))
}

// activated is the definition of an activation without parameters.
func activated(act Act, x float64) float64 { return activatedBy(act, 1./6, 0.5, x) }

// activatedBy is the definition of an activation whose parameters are p and q.
func activatedBy(act Act, p, q, x float64) float64 {
	hard := func(alpha, beta float64) float64 { return min(max(alpha*x+beta, 0), 1) }
	switch act {
	case ActReLU:
		return max(x, 0)
	case ActSigmoid:
		return 1 / (1 + math.Exp(-x))
	case ActTanh:
		return math.Tanh(x)
	case ActReLU6:
		return min(max(x, 0), 6)
	case ActSiLU:
		return x / (1 + math.Exp(-x))
	case ActHardSwish:
		return x * hard(1./6, 0.5)
	case ActHardSigmoid:
		return hard(p, q)
	case ActGELU:
		return x / 2 * math.Erfc(-x/math.Sqrt2)
	case ActGELUTanh:
		return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case ActClip:
		return min(max(x, p), q)
	case ActSqrt:
		return math.Sqrt(x)
	case ActLeakyReLU:
		return max(x, 0) + p*min(x, 0)
	}
	return x
}

// denseReference is a dense layer's definition, over maps of c x h x w.
func denseReference(images, c, h, w int, out Output, in *actBuf, weights, bias []float32) (ref []float64) {
	for i := range images {
		for o := range out.C {
			s := float64(bias[o])
			for j := range c {
				for y := range h {
					for x := range w {
						s += float64(weights[((o*c+j)*h+y)*w+x]) * float64(*in.at(i, j, y, x, false))
					}
				}
			}
			ref = append(ref, activated(out.Act, s))
		}
	}
	return ref
}

// checkGradient compares a gradient in packed order with dw: number says of each packed
// weight which of dw it is, from 1 on, or 0 of padding, whose gradient is 0.
func checkGradient(t *testing.T, isa ISA, k any, packed, number []float32, dw []float64, scale float64) {
	t.Helper()
	for i, g := range packed {
		want := 0.0
		if number[i] != 0 {
			want = dw[int(number[i])-1]
		} else if g != 0 {
			t.Fatalf("%v: padding %d of the packed weights has the gradient %g\n%#v", isa, i, g, k)
		}
		if d := math.Abs(float64(g)-want) * scale; !(d < 3e-6) {
			t.Fatalf("%v: gradient %d is %g, want %g\n%#v", isa, i, g, want, k)
		}
	}
}
