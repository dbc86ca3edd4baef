package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes/lower"
)

// This file imports single operators that have a counterpart in the IR.

func importIdentity(im *importer, n *node) error {
	v, err := im.value(n.Input[0], ir.Weight)
	im.values[n.Output[0]] = v
	return err
}

// importGemm imports a Gemm as a dense layer if it has that form, else as a matrix product
// with scales and a sum.
func importGemm(im *importer, n *node) error {
	alpha, beta := n.float("alpha", 1), n.float("beta", 1)
	transA, transB := n.int("transA", 0) != 0, n.int("transB", 0) != 0
	if !transA && transB && alpha == 1 && (!n.has(2) || beta == 1 && len(n.in[2].shape) == 1 && n.in[2].shape[0] == n.in[1].shape[0]) {
		return im.apply(ops.Dense{}, 0, 1, 2)
	}
	if err := im.apply(ops.MatMul{TransA: transA, TransB: transB}, 0, 1); err != nil {
		return err
	}
	out := im.node.Output[0]
	if alpha != 1 {
		if err := im.add(ops.Scale{By: alpha}, im.values[out]); err != nil {
			return err
		}
	}
	if !n.has(2) || beta == 0 {
		return nil
	}
	y := im.values[out]
	c, err := im.value(n.Input[2], ir.Weight)
	if err != nil {
		return err
	}
	if beta != 1 {
		if err := im.add(ops.Scale{By: beta}, c); err != nil {
			return err
		}
		c = im.values[out]
	}
	return im.add(ops.Add{}, y, c)
}

func importBatchNorm(im *importer, n *node) error {
	if n.int("training_mode", 0) != 0 {
		return errors.New("training_mode=1 is not supported")
	}
	var vs []*ir.Value
	for i, name := range n.Input {
		kind := ir.Weight
		if i >= 3 {
			kind = ir.State
		}
		v, err := im.value(name, kind)
		if err != nil {
			return err
		}
		vs = append(vs, v)
	}
	return im.add(ops.BatchNorm{Eps: n.float("epsilon", 1e-5), Momentum: n.float("momentum", 0.9)}, vs...)
}

