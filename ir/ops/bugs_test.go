package ops_test

import (
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// bug is a wrong gradient of an op.
type bug struct {
	what string
	grad gradFunc
}

func honest(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return n.Op.(ir.Differ).Grad(b, n, dy)
}

// edit changes the nodes that a gradient consists of.
func edit(f func(ir.Op) ir.Op) gradFunc {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
		first := len(b.Graph().Nodes)
		r := honest(b, n, dy)
		for _, m := range b.Graph().Nodes[first:] {
			m.Op = f(m.Op)
		}
		return r
	}
}

// editing is edit for nodes with one type of op.
func editing[T ir.Op](f func(*T)) gradFunc {
	return edit(func(op ir.Op) ir.Op {
		if x, ok := op.(T); ok {
			f(&x)
			return x
		}
		return op
	})
}

// as uses the gradient of another op instead.
func as(f func(ir.Op) ir.Op) gradFunc {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
		m := *n
		m.Op = f(n.Op)
		return honest(b, &m, dy)
	}
}

// only replaces the gradient of an op with one operand.
func only(f func(b *ir.Builder, dy, x, y *ir.Value) *ir.Value) gradFunc {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
		r := make([]*ir.Value, len(n.In))
		r[0] = f(b, dy[0], n.In[0], n.Out[0])
		return r
	}
}

// after changes the gradients after they have been built.
func after(f func(b *ir.Builder, n *ir.Node, r []*ir.Value)) gradFunc {
	return func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
		r := slices.Clone(honest(b, n, dy))
		f(b, n, r)
		return r
	}
}

func scaled(i int, by float64) gradFunc {
	return after(func(b *ir.Builder, _ *ir.Node, r []*ir.Value) {
		if i < len(r) {
			r[i] = b.Do(ops.Scale{By: by}, r[i])
		}
	})
}

func forgotten(i int) gradFunc {
	return after(func(_ *ir.Builder, _ *ir.Node, r []*ir.Value) {
		if i < len(r) {
			r[i] = nil
		}
	})
}

func swapped(i, j int) gradFunc {
	return after(func(_ *ir.Builder, _ *ir.Node, r []*ir.Value) {
		if i < len(r) && j < len(r) {
			r[i], r[j] = r[j], r[i]
		}
	})
}

func dyOnly(_ *ir.Builder, dy, _, _ *ir.Value) *ir.Value { return dy }

