package passes

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// TrimPadding removes the outer rows and columns of a convolution's filters that meet only
// padding: a filter of 3x3 with dilation 12 and pad 12 on a map of 6x6 is one of 1x1, because
// its outer elements are always beside the map. Networks for segmentation have such
// convolutions when they run on small images (Chen 2017, section 3.3, calls this the
// degeneration of the filter).
//
// The removed products are zeros, so the function stays the same. Its rounding errors may
// change, because the sum of a smaller filter is computed in another order. A removed weight
// that is not finite made results NaN, which is lost.
//
// In training the removed weights get no gradient, but they must stay part of the network.
var TrimPadding = Pass{
	Name:      "trim-padding",
	Doc:       "removes the outer rows and columns of filters that meet only padding",
	Ref:       "Chen 2017 (DeepLab v3), section 3.3",
	Contract:  Rounding,
	Inference: true,
	After: []Constraint{
		{"stack-3x3", "a redesign should see the filters as the spec has them"},
		{"factorize", "a redesign should see the filters as the spec has them"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		st := statics{}
		for _, n := range r.Nodes() {
			if l, ok := asConv(n); ok && st.has(l.weight) {
				trimPadding(r, l)
			}
		}
		return nil
	},
}

func trimPadding(r *ir.Rewriter, l linear) {
	x, y := l.n.In[0].Type.Shape, l.n.Out[0].Type.Shape
	pad, weight := l.conv.Pad, l.weight
	for i, axis := range []int{2, 3} {
		t := taps{size: x[axis], out: y[axis], stride: l.conv.Stride[i], dilation: l.conv.Dilation[i],
			before: pad[i], after: pad[i+2], hi: weight.Type.Shape[axis]}
		whole := t.hi
		t.trim()
		if t.hi-t.lo == whole {
			continue
		}
		r.For(l.n)
		pad[i], pad[i+2] = t.before, t.after
		if t.hi-t.lo == 1 {
			l.conv.Dilation[i] = 1 // of nothing
		}
		weight = add(r, layerName(l)+"/weight.trimmed", ops.Slice{Axis: axis, Start: t.lo, Stop: t.hi}, weight)
	}
	if weight == l.weight {
		return
	}
	l.conv.Pad = pad
	r.SetOp(l.n, l.conv)
	r.SetIn(l.n, append([]*ir.Value{l.n.In[0], weight}, l.n.In[2:]...)...)
}

// taps are the rows lo..hi-1 of filters, or their columns, with the padding that belongs to
// them. Row i meets the rows p*stride - before + (i-lo)*dilation of a map of size rows, for p
// from 0 to out-1.
type taps struct {
	size, out, stride, dilation int
	before, after               int
	lo, hi                      int
}

// trim removes outer rows that meet only padding, as long as one row is left. A row goes
// together with as much padding as it needed, so the other rows meet the same places and the
// number of outputs remains. It stays where there is less padding than that.
func (t *taps) trim() {
	for t.hi-t.lo > 1 && t.before >= t.dilation && t.idle(0) {
		t.lo++
		t.before -= t.dilation
	}
	for t.hi-t.lo > 1 && t.after >= t.dilation && t.idle(t.hi-1-t.lo) {
		t.hi--
		t.after -= t.dilation
	}
}

// idle reports whether row i, counted from lo, meets only padding.
func (t *taps) idle(i int) bool {
	first := i*t.dilation - t.before // the place that the first output needs
	skip := 0                        // outputs whose place is before the map
	if first < 0 {
		skip = (-first + t.stride - 1) / t.stride
	}
	return skip >= t.out || first+skip*t.stride >= t.size
}
