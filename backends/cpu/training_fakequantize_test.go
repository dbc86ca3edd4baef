package cpu

import (
	"math"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// fakeQuantized has fake_quantize ops on maps, behind a join and on vectors.
func fakeQuantized(t testing.TB) *ir.Graph {
	b := newNet(t, "fake")
	fake := func(name string, x *ir.Value, signed bool, step float32) *ir.Value {
		s := b.Builder.Param(name+"/step", []int{1}, ir.Param{LR: 1, Init: ir.Init{Kind: ir.InitConstant, A: float64(step)}})
		return b.op(name, ops.FakeQuantize{Signed: signed, Factor: 0.01}, x, s)
	}
	x := fake("q0", b.image(3, 9, 7), true, 0.004) // the largest are cut off
	x = b.op("r1", ops.ReLU{}, b.conv("c1", x, 20, ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}))
	x = fake("q1", x, false, 0.11)
	y := b.conv("c2", x, 5, ir.HW{1, 1}, ops.Conv{})
	z := b.op("pool", ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x)
	x = fake("q2", b.op("join", ops.Concat{Axis: 1}, y, z), true, 0.13)
	x = b.op("r3", ops.ReLU{}, b.conv("c3", x, 18, ir.HW{3, 3}, ops.Conv{}))
	x = fake("q3", b.op("flat", ops.Flatten{}, b.op("gap", ops.GlobalAvgPool{}, x)), false, 0.07)
	return b.done(b.op("probs", ops.Softmax{Axis: 1}, b.dense("f", x, 3)))
}

// TestTrainingFakeQuantize compares steps with the reference on every tier, and the bits of all numbers of
// threads.
func TestTrainingFakeQuantize(t *testing.T) {
	tr, err := autodiff.Train(fakeQuantized(t), autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Norm: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, isa := range kernel.Available() {
		for _, lanes := range []n16Choice{n16Never, n16Always} {
			if err := verifyTraining(tr.Graph, 5, 2, Options{ISA: isa.String(), Threads: 2, lanes: lanes}); err != nil {
				t.Fatalf("%v, lanes %v: %.3000s", isa, lanes, err)
			}
		}
	}
	trainingBits(t, tr.Graph, n16Never)
}

// TestFakeQuantize: inference has the bits of the op itself where it reads the network's input, NaN among
// it.
func TestFakeQuantize(t *testing.T) {
	for _, signed := range []bool{false, true} {
		b := newNet(t, "fake")
		s := b.Builder.Param("s", []int{1}, ir.Param{LR: 1, Init: ir.Init{Kind: ir.InitConstant, A: 0.03}})
		op := ops.FakeQuantize{Signed: signed}
		g := b.done(b.op("q", op, b.image(19, 5, 3), s))
		ir.Materialize(g, 1)
		in := irDraw(19*5*3*2, 8)
		in[4] = float32(math.NaN())
		p, err := Compile(g, Options{Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(in))
		if err := p.NewSession().Run([][]float32{in}, [][]float32{got}); err != nil {
			t.Fatal(err)
		}
		want, err := op.Eval([]*tensor.Tensor{tensor.Widen(tensor.Of(in, len(in))), tensor.Widen(g.Data["s"])})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want[0].Data {
			if float64(got[i]) != w && (got[i] == got[i] || w == w) {
				t.Fatalf("%g becomes %g, want %g", in[i], got[i], w)
			}
		}
	}
}

// irDraw returns n numbers between -a and a.
func irDraw(n int, a float64) []float32 {
	return ir.Draw("x", ir.Shape{n}, ir.Init{Kind: ir.InitUniform, A: a}, 3).Data
}
