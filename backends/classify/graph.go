package classify

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes/autodiff"
)

// Classes returns the number of classes of a network with one picture as input and one
// number for each class as output. It returns an error for other networks.
func Classes(g *ir.Graph) (int, error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 {
		return 0, fmt.Errorf("%s has %s and %s; a classifier of pictures has one of each", g.Name, diag.Count(len(g.Inputs), "input"), diag.Count(len(g.Outputs), "output"))
	}
	if in := g.Inputs[0].Type; len(in.Shape) != 4 || in.DType != ir.F32 {
		return 0, fmt.Errorf("input %s of %s is %v, not pictures (Nx3x224x224, for example)", g.Inputs[0].Name, g.Name, in)
	}
	out := autodiff.BeforeSoftmax(g.Outputs[0])
	if s := out.Type.Shape; len(s) == 2 && s[0] == ir.Batch && s[1] != ir.Batch || len(s) == 4 && s[0] == ir.Batch && s[2] == 1 && s[3] == 1 {
		return s.Size(), nil
	}
	return 0, fmt.Errorf("output %s of %s is %v, not one number for each class (NxC or NxCx1x1): end the network with fc or gap", out.Name, g.Name, out.Type.Shape)
}

// channelsFirst returns the shape of a picture with its channels before its height and
// width. Keras' models have them behind.
func channelsFirst(s ir.Shape) ir.Shape {
	if len(s) == 4 && (s[3] == 1 || s[3] == 3) && s[1] != 1 && s[1] != 3 {
		return ir.Shape{s[0], s[3], s[1], s[2]}
	}
	return s
}

// TakePictures makes a network whose picture has its channels behind its height and width
// take them before, as incc prepares pictures.
func TakePictures(g *ir.Graph) {
	old := g.Inputs[0]
	s := channelsFirst(old.Type.Shape)
	if s.Equal(old.Type.Shape) {
		return
	}
	in := &ir.Value{Name: old.Name, Type: ir.Type{DType: old.Type.DType, Shape: s}}
	b := ir.Extend(g)
	old.Name = b.Fresh(old.Name + "/channels_last")
	old.Def = &ir.Node{Op: ops.Transpose{Perm: "0,2,3,1"}, In: []*ir.Value{in}, Out: []*ir.Value{old}}
	g.Inputs[0] = in
	g.Nodes = append([]*ir.Node{old.Def}, g.Nodes...)
}

// Probabilities makes the output of a classifier a softmax over the classes, unless it is
// one or a sigmoid. It reports whether it did.
func Probabilities(g *ir.Graph) bool {
	out := g.Outputs[0]
	if out.Def == nil || slices.Contains([]string{"softmax", "sigmoid"}, ir.Name(out.Def.Op)) {
		return false
	}
	b := ir.Extend(g)
	if len(out.Type.Shape) > 2 {
		out = b.Do(ops.Flatten{}, out)
	}
	g.Outputs[0] = b.Do(ops.Softmax{Axis: 1}, out)
	return true
}
