package lower

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Mapping says how the elements along an axis become others: element o is the sum of the taps of
// row o, plus Bias.
type Mapping struct {
	In   int
	Rows [][]Tap
	Bias []float32 // nil for 0
}

// Tap is an element of the input with its weight.
type Tap struct {
	At     int
	Weight float64
}

// MaxMapping bounds the elements of the matrix of a mapping, and MaxMappings those of all
// mappings of a network.
const (
	MaxMapping  = 1 << 22
	MaxMappings = 1 << 24
)

// Size is how many elements the matrix of a mapping has.
func (m Mapping) Size() int { return len(m.Rows) * m.In }

// Along applies a mapping to an axis of x, which must not be the batch. It adds what
// Pointwise does, with constant weights. name begins the names of its constants.
func Along(b *ir.Builder, x *ir.Value, axis int, m Mapping, name string) (*ir.Value, error) {
	s := x.Type.Shape
	if axis < 1 || len(s) < 2 || s[axis] != m.In {
		return nil, fmt.Errorf("axis %d of %v is not supported here", axis, s)
	}
	if m.Size() > MaxMapping {
		return nil, fmt.Errorf("axis %d of %v becomes %d elements: that is too large", axis, s, len(m.Rows))
	}
	weights := make([]float32, m.Size())
	for o, row := range m.Rows {
		for _, t := range row {
			weights[o*m.In+t.At] += float32(t.Weight)
		}
	}
	in := []*ir.Value{b.Const(name, tensor.Of(weights, len(m.Rows), m.In, 1, 1))}
	if m.Bias != nil {
		in = append(in, b.Const(name+"_bias", tensor.Of(m.Bias, len(m.Rows))))
	}
	return Pointwise(b, x, axis, in...)
}

// Pointwise multiplies x along an axis, which must not be the batch, with weights (out x in x 1 x
// 1) and adds a bias, if there is one. It moves the axis to the place of the channels, adds a
// convolution, and moves the axis back.
func Pointwise(b *ir.Builder, x *ir.Value, axis int, weights ...*ir.Value) (*ir.Value, error) {
	// Bring x to four axes with the axis in front of the others, and back.
	s := x.Type.Shape
	perm := []int{0, axis}
	for i := 1; i < len(s); i++ {
		if i != axis {
			perm = append(perm, i)
		}
	}
	moved := make(ir.Shape, len(s))
	back := make([]int, len(s))
	for i, p := range perm {
		moved[i], back[p] = s[p], i
	}
	if axis != 1 {
		x = b.Do(ops.Transpose{Perm: ir.IntsOf(perm...)}, x)
	}
	flat := ir.Shape{moved[0], moved[1], 1, moved[2:].Size()}
	if len(s) == 4 {
		flat = moved
	}
	y := b.Do(ops.Conv{Stride: ir.HW{1, 1}, Dilation: ir.HW{1, 1}, Groups: 1}, append([]*ir.Value{Reshaped(b, x, flat)}, weights...)...)
	moved = slices.Clone(moved)
	moved[1] = weights[0].Type.Shape[0]
	y = Reshaped(b, y, moved)
	if axis != 1 {
		y = b.Do(ops.Transpose{Perm: ir.IntsOf(back...)}, y)
	}
	return y, b.Err()
}

// Reshaped returns v with a shape. It takes the place of a reshape that made v.
func Reshaped(b *ir.Builder, v *ir.Value, s ir.Shape) *ir.Value {
	if v = Unshaped(v, s); v.Type.Shape.Equal(s) {
		return v
	}
	return b.Do(ops.Reshape{Shape: ir.DimsOf(s)}, v)
}

// Unshaped returns a value with the same elements in the same order as v, of which the shape s
// can be made: the input of the reshape that made v, or v.
func Unshaped(v *ir.Value, s ir.Shape) *ir.Value {
	if v.Def == nil {
		return v
	}
	switch v.Def.Op.(type) {
	case ops.Reshape, ops.Flatten:
		if x := v.Def.In[0]; x.Type.Shape.Symbolic() == s.Symbolic() {
			return x
		}
	}
	return v
}

// along is Along, nil where the mapping is too large.
func (l *lowering) along(x *ir.Value, axis int, m Mapping) *ir.Value {
	if m.Size() > MaxMapping || l.mapped+m.Size() > MaxMappings {
		return nil
	}
	l.mapped += m.Size()
	y, err := Along(l.Builder, x, axis, m, l.Prefix+"matrix")
	if err != nil {
		l.Fail(err)
		return nil
	}
	return y
}
