package passes

import (
	"fmt"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// convNet is one convolution of a map of h x w with the kernel k, with random weights.
func convNet(t *testing.T, c ops.Conv, h, w int, k ir.HW) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("conv")
	x := b.Input("image", ir.Float(ir.Batch, 2, h, w))
	weight := b.Param("conv/weight", ir.Shape{3, 2, k[0], k[1]}, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitGaussian, A: 1}})
	n, err := b.Add("conv", c, x, weight)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Graph()
	g.Outputs = append(g.Outputs, n.Out[0])
	ir.Materialize(g, 1)
	return g
}

// Rows and columns of filters that meet only padding are removed, as far as there is padding
// that can be removed with them; the result is the same.
func TestTrimPadding(t *testing.T) {
	for _, c := range []struct {
		h, w             int
		k, stride, dilat ir.HW
		pad              ir.Pads
		want             ir.HW // of the filter
		wantPad          ir.Pads
	}{
		{6, 6, ir.HW{3, 3}, ir.HW{1, 1}, ir.HW{12, 12}, ir.Pads{12, 12, 12, 12}, ir.HW{1, 1}, ir.Pads{}},
		{14, 14, ir.HW{3, 3}, ir.HW{1, 1}, ir.HW{12, 12}, ir.Pads{12, 12, 12, 12}, ir.HW{3, 3}, ir.Pads{12, 12, 12, 12}},
		{14, 12, ir.HW{3, 3}, ir.HW{1, 1}, ir.HW{12, 12}, ir.Pads{12, 12, 12, 12}, ir.HW{3, 1}, ir.Pads{12, 0, 12, 0}},
		{1, 1, ir.HW{3, 3}, ir.HW{1, 1}, ir.HW{1, 1}, ir.Pads{1, 1, 1, 1}, ir.HW{1, 1}, ir.Pads{}},
		{3, 3, ir.HW{7, 7}, ir.HW{1, 1}, ir.HW{1, 1}, ir.Pads{3, 3, 3, 3}, ir.HW{5, 5}, ir.Pads{2, 2, 2, 2}},
		{2, 2, ir.HW{3, 3}, ir.HW{2, 2}, ir.HW{1, 1}, ir.Pads{1, 1, 1, 1}, ir.HW{2, 2}, ir.Pads{0, 0, 1, 1}},
		{9, 9, ir.HW{3, 1}, ir.HW{1, 1}, ir.HW{1, 1}, ir.Pads{}, ir.HW{3, 1}, ir.Pads{}},
		// The first row meets only padding, but it needs one row of padding more than there is.
		{10, 1, ir.HW{2, 1}, ir.HW{1, 1}, ir.HW{12, 1}, ir.Pads{11, 0, 1, 0}, ir.HW{2, 1}, ir.Pads{11, 0, 1, 0}},
		{1, 1, ir.HW{3, 1}, ir.HW{1, 1}, ir.HW{1, 1}, ir.Pads{4, 0, 0, 0}, ir.HW{1, 1}, ir.Pads{2, 0, 0, 0}},
	} {
		op := ops.Conv{Stride: c.stride, Pad: c.pad, Dilation: c.dilat, Groups: 1}
		g := convNet(t, op, c.h, c.w, c.k)
		name := fmt.Sprintf("%v, %dx%d, kernel %v", op, c.h, c.w, c.k)
		if _, err := check(g, Pipeline{{Pass: &TrimPadding}}, Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		i := slices.IndexFunc(g.Nodes, func(n *ir.Node) bool { _, is := n.Op.(ops.Conv); return is })
		s := g.Nodes[i].In[1].Type.Shape
		if got, pad := (ir.HW{s[2], s[3]}), g.Nodes[i].Op.(ops.Conv).Pad; got != c.want || pad != c.wantPad {
			t.Errorf("%s: kernel %v with pad %v is left, want %v with %v", name, got, pad, c.want, c.wantPad)
		}
	}
}

// idle agrees with its definition, and what trim leaves meets the same places as before.
func TestTaps(t *testing.T) {
	for size := 1; size <= 7; size++ {
		for k := 1; k <= 4; k++ {
			for stride := 1; stride <= 3; stride++ {
				for dilation := 1; dilation <= 5; dilation++ {
					for pads := range 49 {
						a := taps{size: size, stride: stride, dilation: dilation, before: pads % 7, after: pads / 7, hi: k}
						a.out = (size+a.before+a.after-(k-1)*dilation-1)/stride + 1
						if size+a.before+a.after > (k-1)*dilation {
							testTaps(t, a)
						}
					}
				}
			}
		}
	}
}

func testTaps(t *testing.T, a taps) {
	t.Helper()
	// places are what row i of the whole filter meets in the map.
	places := func(u taps, i int) (at []int) {
		for p := range u.out {
			if y := p*u.stride - u.before + (i-u.lo)*u.dilation; y >= 0 && y < u.size {
				at = append(at, y)
			}
		}
		return at
	}
	for i := range a.hi {
		if got, want := a.idle(i), len(places(a, i)) == 0; got != want {
			t.Fatalf("%+v: row %d is idle: %v, want %v", a, i, got, want)
		}
	}
	b := a
	b.trim()
	if b.before < 0 || b.after < 0 || (b.size+b.before+b.after-(b.hi-b.lo-1)*b.dilation-1)/b.stride+1 != a.out {
		t.Fatalf("%+v becomes %+v, with another number of outputs", a, b)
	}
	for i := range a.hi {
		var left []int
		if i >= b.lo && i < b.hi {
			left = places(b, i)
		}
		if !slices.Equal(left, places(a, i)) {
			t.Fatalf("%+v becomes %+v: row %d meets %v, before %v", a, b, i, left, places(a, i))
		}
	}
}
