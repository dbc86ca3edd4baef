package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBatchNormFused checks that a batch norm with a residual and an activation, and its gradient
// with the gradient of an activation, give the bits of the kernels that they replace. The output
// lies in the place of an operand in every second case.
func TestBatchNormFused(t *testing.T) {
	r := newRand(35)
	for i := range 60 {
		f := newFusedNorm(r)
		name := fmt.Sprintf("%d images of %dx%dx%d, case %d", f.images, f.c, f.h, f.w, i)
		for isa, r := range tiers(r) {
			f.forward(t, r, isa, i%2 == 0, name)
			f.backward(t, r, isa, i%2 == 0, name)
			f.maskedSum(t, r, isa, i%2 == 0, name)
		}
	}
}

// fusedNorm is a case of TestBatchNormFused.
type fusedNorm struct {
	images, c, h, w int
	act             Act
	a, b            float32
	x, res, y, dy   *box
	gamma, beta     []float32
	mean, variance  *box
}

func newFusedNorm(r *rand.Rand) *fusedNorm {
	f := &fusedNorm{images: 1 + r.IntN(3), c: 1 + r.IntN(40), h: 1 + r.IntN(5), w: 1 + r.IntN(70)}
	f.act, f.a, f.b = []Act{ActReLU, ActClip, ActReLU6}[r.IntN(3)], -0.5, 0.75
	// All have the same gaps between rows, on which it depends how a sum is cut into stretches.
	f.x = newBox(r, f.images, f.c, f.h, f.w).fill(normal(r))
	f.res, f.dy, f.y = f.x.clone().fill(normal(r)), f.x.clone().fill(normal(r)), f.x.clone().fill(normal(r))
	f.gamma, f.beta = make([]float32, Blocks(f.c)*Block), make([]float32, Blocks(f.c)*Block)
	for i := range f.c {
		f.gamma[i], f.beta[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	f.x.buf.Mem[f.x.view.at(&f.x.buf, 0, 0, 0, 0)] = float32(math.Inf(1)) // a channel of NaNs
	return f
}

// same compares elements, bit by bit, where NaN is NaN.
func same(t *testing.T, isa ISA, name string, got, want *box) {
	t.Helper()
	var a, b []float32
	got.each(func(_, _, _, _ int, p *float32) { a = append(a, *p) })
	want.each(func(_, _, _, _ int, p *float32) { b = append(b, *p) })
	if !slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
	}) {
		t.Fatalf("%v: %s: other bits than those of the kernels one by one", isa, name)
	}
}

func (f *fusedNorm) forward(t *testing.T, r *rand.Rand, isa ISA, inPlace bool, name string) {
	t.Helper()
	want, out, res := f.x.clone(), f.x.clone(), f.res.clone()
	if inPlace {
		out = res
	}
	f.mean, f.variance = newVector(f.c), newVector(f.c)
	norm := BatchNormTrain{C: f.c, H: f.h, W: f.w, Eps: 1e-3, In: f.x.view, Out: want.view}
	a := &Args{Images: f.images, In: [4]Buf{f.x.buf}, Out: [4]Buf{want.buf, f.mean.buf, f.variance.buf}, W: [4][]float32{f.gamma, f.beta}}
	execute(r, isa, norm, a)
	add := Binary{Op: OpAdd, C: f.c, H: f.h, W: f.w, A: want.view, B: f.res.view, Out: want.view}
	execute(r, isa, add, &Args{Images: f.images, In: [4]Buf{want.buf, f.res.buf}, Out: [4]Buf{want.buf}})
	act := Activation{Act: f.act, A: f.a, B: f.b, C: f.c, H: f.h, W: f.w, In: want.view, Out: want.view}
	execute(r, isa, act, &Args{Images: f.images, In: [4]Buf{want.buf}, Out: [4]Buf{want.buf}})

	norm.Out, norm.Residual, norm.Res, norm.Act, norm.A, norm.B = out.view, true, res.view, f.act, f.a, f.b
	a.In[1], a.Out[0] = res.buf, out.buf
	if n := allocations(isa, norm, &Args{Images: f.images, In: a.In, Out: [4]Buf{out.clone().buf, f.mean.buf, f.variance.buf}, W: a.W}); n != 0 {
		t.Fatalf("%v: %s: %g allocations", isa, name, n)
	}
	execute(r, isa, norm, a)
	same(t, isa, name+", forward", out, want)
}

