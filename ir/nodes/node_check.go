package nodes

import (
	"fmt"
	"slices"
)

// This file finds, while a node runs, what no type says: indices outside of their axes, and
// integers that float64 cannot hold.

// nodeMaxExact is the largest integer below which float64 holds every integer.
const nodeMaxExact = 1 << 53

// nodeExactOps are the operators that only move integers, or whose integers are indices or
// numbers of elements. All others may compute integers that are too large.
var nodeExactOps = []string{"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Transpose", "Slice", "Expand", "Tile", "Pad", "Concat", "Split", "DepthToSpace",
	"SpaceToDepth", "Trilu", "CenterCropPad", "EyeLike", "Gather", "GatherElements", "GatherND", "OneHot", "ReverseSequence", "Compress", "Where", "Clip", "Max", "Min", "Sign", "Abs",
	"ArgMax", "ArgMin", "TopK", "MaxPool", "MaxUnpool", "ReduceMax", "ReduceMin", "Mod", "Div", "Relu", "Program"}

// mayOverflow reports whether the integers of the results must be looked at. They are computed as
// one task then: integers of 64 bits are few in networks.
func (p *NodePlan) mayOverflow() bool {
	return !slices.Contains(nodeExactOps, p.Op) && slices.ContainsFunc(p.Out, func(t NodeType) bool { return t.Kind.wide() })
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
			if !(v >= -nodeMaxExact && v <= nodeMaxExact) {
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
