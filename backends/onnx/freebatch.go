package onnx

import (
	"slices"

	"github.com/incc-lang/incc/backends/cpu/form"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// freeBatch returns the graph of a model that was exported for a fixed number of images as a
// graph for any number. It returns g itself if g has a symbolic batch already, or if an
// output does not hold one result for each image.
func freeBatch(g *ir.Graph) *ir.Graph {
	if len(g.Inputs) == 0 || slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return v.Type.Shape.Symbolic() || len(v.Type.Shape) < 2 }) {
		return g
	}
	h, _, err := form.Batched(g)
	if err != nil || slices.ContainsFunc(h.Nodes, acrossImages) {
		return g
	}
	for _, v := range h.Outputs {
		if len(v.Type.Shape) == 0 || v.Type.Shape[0] != ir.Batch {
			return g
		}
	}
	h.Doc, h.Recipe = g.Doc, g.Recipe
	return h
}

// acrossImages reports whether a node computes across the batch, so that the results for one
// image depend on the other images.
func acrossImages(n *ir.Node) bool {
	at := slices.Index(n.In[0].Type.Shape, ir.Batch)
	rank := len(n.In[0].Type.Shape)
	is := func(axis int) bool { return axis == at || axis+rank == at }
	switch op := n.Op.(type) {
	case ops.Softmax:
		return at >= 0 && is(op.Axis)
	case ops.LogSoftmax:
		return at >= 0 && is(op.Axis)
	case ops.Reduce:
		return at >= 0 && (op.Axes == "" || op.Axes.Has(at))
	case ops.MatMul:
		b := slices.Index(n.In[1].Type.Shape, ir.Batch)
		if op.TransA && at == 0 || !op.TransA && at == rank-1 {
			return true
		}
		return b >= 0 && op.TransB == (b == len(n.In[1].Type.Shape)-1)
	case ops.Transpose: // the planner needs the batch in front
		return at == 0 && (len(op.Perm) == 0 || op.Perm[0] != '0')
	}
	return false
}