// bugs holds three wrong gradients for each op, with mistakes that are easy to make.
var bugs = map[string][]bug{
	"conv": {
		{"pads of the input's gradient upside down", editing(func(c *ops.ConvDx) { c.Pad[0], c.Pad[2] = c.Pad[2], c.Pad[0] })},
		{"pads of the weights' gradient left and right swapped", editing(func(c *ops.ConvDw) { c.Pad[1], c.Pad[3] = c.Pad[3], c.Pad[1] })},
		{"activation forgotten", as(func(op ir.Op) ir.Op { c := op.(ops.Conv); c.Act = ops.ActNone; return c })},
		{"bias gradient a mean", editing(func(r *ops.Reduce) { r.Kind = ops.ReduceMean })},
		{"height and width of the stride swapped", editing(func(c *ops.ConvDx) { c.Stride[0], c.Stride[1] = c.Stride[1], c.Stride[0] })},
	},
	"conv_dx": {
		{"pads of dy's gradient upside down", editing(func(c *ops.Conv) { c.Pad[0], c.Pad[2] = c.Pad[2], c.Pad[0] })},
		{"pads of the weights' gradient left and right swapped", editing(func(c *ops.ConvDw) { c.Pad[1], c.Pad[3] = c.Pad[3], c.Pad[1] })},
		{"height and width of the stride swapped", editing(func(c *ops.Conv) { c.Stride[0], c.Stride[1] = c.Stride[1], c.Stride[0] })},
		{"an activation", editing(func(c *ops.Conv) { c.Act = ops.ActReLU })},
		{"weights' forgotten", forgotten(1)},
	},
	"dense": {
		{"activation forgotten", as(func(op ir.Op) ir.Op { return ops.Dense{} })},
		{"bias gradient a mean", editing(func(r *ops.Reduce) { r.Kind = ops.ReduceMean })},
		{"weights transposed", editing(func(m *ops.MatMul) { m.TransA = !m.TransA })},
	},
	"matmul": {
		{"transposition of b kept", editing(func(m *ops.MatMul) { m.TransB = false })},
		{"operands swapped", swapped(0, 1)},
		{"transposition of a ignored", as(func(op ir.Op) ir.Op { m := op.(ops.MatMul); m.TransA = false; return m })},
	},
	"relu": {
		{"negative elements pass", only(dyOnly)},
		{"that of sigmoid", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.SigmoidDx{}, dy, y) })},
		{"times the output in place of the mask", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.Mul{}, dy, y) })},
	},
	"sigmoid": {
		{"y for y (1 - y)", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.Mul{}, dy, y) })},
		{"that of tanh", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.TanhDx{}, dy, y) })},
		{"from the input", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value { return b.Do(ops.SigmoidDx{}, dy, x) })},
	},
	"tanh": {
		{"dy", only(dyOnly)},
		{"that of sigmoid", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.SigmoidDx{}, dy, y) })},
		{"from the input", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value { return b.Do(ops.TanhDx{}, dy, x) })},
	},
	"clip": {
		{"dy everywhere", only(dyOnly)},
		{"that of relu", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.ReLUDx{}, dy, y) })},
		{"below the lower bound too", editing(func(c *ops.ClipDx) { c.Min -= 1 })},
		{"above the upper bound too", editing(func(c *ops.ClipDx) { c.Max += 1 })},
	},
	"silu": {
		{"the derivative of sigmoid only", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.SigmoidDx{}, dy, y) })},
		{"from the output", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.SiLUDx{}, dy, y) })},
		{"sigmoid", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value {
			return b.Do(ops.Mul{}, dy, b.Do(ops.Sigmoid{}, x))
		})},
	},
	"hardswish": {
		{"dy", only(dyOnly)},
		{"from the output", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.HardSwishDx{}, dy, y) })},
		{"that of silu", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value { return b.Do(ops.SiLUDx{}, dy, x) })},
	},
	"hardsigmoid": {
		{"dy", only(dyOnly)},
		{"alpha forgotten", editing(func(h *ops.HardSigmoidDx) { h.Alpha = 1 })},
		{"from the input", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value {
			return b.Do(ops.HardSigmoidDx{Alpha: 0.3, Beta: 0.5}, dy, x)
		})},
	},
	"gelu": {
		{"from the output", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.GELUDx{}, dy, y) })},
		{"the other form", editing(func(g *ops.GELUDx) { g.Tanh = !g.Tanh })},
		{"that of silu", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value { return b.Do(ops.SiLUDx{}, dy, x) })},
	},
	"leaky_relu": {
		{"dy", only(dyOnly)},
		{"that of relu", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.ReLUDx{}, dy, y) })},
		{"half of alpha", editing(func(l *ops.LeakyReLUDx) { l.Alpha /= 2 })},
	},
	"sqrt": {
		{"one half forgotten", scaled(0, 2)},
		{"from the input", only(func(b *ir.Builder, dy, x, _ *ir.Value) *ir.Value {
			return b.Do(ops.Div{}, b.Do(ops.Scale{By: 0.5}, dy), x)
		})},
		{"times y", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value {
			return b.Do(ops.Mul{}, b.Do(ops.Scale{By: 0.5}, dy), y)
		})},
	},
	"maxout": {
		{"to the smallest piece", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(ops.MaxoutDx(n.Op.(ops.Maxout)), dy[0], b.Do(ops.Scale{By: -1}, n.In[0]))}
		}},
		{"negative pieces all the same", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(ops.MaxoutDx(n.Op.(ops.Maxout)), dy[0], b.Do(ops.ReLU{}, n.In[0]))}
		}},
		{"a thousandth too much", scaled(0, 1.001)},
	},
	"batchnorm": {
		{"eps forgotten", editing(func(d *ops.BatchNormFixedDx) { d.Eps = 0 })},
		{"gamma and beta swapped", swapped(1, 2)},
		{"sign of the mean's", scaled(3, -1)},
		{"variance forgotten", forgotten(4)},
	},
	"batchnorm_train": {
		{"statistics taken for fixed", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			g := b.DoN(ops.BatchNormFixedDx{Eps: n.Op.(ops.BatchNormTrain).Eps}, dy[0], n.In[0], n.In[1], n.Out[1], n.Out[2])
			return []*ir.Value{g[0], g[1], g[2], nil, nil}
		}},
		{"running statistics for those of the batch", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			g := b.DoN(ops.BatchNormDx{Eps: n.Op.(ops.BatchNormTrain).Eps}, dy[0], n.In[0], n.In[1], n.In[3], n.In[4])
			return []*ir.Value{g[0], g[1], g[2], nil, nil}
		}},
		{"eps forgotten", editing(func(d *ops.BatchNormDx) { d.Eps = 0 })},
		{"gamma and beta swapped", swapped(1, 2)},
	},
	"lrn": {
		{"neighbours forgotten", only(func(b *ir.Builder, dy, x, y *ir.Value) *ir.Value { return b.Do(ops.Mul{}, dy, b.Do(ops.Div{}, y, x)) })},
		{"alpha not divided by size", editing(func(l *ops.LRNDx) { l.Alpha *= float64(l.Size) })},
		{"window of size-1", editing(func(l *ops.LRNDx) { l.Size = max(1, l.Size-1) })},
		{"k taken for 1", editing(func(l *ops.LRNDx) { l.K = 1 })},
	},
	"maxpool": {
		{"pads upside down", editing(func(m *ops.MaxPoolDx) { m.Pad[0], m.Pad[2] = m.Pad[2], m.Pad[0] })},
		{"stride swapped", editing(func(m *ops.MaxPoolDx) { m.Stride[0], m.Stride[1] = m.Stride[1], m.Stride[0] })},
		{"padding takes part as 0", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(ops.MaxPoolDx(n.Op.(ops.MaxPool)), dy[0], b.Do(ops.ReLU{}, n.In[0]))}
		}},
	},
	"avgpool": {
		{"padding counted the other way", editing(func(a *ops.AvgPoolDx) { a.IncludePad = !a.IncludePad })},
		{"pads upside down", editing(func(a *ops.AvgPoolDx) { a.Pad[0], a.Pad[2] = a.Pad[2], a.Pad[0] })},
		{"a sum", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			k := n.Op.(ops.AvgPool).Kernel
			return []*ir.Value{b.Do(ops.Scale{By: float64(k[0] * k[1])}, honest(b, n, dy)[0])}
		}},
	},
	"gap": {
		{"a sum", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			s := n.In[0].Type.Shape
			return []*ir.Value{b.Do(ops.Scale{By: float64(s[2] * s[3])}, honest(b, n, dy)[0])}
		}},
		{"height and width swapped", editing(func(g *ops.GlobalAvgPoolDx) { g.In[0], g.In[1] = g.In[1], g.In[0] })},
		{"a thousandth too much", scaled(0, 1.001)},
	},
	"concat": {
		{"order of the first two", swapped(0, 1)},
		{"last one forgotten", after(func(_ *ir.Builder, _ *ir.Node, r []*ir.Value) { r[len(r)-1] = nil })},
		{"first one twice", after(func(b *ir.Builder, _ *ir.Node, r []*ir.Value) { r[0] = b.Do(ops.Add{}, r[0], r[0]) })},
	},
	"slice": {
		{"at the beginning", editing(func(s *ops.SliceDx) { s.Start = 0 })},
		{"forgotten", forgotten(0)},
		{"sign", scaled(0, -1)},
	},
	"split": {
		{"order", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			r := slices.Clone(dy)
			slices.Reverse(r)
			return honest(b, n, r)
		}},
		{"first one forgotten", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return honest(b, n, append([]*ir.Value{nil}, dy[1:]...))
		}},
		{"those that miss taken for none", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			if slices.Contains(dy, nil) {
				return []*ir.Value{nil}
			}
			return honest(b, n, dy)
		}},
	},
	"add": {
		{"second forgotten", forgotten(1)},
		{"mean over stretched axes", editing(func(r *ops.Reduce) { r.Kind = ops.ReduceMean })},
		{"sign of the second", scaled(1, -1)},
	},
	"sub": {
		{"sign of the second", scaled(1, -1)},
		{"operands swapped", swapped(0, 1)},
		{"mean over stretched axes", editing(func(r *ops.Reduce) { r.Kind = ops.ReduceMean })},
	},
	"mul": {
		{"each with its own operand", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			m := *n
			m.In = []*ir.Value{n.In[1], n.In[0]}
			return honest(b, &m, dy)
		}},
		{"second forgotten", forgotten(1)},
		{"mean over stretched axes", editing(func(r *ops.Reduce) { r.Kind = ops.ReduceMean })},
	},
	"div": {
		{"sign of the divisor's", scaled(1, -1)},
		{"divisor squared in the dividend's", after(func(b *ir.Builder, n *ir.Node, r []*ir.Value) {
			if n.In[0].Type.Equal(n.In[1].Type) {
				r[0] = b.Do(ops.Div{}, r[0], n.In[1])
			}
		})},
		{"divisor forgotten", forgotten(1)},
	},
	"max": {
		{"by the absolute value", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			in := []*ir.Value{dy[0]}
			for _, v := range n.In {
				in = append(in, b.Do(ops.Mul{}, v, v))
			}
			return b.DoN(ops.MaxDx{}, in...)[:len(n.In)]
		}},
		{"to the smallest", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			in := []*ir.Value{dy[0]}
			for _, v := range n.In {
				in = append(in, b.Do(ops.Scale{By: -1}, v))
			}
			return b.DoN(ops.MaxDx{}, in...)[:len(n.In)]
		}},
		{"second forgotten", forgotten(1)},
	},
	"scale": {
		{"dy", only(dyOnly)},
		{"twice", edit(func(op ir.Op) ir.Op { s := op.(ops.Scale); s.By *= s.By; return s })},
		{"inverse", edit(func(op ir.Op) ir.Op { s := op.(ops.Scale); s.By = 1 / s.By; return s })},
	},
	"reduce": {
		{"mean as a sum", edit(func(op ir.Op) ir.Op {
			r := op.(ops.ReduceDx)
			if r.Kind == ops.ReduceMean {
				r.Kind = ops.ReduceSum
			}
			return r
		})},
		{"maximum to all", edit(func(op ir.Op) ir.Op {
			r := op.(ops.ReduceDx)
			if r.Kind == ops.ReduceMax {
				r.Kind = ops.ReduceSum
			}
			return r
		})},
		{"minimum for maximum", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(ops.ReduceDx(n.Op.(ops.Reduce)), dy[0], b.Do(ops.Scale{By: -1}, n.In[0]))}
		}},
	},
	"pad": {
		{"pads at the end", editing(func(s *ops.Slice) { s.Stop -= s.Start; s.Start = 0 })},
		{"forgotten", forgotten(0)},
		{"sign", scaled(0, -1)},
	},
	"transpose": {
		{"not inverted", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(n.Op, dy[0])}
		}},
		{"forgotten", forgotten(0)},
		{"sign", scaled(0, -1)},
	},
	"dropout": {{"forgotten", forgotten(0)}, {"sign", scaled(0, -1)}, {"scaled as in training", scaled(0, 2)}},
	"flatten": {{"forgotten", forgotten(0)}, {"sign", scaled(0, -1)}, {"as it came", only(dyOnly)}},
	"node":    {{"forgotten", forgotten(0)}, {"sign", scaled(0, -1)}, {"as it came", only(dyOnly)}},
	"reshape": {{"forgotten", forgotten(0)}, {"sign", scaled(0, -1)}, {"as it came", only(dyOnly)}},
	"dropout_train": {
		{"another mask", editing(func(d *ops.DropoutTrain) { d.Seed++ })},
		{"no mask", only(dyOnly)},
		{"mask of another layer", editing(func(d *ops.DropoutTrain) { d.Layer += "x" })},
	},
	"softmax": {
		{"sum forgotten", only(func(b *ir.Builder, dy, _, y *ir.Value) *ir.Value { return b.Do(ops.Mul{}, dy, y) })},
		{"that of log_softmax", edit(func(op ir.Op) ir.Op { return ops.LogSoftmaxDx(op.(ops.SoftmaxDx)) })},
		{"along the first axis", editing(func(s *ops.SoftmaxDx) { s.Axis = 1 })},
	},
	"log_softmax": {
		{"dy", only(dyOnly)},
		{"that of softmax", edit(func(op ir.Op) ir.Op { return ops.SoftmaxDx(op.(ops.LogSoftmaxDx)) })},
		{"from the input", func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
			return []*ir.Value{b.Do(ops.LogSoftmaxDx(n.Op.(ops.LogSoftmax)), dy[0], n.In[0])}
		}},
	},
	"cross_entropy": {
		{"smoothing forgotten", editing(func(c *ops.CrossEntropyDx) { c.Smoothing = 0 })},
		{"another gamma", editing(func(c *ops.CrossEntropyDx) {
			if c.Gamma > 0 {
				c.Gamma++
			}
		})},
		{"a sum over the batch", after(func(b *ir.Builder, n *ir.Node, r []*ir.Value) {
			ones := b.Do(ops.Reduce{Kind: ops.ReduceSum}, b.Do(ops.Softmax{Axis: 1}, n.In[0]))
			r[0] = b.Do(ops.Mul{}, r[0], ones)
		})},
		{"sign", scaled(0, -1)},
	},
}

// checkGrad finds every wrong gradient in bugs.
func TestGradBugs(t *testing.T) {
	for _, d := range ir.Defs() {
		if _, ok := d.Default().(ir.Differ); !ok || d.Name == "quantize" || d.Name == "fake_quantize" { // not what central differences say
			continue
		}
		if len(bugs[d.Name]) < 3 {
			t.Errorf("%s has %d seeded bugs, want three", d.Name, len(bugs[d.Name]))
		}
		for _, bug := range bugs[d.Name] {
			caught := 0
			for seed := range shapesPerOp() {
				if checkGrad(d.Name, uint64(seed), bug.grad) != nil {
					caught++
				}
			}
			if caught == 0 {
				t.Errorf("%s: %s: not caught", d.Name, bug.what)
			}
		}
	}
}
