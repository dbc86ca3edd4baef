package plan

import (
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// resize fuses the steps of a resizing of maps: for each axis, a transposition that puts it in place
// of the channels and a 1x1 convolution with the weights of the interpolation; and a transposition
// back. Neighbouring transpositions may be one.
func (f *fuser) resize(u *Unit) {
	if f.train || len(u.Read) != 1 || len(u.Read[0].Type.Shape) != 4 {
		return
	}
	var weights [2]*ir.Value
	order := []int{0, 1, 2, 3} // what the axes of the value so far are in the input
	n := u.Node
	nodes := []*ir.Node{n}
	for {
		switch op := n.Op.(type) {
		case ops.Transpose:
			perm, err := op.Perm.List()
			if err != nil || len(perm) != 4 {
				return
			}
			moved := make([]int, 4)
			for i, p := range perm {
				moved[i] = order[p]
			}
			order = moved
		case ops.Conv:
			axis := order[1] - 2
			if axis < 0 || weights[axis] != nil || !f.interpolates(op, n) {
				return
			}
			weights[axis] = n.In[1]
		default:
			return
		}
		if weights != [2]*ir.Value{} && slices.IsSorted(order) {
			break
		}
		if n = f.only(n.Out[0]); n == nil {
			return
		}
		nodes = append(nodes, n)
	}
	v := n.Out[0]
	u.Nodes, u.Resized, u.Wrote = nodes, weights, []*ir.Value{v}
	u.Final = f.roots[v] && len(f.users[v]) == 0
}

// mostTaps is how many weights an output of an interpolation may have: four if it is cubic.
const mostTaps = 4

// interpolates reports whether a convolution is a product with a matrix that has few weights in
// each row, all neighbours. Only then is a sum of rows faster than a product.
func (f *fuser) interpolates(op ops.Conv, n *ir.Node) bool {
	if op.Stride != (ir.HW{1, 1}) || op.Pad != (ir.Pads{}) || op.Groups != 1 || op.Act != ops.ActNone || len(n.In) != 2 || n.In[1].Param == nil {
		return false
	}
	s := n.In[1].Type.Shape
	data := f.g.Data[n.In[1].Name]
	if s[2] != 1 || s[3] != 1 || data == nil {
		return false
	}
	for row := range slices.Chunk(data.Data, s[1]) {
		notZero := func(x float32) bool { return x != 0 }
		first := slices.IndexFunc(row, notZero)
		if first < 0 || slices.ContainsFunc(row[min(first+mostTaps, len(row)):], notZero) {
			return false
		}
	}
	return true
}
