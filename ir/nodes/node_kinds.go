package nodes

import "math"

// NodeKind is the kind of an array's elements.
type NodeKind uint8

// The kinds. Integers wrap around where they overflow; bools are 0 and 1.
const (
	NodeNone NodeKind = iota // an operand that is left out
	NodeFloat
	NodeInt64
	NodeInt32
	NodeBool
	NodeUint8
	NodeInt8
	NodeInt16
	NodeUint16
	NodeUint32
	NodeUint64
)

var nodeKindNames = [...]string{"none", "f32", "i64", "i32", "bool", "u8", "i8", "i16", "u16", "u32", "u64"}

func (k NodeKind) String() string { return nodeKindNames[k] }

// Integer reports whether the elements are integers; bools are not.
func (k NodeKind) Integer() bool { return k != NodeNone && k != NodeFloat && k != NodeBool }

// nodeRange returns the bounds of an integer kind.
func (k NodeKind) nodeRange() (lo, hi float64) {
	switch k {
	case NodeInt64:
		return math.MinInt64, math.MaxInt64
	case NodeInt32:
		return math.MinInt32, math.MaxInt32
	case NodeInt16:
		return math.MinInt16, math.MaxInt16
	case NodeInt8:
		return math.MinInt8, math.MaxInt8
	case NodeUint8:
		return 0, math.MaxUint8
	case NodeUint16:
		return 0, math.MaxUint16
	case NodeUint32:
		return 0, math.MaxUint32
	case NodeUint64:
		return 0, math.MaxUint64
	}
	return math.Inf(-1), math.Inf(1)
}

// Round returns a number as an array of the kind holds it: to float32, wrapped around, or 0 or 1.
func (k NodeKind) Round(x float64) float64 {
	switch k {
	case NodeFloat:
		return float64(float32(x))
	case NodeBool:
		if x != 0 {
			return 1
		}
		return 0
	case NodeInt64, NodeUint64, NodeNone:
		return math.Trunc(x)
	}
	lo, hi := k.nodeRange()
	if x = math.Trunc(x); x >= lo && x <= hi {
		return x
	}
	if x != x || math.IsInf(x, 0) {
		return 0
	}
	width := hi - lo + 1
	return x - width*math.Floor((x-lo)/width)
}
