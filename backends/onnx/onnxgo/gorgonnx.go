package onnxgo

import (
	"fmt"
	"slices"

	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	"gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// gorgonnxOps lists the operators that gorgonnx computes correctly under the conditions
// that Runnable checks.
var gorgonnxOps = map[string]bool{"Conv": true, "Gemm": true, "Relu": true, "Sigmoid": true, "Tanh": true, "MaxPool": true, "Concat": true, "Add": true,
	"Mul": true, "Softmax": true, "Flatten": true, "GlobalAveragePool": true}

// Runnable returns an error if gorgonnx cannot run a model, or would compute wrong numbers
// without an error.
func Runnable(m *onnxpb.ModelProto) error {
	rank := map[string]int{}
	square := map[string]bool{} // weights whose kernel is square
	for _, t := range m.Graph.Initializer {
		rank[t.Name] = len(t.Dims)
		square[t.Name] = len(t.Dims) == 4 && t.Dims[2] == t.Dims[3]
	}
	for _, v := range slices.Concat(m.Graph.Input, m.Graph.ValueInfo, m.Graph.Output) {
		s := v.GetType().GetTensorType().GetShape()
		rank[v.Name] = len(s.GetDim())
		for _, d := range s.GetDim() {
			if d.GetDimValue() == 0 {
				return fmt.Errorf("value %s has a symbolic axis", v.Name)
			}
		}
	}
	for _, n := range m.Graph.Node {
		refuse := func(format string, args ...any) error {
			return fmt.Errorf("node %s (%s): %s", n.Name, n.OpType, fmt.Sprintf(format, args...))
		}
		if !gorgonnxOps[n.OpType] {
			return refuse("gorgonnx has no such operator, or a wrong one")
		}
		for _, a := range n.Attribute {
			switch a.Name {
			case "pads":
				// gorgonnx reads the four numbers in another order.
				if slices.Max(a.Ints) != slices.Min(a.Ints) {
					return refuse("padding %v: gorgonnx reads the numbers in another order", a.Ints)
				}
				if n.OpType == "Conv" && slices.Max(a.Ints) > 0 && !square[n.Input[1]] {
					return refuse("a padded kernel that is not square")
				}
			case "group":
				if a.I != 1 {
					return refuse("group=%d, which gorgonnx ignores", a.I)
				}
			case "dilations":
				if n.OpType == "MaxPool" {
					return refuse("dilations")
				}
			case "axis":
				if n.OpType == "Softmax" && (a.I != 1 || rank[n.Input[0]] != 2) {
					return refuse("axis %d of rank %d: gorgonnx joins this axis and all later ones", a.I, rank[n.Input[0]])
				}
			}
		}
		if n.OpType == "Concat" || n.OpType == "Add" || n.OpType == "Mul" {
			seen := map[string]bool{}
			for _, in := range n.Input {
				if seen[in] {
					return refuse("reads %s twice, but gorgonnx reads it once", in)
				}
				seen[in] = true
			}
		}
	}
	return nil
}

// Run executes a model with gorgonnx and returns the outputs. inputs are in the order of the
// model's inputs. Some failures of gorgonnx cannot be caught and end the process, so run it
// in a child process.
func Run(b []byte, inputs []*tensor.Dense) (outs []*tensor.Dense, err error) {
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, err
	}
	if err := Runnable(m); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			outs, err = nil, fmt.Errorf("gorgonnx panics: %v", r)
		}
	}()
	back := gorgonnx.NewGraph()
	model := onnxgo.NewModel(back)
	if err := model.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("onnx-go: %w", err)
	}
	if len(inputs) != len(model.Input) {
		return nil, fmt.Errorf("the model has %d inputs, but %d were given", len(model.Input), len(inputs))
	}
	for i, x := range inputs {
		if err := model.SetInput(i, x); err != nil {
			return nil, fmt.Errorf("onnx-go: %w", err)
		}
	}
	if err := back.Run(); err != nil {
		return nil, fmt.Errorf("gorgonnx: %w", err)
	}
	ts, err := model.GetOutputTensors()
	if err != nil {
		return nil, fmt.Errorf("onnx-go: %w", err)
	}
	for i, t := range ts {
		d, ok := t.(*tensor.Dense)
		if !ok {
			return nil, fmt.Errorf("output %d is a %T", i, t)
		}
		outs = append(outs, d)
	}
	return outs, nil
}
