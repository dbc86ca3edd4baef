package ops_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// shapesPerOp is how many random uses of each op are differentiated.
func shapesPerOp() int {
	return longtest.Count(30, 300, 300)
}

type gradFunc = func(b *ir.Builder, n *ir.Node, dy []*ir.Value) []*ir.Value

// Every gradient equals the one computed by central differences.
func TestGrad(t *testing.T) {
	for _, d := range ir.Defs() {
		op, ok := d.Default().(ir.Differ)
		if !ok {
			continue
		}
		if d.Name == "quantize" || d.Name == "fake_quantize" {
			continue // the derivative is 0: TestStraightThrough, TestFakeQuantizeStraightThrough
		}
		t.Run(d.Name, func(t *testing.T) {
			if random[d.Name] == nil {
				t.Fatal("no random uses of it")
			}
			_ = op
			for seed := range shapesPerOp() {
				if err := checkGrad(d.Name, uint64(seed), nil); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkGrad compares the gradient of a random use of an op with central differences. The
// gradient is that of the op's Grad or of a given function.
func checkGrad(name string, seed uint64, grad gradFunc) error {
	r := newDraw(seed)
	op, in := random[name](r)
	n := r.in(1, 3)
	xs := r.values(op, in, n)
	b := ir.NewBuilder("t")
	vs := make([]*ir.Value, len(in))
	for i, t := range in {
		vs[i] = b.Input(fmt.Sprint("x", i), t)
	}
	node, err := b.Add("y", op, vs...)
	if err != nil {
		return fmt.Errorf("%s of %v: %w", ir.FormatOp(op), in, err)
	}
	what := fmt.Sprintf("%s of %v, batch %d, seed %d", ir.FormatOp(op), in, n, seed)
	// The loss is the sum of outputs times weights. Not all of several outputs take part.
	dys := make([]*ir.Value, len(node.Out))
	ws := make([]*tensor.Tensor, len(node.Out))
	inputs := slices.Clone(xs)
	for i, o := range node.Out {
		if i > 0 && (name == "batchnorm_train" || r.IntN(3) == 0) {
			continue
		}
		ws[i] = tensor.New(o.Type.Shape.Bind(n)...)
		for j := range ws[i].Data {
			ws[i].Data[j] = r.NormFloat64()
		}
		dys[i] = b.Input(fmt.Sprint("dy", i), o.Type)
		inputs = append(inputs, ws[i])
	}
	if grad == nil {
		grad = op.(ir.Differ).Grad
	}
	dx := grad(b, node, slices.Clone(dys))
	if b.Err() != nil {
		return fmt.Errorf("%s: %w", what, b.Err())
	}
	if len(dx) != len(in) {
		return fmt.Errorf("%s: %d gradients for %d operands", what, len(dx), len(in))
	}
	g := b.Graph()
	for i, d := range dx {
		switch {
		case d == nil:
		case in[i].DType == ir.I64:
			return fmt.Errorf("%s: gradient of integers", what)
		case !d.Type.Equal(in[i]):
			return fmt.Errorf("%s: gradient %d is %v", what, i, d.Type)
		default:
			g.Outputs = append(g.Outputs, d)
		}
	}
	if err := ir.Verify(g); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	res, err := ref.Run(g, inputs, ref.Options{})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	loss := func() float64 {
		ys, err := op.Eval(xs)
		if err != nil {
			panic(err)
		}
		sum := 0.0
		for i, w := range ws {
			if w == nil {
				continue
			}
			for j, v := range ys[i].Data {
				sum += v * w.Data[j]
			}
		}
		return sum
	}
	const eps = 1e-6
	for i, x := range xs {
		if in[i].DType == ir.I64 || name == "cross_entropy" && i == 2 {
			continue // integers, and weights of classes, which nothing trains
		}
		for j, v := range x.Data {
			x.Data[j] = v + eps
			up := loss()
			x.Data[j] = v - eps
			down := loss()
			x.Data[j] = v
			want, got := (up-down)/(2*eps), 0.0
			if dx[i] != nil {
				got = res[dx[i]].Data[j]
			}
			if !(math.Abs(got-want) <= 1e-6+1e-5*math.Abs(want)) {
				return fmt.Errorf("%s: gradient %d[%d] is %.9g, central differences say %.9g", what, i, j, got, want)
			}
		}
	}
	return nil
}
