package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// result is an output of a run.
type result struct {
	value *ir.Value
	array *tensor.F32
	// The first axis counts images.
	images bool
}

// computeResults runs a network and returns the outputs outs.
func computeResults(c *cli.Context, g *ir.Graph, file *safetensors.Tensors, x []*tensor.Tensor, outs []*ir.Value) ([]result, error) {
	if isFilled(g, outs[0]) {
		return runFilled(c, g, file, x, outs)
	}
	ys, err := evaluate(c, g, file, x, outs)
	if err != nil {
		return nil, err
	}
	var list []result
	for i, v := range outs {
		list = append(list, result{v, ys[i], hasImages(g, v)})
	}
	return list, nil
}

// isFilled reports whether a value is a result of the program that a network ends with, whose
// size is known only at run time.
func isFilled(g *ir.Graph, v *ir.Value) bool {
	sizes := ops.FilledSizes(g)
	return sizes != nil && (v.Def == sizes.Def && v != sizes || slices.Equal(g.Outputs[:1], []*ir.Value{v}))
}

// runFilled runs a network whose outputs have sizes that are known only at run time, such as a
// detector that ends with its boxes, and returns outs, some of its outputs.
func runFilled(c *cli.Context, g *ir.Graph, file *safetensors.Tensors, x []*tensor.Tensor, outs []*ir.Value) ([]result, error) {
	ys, err := evaluate(c, g, file, x, g.Outputs)
	if err != nil {
		return nil, err
	}
	last := len(ys) - 1
	axes, row := ys[last].Shape[1], 0
	var list []result
	for i, v := range g.Outputs[:last] {
		y := ys[i]
		if v.Def == g.Outputs[last].Def {
			y = ops.Filled(y.Data, y.Shape, ys[last].Data[row*axes:])
			row++
		}
		if slices.Contains(outs, v) {
			list = append(list, result{value: v, array: y})
		}
	}
	return list, nil
}
