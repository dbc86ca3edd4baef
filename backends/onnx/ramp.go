package onnx

import (
	"slices"

	"github.com/incc-lang/incc/ir"
)

// ramp holds the elements of a constant of integers whose first axis is a symbol, such as the
// batch: element j of image i is base[j] + i*slope. PyTorch's exporter computes positions in
// the memory of a batch so (as_strided).
type ramp struct {
	slope int64
	base  []int64
}

// foldRamp sets the elements of the output of a node that computes a ramp. It returns false if
// the node does not.
func foldRamp(n *node, outs []value) bool {
	if len(outs) != 1 || len(outs[0].shape) == 0 || outs[0].shape[0].sym == "" || !integral(outs[0].elem) {
		return false
	}
	if n.OpType == "Range" {
		first, ok1 := n.constIntegers(0)
		step, ok2 := n.constInts(2)
		if !ok1 || !ok2 || len(first) != 1 || len(step) != 1 || !first[0].isNumber() {
			return false
		}
		outs[0].ramp = &ramp{step[0], []int64{first[0].c}}
		return true
	}
	at := slices.IndexFunc(n.in, func(v value) bool { return v.ramp != nil })
	if at < 0 || outs[0].shape[0] != n.in[at].shape[0] {
		return false
	}
	r, shape := n.in[at].ramp, n.in[at].shape
	switch n.OpType {
	case "Identity", "Cast", "Unsqueeze", "Reshape", "Squeeze":
		outs[0].ramp = r
		return at == 0
	case "Mul", "Add":
	default:
		return false
	}
	other := n.in[1-at]
	by := other.ints
	if by == nil || len(outs[0].shape) != len(shape) || len(other.shape) == len(shape) && other.shape[0].n != 1 {
		return false
	}
	if n.OpType == "Mul" {
		if len(by) != 1 {
			return false
		}
		out := &ramp{slope: r.slope * by[0]}
		for _, b := range r.base {
			out.base = append(out.base, b*by[0])
		}
		outs[0].ramp = out
		return true
	}
	// Of one image: axes after the first.
	size, ok := countOf(outs[0].shape[1:])
	if !ok || size > maxInts || len(by) > maxInts {
		return false
	}
	dims := dimsOf(outs[0].shape[1:])
	small := dimsOf(other.shape[max(0, len(other.shape)-len(dims)):])
	out := &ramp{slope: r.slope}
	mine, others := strided(dims, broadcastStrides(dimsOf(shape[1:]), dims), 0), strided(dims, broadcastStrides(small, dims), 0)
	for i := range mine {
		out.base = append(out.base, r.base[mine[i]]+by[others[i]])
	}
	outs[0].ramp = out
	return true
}

// flatten notes the result of a reshape of a batch to one axis, which the IR cannot express,
// for gatherImages. It returns false for other reshapes.
func (im *importer) flatten(n *node) bool {
	v := im.values[n.Input[0]]
	if v == nil || len(v.Type.Shape) == 0 || v.Type.Shape[0] != ir.Batch || len(im.known[n.Output[0]].shape) != 1 {
		return false
	}
	if im.flat == nil {
		im.flat = map[string]*ir.Value{}
	}
	im.flat[n.Output[0]] = v
	return true
}

// gatherImages imports a gather of all elements of each image, in their order, from a batch in
// one axis: a reshape. It returns false for other gathers.
func (im *importer) gatherImages(n *node) (bool, error) {
	v, r := im.flat[n.Input[0]], n.in[1].ramp
	if v == nil || r == nil || r.slope != int64(v.Type.Shape.Size()) || int64(len(r.base)) != r.slope {
		return false, nil
	}
	for i, b := range r.base {
		if b != int64(i) {
			return false, nil
		}
	}
	t, err := im.typeOf(n.Output[0])
	if err != nil {
		return false, err
	}
	return true, im.finish(im.reshaped(v, t.Shape))
}
