package cpu

import (
	"fmt"
	"slices"
	"sync"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
)

// prepare returns a copy of the graph without nodes that nothing needs, in which
// values that depend on params alone have become params themselves, and what
// they are computed from.
func prepare(g *ir.Graph) (*ir.Graph, *known) {
	c := g.Clone()
	need := map[*ir.Value]bool{}
	for _, v := range c.Roots() {
		need[v] = true
	}
	// A training step changes weights and state: only constants stay what they are.
	isKnown := func(v *ir.Value) bool {
		return v != nil && v.Param != nil && (len(c.Updates) == 0 || v.Param.Kind == ir.Constant)
	}
	for _, p := range c.Parts {
		need[p.Out] = true
	}
	keep := map[*ir.Node]bool{}
	for i := len(c.Nodes) - 1; i >= 0; i-- {
		n := c.Nodes[i]
		for _, v := range n.Out {
			keep[n] = keep[n] || need[v]
		}
		if keep[n] {
			for _, v := range n.In {
				need[v] = true
			}
		}
	}
	k := &known{data: c.Data, params: map[string]*ir.Value{}, def: map[*ir.Value]*ir.Node{}, memo: map[*ir.Node]func() ([]*tensor.Tensor, error){}}
	nodes := c.Nodes
	c.Nodes = nil
	for _, n := range nodes {
		if !keep[n] {
			continue
		}
		if len(n.In) > 0 && !slices.ContainsFunc(n.In, func(v *ir.Value) bool { return !isKnown(v) }) {
			for _, v := range n.Out {
				v.Def, v.Param = nil, &ir.Param{Kind: ir.Constant}
				c.Params = append(c.Params, v)
				k.def[v] = n
			}
			k.memo[n] = sync.OnceValues(func() ([]*tensor.Tensor, error) { return k.eval(n) })
			continue
		}
		c.Nodes = append(c.Nodes, n)
	}
	if len(c.Updates) == 0 {
		constantOutputs(c)
	}
	for _, v := range c.Params {
		k.params[v.Name] = v
	}
	return c, k
}

// constantOutputs adds nodes that write the outputs which are params: a step writes every output.
// The params get other names.
func constantOutputs(g *ir.Graph) {
	written := map[*ir.Value]*ir.Value{}
	for i, v := range g.Outputs {
		if v.Param == nil {
			continue
		}
		if written[v] == nil {
			o := &ir.Value{Name: v.Name, Type: v.Type}
			o.Def = &ir.Node{Op: ops.Node{Type: "Identity", Kinds: ops.NodeKinds([]ir.Type{v.Type})}, In: []*ir.Value{v}, Out: []*ir.Value{o}}
			written[v] = o
			g.Nodes = append(g.Nodes, o.Def)
			if d := g.Data[v.Name]; d != nil {
				g.Data[v.Name+"/value"] = d
			}
			v.Name += "/value"
		}
		g.Outputs[i] = written[v]
	}
}

// Prepared returns a copy of a graph as Compile plans it: without nodes that
// nothing needs, and with the values of those that depend on params alone (of a
// training step: on constants) among its data.
func Prepared(g *ir.Graph, seed int64) (*ir.Graph, error) {
	g, err := lower.Graph(g)
	if err != nil {
		return nil, err
	}
	c, k := prepare(g)
	k.seed = seed
	for _, v := range c.Params {
		if k.def[v] == nil {
			continue
		}
		x, err := k.tensor(v)
		if err != nil {
			return nil, err
		}
		c.Data[v.Name] = tensor.Round(x)
	}
	return c, nil
}

// known are the values of a graph that depend on params alone. They are computed in
// float64 and rounded once, where a kernel reads them. It is safe for concurrent
// use.
type known struct {
	data   map[string]*tensor.F32
	file   *safetensors.Tensors // may be nil
	seed   int64
	params map[string]*ir.Value
	def    map[*ir.Value]*ir.Node // of those that are computed
	memo   map[*ir.Node]func() ([]*tensor.Tensor, error)
}

// streams returns the values of params.
func (k *known) streams(names ...string) ([]kernel.Stream, error) {
	var l []kernel.Stream
	for _, name := range names {
		v := k.params[name]
		if v == nil {
			return nil, fmt.Errorf("the plan names the weight %q, which the graph does not have (a bug of incc)", name)
		}
		s, err := k.stream(v)
		if err != nil {
			return nil, err
		}
		l = append(l, s)
	}
	return l, nil
}

