package ops_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

// text returns a random text for an attribute of a kind, valid or not.
func (r draw) text(kind, usual string) string {
	if r.IntN(3) > 0 {
		return usual
	}
	one := func() string {
		return []string{"-9223372036854775808", "-7", "-1", "0", "1", "2", "3", "5", "16777216", "1099511627776", "9223372036854775807"}[r.IntN(11)]
	}
	switch kind {
	case "hw":
		return one() + "x" + one()
	case "pads":
		return one() + "," + one() + "," + one() + "," + one()
	case "ints":
		s := one()
		for range r.IntN(4) {
			s += "," + one()
		}
		return s
	case "dims":
		return []string{"N", "Nx2", "NxN", "2x3", "scalar", "Nx2x3x4", "Nx24", "0x1", "x"}[r.IntN(9)]
	case "bool":
		return []string{"0", "1"}[r.IntN(2)]
	case "float64":
		return []string{"-1", "0", "0.5", "1", "1e308", "-Inf", "+Inf"}[r.IntN(7)]
	case "int":
		return one()
	}
	return []string{"none", "relu", "sum", "mean", "max", "", "tanh", "x"}[r.IntN(8)]
}

// For any attributes and operands, Infer returns types or an error and does not panic.
// If it returns types, Eval returns tensors of these types.
func TestHostile(t *testing.T) {
	for _, d := range ir.Defs() {
		accepted, refused := 0, 0
		for seed := range uint64(1500) {
			r := newDraw(seed)
			e := d.Examples[r.IntN(len(d.Examples))]
			attrs := map[string]string{}
			texts := ir.AttrsOf(e.Op)
			for i, a := range d.Attrs {
				attrs[a.Name] = r.text(a.Kind, texts[i].Text)
			}
			op, err := d.With(attrs)
			if err != nil {
				refused++
				continue
			}
			var in []ir.Type
			for _, x := range e.In {
				s := slices.Clone(x.Shape)
				for i := range s {
					if r.IntN(8) == 0 {
						s[i] = []int{ir.Batch, 1, 2, 3, 4, 1 << 24}[r.IntN(6)]
					}
				}
				switch r.IntN(24) {
				case 0:
					s = append(s, 2)
				case 1:
					if len(s) > 0 {
						s = s[:len(s)-1]
					}
				case 2:
					x.DType = ir.I64
				case 3:
					in = append(in, ir.Float(s...))
				case 4:
					continue
				}
				in = append(in, ir.Type{DType: x.DType, Shape: s})
			}
			ok, err := attempt(op, in, r)
			if err != nil {
				t.Fatalf("%s of %v, seed %d: %v", ir.FormatOp(op), in, seed, err)
			}
			if ok {
				accepted++
			} else {
				refused++
			}
		}
		if accepted == 0 || refused == 0 {
			t.Errorf("%s: %d accepted, %d refused", d.Name, accepted, refused)
		}
	}
}

// attempt calls Infer and, if the types are small, Eval.
func attempt(op ir.Op, in []ir.Type, r draw) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out, bad := op.Infer(in)
	if bad != nil {
		if bad.Error() == "" {
			return false, fmt.Errorf("an error without text")
		}
		return false, nil
	}
	size := int64(0)
	for _, ts := range [][]ir.Type{in, out} {
		for _, x := range ts {
			if x.Shape.Check() != nil {
				return false, nil // Builder.Add refuses such a shape too
			}
			size = max(size, 2*int64(x.Shape.Size()))
		}
	}
	if c, ok := op.(ir.Coster); ok {
		if k := c.Cost(in, out); k.MACs < 0 || k.Ops < 0 {
			return false, fmt.Errorf("costs %+v", k)
		}
	}
	if w, ok := op.(ir.Windower); ok {
		w.Window(in)
	}
	if size > 1<<14 {
		return true, nil
	}
	xs := r.values(op, in, 2)
	for i, x := range in {
		if x.DType == ir.I64 {
			for j := range xs[i].Data {
				xs[i].Data[j] = math.Mod(xs[i].Data[j], 2)
			}
		}
	}
	ys, bad := op.Eval(xs)
	if bad != nil {
		return true, nil
	}
	if len(ys) != len(out) {
		return false, fmt.Errorf("%d outputs, %d inferred", len(ys), len(out))
	}
	for i, y := range ys {
		if want := out[i].Shape.Bind(2); !want.Equal(y.Shape) || len(y.Data) != tensor.Size(want) {
			return false, fmt.Errorf("output %d is %v, inferred %v", i, ir.Shape(y.Shape), want)
		}
	}
	return true, nil
}
