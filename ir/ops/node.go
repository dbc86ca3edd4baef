package ops

import (
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Node]("node", "An operator of ONNX that has no op of its own, on arrays of any shape, of real numbers, integers or bools.",
	ir.Example{Op: Node{Type: "Exp"}, In: shapes("Nx3x2")},
	ir.Example{Op: Node{Type: "Elu", Attrs: "alpha:0.5"}, In: shapes("Nx20x3x2")},
	ir.Example{Op: Node{Type: "Mul"}, In: shapes("Nx3x1x4", "2x1")},
	ir.Example{Op: Node{Type: "ArgMax", Attrs: "axis:1;keepdims:0"}, In: shapes("Nx5")},
	ir.Example{Op: Node{Type: "TopK", Attrs: "axis:-1;k:2"}, In: shapes("Nx5")},
	ir.Example{Op: Node{Type: "MatMul"}, In: shapes("Nx2x3x4", "Nx2x4x5")},
	ir.Example{Op: Node{Type: "ConvTranspose", Attrs: "strides:2,2"}, In: shapes("Nx3x4x5", "3x2x3x3", "2")},
	ir.Example{Op: Node{Type: "Slice", Attrs: "axes:2;ends:-9;starts:-1;steps:-2"}, In: shapes("Nx2x6")},
	ir.Example{Op: Node{Type: "Reshape", Attrs: "shape:0,-1"}, In: shapes("Nx2x6")},
	ir.Example{Op: Node{Type: "Resize", Attrs: "mode:linear;scales:1,1,2,1.5"}, In: shapes("Nx2x3x4")},
	ir.Example{Op: Node{Type: "LayerNormalization", Attrs: "axis:1"}, In: shapes("Nx6", "6", "6")},
	ir.Example{Op: Node{Type: "ReduceSum", Attrs: "axes:0"}, In: shapes("Nx6")},
	ir.Example{Op: Node{Type: "Clip", Attrs: "omit:1"}, In: shapes("Nx6", "scalar")},
	ir.Example{Op: Node{Type: "Gather", Attrs: "axis:1", Kinds: "f32,i64"}, In: shapes("Nx6", "i64:3")},
	ir.Example{Op: Node{Type: "Exp"}, In: nil, Violates: 1},
	ir.Example{Op: Node{Type: "Exp", Kinds: "i64"}, In: shapes("Nx3"), Violates: 1},
	ir.Example{Op: Node{Type: "Telepathy"}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: Node{Type: "Softmax", Attrs: "axis:7"}, In: shapes("Nx3"), Violates: 3},
	ir.Example{Op: Node{Type: "Reshape", Attrs: "shape:-1"}, In: shapes("Nx3"), Violates: 4},
)

// Node is an operator of ONNX as its specification describes it. Attributes have the form
// name:value;name:value, the numbers of a list have commas between them. Operands that decide
// about the shape of the result are attributes, under ONNX's names for them: shape, axes, pads,
// repeats and so on. The attribute omit lists the optional operands that are left out before
// others that are given.
//
// Such models hold many operators that networks for pictures hardly need; package nodes computes
// them. What matters for speed has an op of its own.
//
// Constraints:
//
//	(1) one operand at least, and nine at most; kinds names the type of elements of each, unless
//	    all are f32
//	(2) type is an operator that package nodes knows
//	(3) attributes and operands are those of the operator
//	(4) the batch is an axis of its own in every result, or is reduced
type Node struct {
	Type  string `dsl:"type,default=Identity"`
	Attrs string `dsl:"attrs"`
	Kinds string `dsl:"kinds"`
}

// NodeKinds returns the kinds of operands of some types.
func NodeKinds(in []ir.Type) string {
	words, plain := make([]string, len(in)), true
	for i, t := range in {
		words[i] = t.DType.String()
		plain = plain && t.DType == ir.F32
	}
	if plain {
		return ""
	}
	return strings.Join(words, ",")
}

// MaxNodeOperands is the largest number of operands of a node.
const MaxNodeOperands = 9