// stream returns a value in row-major order. The bulk of a network's weights are
// those of the file, joined, and multiplied by factors of their filters: these are
// made a piece at a time. Others are computed as a whole.
func (k *known) stream(v *ir.Value) (kernel.Stream, error) {
	n := k.def[v]
	if n == nil {
		return k.param(v)
	}
	in := func(i int) (kernel.Stream, error) { return k.stream(n.In[i]) }
	switch op := n.Op.(type) {
	case ops.Reshape:
		return in(0)
	case ops.Concat:
		if op.Axis == 0 {
			var l []kernel.Stream
			for i := range n.In {
				s, err := in(i)
				if err != nil {
					return s, err
				}
				l = append(l, s)
			}
			return kernel.StreamJoin(l...), nil
		}
	case ops.Slice:
		if op.Axis == 0 {
			s, err := in(0)
			row := s.Len() / max(1, n.In[0].Type.Shape[0])
			return s.Slice(op.Start*row, op.Stop*row), err
		}
	case ops.Scale:
		s, err := in(0)
		return s.Times([]float64{op.By}), err
	case ops.Mul:
		for i := range n.In {
			if len(n.In) == 2 && perRow(v.Type.Shape, n.In[i].Type.Shape, n.In[1-i].Type.Shape) {
				s, err := in(i)
				if err != nil {
					return s, err
				}
				by, err := k.tensor(n.In[1-i])
				if err != nil {
					return s, err
				}
				return s.Times(by.Data), nil
			}
		}
	}
	t, err := k.tensor(v)
	if err != nil {
		return kernel.Stream{}, err
	}
	return kernel.StreamWide(t.Data), nil
}

// perRow reports whether a product of shape out is x with every row, an index of
// the first axis, multiplied by an element of by.
func perRow(out, x, by ir.Shape) bool {
	return len(out) > 0 && slices.Equal(out, x) && len(by) == len(x) && by[0] == x[0] && by.Size() == by[0]
}

func (k *known) param(v *ir.Value) (kernel.Stream, error) {
	if d := k.data[v.Name]; d != nil {
		return kernel.StreamOf(d.Data), nil
	}
	if k.file != nil {
		if info, ok := k.file.Info(v.Name); ok {
			if !slices.Equal(info.Shape, v.Type.Shape) {
				return kernel.Stream{}, fmt.Errorf("%s is %v in the file, %v in the network", v.Name, ir.Shape(info.Shape), v.Type.Shape)
			}
			return kernel.TensorStream(k.file, v.Name)
		}
	}
	draw := ir.Drawer(v.Name, v.Type.Shape, v.Param.Init, k.seed)
	return kernel.StreamFunc(v.Type.Shape.Size(), func(dst []float32, at int) error {
		draw(dst, at)
		return nil
	}), nil
}

// tensor returns a value as a whole. It must not be changed.
func (k *known) tensor(v *ir.Value) (*tensor.Tensor, error) {
	n := k.def[v]
	if n == nil {
		s, err := k.param(v)
		if err != nil {
			return nil, err
		}
		x := tensor.Make[float32](v.Type.Shape)
		if err := s.Read(x.Data, 0); err != nil {
			return nil, err
		}
		return tensor.Widen(x), nil
	}
	eval := k.memo[n]
	if v.Type.Shape.Size() > large {
		// Not to be kept, and hardly ever needed twice.
		eval = func() ([]*tensor.Tensor, error) { return k.eval(n) }
	}
	out, err := eval()
	if err != nil {
		return nil, err
	}
	return out[v.Index], nil
}

// large is a number of elements that are not kept after they have been packed.
const large = 1 << 16

func (k *known) eval(n *ir.Node) ([]*tensor.Tensor, error) {
	var in []*tensor.Tensor
	for _, v := range n.In {
		x, err := k.tensor(v)
		if err != nil {
			return nil, err
		}
		in = append(in, x)
	}
	out, err := n.Op.Eval(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Out[0].Name, err)
	}
	return out, nil
}

// values returns what a param holds: its data, or what its init draws.
func values(g *ir.Graph, v *ir.Value, seed int64) *tensor.F32 {
	if d := g.Data[v.Name]; d != nil {
		return d
	}
	return ir.Draw(v.Name, v.Type.Shape, v.Param.Init, seed)
}
