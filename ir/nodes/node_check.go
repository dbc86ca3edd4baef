package nodes

import (
	"fmt"
	"math"
	"slices"
)

// This file finds, while a node runs, what no type says: indices outside of their axes, and
// integers that float64 cannot hold.

// nodeMaxExact is the integer below which float64 holds every integer.
const nodeMaxExact = 1 << 53

// nodeExactOps are the operators that only move integers, or whose integers are indices or
// numbers of elements. All others may compute integers that are too large.
var nodeExactOps = []string{"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Transpose", "Slice", "Expand", "Tile", "Pad", "Concat", "Split", "DepthToSpace",
	"SpaceToDepth", "Trilu", "CenterCropPad", "EyeLike", "Gather", "GatherElements", "GatherND", "OneHot", "ReverseSequence", "Compress", "Where", "Sign", "MaxUnpool", "Program"}

// nodeChoosingOps are the operators whose results are elements of the operands, chosen by their size.
// A result that is not too large is right, even if an operand is: often one is the largest integer,
// which means that there is no bound.
var nodeChoosingOps = []string{"Clip", "Max", "Min", "Abs", "MaxPool", "ReduceMax", "ReduceMin", "Relu"}

// nodeComparingOps are the operators whose results depend on the last bits of integers, whatever the
// kind of the results.
var nodeComparingOps = []string{"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "ArgMax", "ArgMin"}

// mayOverflow reports whether integers must be looked at. They are computed as one task then:
// integers of 64 bits are few in networks.
func (p *NodePlan) mayOverflow() bool {
	wide := func(t NodeType) bool { return t.Kind.wide() }
	switch {
	case slices.Contains(nodeExactOps, p.Op):
		return false
	case slices.Contains(nodeComparingOps, p.Op), p.Op == "Cast" && p.Out[0].Kind.Integer():
		return slices.ContainsFunc(p.In, wide) || slices.ContainsFunc(p.Out, wide)
	}
	return slices.ContainsFunc(p.Out, wide)
}

// overflow returns an error if an integer of an operand, or of a result, is too large.
func (p *NodePlan) overflow(x, y [][]float64) error {
	if !slices.Contains(nodeChoosingOps, p.Op) {
		if err := p.exactly(p.In, x); err != nil {
			return err
		}
	}
	return p.exactly(p.Out, y)
}

// wide reports whether float64 does not hold all elements of a kind.
func (k NodeKind) wide() bool { return k == NodeInt64 || k == NodeUint64 }

// exactly returns an error if an element of an operand or of a result is too large. Bits are
// wrong then even if the result is small.
func (p *NodePlan) exactly(types []NodeType, values [][]float64) error {
	for i, t := range types {
		if !t.Kind.wide() {
			continue
		}
		for _, v := range values[i] {
			if v != v {
				return fmt.Errorf("%s: NaN is no integer", p.Op)
			}
			if math.Abs(v) >= nodeMaxExact { // 2^53 itself may be the rounded 2^53+1
				return fmt.Errorf("%s: the integer %.0f is beyond 2^53: it is not computed exactly", p.Op, v)
			}
		}
	}
	return nil
}

// inside sets check: the elements of operand i count along an axis of n elements, from the end if
// they are negative.
func (p *NodePlan) inside(i, n int) {
	p.check = func(x [][]float64) error {
		for at, v := range x[i] {
			if err := p.within(v, n, at); err != nil {
				return err
			}
		}
		return nil
	}
}

// within returns an error if v is no index into an axis of n elements. at is the number of the
// index.
func (p *NodePlan) within(v float64, n, at int) error {
	if _, ok := nodeWrap(v, n); !ok {
		return fmt.Errorf("%s: index %.0f, element %d of the indices, is outside of an axis of %d elements", p.Op, v, at, n)
	}
	return nil
}
