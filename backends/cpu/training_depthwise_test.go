package cpu

import (
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// depthwiseNet has depthwise convolutions with strides of 1 and 2, behind ReLUs, whose gradient is
// fused to theirs, and behind a clip, whose gradient is not; one with a kernel of 5 x 5, which Conv
// trains.
func depthwiseNet(t testing.TB) *ir.Graph {
	b := newNet(t, "depthwise")
	x := b.op("r0", ops.ReLU{}, b.conv("stem", b.image(3, 13, 11), 20, ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}))
	pads := ir.Pads{1, 1, 1, 1}
	x = b.op("r1", ops.ReLU{}, b.conv("d1", x, 20, ir.HW{3, 3}, ops.Conv{Pad: pads, Groups: 20}))
	x = b.op("c1", ops.Clip{Max: 6}, b.conv("p1", x, 36, ir.HW{1, 1}, ops.Conv{}))
	x = b.op("r2", ops.ReLU{}, b.conv("d2", x, 36, ir.HW{3, 3}, ops.Conv{Pad: pads, Stride: ir.HW{2, 2}, Groups: 36}))
	x = b.op("r3", ops.ReLU{}, b.conv("d3", x, 36, ir.HW{3, 3}, ops.Conv{Pad: pads, Stride: ir.HW{2, 1}, Groups: 36}))
	x = b.op("r4", ops.ReLU{}, b.conv("d4", x, 36, ir.HW{5, 5}, ops.Conv{Pad: ir.Pads{2, 2, 2, 2}, Groups: 36}))
	return b.done(b.op("probs", ops.Softmax{Axis: 1}, b.dense("f", b.op("flat", ops.Flatten{}, b.op("gap", ops.GlobalAvgPool{}, x)), 3)))
}

// TestTrainingDepthwise compares steps with the reference on every tier, and the bits of all numbers
// of threads, and demands that the kernels of depthwise convolutions are used.
func TestTrainingDepthwise(t *testing.T) {
	tr, err := autodiff.Train(depthwiseNet(t), autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Norm: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(tr.Graph, Options{Batch: 4, lanes: n16Never})
	if err != nil {
		t.Fatal(err)
	}
	forward, weights := 0, 0
	for _, s := range p.Steps {
		switch s.Do.(type) {
		case kernel.Depthwise:
			forward++
		case kernel.DepthwiseBackwardWeights:
			weights++
		}
	}
	// Gradients of the data: one with stride 1, four parts with stride 2, two with 2 and 1.
	if forward != 3+1+4+2 || weights != 3 {
		t.Errorf("%d depthwise convolutions and %d gradients of weights\n%v", forward, weights, p)
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