// softmax imports a Softmax or LogSoftmax over one axis. Before opset 13 it was over all
// axes from the given one on; these are joined by a reshape.
func (im *importer) softmax(op func(axis int) ir.Op) error {
	def := int64(-1)
	if im.old {
		def = 1
	}
	n := im.node
	rank := len(n.in[0].shape)
	if im.old && rank == 1 {
		def = 0
	}
	axis, err := normAxis(n.int("axis", def), rank)
	if err != nil {
		return err
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	s := x.Type.Shape
	if rest := s[axis+1:]; !im.old || rest.Size() == 1 && !rest.Symbolic() {
		return im.add(op(axis), x)
	}
	if s[axis:].Symbolic() {
		return errors.New("softmax over the batch is not supported")
	}
	joined := append(append(ir.Shape{}, s[:axis]...), s[axis:].Size())
	y := im.op(op(axis), im.op(ops.Reshape{Shape: ir.DimsOf(joined)}, x))
	return im.finish(im.op(ops.Reshape{Shape: ir.DimsOf(s)}, y))
}

// importMul imports a product with a constant scalar as a scale, that of a value and its
// sigmoid as a silu, every other product as a mul.
func importMul(im *importer, n *node) error {
	for i := range 2 {
		if by, ok := im.scalar(i); ok && len(n.in[i].shape) == 0 && im.values[n.Input[i]] == nil && len(n.in[1-i].shape) > 0 {
			return im.apply(ops.Scale{By: shortest(float32(by))}, 1-i)
		}
	}
	if op, x := im.selfGate(n); op != nil {
		return im.add(op, x)
	}
	return im.apply(ops.Mul{}, 0, 1)
}

func importSplit(im *importer, n *node) error {
	axis, err := normAxis(n.int("axis", 0), len(n.in[0].shape))
	if err != nil {
		return err
	}
	sizes := make([]int, len(n.Output))
	for i, o := range n.Output {
		shape := im.known[o].shape
		if axis >= len(shape) || shape[axis].n == 0 {
			return errors.New("the sizes must be constants")
		}
		sizes[i] = int(shape[axis].n)
	}
	return im.apply(ops.Split{Axis: axis, Sizes: ir.IntsOf(sizes...)}, 0)
}

func reduceOf(kind ops.ReduceKind) func(*importer, *node) error {
	return func(im *importer, n *node) error {
		op, err := reduceOp(n, kind)
		if err != nil {
			return err
		}
		if op == nil {
			return importIdentity(im, n)
		}
		return im.apply(*op, 0)
	}
}

// importReduceMean imports a mean over height and width as a global pool.
func importReduceMean(im *importer, n *node) error {
	gone, err := n.reducedAxes()
	if err != nil {
		return err
	}
	if !slices.Equal(gone, []bool{false, false, true, true}) {
		return reduceOf(ops.ReduceMean)(im, n)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	y := im.op(ops.GlobalAvgPool{}, x)
	if n.int("keepdims", 1) == 0 {
		y = im.op(ops.Flatten{}, y)
	}
	return im.finish(y)
}

// importCast imports a cast between types of real numbers, all of which are FLOAT here.
func importCast(im *importer, n *node) error {
	from, to := n.in[0].elem, im.known[n.Output[0]].elem
	if n.OpType == "CastLike" && len(n.in) > 1 {
		to = n.in[1].elem
	}
	if from != onnxpb.TensorProto_FLOAT || to != onnxpb.TensorProto_FLOAT {
		return fmt.Errorf("a cast of %v to %v is not supported", from, to)
	}
	return importIdentity(im, n)
}

// reduceOp returns the op of a reduction, or nil for a reduction over no axes.
func reduceOp(n *node, kind ops.ReduceKind) (*ops.Reduce, error) {
	var axes []int64
	if a := n.attr("axes"); a != nil {
		axes = a.Ints
	} else if n.has(1) {
		var ok bool
		if axes, ok = n.constInts(1); !ok {
			return nil, errors.New("the axes must be constants")
		}
	}
	if len(axes) == 0 && n.int("noop_with_empty_axes", 0) != 0 {
		return nil, nil
	}
	list := make([]int, len(axes))
	for i, a := range axes {
		var err error
		if list[i], err = normAxis(a, len(n.in[0].shape)); err != nil {
			return nil, err
		}
	}
	return &ops.Reduce{Kind: kind, Axes: ir.IntsOf(list...), Keep: n.int("keepdims", 1) != 0}, nil
}

func importTranspose(im *importer, n *node) error {
	perm := make([]int, len(n.in[0].shape))
	a := n.attr("perm")
	if a != nil && len(a.Ints) != len(perm) {
		return fmt.Errorf("perm=%v for rank %d", a.Ints, len(perm))
	}
	for i := range perm {
		if perm[i] = len(perm) - 1 - i; a != nil {
			perm[i] = int(a.Ints[i])
		}
	}
	return im.apply(ops.Transpose{Perm: ir.IntsOf(perm...)}, 0)
}

// importShape imports operators that change only the shape, as a flatten if the result is
// [batch, K], else as a reshape.
func importShape(im *importer, n *node) error {
	t, err := im.typeOf(n.Output[0])
	if err != nil {
		if im.flatten(n) {
			return nil
		}
		return err
	}
	x := n.in[0].shape
	if len(t.Shape) == 2 && len(x) > 2 && t.Shape[0] == ir.Batch && x[0].sym != "" {
		return im.apply(ops.Flatten{}, 0)
	}
	v, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	if v = lower.Unshaped(v, t.Shape); v.Type.Shape.Equal(t.Shape) {
		return im.finish(v)
	}
	return im.add(ops.Reshape{Shape: ir.DimsOf(t.Shape)}, v)
}

// importDropout imports a dropout as a dropout, which does nothing in inference.
func importDropout(im *importer, n *node) error {
	if len(n.Output) > 1 && n.Output[1] != "" && im.reads(n.Output[1]) {
		return fmt.Errorf("the second output of a dropout, mask %q, is used: this is not supported", n.Output[1])
	}
	p := 0.5
	if n.has(1) {
		var ok bool
		if p, ok = im.scalar(1); !ok {
			return errors.New("the ratio must be constant")
		}
	}
	if train, ok := n.constInts(2); n.has(2) && (!ok || len(train) != 1 || train[0] != 0) {
		return errors.New("training_mode is not supported")
	}
	return im.apply(ops.Dropout{P: shortest(float32(p))}, 0)
}

// importConstant returns an error: a constant of a type that the IR supports has been folded.
func importConstant(im *importer, n *node) error {
	return fmt.Errorf("constants of %v are not supported", im.known[n.Output[0]].elem)
}
