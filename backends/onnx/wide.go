package onnx

import (
	"encoding/binary"
	"math"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// This file keeps the digits of small constants that are DOUBLE in the file while nodes are
// computed at import: sizes are often computed so, and floor(23.9999999999) is not floor(24).
// All operands of an operator that are real numbers have the same type, so that a node computes in
// DOUBLE if one of its operands is wide.

// wideCast is the doc string of a tensor that was DOUBLE, see asFloat, and of the attribute to of a
// Cast that was to DOUBLE, see floatNode.
const wideCast = "incc: it was DOUBLE"

func docOfWide(t *onnxpb.TensorProto) string {
	if t.DataType == int32(onnxpb.TensorProto_DOUBLE) {
		return wideCast
	}
	return ""
}

// wideTensor reports whether asFloat made a tensor, with elements of both types.
func wideTensor(t *onnxpb.TensorProto) bool {
	return t.DocString == wideCast && t.DataType == int32(onnxpb.TensorProto_FLOAT) && len(t.DoubleData) == len(t.FloatData)
}

// wideData returns the elements of a small tensor of DOUBLE, which asFloat keeps beside those of
// FLOAT, else nil. The tensor must have as many elements as it declares.
func wideData(t *onnxpb.TensorProto) []float64 {
	if t.DataType != int32(onnxpb.TensorProto_DOUBLE) {
		return nil
	}
	if len(t.RawData) == 0 {
		if len(t.DoubleData) > maxInts {
			return nil
		}
		return t.DoubleData
	}
	if len(t.RawData) > 8*maxInts {
		return nil
	}
	d := make([]float64, len(t.RawData)/8)
	for i := range d {
		d[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.RawData[8*i:]))
	}
	return d
}

// constWide returns the elements of an input that is wide, else nil.
func (n *node) constWide(input int) []float64 {
	if !n.has(input) || n.in[input].floats == nil {
		return nil
	}
	f := n.in[input].floats
	if f.wide != nil || f.tensor == nil {
		return f.wide
	}
	if _, given := n.weights[f.tensor.Name]; given || !wideTensor(f.tensor) {
		return nil
	}
	return f.tensor.DoubleData
}

// isWide reports whether a node computes in DOUBLE.
func (n *node) isWide() bool {
	for i := range n.in {
		if n.constWide(i) != nil {
			return true
		}
	}
	return false
}

// castsWide reports whether a node is a Cast that was to DOUBLE.
func (n *node) castsWide() bool {
	a := n.attr("to")
	return n.OpType == "Cast" && a != nil && a.DocString == wideCast
}

// reals returns the elements of an input that is a constant of real numbers: as FLOAT, and also as
// DOUBLE if it is wide.
func (n *node) reals(input int) (r reals, ok bool) {
	r.narrow, ok = n.constFloats(input)
	r.wide = n.constWide(input)
	return r, ok
}

// reals are the elements of a constant.
type reals struct {
	narrow []float32
	wide   []float64 // nil if it is not wide
}

func (r reals) at(i int) float64 {
	if r.wide != nil {
		return r.wide[i]
	}
	return float64(r.narrow[i])
}

// newReals makes room for the elements of a constant.
func newReals(size int, wide bool) reals {
	r := reals{narrow: make([]float32, size)}
	if wide && size <= maxInts {
		r.wide = make([]float64, size)
	}
	return r
}

func (r reals) set(i int, v float64) {
	r.narrow[i] = float32(v)
	if r.wide != nil {
		r.wide[i] = v
	}
}

func (r reals) floats() *floats { return &floats{data: r.narrow, wide: r.wide} }
