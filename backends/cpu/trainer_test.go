package cpu

import (
	"errors"
	"math"
	"testing"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/passes/autodiff"
)

// The gradient of a maximum of activations goes to the largest.
func TestTrainingMaximum(t *testing.T) {
	for operands := 2; operands <= 3; operands++ {
		b := newNet(t, "maximum")
		x := b.image(3, 6, 6)
		var l []*ir.Value
		for i := range operands {
			l = append(l, b.conv(string(rune('a'+i)), x, 20, ir.HW{3, 3}, ops.Conv{Pad: ir.Pads{1, 1, 1, 1}}))
		}
		g := b.done(b.dense("f", b.op("flat", ops.Flatten{}, b.op("max", ops.Max{}, l...)), 3))
		tr, err := autodiff.Train(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}, Norm: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := verifyTraining(tr.Graph, 3, 2, Options{Threads: 2}); err != nil {
			t.Errorf("%d operands: %v", operands, err)
		}
	}
}

func trainer(t *testing.T, opt autodiff.Options) (*Trainer, *autodiff.Training) {
	t.Helper()
	net := trainable(t)
	opt.Norm = true
	tr, err := autodiff.Train(net, opt)
	if err != nil {
		t.Fatal(err)
	}
	logits := net.Outputs[0].Def.In[0]
	net.Outputs = []*ir.Value{logits}
	r, err := CompileTraining(TrainingGraph{Graph: tr.Graph, Labels: tr.Labels, Step: tr.Step, Rate: tr.Rate, Loss: tr.Loss, Logits: tr.Logits, Norm: tr.Norm,
		Slots: tr.Slots, Averages: tr.Averages}, net, Options{Batch: 4, Threads: 2, Debug: true})
	if err != nil {
		t.Fatal(err)
	}
	return r, tr
}

// A step of which loss or norm are not finite changes nothing: neither weights nor
// running statistics, slots or averages.
func TestTrainerLeavesParamsAlone(t *testing.T) {
	r, _ := trainer(t, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "adam", Beta1: .9, Beta2: .999, Eps: 1e-8}, Average: recipe.Average{Kind: "ema", Decay: .9}})
	step, _ := r.Programs()
	if err := plan.Check(step.Plan()); err != nil {
		t.Fatal(err)
	}
	images, labels := make([]float32, 4*3*12*12), []int32{0, 1, 2, 0}
	for i := range images {
		images[i] = float32(i%17)/8 - 1
	}
	all := func() (l [][]float32) {
		for _, p := range r.Params() {
			x := make([]float32, p.Shape.Size())
			if err := r.Get(p.Name, x); err != nil {
				t.Fatal(err)
			}
			l = append(l, x)
		}
		return l
	}
	if s, err := r.Step(images, labels, .01, 0); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	before := all()
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		was := images[100]
		images[100] = bad
		s, err := r.Step(images, labels, .01, 1)
		if err != nil || s.Finite() || s.Layer == "" {
			t.Fatalf("%g: %+v, %v", bad, s, err)
		}
		images[100] = was
		for i, x := range all() {
			if !sameBits(x, before[i]) {
				t.Errorf("%g among the images changes %s", bad, r.Params()[i].Name)
			}
		}
	}
	if s, err := r.Step(images, labels, .01, 1); err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	for i, x := range all() {
		if sameBits(x, before[i]) {
			t.Errorf("a good step leaves %s as it was", r.Params()[i].Name)
		}
	}
}

func TestTrainerRefuses(t *testing.T) {
	r, tr := trainer(t, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}})
	images := make([]float32, 4*3*12*12)
	for _, c := range []struct {
		images []float32
		labels []int32
		step   int64
	}{
		{images, []int32{0, 1, 3, 0}, 0},
		{images, []int32{0, -1, 2, 0}, 0},
		{images, []int32{0, 1, 2}, 0},
		{images[1:], []int32{0, 1, 2, 0}, 0},
		{nil, nil, 0},
		{images, []int32{0, 1, 2, 0}, -1},
		{images, []int32{0, 1, 2, 0}, 1 << 31},
	} {
		if _, err := r.Step(c.images, c.labels, .1, c.step); !errors.Is(err, ErrInput) {
			t.Errorf("%d numbers, labels %v, step %d: %v", len(c.images), c.labels, c.step, err)
		}
	}
	if err := r.Get("nobody", nil); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
	if err := r.Set("nobody", nil); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
	if err := r.Set(r.Params()[0].Name, make([]float32, 1)); !errors.Is(err, ErrInput) {
		t.Error(err)
	}
	net := trainable(t)
	if _, err := CompileTraining(TrainingGraph{Graph: tr.Graph, Labels: tr.Labels, Rate: tr.Rate, Loss: tr.Loss, Logits: tr.Logits}, net, Options{}); err == nil {
		t.Error("a step without a norm compiles")
	}
	if _, err := CompileTraining(TrainingGraph{Graph: net}, net, Options{}); err == nil {
		t.Error("a network without updates compiles")
	}
}

// Timing a step leaves the weights as they are, and the next step unharmed.
func TestTrainerStepTimes(t *testing.T) {
	images, labels := make([]float32, 0), []int32{0, 1, 2, 1}
	losses := map[bool]float64{}
	for _, timed := range []bool{false, true} {
		r, _ := trainer(t, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}})
		step, _ := r.Programs()
		images = images[:0]
		for i := range 4 * step.Plan().Inputs[r.image].Size {
			images = append(images, float32(i%7)-3)
		}
		if timed {
			times, err := r.StepTimes(images, labels, 2)
			if err != nil || len(times) != len(step.Plan().Steps) {
				t.Fatal(err, len(times))
			}
			for i, s := range times {
				if !(s > 0) {
					t.Errorf("step %d takes %g s", i, s)
				}
			}
			if _, err := r.StepTimes(images[1:], labels, 1); !errors.Is(err, ErrInput) {
				t.Error(err)
			}
		}
		s, err := r.Step(images, labels, .1, 0)
		if err != nil {
			t.Fatal(err)
		}
		losses[timed] = s.Loss
	}
	if losses[false] != losses[true] {
		t.Errorf("after timing the loss is %g, not %g", losses[true], losses[false])
	}
}
