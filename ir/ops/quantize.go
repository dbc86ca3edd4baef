package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Quantize]("quantize", "Rounds to whole multiples of a scale that 8 bits can hold (Jacob 2018, section 2.1).",
	ir.Example{Op: Quantize{Scale: 0.5}, In: shapes("Nx3x4x2")},
	ir.Example{Op: Quantize{Scale: 0.25, Zero: 128}, In: shapes("Nx5")},
	ir.Example{Op: Quantize{Scale: 1, Signed: true}, In: shapes("4x3x1x2", "4")},
	ir.Example{Op: Quantize{Scale: 1}, In: shapes("i64:N"), Violates: 1},
	ir.Example{Op: Quantize{Scale: 0}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: Quantize{Scale: math.Inf(1)}, In: shapes("Nx3"), Violates: 2},
	ir.Example{Op: Quantize{Scale: 1, Zero: 256}, In: shapes("Nx3"), Violates: 3},
	ir.Example{Op: Quantize{Scale: 1, Zero: -129, Signed: true}, In: shapes("Nx3"), Violates: 3},
	ir.Example{Op: Quantize{Scale: 1, Signed: true}, In: shapes("4x3", "3"), Violates: 4},
	ir.Example{Op: Quantize{Scale: 1, Zero: 1, Signed: true}, In: shapes("4x3", "4"), Violates: 4},
)

// Quantize is (q - zero) * scale for the whole number q = round(x / scale) + zero, limited to
// 0..255, or if signed to -128..127. It is ONNX's QuantizeLinear followed by its
// DequantizeLinear; what it returns has the values that 8 bits can hold, in float32 (Jacob 2018,
// section 2.1).
//
// Every bit is defined: x and scale are float32s and so are x/scale and the result, rounded to
// the nearest, ties to even; round is to the nearest whole number, ties to even; NaN becomes the
// least number.
//
// With the second operand, scale is that of each index of x's first axis: a weight has one for
// each output channel.
//
// Constraints:
//
//	(1) operand x, of any shape, and optionally scale[O]
//	(2) scale is a finite number above 0
//	(3) zero is one of the numbers that q can be
//	(4) with the operand scale, O is the extent of x's first axis, the attribute scale is 1, and zero is 0
type Quantize struct {
	Scale  float64 `dsl:"scale,default=1"`
	Zero   int     `dsl:"zero"`
	Signed bool    `dsl:"signed"`
}

var quantizeSig = sig("x scale?:O")

// Operands are x and scale.
func (Quantize) Operands() []string { return quantizeSig.names() }

// Limits returns the least and the greatest q.
func (q Quantize) Limits() (low, high int) {
	if q.Signed {
		return -128, 127
	}
	return 0, 255
}

// Infer returns the shape of x.
func (q Quantize) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := quantizeSig.check("quantize", in); err != nil {
		return nil, err
	}
	if s := float32(q.Scale); !(s > 0) || math.IsInf(float64(s), 0) {
		return nil, ir.Violation("quantize", 2, -1, "scale=%g (want a finite number above 0)", q.Scale)
	}
	if low, high := q.Limits(); q.Zero < low || q.Zero > high {
		return nil, ir.Violation("quantize", 3, -1, "zero=%d is not within %d..%d", q.Zero, low, high)
	}
	if len(in) > 1 {
		if x := in[0].Shape; len(x) == 0 || x[0] != in[1].Shape[0] || q.Scale != 1 || q.Zero != 0 {
			return nil, ir.Violation("quantize", 4, 1, "%v scales for a value of shape %v, with scale=%g and zero=%d", in[1].Shape, x, q.Scale, q.Zero).
				WithHelp("one scale for each index of the first axis, scale=1 and zero=0")
		}
	}
	return like(in[0]), nil
}

// Whole returns q for a number x and a scale.
func (q Quantize) Whole(x, scale float32) int {
	low, high := q.Limits()
	v := math.RoundToEven(float64(x / scale))
	switch {
	case v >= float64(high-q.Zero):
		return high
	case v > float64(low-q.Zero):
		return int(v) + q.Zero
	}
	return low
}

// Eval rounds each element.
func (q Quantize) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := in[0].Clone()
	row := len(y.Data)
	if len(in) > 1 {
		row = max(1, len(y.Data)/max(1, len(in[1].Data)))
	}
	for i, x := range y.Data {
		scale := float32(q.Scale)
		if len(in) > 1 {
			scale = float32(in[1].Data[i/row])
		}
		y.Data[i] = float64(float32(q.Whole(float32(x), scale)-q.Zero) * scale)
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate.
func (Quantize) Cost(_, out []ir.Type) ir.Cost { return ops1(4, out[0]) }

// Grad passes dy on where x is within the limits: the straight-through estimator (Bengio 2013).
func (q Quantize) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	if len(n.In) > 1 {
		return []*ir.Value{dy[0], nil} // scales of weights cover all of them
	}
	low, high := q.Limits()
	// The output is never beyond the limits, so those of clip_dx lie half a step further out; the
	// input has them where the output is at one of them.
	d := ClipDx{Min: (float64(low-q.Zero) - 0.5) * q.Scale, Max: (float64(high-q.Zero) + 0.5) * q.Scale}
	return []*ir.Value{b.Do(d, dy[0], n.In[0])}
}

// Grid returns the quantize whose numbers a value consists of, and false if there is none: the one
// that computes it, or one that its elements were taken from by pools, joins and reshapes.
func Grid(v *ir.Value) (Quantize, bool) {
	q := gridOf(v, map[*ir.Value]*Quantize{})
	if q == nil {
		return Quantize{}, false
	}
	return *q, true
}

// gridOf is Grid, nil for none. seen has the results so far.
func gridOf(v *ir.Value, seen map[*ir.Value]*Quantize) *Quantize {
	if v == nil || v.Def == nil {
		return nil
	}
	if q, ok := seen[v]; ok {
		return q
	}
	var q *Quantize
	switch op := v.Def.Op.(type) {
	case Quantize:
		if len(v.Def.In) == 1 {
			q = &op
		}
	case MaxPool, Flatten, Reshape, Slice, Split, Transpose, Dropout:
		q = gridOf(v.Def.In[0], seen)
	case Concat:
		q = gridOf(v.Def.In[0], seen)
		for _, x := range v.Def.In[1:] {
			if r := gridOf(x, seen); q != nil && (r == nil || *r != *q) {
				q = nil
			}
		}
	}
	seen[v] = q
	return q
}

// QuantizedWeight returns the weight and the scales that a value is computed from by a quantize
// with a scale for each output channel; ok is false if it is none.
func QuantizedWeight(v *ir.Value) (weight, scale *ir.Value, ok bool) {
	if v == nil || v.Def == nil || len(v.Def.In) != 2 {
		return nil, nil, false
	}
	q, ok := v.Def.Op.(Quantize)
	weight, scale = v.Def.In[0], v.Def.In[1]
	return weight, scale, ok && q.Signed && weight.Param != nil && scale.Param != nil
}
