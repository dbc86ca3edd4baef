package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// This file imports operators that have no corresponding op in the IR, by combining
// several ops. Emit writes none of these operators.

func init() {
	for name, row := range map[string]func(*importer, *node) error{
		"Unsqueeze": importShape,
		"Neg":       func(im *importer, n *node) error { return im.apply(ops.Scale{By: -1}, 0) },
		"Abs": func(im *importer, n *node) error {
			x, err := im.value(n.Input[0], ir.Weight)
			if err != nil {
				return err
			}
			return im.finish(im.abs(x))
		},
		"Min":             importMin,
		"Mean":            importMean,
		"Pow":             importPow,
		"GlobalMaxPool":   importGlobalMaxPool,
		"ReduceMin":       reduceOn(ops.ReduceMax, (*importer).neg, (*importer).neg),
		"ReduceL1":        reduceOn(ops.ReduceSum, (*importer).abs, nil),
		"ReduceSumSquare": reduceOn(ops.ReduceSum, (*importer).square, nil),
		"SpaceToDepth":    importSpaceToDepth,
		"Tile":            importTile,
		"ConstantOfShape": importConstantOfShape,
		"Expand":          importExpand,
	} {
		importTable[name] = row
	}
}

// op adds an op and returns its result. The builder keeps the first error, which finish
// returns.
func (im *importer) op(op ir.Op, in ...*ir.Value) *ir.Value { return im.b.Do(op, in...) }

func (im *importer) neg(x *ir.Value) *ir.Value { return im.op(ops.Scale{By: -1}, x) }

// abs returns max(x, -x).
func (im *importer) abs(x *ir.Value) *ir.Value    { return im.op(ops.Max{}, x, im.neg(x)) }
func (im *importer) square(x *ir.Value) *ir.Value { return im.op(ops.Mul{}, x, x) }

// number returns a constant with one element and the given rank.
func (im *importer) number(name string, v float64, rank int) *ir.Value {
	return im.b.Const(safeName(im.node.Output[0]+"/"+name), tensor.Of([]float32{float32(v)}, slices.Repeat([]int{1}, rank)...))
}

// finish makes v the output of the current node. It returns the builder's error.
func (im *importer) finish(v *ir.Value) error {
	if err := im.b.Err(); err != nil {
		return err
	}
	im.values[im.node.Output[0]] = v
	return nil
}

func (im *importer) operands(n *node) ([]*ir.Value, error) {
	vs := make([]*ir.Value, len(n.Input))
	for i, name := range n.Input {
		var err error
		if vs[i], err = im.value(name, ir.Weight); err != nil {
			return nil, err
		}
	}
	return vs, nil
}

// importMin computes the minimum as -max(-x, -y, …).
func importMin(im *importer, n *node) error {
	vs, err := im.operands(n)
	if err != nil {
		return err
	}
	if len(vs) == 1 {
		return im.finish(vs[0])
	}
	for i := range vs {
		vs[i] = im.neg(vs[i])
	}
	return im.finish(im.neg(im.op(ops.Max{}, vs...)))
}

func importMean(im *importer, n *node) error {
	vs, err := im.operands(n)
	if err != nil {
		return err
	}
	if len(vs) == 1 {
		return im.finish(vs[0])
	}
	return im.finish(im.op(ops.Scale{By: 1 / float64(len(vs))}, im.op(ops.Add{}, vs...)))
}

