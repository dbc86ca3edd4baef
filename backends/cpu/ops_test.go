package cpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// net builds graphs for tests.
type net struct {
	*ir.Builder
	t testing.TB
}

func newNet(t testing.TB, name string) *net { return &net{ir.NewBuilder(name), t} }

func (b *net) image(c, h, w int) *ir.Value {
	return b.Input("x", ir.Float(ir.Batch, c, h, w))
}

func (b *net) weight(name string, shape ...int) *ir.Value {
	return b.Param(name, shape, ir.Param{Init: ir.Init{Kind: ir.InitGlorot}, LR: 1, Decay: 1})
}

func (b *net) vector(name string, n int) *ir.Value {
	return b.Param(name, ir.Shape{n}, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 0.5}, LR: 1})
}

func (b *net) op(name string, op ir.Op, in ...*ir.Value) *ir.Value {
	b.t.Helper()
	n, err := b.Add(name, op, in...)
	if err != nil {
		b.t.Fatal(err)
	}
	return n.Out[0]
}

// conv adds a convolution with weights of its own.
func (b *net) conv(name string, x *ir.Value, oc int, k ir.HW, op ops.Conv) *ir.Value {
	if op.Stride == (ir.HW{}) {
		op.Stride = ir.HW{1, 1}
	}
	if op.Dilation == (ir.HW{}) {
		op.Dilation = ir.HW{1, 1}
	}
	op.Groups = max(1, op.Groups)
	return b.op(name, op, x, b.weight(name+"/weight", oc, x.Type.Shape[1]/op.Groups, k[0], k[1]), b.vector(name+"/bias", oc))
}

func (b *net) dense(name string, x *ir.Value, n int) *ir.Value {
	return b.op(name, ops.Dense{}, x, b.weight(name+"/weight", n, x.Type.Shape[1]), b.vector(name+"/bias", n))
}

func (b *net) part(name string, v *ir.Value) {
	g := b.Graph()
	g.Parts = append(g.Parts, ir.Part{Name: name, Out: v})
}

func (b *net) done(out ...*ir.Value) *ir.Graph {
	b.t.Helper()
	g := b.Graph()
	g.Outputs = out
	if err := b.Err(); err != nil {
		b.t.Fatal(err)
	}
	if err := ir.Verify(g); err != nil {
		b.t.Fatal(err)
	}
	return g
}

func lenet(t testing.TB) *ir.Graph {
	b := newNet(t, "lenet")
	x := b.image(1, 28, 28)
	x = b.op("relu1", ops.ReLU{}, b.conv("c1", x, 6, ir.HW{5, 5}, ops.Conv{Pad: ir.Pads{2, 2, 2, 2}}))
	x = b.op("p1", ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{2, 2}}, x)
	b.part("first", x)
	x = b.op("relu2", ops.ReLU{}, b.conv("c2", x, 16, ir.HW{5, 5}, ops.Conv{}))
	x = b.op("p2", ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{2, 2}}, x)
	x = b.op("flat", ops.Flatten{}, x)
	x = b.op("relu3", ops.ReLU{}, b.dense("f1", x, 120))
	x = b.op("relu4", ops.ReLU{}, b.dense("f2", x, 84))
	x = b.dense("f3", x, 10)
	return b.done(b.op("probs", ops.Softmax{Axis: 1}, x))
}

func TestLeNet(t *testing.T) {
	g := lenet(t)
	for _, batch := range []int{1, 2, 5} {
		verify(t, g, batch)
	}
}

// withoutKernel names every op that the executor has no kernel for, and what needs it. Training
// a network with one of them ends with an error of the plan; the reference trains it.
var withoutKernel = map[string]string{
	"batchnorm_fixed_dx": "the gradient of a batch norm that training does not renew",
	"reduce_dx":          "the gradient of a mean, sum or maximum over axes",
}

