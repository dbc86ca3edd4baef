package decompile

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// Picture is preprocessing: channel c of the new input is Scale[c] times channel From[c] of
// the old input, plus Shift[c].
type Picture struct {
	From         []int
	Scale, Shift []float64
}

// Prepare returns the input of the spec for an input of the old graph: the input itself, if
// the spec did not take over its preprocessing.
func (s *Spec) Prepare(x *tensor.F32) *tensor.F32 {
	p := s.Picture
	if p == nil {
		return x
	}
	area := x.Shape[2] * x.Shape[3]
	y := tensor.Of(make([]float32, len(x.Data)), x.Shape...)
	for i := range y.Data {
		c := i / area % len(p.From)
		from := i + (p.From[c]-c)*area
		y.Data[i] = float32(p.Scale[c]*float64(x.Data[from]) + p.Shift[c])
	}
	return y
}

func takePicture(*ir.Graph) *Picture { return nil }
