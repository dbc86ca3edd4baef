package onnx

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file imports normalizations by statistics of the input, as the formulas that define
// them.

func init() {
	importTable["LayerNormalization"] = importLayerNorm
	importTable["RMSNormalization"] = importLayerNorm
	importTable["MeanVarianceNormalization"] = importMeanVariance
	importTable["LpNormalization"] = importLpNorm
	importTable["ReduceL2"] = reduceOn(ops.ReduceSum, (*importer).square, func(im *importer, x *ir.Value) *ir.Value { return im.op(ops.Sqrt{}, x) })
	importTable["Reciprocal"] = func(im *importer, n *node) error {
		x, err := im.value(n.Input[0], ir.Weight)
		if err != nil {
			return err
		}
		return im.finish(im.op(ops.Div{}, im.number("one", 1, len(x.Type.Shape)), x))
	}
}

// standardized returns (x - mean) / sqrt(variance + eps), with mean and variance over axes.
// Without center it returns x / sqrt(mean of x^2 + eps).
func (im *importer) standardized(x *ir.Value, axes []int, eps float64, center bool) *ir.Value {
	over := ops.Reduce{Kind: ops.ReduceMean, Axes: ir.IntsOf(axes...), Keep: true}
	if center {
		x = im.op(ops.Sub{}, x, im.op(over, x))
	}
	v := im.op(over, im.square(x))
	return im.op(ops.Div{}, x, im.op(ops.Sqrt{}, im.op(ops.Add{}, v, im.number("eps", eps, len(x.Type.Shape)))))
}

// affine returns y times the scale in one input of the node plus the bias in another, which
// may be left out. Their axes are those of y from the given one on, followed by axes of 1.
func (im *importer) affine(y *ir.Value, scale, bias, axis int) (*ir.Value, error) {
	for _, p := range []struct {
		input int
		op    ir.Op
	}{{scale, ops.Mul{}}, {bias, ops.Add{}}} {
		if !im.node.has(p.input) {
			continue
		}
		v, err := im.value(im.node.Input[p.input], ir.Weight)
		if err != nil {
			return nil, err
		}
		s := slices.Clone(v.Type.Shape)
		for len(s) < len(y.Type.Shape)-axis {
			s = append(s, 1)
		}
		y = im.op(p.op, y, im.reshaped(v, s))
	}
	return y, im.b.Err()
}

func importLayerNorm(im *importer, n *node) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	for _, o := range n.Output[1:] {
		if o != "" && im.reads(o) {
			return fmt.Errorf("the output %q, a statistic, is used: this is not supported", o)
		}
	}
	rank := len(x.Type.Shape)
	axis, err := normAxis(n.int("axis", -1), rank)
	if err != nil {
		return err
	}
	var axes []int
	for a := axis; a < rank; a++ {
		axes = append(axes, a)
	}
	y := im.standardized(x, axes, n.float("epsilon", 1e-5), n.OpType == "LayerNormalization")
	// The scale may have any shape that broadcasts, so it needs no further axes.
	if y, err = im.affine(y, 1, 2, rank); err != nil {
		return err
	}
	return im.finish(y)
}

func importMeanVariance(im *importer, n *node) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	axes := []int{0, 2, 3}
	if a := n.attr("axes"); a != nil {
		axes = nil
		for _, i := range a.Ints {
			axis, err := normAxis(i, len(x.Type.Shape))
			if err != nil {
				return err
			}
			axes = append(axes, axis)
		}
	}
	// ONNX adds 1e-9 to the standard deviation, which float32 cannot tell from this.
	return im.finish(im.standardized(x, axes, 1e-18, true))
}

func importLpNorm(im *importer, n *node) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	axis, err := normAxis(n.int("axis", -1), len(x.Type.Shape))
	if err != nil {
		return err
	}
	over := ops.Reduce{Kind: ops.ReduceSum, Axes: ir.IntsOf(axis), Keep: true}
	// A norm of 0 gives 0.
	least := func(norm *ir.Value) *ir.Value {
		return im.op(ops.Max{}, norm, im.number("least", 1e-37, len(x.Type.Shape)))
	}
	switch p := n.int("p", 2); p {
	case 1:
		return im.finish(im.op(ops.Div{}, x, least(im.op(over, im.abs(x)))))
	case 2:
		return im.finish(im.op(ops.Div{}, x, least(im.op(ops.Sqrt{}, im.op(over, im.square(x))))))
	default:
		return fmt.Errorf("p=%d is not supported (want 1 or 2)", p)
	}
}