func (f *fusedNorm) backward(t *testing.T, r *rand.Rand, isa ISA, inPlace bool, name string) {
	t.Helper()
	y := f.x.clone()
	norm := BatchNormTrain{C: f.c, H: f.h, W: f.w, Eps: 1e-3, In: f.x.view, Out: y.view, Act: f.act, A: f.a, B: f.b}
	execute(r, isa, norm, &Args{Images: f.images, In: [4]Buf{f.x.buf}, Out: [4]Buf{y.buf, f.mean.buf, f.variance.buf}, W: [4][]float32{f.gamma, f.beta}})
	dz, dx, dy := f.x.clone(), f.x.clone(), f.dy.clone()
	act := ActBackward{Act: f.act, A: f.a, B: f.b, C: f.c, H: f.h, W: f.w, DY: dy.view, Y: y.view, DX: dz.view}
	execute(r, isa, act, &Args{Images: f.images, In: [4]Buf{dy.buf, y.buf}, Out: [4]Buf{dz.buf}})
	k := BatchNormBackward{C: f.c, H: f.h, W: f.w, Eps: 1e-3, DY: dz.view, X: f.x.view, DX: dz.view}
	dgamma, dbeta := newVector(f.c), newVector(f.c)
	execute(r, isa, k, &Args{Images: f.images, In: [4]Buf{dz.buf, f.x.buf, f.mean.buf, f.variance.buf}, Out: [4]Buf{dz.buf, dgamma.buf, dbeta.buf}, W: [4][]float32{f.gamma}})
	if inPlace {
		dx = dy
	}
	k.DY, k.DX, k.Act, k.A, k.B = dy.view, dx.view, f.act, f.a, f.b
	gotG, gotB := newVector(f.c), newVector(f.c)
	execute(r, isa, k, &Args{Images: f.images, In: [4]Buf{dy.buf, f.x.buf, f.mean.buf, f.variance.buf}, Out: [4]Buf{dx.buf, gotG.buf, gotB.buf}, W: [4][]float32{f.gamma, f.beta}})
	same(t, isa, name+", backward", dx, dz)
	same(t, isa, name+", dgamma", gotG, dgamma)
	same(t, isa, name+", dbeta", gotB, dbeta)
}

func (f *fusedNorm) maskedSum(t *testing.T, r *rand.Rand, isa ISA, inPlace bool, name string) {
	t.Helper()
	want, out, a := f.x.clone(), f.x.clone(), f.dy.clone()
	add := Binary{Op: OpAdd, C: f.c, H: f.h, W: f.w, A: a.view, B: f.res.view, Out: want.view}
	execute(r, isa, add, &Args{Images: f.images, In: [4]Buf{a.buf, f.res.buf}, Out: [4]Buf{want.buf}})
	mask := ActBackward{Act: ActReLU, C: f.c, H: f.h, W: f.w, DY: want.view, Y: f.y.view, DX: want.view}
	execute(r, isa, mask, &Args{Images: f.images, In: [4]Buf{want.buf, f.y.buf}, Out: [4]Buf{want.buf}})
	if inPlace {
		out = a
	}
	add.Out, add.Masked, add.Y = out.view, true, f.y.view
	execute(r, isa, add, &Args{Images: f.images, In: [4]Buf{a.buf, f.res.buf, f.y.buf}, Out: [4]Buf{out.buf}})
	same(t, isa, name+", masked sum", out, want)
}
