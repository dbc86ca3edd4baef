package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[Maxout]("maxout", "Maximum over groups of k feature maps (Goodfellow 2013, eq. 2).",
	ir.Example{Op: Maxout{Pieces: 2}, In: shapes("Nx6x4x3")},
	ir.Example{Op: Maxout{Pieces: 5}, In: shapes("Nx10")},
	ir.Example{Op: Maxout{Pieces: 2}, In: shapes("6"), Violates: 1},
	ir.Example{Op: Maxout{Pieces: 0}, In: shapes("Nx6x4x3"), Violates: 2},
	ir.Example{Op: Maxout{Pieces: 4}, In: shapes("Nx6x4x3"), Violates: 3},
)

// Maxout is y[n,o,...] = max over p < k of x[n,o*k+p,...]: the k linear pieces of a unit
// are neighbouring channels (Goodfellow 2013, equation 2). If several pieces are the
// maximum, the first of them gets the gradient. NaN propagates.
//
// Constraints:
//
//	(1) one operand x[N,C,...]
//	(2) k is at least 1
//	(3) C is a multiple of k
type Maxout struct {
	Pieces int `dsl:"k"`
}

// Operands is x.
func (Maxout) Operands() []string { return unarySig.names() }

// Infer returns [N,C/k,...].
func (m Maxout) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := checkChannels("maxout", unarySig, in); err != nil {
		return nil, err
	}
	x := in[0].Shape
	if m.Pieces < 1 {
		return nil, ir.Violation("maxout", 2, -1, "k is %d, want at least 1", m.Pieces)
	}
	if x[1]%m.Pieces != 0 {
		return nil, ir.Violation("maxout", 3, 0, "%d channels do not divide into units of %d pieces", x[1], m.Pieces)
	}
	out := append(ir.Shape{}, x...)
	out[1] /= m.Pieces
	return like(ir.Float(out...)), nil
}

// checkChannels checks constraint 1 of ops whose first operand is [N,C,...].
func checkChannels(op string, s signature, in []ir.Type) error {
	if err := s.check(op, in); err != nil {
		return err
	}
	if x := in[0].Shape; len(x) < 2 || x[1] == ir.Batch {
		return ir.Violation(op, 1, 0, "%s is %v, want N,C,...", s[0].name, x)
	}
	return nil
}

// Eval finds the largest piece of each unit.
func (m Maxout) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	x := in[0]
	shape := append([]int(nil), x.Shape...)
	shape[1] /= m.Pieces
	y := tensor.New(shape...)
	m.each(x.Shape, func(out, first, step int) {
		y.Data[out] = x.Data[argmax(x.Data, first, step, m.Pieces)]
	})
	return []*tensor.Tensor{y}, nil
}

// each calls f for each output element, with its index, the index of its first piece,
// and the distance between pieces.
func (m Maxout) each(x []int, f func(out, first, step int)) {
	outer, c, inner := around(x, 1)
	for i := range outer {
		for o := range c / m.Pieces {
			for j := range inner {
				f((i*(c/m.Pieces)+o)*inner+j, (i*c+o*m.Pieces)*inner+j, inner)
			}
		}
	}
}

// argmax returns the index of the largest of n elements whose indices are step apart, or
// the index of the first NaN. If several are the largest, it returns the first.
func argmax(x []float64, first, step, n int) int {
	best := first
	for p := 1; p < n; p++ {
		if above(x[first+p*step], x[best]) {
			best = first + p*step
		}
	}
	return best
}

// above reports whether v replaces the maximum so far, best. A NaN replaces every
// number and is never replaced; an equal v does not replace best.
func above(v, best float64) bool { return v > best || (v != v && best == best) }

// Cost is one comparison for each piece.
func (m Maxout) Cost(in, _ []ir.Type) ir.Cost { return ops1(1, in[0]) }

// Grad is maxout_dx.
func (m Maxout) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(MaxoutDx(m), dy[0], n.In[0])}
}
