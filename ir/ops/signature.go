package ops

import (
	"fmt"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// signature describes the operands of an op: its constraint 1.
type signature []operand

type operand struct {
	name     string // as Operands returns it
	layout   string // a letter for each axis, "" for a scalar
	any      bool   // any layout is allowed
	dtype    ir.DType
	optional bool // may be left out
	many     bool // may be repeated
}

// sig reads a signature such as "x:NCHW weight:OIHW bias?:O". Each operand is a name,
// followed by "?" if the operand is optional or "..." if it may be repeated, then a
// colon and a letter for each axis. N and * may be the symbolic batch, other letters may
// not. Without a colon, any shape is allowed. The layout "scalar" has no axes. "/i64"
// after the layout stands for integers.
func sig(text string) signature {
	var s signature
	for _, w := range strings.Fields(text) {
		name, layout, has := strings.Cut(w, ":")
		a := operand{name: name, any: !has}
		var i64 string
		if a.layout, i64, has = strings.Cut(layout, "/"); has && i64 == "i64" {
			a.dtype = ir.I64
		}
		if a.layout == "scalar" {
			a.layout = ""
		}
		a.optional = strings.HasSuffix(name, "?")
		a.many = strings.HasSuffix(name, "...")
		s = append(s, a)
	}
	return s
}

func (s signature) names() []string {
	r := make([]string, len(s))
	for i, a := range s {
		r[i] = a.name
	}
	return r
}

// plain returns the name without "?" and "...".
func (a operand) plain() string { return strings.TrimRight(a.name, "?.") }

// check returns a violation of constraint 1 if the operands do not fit the signature.
func (s signature) check(op string, in []ir.Type) error {
	low, high := len(s), len(s)
	for _, a := range s {
		if a.optional {
			low--
		}
		if a.many {
			high = 1 << 20
		}
	}
	if len(in) < low || len(in) > high {
		var want string
		switch {
		case high == 1<<20:
			want = fmt.Sprintf("at least %d", low)
		case low == high:
			want = fmt.Sprint(low)
		default:
			want = fmt.Sprintf("%d or %d", low, high)
		}
		return ir.Violation(op, 1, -1, "%d operands, want %s: %s", len(in), want, strings.Join(s.names(), " "))
	}
	for i, t := range in {
		a := s[min(i, len(s)-1)]
		if t.DType != a.dtype {
			return ir.Violation(op, 1, i, "%s holds %v, want %v", a.plain(), t.DType, a.dtype)
		}
		if a.any {
			continue
		}
		if len(t.Shape) != len(a.layout) {
			want := "a scalar"
			if a.layout != "" {
				want = strings.Join(strings.Split(a.layout, ""), ",")
				if len(a.layout) == 1 {
					want = "one axis, " + want
				}
			}
			v := ir.Violation(op, 1, i, "%s is %v, want %s", a.plain(), t.Shape, want)
			if a.layout == "NK" && len(t.Shape) == 4 {
				v = v.WithHelp("flatten it first")
			}
			return v
		}
		for j, d := range t.Shape {
			if d == ir.Batch && a.layout[j] != 'N' && a.layout[j] != '*' {
				return ir.Violation(op, 1, i, "%s is %v: axis %d cannot be the batch", a.plain(), t.Shape, j)
			}
		}
	}
	return nil
}

// shapes returns the types for an example, from texts such as "Nx3x8x8" and "i64:N".
func shapes(text ...string) []ir.Type {
	ts := make([]ir.Type, len(text))
	for i, s := range text {
		rest, i64 := strings.CutPrefix(s, "i64:")
		sh, err := ir.ParseShape(rest)
		if err != nil {
			panic("ops: example " + s + ": " + err.Error())
		}
		ts[i] = ir.Float(sh...)
		if i64 {
			ts[i].DType = ir.I64
		}
	}
	return ts
}

// bounded reports whether every v lies in low..ir.MaxDim. Sums and products of two such
// numbers do not overflow an int64.
func bounded(low int, vs ...int) bool {
	for _, v := range vs {
		if v < low || v > ir.MaxDim {
			return false
		}
	}
	return true
}

// like returns a list of one type, a copy of t.
func like(t ir.Type) []ir.Type {
	return []ir.Type{{DType: t.DType, Shape: append(ir.Shape{}, t.Shape...)}}
}

// ops1 returns a cost of k operations for each element of t.
func ops1(k int, t ir.Type) ir.Cost { return ir.Cost{Ops: int64(k) * int64(t.Shape.Size())} }
