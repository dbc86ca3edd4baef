package compress

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// Apply returns a copy of a graph with some changes, at most one factorization and one Prune of each
// layer. First the channels are removed, then what is left of the layers is factorized. scores has
// the score of each output channel of the layers that are pruned, by the name of the layer. An error
// names a change that is impossible.
func Apply(g *ir.Graph, changes []Change, scores map[string][]float64, cache *Cache) (*ir.Graph, error) {
	h := g.Clone()
	if err := prune(h, changes, scores); err != nil {
		return nil, err
	}
	layers := map[string]*Layer{}
	for _, l := range Layers(h) {
		layers[l.Name] = l
	}
	r := ir.Rewrite(h, "compress")
	for _, c := range changes {
		if c.Method == Prune {
			continue
		}
		l := layers[c.Layer]
		if l == nil {
			return nil, fmt.Errorf("there is no layer %s that can be changed", c.Layer)
		}
		if err := l.factorize(r, c, cache); err != nil {
			return nil, fmt.Errorf("%s: %w", c, err)
		}
	}
	r.Sweep()
	return h, r.Finish()
}

// factorize replaces the layer by two or three.
func (l *Layer) factorize(r *ir.Rewriter, c Change, cache *Cache) error {
	f := &factors{Rewriter: r, l: l, cache: cache}
	r.For(l.node)
	var y *ir.Value
	var err error
	switch {
	case c.Method == LowRank && l.kernel() == ir.HW{1, 1}:
		y, err = f.lowRank(c.Rank[0])
	case c.Method == Pair && len(l.weight.Shape) == 4:
		y, err = f.pair(c.Rank[0])
	case c.Method == Tucker && len(l.weight.Shape) == 4:
		y, err = f.tucker(c.Rank[0], c.Rank[1])
	default:
		err = fmt.Errorf("the method is not for %s", l.What())
	}
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		return err
	}
	r.Replace(l.node.Out[0], y)
	return nil
}

// factors builds what replaces a layer.
type factors struct {
	*ir.Rewriter
	l     *Layer
	cache *Cache
	added int // layers
}

// weight adds the weights of a new layer, with the attributes of those of the old one. The layers that
// replace a/conv_5x5 are called a/conv_5x5_a, a/conv_5x5_b and a/conv_5x5_c.
func (f *factors) weight(x *tensor.F32) *ir.Value {
	p := *f.l.node.In[1].Param
	name := f.l.Name + "_" + string(rune('a'+f.added)) + "/weight"
	f.added++
	v := f.Param(name, append(ir.Shape{}, x.Shape...), p)
	f.Graph().Data[v.Name] = x
	return v
}

// inner adds a layer without bias and activation.
func (f *factors) inner(op ir.Op, x *ir.Value, w *tensor.F32) *ir.Value {
	return f.Do(op, x, f.weight(w))
}

// last adds the layer that has the bias of the old one.
func (f *factors) last(op ir.Op, x *ir.Value, w *tensor.F32) *ir.Value {
	return f.Do(op, append([]*ir.Value{x, f.weight(w)}, f.l.node.In[2:]...)...)
}

// pointwise is a 1x1 convolution.
func pointwise(act ops.Act) ops.Conv {
	return ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: act}
}

func (f *factors) lowRank(rank int) (*ir.Value, error) {
	l := f.l
	d, err := f.cache.matrix(l.weight)
	if err != nil {
		return nil, err
	}
	rank = min(rank, len(d.Values))
	o, c := l.outs(), l.ins()
	first, last := tensor.Make[float32]([]int{rank, c}), tensor.Make[float32]([]int{o, rank})
	d.Factors(rank, func(k int, left, right []float64) {
		for i, x := range left {
			last.Data[i*rank+k] = float32(x)
		}
		for i, x := range right {
			first.Data[k*c+i] = float32(x)
		}
	})
	x := l.node.In[0]
	op, conv := l.node.Op.(ops.Conv)
	if !conv {
		return f.last(l.node.Op, f.inner(ops.Dense{}, x, first), last), nil
	}
	// The padding and the stride stay with the first: it has the fewer outputs.
	act := op.Act
	op.Act = ops.ActNone
	return f.last(pointwise(act), f.inner(op, x, tensor.Of(first.Data, rank, c, 1, 1)), tensor.Of(last.Data, o, rank, 1, 1)), nil
}

func (f *factors) pair(rank int) (*ir.Value, error) {
	d, err := f.cache.pair(f.l.weight)
	if err != nil {
		return nil, err
	}
	a, b := passes.Pair(f.l.weight, d, min(rank, len(d.Values)))
	first, second := passes.Halves(f.l.node.Op.(ops.Conv))
	first.Act = ops.ActNone
	return f.last(second, f.inner(first, f.l.node.In[0], a), b), nil
}

func (f *factors) tucker(in, out int) (*ir.Value, error) {
	t, err := f.cache.tucker(f.l.weight)
	if err != nil {
		return nil, err
	}
	o, c, k := f.l.outs(), f.l.ins(), f.l.kernel()
	in, out = min(in, c), min(out, o)
	last, core, first := t.Factors(out, in)
	x := f.l.node.In[0]
	op := f.l.node.Op.(ops.Conv)
	if in < c {
		x = f.inner(pointwise(ops.ActNone), x, rounded(first, in, c, 1, 1))
	}
	if out == o {
		return f.last(op, x, rounded(core, o, in, k[0], k[1])), nil
	}
	act := op.Act
	op.Act = ops.ActNone
	x = f.inner(op, x, rounded(core, out, in, k[0], k[1]))
	return f.last(pointwise(act), x, rounded(last, o, out, 1, 1)), nil
}

func rounded(x []float64, shape ...int) *tensor.F32 {
	t := tensor.Make[float32](shape)
	for i, v := range x {
		t.Data[i] = float32(v)
	}
	return t
}