// importPow imports a power with a constant exponent of 1 to 4, as products.
func importPow(im *importer, n *node) error {
	e, ok := im.scalar(1)
	if !ok || e != math.Trunc(e) || e < 1 || e > 4 {
		return errors.New("the exponent must be a constant 1, 2, 3 or 4")
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	y := x
	switch e {
	case 2:
		y = im.square(x)
	case 3:
		y = im.op(ops.Mul{}, im.square(x), x)
	case 4:
		y = im.square(im.square(x))
	}
	return im.finish(y)
}

func importGlobalMaxPool(im *importer, n *node) error {
	if r := len(n.in[0].shape); r != 4 {
		return fmt.Errorf("input has %d axes (want 4: batch, channels, height, width)", r)
	}
	return im.apply(ops.Reduce{Kind: ops.ReduceMax, Axes: ir.IntsOf(2, 3), Keep: true}, 0)
}

// reduceOn imports a reduction of before(x) and applies after, if it is not nil, to the
// result.
func reduceOn(kind ops.ReduceKind, before, after func(*importer, *ir.Value) *ir.Value) func(*importer, *node) error {
	return func(im *importer, n *node) error {
		op, err := reduceOp(n, kind)
		if err != nil {
			return err
		}
		x, err := im.value(n.Input[0], ir.Weight)
		if err != nil {
			return err
		}
		// A reduction over no axes still applies before and after.
		y := before(im, x)
		if op != nil {
			y = im.op(*op, y)
		}
		if after != nil {
			y = after(im, y)
		}
		return im.finish(y)
	}
}

func importSpaceToDepth(im *importer, n *node) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	s, b := x.Type.Shape, int(n.int("blocksize", 0))
	if len(s) != 4 || b < 1 || b > ir.MaxDim {
		return fmt.Errorf("blocksize=%d of %v", b, s)
	}
	h, w := s[2]/b, s[3]/b
	y := im.op(ops.Reshape{Shape: ir.DimsOf(ir.Shape{s[0], s[1], h, b, w, b})}, x)
	perm := []int{0, 3, 5, 1, 2, 4}
	if a := n.attr("mode"); a != nil && string(a.S) == "CRD" { // since opset 28
		perm = []int{0, 1, 3, 5, 2, 4}
	}
	y = im.op(ops.Transpose{Perm: ir.IntsOf(perm...)}, y)
	return im.finish(im.op(ops.Reshape{Shape: ir.DimsOf(ir.Shape{s[0], s[1] * b * b, h, w})}, y))
}

// maxPieces is the largest number of slices or copies that one node may become.
const maxPieces = 1024

func importTile(im *importer, n *node) error {
	repeats, ok := n.constInts(1)
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	if !ok || len(repeats) != len(x.Type.Shape) {
		return errors.New("the repeats must be constants, one for each axis")
	}
	for axis, r := range repeats {
		switch {
		case r < 1 || r > maxPieces:
			return fmt.Errorf("%d repeats, want 1 to %d", r, maxPieces)
		case r > 1:
			x = im.op(ops.Concat{Axis: axis}, slices.Repeat([]*ir.Value{x}, int(r))...)
		}
	}
	return im.finish(x)
}

// importConstantOfShape imports a constant that is too large to be folded.
func importConstantOfShape(im *importer, n *node) error {
	t, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	if t.Shape.Symbolic() || t.DType != ir.F32 {
		return fmt.Errorf("a constant of %v is not supported", t)
	}
	v := float32(0)
	if a := n.attr("value"); a != nil {
		data, err := Floats(a.T)
		if err != nil || len(data) != 1 {
			return errors.New("value must be a single FLOAT")
		}
		v = data[0]
	}
	return im.finish(im.b.Fill(safeName(n.Output[0]), shortest(v), t.Shape...))
}

// importExpand stretches axes of 1, by mappings.
func importExpand(im *importer, n *node) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	t, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	s := append(slices.Repeat(ir.Shape{1}, max(0, len(t.Shape)-len(x.Type.Shape))), x.Type.Shape...)
	y := im.reshaped(x, s)
	for axis, d := range t.Shape {
		if s[axis] == d {
			continue
		}
		if d == ir.Batch {
			return errors.New("stretching to the batch is not supported")
		}
		if y, err = im.along(y, axis, selection(1, make([]int, d)), "expand"); err != nil {
			return err
		}
	}
	return im.finish(y)
}