// Operands are as many as the operator has.
func (Node) Operands() []string { return []string{"x..."} }

// Plan plans the node for operands whose batch is n.
func (o Node) Plan(in []ir.Type, n int, exact bool) (*nodes.NodePlan, error) {
	attrs, types, err := o.operands(in, n)
	if err != nil {
		return nil, err
	}
	return nodes.PlanNode(o.Type, attrs, types, exact)
}

// operands returns the attributes without omit, and the types with those that are left out.
func (o Node) operands(in []ir.Type, n int) (attrs string, types []nodes.NodeType, err error) {
	a, err := nodes.ParseNodeAttrs(o.Attrs)
	if err != nil {
		return "", nil, err
	}
	for _, t := range in {
		types = append(types, NodeTypeOf(t.Bind(n)))
	}
	for _, i := range o.Omitted() {
		if i <= len(types) {
			types = slices.Insert(types, i, nodes.NodeType{})
		}
	}
	delete(a, "omit")
	return a.String(), types, nil
}

// Omitted returns the numbers of the operands that are left out, in ascending order.
func (o Node) Omitted() (list []int) {
	_, text, ok := strings.Cut(";"+o.Attrs, ";omit:")
	if !ok {
		return nil
	}
	text, _, _ = strings.Cut(text, ";")
	for _, w := range strings.Split(text, ",") {
		if v, err := strconv.Atoi(w); err == nil && v >= 0 && v < MaxNodeOperands {
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list
}

// NodeTypeOf returns a type without a symbolic batch as package nodes has it.
func NodeTypeOf(t ir.Type) nodes.NodeType {
	return nodes.NodeType{Kind: nodes.NodeKindOf(t.DType.String()), Shape: t.Shape}
}

// typeOfNode is the way back.
func typeOfNode(t nodes.NodeType) ir.Type {
	d, _ := ir.ParseDType(t.Kind.String())
	return ir.Type{DType: d, Shape: t.Shape}
}

// sampleBatches are the numbers of images for which Infer looks at the results: an axis that is equal
// to each of them is the batch.
var sampleBatches = [...]int{5, 1, 7}

// Infer plans the node for several batches.
func (o Node) Infer(in []ir.Type) ([]ir.Type, error) {
	if len(in) < 1 || len(in) > MaxNodeOperands {
		return nil, ir.Violation("node", 1, -1, "%d operands, want 1 to %d", len(in), MaxNodeOperands)
	}
	if k := NodeKinds(in); k != o.Kinds {
		return nil, ir.Violation("node", 1, -1, "the kinds of the operands are %q, not %q", k, o.Kinds)
	}
	if !nodes.HasNode(o.Type) {
		return nil, ir.Violation("node", 2, -1, "operator %q is not known", o.Type)
	}
	symbolic := slices.ContainsFunc(in, func(t ir.Type) bool { return t.Shape.Symbolic() })
	if symbolic && o.Type == "Program" {
		return nil, ir.Violation("node", 4, -1, "a part whose sizes are known only at run time computes a fixed number of images")
	}
	var plans []*nodes.NodePlan
	for _, n := range sampleBatches {
		p, err := o.Plan(in, n, true)
		if err != nil && len(plans) > 0 {
			return nil, ir.Violation("node", 4, -1, "%s computes across the images of a batch: %v", o.Type, err)
		}
		if err != nil {
			return nil, ir.Violation("node", 3, -1, "%s: %v", o.Type, err)
		}
		if plans = append(plans, p); !symbolic {
			break
		}
	}
	var out []ir.Type
	for i, t := range plans[0].Out {
		r := typeOfNode(t)
		r.Shape = slices.Clone(r.Shape)
		for a := range r.Shape {
			same, batch := true, true
			for j, p := range plans {
				s := p.Out[i].Shape
				if len(s) != len(r.Shape) {
					return nil, ir.Violation("node", 4, -1, "%s: the number of axes of the result depends on the batch", o.Type)
				}
				same, batch = same && s[a] == plans[0].Out[i].Shape[a], batch && s[a] == sampleBatches[j]
			}
			switch {
			case symbolic && batch:
				r.Shape[a] = ir.Batch
			case !same:
				return nil, ir.Violation("node", 4, -1, "%s: axis %d of the result depends on the batch", o.Type, a)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// Eval computes the node in float64; real numbers are not rounded.
func (o Node) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	kinds := slices.Repeat([]string{ir.F32.String()}, len(in))
	if o.Kinds != "" {
		kinds = strings.Split(o.Kinds, ",")
	}
	types := make([]ir.Type, len(in))
	for i, x := range in {
		d, _ := ir.ParseDType(kinds[min(i, len(kinds)-1)])
		types[i] = ir.Type{DType: d, Shape: x.Shape}
	}
	p, err := o.Plan(types, 1, true)
	if err != nil {
		return nil, err
	}
	data := make([][]float64, len(p.In))
	given := 0
	for i, t := range p.In {
		if t.Kind != nodes.NodeNone {
			data[i] = in[given].Data
			given++
		}
	}
	ys, err := p.Eval(data)
	if err != nil {
		return nil, err
	}
	var out []*tensor.Tensor
	for i, y := range ys {
		out = append(out, tensor.Of(y, p.Out[i].Shape...))
	}
	return out, nil
}

// FilledSizes returns the last output of a network that ends with a program (package nodes): the
// sizes of the other outputs, a row for each, which may fill only a part of their shapes. It
// returns nil for other networks.
func FilledSizes(g *ir.Graph) *ir.Value {
	if len(g.Outputs) < 2 {
		return nil
	}
	v := g.Outputs[len(g.Outputs)-1]
	if v.Def == nil || v != v.Def.Out[len(v.Def.Out)-1] {
		return nil
	}
	if o, ok := v.Def.Op.(Node); !ok || o.Type != "Program" {
		return nil
	}
	return v
}

// Filled cuts a result of a program, laid out in a shape, to its sizes.
func Filled(data []float32, shape ir.Shape, sizes []float32) *tensor.F32 {
	dims := make([]int, len(shape))
	return &tensor.F32{Shape: dims, Data: nodes.Cut(slices.Clone(data), shape, sizes, dims)}
}

// Cost is an estimate, but for transposed convolutions: these multiply each element of x with
// the weights of its channel.
func (o Node) Cost(in, _ []ir.Type) ir.Cost {
	if o.Type == "ConvTranspose" && len(in) >= 2 && len(in[1].Shape) > 2 {
		return ir.Cost{MACs: int64(in[0].Shape.Size()) * int64(in[1].Shape[1:].Size())}
	}
	p, err := o.Plan(in, 1, true)
	if err != nil {
		return ir.Cost{Ops: 1}
	}
	return ir.Cost{Ops: int64(p.Ops())}
}

// Resizes implements ir.Resizer for the operators that make maps larger or smaller.
func (o Node) Resizes(in, out []ir.Type) (taps ir.HW, by [2]float64) {
	taps, by = ir.HW{1, 1}, [2]float64{1, 1}
	if len(in) == 0 || len(in[0].Shape) != 4 || len(out[0].Shape) != 4 {
		return taps, by
	}
	if t, ok := TransposedOf(o, in); ok {
		for a := range 2 {
			reach := t.Dilation[a]*(in[1].Shape[2+a]-1) + 1
			taps[a], by[a] = (reach+t.Stride[a]-1)/t.Stride[a], float64(t.Stride[a])
		}
		return taps, by
	}
	r, resize := ResizingOf(o, in)
	_, _, shuffle := ShuffleOf(o)
	if !resize && !shuffle {
		return taps, by
	}
	for a := range 2 {
		by[a] = float64(out[0].Shape[2+a]) / float64(in[0].Shape[2+a])
		switch {
		case by[a] == 1:
		case r.Mode == "linear":
			taps[a] = 2
		case r.Mode == "cubic":
			taps[a] = 4
		}
	}
	return taps, by
}
