package cpu

import (
	"slices"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// interpolation is a matrix of linear interpolation, out x in.
func interpolation(out, in int) *tensor.F32 {
	m := make([]float32, out*in)
	for o := range out {
		at := max(0, (float32(o)+0.5)*float32(in)/float32(out)-0.5)
		i := min(int(at), in-1)
		m[o*in+i] += 1 - (at - float32(i))
		m[o*in+min(i+1, in-1)] += at - float32(i)
	}
	return tensor.Of(m, out, in, 1, 1)
}

// resized adds the steps that a resizing is imported as.
func (b *net) resized(x *ir.Value, h, w *tensor.F32) *ir.Value {
	point := ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}
	x = b.op("t1", ops.Transpose{Perm: ir.IntsOf(0, 2, 1, 3)}, x)
	x = b.op("rows", point, x, b.Const("rows/weight", h))
	x = b.op("t2", ops.Transpose{Perm: ir.IntsOf(0, 3, 2, 1)}, x)
	x = b.op("cols", point, x, b.Const("cols/weight", w))
	return b.op("t3", ops.Transpose{Perm: ir.IntsOf(0, 2, 3, 1)}, x)
}

func kernelsOf(t *testing.T, g *ir.Graph, is func(plan.Kernel) bool) int {
	t.Helper()
	p, err := Compile(g, Options{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range p.Plan().Steps {
		if is(s.Do) {
			n++
		}
	}
	return n
}

// TestResizingIsOneStep: a resizing, written as transpositions and convolutions, is one step, in
// planes at the end of a network. A product with a full matrix is none.
func TestResizingIsOneStep(t *testing.T) {
	resample := func(k plan.Kernel) bool { _, ok := k.(kernel.Resample); return ok }
	b := newNet(t, "resize")
	x := b.conv("c1", b.image(3, 6, 5), 20, ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}})
	x = b.resized(x, interpolation(13, 6), interpolation(9, 5))
	g := b.done(b.op("relu", ops.ReLU{}, x))
	for _, batch := range []int{1, 3} {
		verify(t, g, batch)
	}
	if n := kernelsOf(t, g, resample); n != 1 {
		t.Errorf("%d steps resize, want 1", n)
	}
	b = newNet(t, "last")
	x = b.conv("c1", b.image(3, 6, 5), 20, ir.HW{3, 3}, ops.Conv{})
	g = b.done(b.resized(x, interpolation(12, 4), interpolation(9, 3)))
	verify(t, g, 2)
	if n := kernelsOf(t, g, func(k plan.Kernel) bool { r, ok := k.(kernel.Resample); return ok && r.Planar }); n != 1 {
		t.Errorf("%d steps resize in planes, want 1", n)
	}
	b = newNet(t, "matrix")
	full := interpolation(6, 6)
	for i := range full.Data {
		full.Data[i] = float32(i%7) - 3
	}
	g = b.done(b.resized(b.image(3, 6, 6), full, full))
	verify(t, g, 1)
	if n := kernelsOf(t, g, resample); n != 0 {
		t.Errorf("%d steps resize where matrices are full, want 0", n)
	}
}

// TestDilationOutOfTheMap: a convolution whose taps mostly meet padding is computed tap by tap.
func TestDilationOutOfTheMap(t *testing.T) {
	byTap := func(k plan.Kernel) bool { _, ok := k.(kernel.ConvTap); return ok }
	for _, c := range []struct{ dilation, pad, taps int }{{9, 9, 9}, {1, 1, 0}, {12, 12, 1}, {9, 6, 1}} {
		b := newNet(t, "dilated")
		p := c.pad
		x := b.conv("c1", b.image(3, 11, 10), 40, ir.HW{1, 1}, ops.Conv{})
		x = b.conv("c2", x, 33, ir.HW{3, 3}, ops.Conv{Dilation: ir.HW{c.dilation, c.dilation}, Pad: ir.Pads{p, p, p, p}})
		if slices.Min(x.Type.Shape[2:]) < 1 {
			t.Fatal(x.Type)
		}
		g := b.done(b.op("relu", ops.ReLU{}, x))
		for _, batch := range []int{1, 2} {
			verify(t, g, batch)
		}
		if n := kernelsOf(t, g, byTap); n != c.taps {
			t.Errorf("dilation %d: %d taps, want %d", c.dilation, n, c.taps)
		}
	}
}