// TestEveryOpHasAKernel compares the ops that the executor lacks, gradients among them, with
// the list above: a plan of such an op fails, so each has to be known before.
func TestEveryOpHasAKernel(t *testing.T) {
	missing := table.Missing()
	for _, name := range missing {
		if withoutKernel[name] == "" {
			t.Errorf("%s has no kernel: add a row to the table in ops.go, or say in withoutKernel why it needs none", name)
		}
	}
	for name := range withoutKernel {
		if !slices.Contains(missing, name) {
			t.Errorf("%s has a kernel, or is no op any more: remove it from withoutKernel", name)
		}
	}
}

// unsupportedExamples are those examples of ops that cannot be run, with what the
// error says; all others must.
var unsupportedExamples = map[string]string{
	"cross_entropy": "outside of training",
}

// TestExamples runs every example of every op: operands that have a batch are
// inputs, the others params.
func TestExamples(t *testing.T) {
	for _, d := range ir.Defs() {
		if d.Grad {
			continue
		}
		for i, ex := range d.Examples {
			if ex.Violates != 0 {
				continue
			}
			b := newNet(t, fmt.Sprintf("%s %d: %s", d.Name, i, ir.FormatOp(ex.Op)))
			var in []*ir.Value
			batch := false
			for j, typ := range ex.In {
				name := fmt.Sprintf("x%d", j)
				switch {
				case typ.Shape.Symbolic() || typ.DType != ir.F32:
					batch = batch || typ.Shape.Symbolic()
					in = append(in, b.Input(name, typ))
				case d.Name == "batchnorm" && j == 4:
					in = append(in, b.Fill(name, 0.7, typ.Shape...))
				default:
					in = append(in, b.Param(name, typ.Shape, ir.Param{Init: ir.Init{Kind: ir.InitUniform, A: 1}}))
				}
			}
			if !batch {
				continue // of params alone: folded by its own Eval
			}
			n, err := b.Add("y", ex.Op, in...)
			if err != nil {
				t.Errorf("%s: %v", b.Graph().Name, err)
				continue
			}
			g := b.done(n.Out...)
			for _, batch := range []int{1, 2, 5} {
				_, err := Compile(g, Options{Batch: batch})
				if errors.Is(err, plan.ErrUnsupported) {
					want, ok := unsupportedExamples[ir.FormatOp(ex.Op)]
					if !ok {
						want, ok = unsupportedExamples[d.Name]
					}
					if ok && strings.Contains(err.Error(), want) {
						break
					}
				}
				if err == nil {
					err = verifyErr(g, batch)
				}
				if err != nil {
					t.Errorf("%s, batch %d: %v", g.Name, batch, err)
					break
				}
			}
		}
	}
}

// TestBatchNormAlone: a batch norm that no convolution absorbs is one step with its
// activation, also as the product and the sum that the passes make of it.
func TestBatchNormAlone(t *testing.T) {
	for _, c := range []int{1, 16, 21} {
		b := newNet(t, "alone")
		x := b.image(c, 5, 6)
		numbers := func(name string) *ir.Value {
			return b.Const(name, ir.Draw(name, ir.Shape{1, c, 1, 1}, ir.Init{Kind: ir.InitUniform, A: 1}, 3))
		}
		y := b.op("mul", ops.Mul{}, numbers("scale"), b.op("pool", ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{1, 1}}, x))
		g := b.done(b.op("relu6", ops.ActReLU6.Op(), b.op("add", ops.Add{}, y, numbers("shift"))))
		p, err := Plan(g, Options{Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		affine := 0
		for _, s := range p.Steps {
			if s.Algo == "affine" {
				affine++
			}
			if s.Algo == "mul" || s.Algo == "add" || s.Algo == "relu6" {
				t.Errorf("%d channels: a step %s\n%v", c, s.Algo, p)
			}
		}
		if affine != 1 {
			t.Errorf("%d channels: %d affine steps\n%v", c, affine, p)
		}
		for _, batch := range []int{1, 18} {
			if err := verifyErr(g, batch, 1, 3); err != nil {
				t.Errorf("%d channels, batch %d: %v", c, batch, err)
			}
		}
	}
}
