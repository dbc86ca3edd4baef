package ops

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/tensor"
)

var _ = ir.Define[MatMul]("matmul", "Product of two matrices, either of them transposed.",
	ir.Example{Op: MatMul{}, In: shapes("Nx4", "4x3")},
	ir.Example{Op: MatMul{TransA: true}, In: shapes("Nx4", "Nx3")},
	ir.Example{Op: MatMul{TransB: true}, In: shapes("2x4", "3x4")},
	ir.Example{Op: MatMul{TransA: true, TransB: true}, In: shapes("4x2", "3x4")},
	ir.Example{Op: MatMul{}, In: shapes("Nx4x1", "4x3"), Violates: 1},
	ir.Example{Op: MatMul{}, In: shapes("Nx4", "5x3"), Violates: 2},
)

// MatMul is the matrix product of a[M,K] and b[K,P]. With trans_a, a is [K,M]; with
// trans_b, b is [P,K].
//
// Constraints:
//
//	(1) operands a and b with two axes
//	(2) both have the same K
type MatMul struct {
	TransA bool `dsl:"trans_a"`
	TransB bool `dsl:"trans_b"`
}

var matMulSig = sig("a:** b:**")

// Operands are a and b.
func (MatMul) Operands() []string { return matMulSig.names() }

// sizes returns the shapes after transposition: rows x k and k2 x cols.
func (m MatMul) sizes(a, b []int) (rows, k, k2, cols int) {
	rows, k, k2, cols = a[0], a[1], b[0], b[1]
	if m.TransA {
		rows, k = k, rows
	}
	if m.TransB {
		k2, cols = cols, k2
	}
	return
}

// Infer returns [M,P].
func (m MatMul) Infer(in []ir.Type) ([]ir.Type, error) {
	if err := matMulSig.check("matmul", in); err != nil {
		return nil, err
	}
	rows, k, k2, cols := m.sizes(in[0].Shape, in[1].Shape)
	if k != k2 {
		return nil, ir.Violation("matmul", 2, 1, "%v times %v: inner axes differ", ir.Shape{rows, k}, ir.Shape{k2, cols})
	}
	return like(ir.Float(rows, cols)), nil
}

// Eval computes a sum for each element.
func (m MatMul) Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	a, b := in[0], in[1]
	rows, k, _, cols := m.sizes(a.Shape, b.Shape)
	ai, ak := k, 1
	if m.TransA {
		ai, ak = 1, rows
	}
	bk, bj := cols, 1
	if m.TransB {
		bk, bj = 1, k
	}
	y := tensor.New(rows, cols)
	for i := range rows {
		for j := range cols {
			sum := 0.0
			for p := range k {
				sum += a.Data[i*ai+p*ak] * b.Data[p*bk+j*bj]
			}
			y.Data[i*cols+j] = sum
		}
	}
	return []*tensor.Tensor{y}, nil
}

// Cost counts K multiply-accumulates for each element of the result.
func (m MatMul) Cost(in, _ []ir.Type) ir.Cost {
	rows, k, _, cols := m.sizes(in[0].Shape, in[1].Shape)
	return ir.Cost{MACs: int64(max(rows, 1)) * int64(max(k, 1)) * int64(max(cols, 1))}
}

// Grad is one matrix product for each operand.
func (m MatMul) Grad(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value {
	d, x, w := dy[0], n.In[0], n.In[1]
	var dx, dw *ir.Value
	if m.TransA {
		dx = b.Do(MatMul{TransA: m.TransB, TransB: true}, w, d)
	} else {
		dx = b.Do(MatMul{TransB: !m.TransB}, d, w)
	}
	if m.TransB {
		dw = b.Do(MatMul{TransA: true, TransB: m.TransA}, d, x)
	} else {
		dw = b.Do(MatMul{TransA: !m.TransA}, x, d)
	}
	return []*ir.Value{dx, dw}
}
