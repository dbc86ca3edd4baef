package ops

import (
	"math"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[LRN]("lrn", "Local response normalization across channels (Krizhevsky 2012, section 3.3).",
	ir.Example{Op: LRN{Size: 3, Alpha: 0.3, Beta: 0.75, K: 1}, In: shapes("Nx5x2x3")},
	ir.Example{Op: LRN{Size: 4, Alpha: 0.2, Beta: 0.5, K: 2}, In: shapes("Nx6x3x1")},
	ir.Example{Op: LRN{Size: 9, Alpha: 0.2, Beta: 0.6, K: 2}, In: shapes("Nx4x1x2")},
	ir.Example{Op: LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1}, In: shapes("Nx5"), Violates: 1},
	ir.Example{Op: LRN{Size: 0, Alpha: 1e-4, Beta: 0.75, K: 1}, In: shapes("Nx5x2x3"), Violates: 2},
	ir.Example{Op: LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 0}, In: shapes("Nx5x2x3"), Violates: 3},
)

// LRN is y[c] = x[c] / s[c]^beta with s[c] = k + alpha/size * sum of x[i]^2. The sum is
// over the existing channels i from c - (size-1)/2 to c + size/2, both rounded down.
// This is Krizhevsky 2012, section 3.3, with alpha divided by size as in ONNX, Caffe
// and PyTorch.
//
// Constraints:
//
//	(1) one operand x[N,C,H,W]
//	(2) size is at least 1
//	(3) k is above 0, alpha is not negative, k, alpha and beta are finite; so s is positive
type LRN struct {
	Size  int     `dsl:"size"`
	Alpha float64 `dsl:"alpha,default=0.0001"`
	Beta  float64 `dsl:"beta,default=0.75"`
	K     float64 `dsl:"k,default=1"`
}

var mapSig = sig("x:NCHW")

// Operands is x.
func (LRN) Operands() []string { return mapSig.names() }

// Infer returns the shape of x.
func (l LRN) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := mapSig.check("lrn", in); err != nil {
		return nil, err
	}
	if !bounded(1, l.Size) {
		return nil, ir.Violation("lrn", 2, -1, "size is %d, want at least 1", l.Size)
	}
	if !(l.K > 0) || !(l.Alpha >= 0) || math.IsInf(l.K+l.Alpha, 0) || math.IsNaN(l.Beta) || math.IsInf(l.Beta, 0) {
		return nil, ir.Violation("lrn", 3, -1, "k=%g must be above 0, alpha=%g not negative, beta=%g finite", l.K, l.Alpha, l.Beta)
	}
	return like(in[0]), nil
}

// span returns the channels lo..hi-1 whose squares are summed for channel c of n.
func (l LRN) span(c, n int) (lo, hi int) {
	return max(0, c-(l.Size-1)/2), min(n, c+l.Size/2+1)
}

// norms returns s for each element.
func (l LRN) norms(x *tensor.Tensor) *tensor.Tensor {
	s := tensor.New(x.Shape...)
	outer, n, inner := around(x.Shape, 1)
	for i := range outer {
		for c := range n {
			lo, hi := l.span(c, n)
			row := s.Data[(i*n+c)*inner:][:inner]
			for d := lo; d < hi; d++ {
				for p, v := range x.Data[(i*n+d)*inner:][:inner] {
					row[p] += v * v
				}
			}
			for p, v := range row {
				row[p] = l.K + l.Alpha/float64(l.Size)*v
			}
		}
	}
	return s
}

// Eval computes the formula.
func (l LRN) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	y := l.norms(in[0])
	for i, s := range y.Data {
		y.Data[i] = in[0].Data[i] / math.Pow(s, l.Beta)
	}
	return []*tensor.Tensor{y}, nil
}

// Cost is an estimate in which the power counts as ten operations.
func (l LRN) Cost(_, out []ir.Type) ir.Cost {
	return ops1(min(l.Size, out[0].Shape[1])+12, out[0])
}

// Grad is lrn_dx.
func (l LRN) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	return []*ir.Value{b.Do(LRNDx(l), dy[0], n.In[0])}
}
