package cpu

import (
	"fmt"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
)

// TestTrainingLayers compares a step of training through layers that are operators of ONNX with the
// reference. Where there is no kernel for one, the error says so.
func TestTrainingLayers(t *testing.T) {
	for _, c := range []struct{ layer, missing string }{
		{"conv_transpose 2x2/2 8 act=relu", ""},
		{"conv_transpose 3x3/2 6 pad=1 output_pad=1 bias=off bn=1e-3", ""},
		{"conv_transpose 4x4/2 8 pad=1 groups=2", ""},
		{"resize by=2", ""},
		{"resize to=5x9 mode=bilinear", ""},
		{"pixel_shuffle 2", ""},
		{"pad pad=1,0,2,1 mode=reflect", ""},
		{"instance_norm", "the operator InstanceNormalization has no gradient"},
		{"group_norm 4 act=relu", "the operator GroupNormalization has no gradient"},
		{"prelu", "the operator PRelu has no gradient"},
	} {
		g, l := dsl.Load("layer.incc", []byte("net layer\ninput image 3x6x6\na: conv 3x3 8 pad=1 act=relu\nb: "+c.layer+"\ntop: concat { identity; from b } -> conv 3x3 5 -> gap -> fc 3 -> softmax\n"), dsl.Options{})
		if l.HasErrors() {
			t.Fatal(l.Err())
		}
		tr, err := autodiff.Train(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd", Momentum: 0.9}, Norm: true})
		if (err != nil) != (c.missing != "") || err != nil && !strings.Contains(err.Error(), c.missing) {
			t.Errorf("%s: %v, want an error that says %q", c.layer, err, c.missing)
		}
		if err != nil {
			continue
		}
		for _, isa := range kernel.Available() {
			if err := verifyTraining(tr.Graph, 5, 2, Options{ISA: isa.String(), Threads: 2}); err != nil {
				t.Errorf("%s, %v: %.600s", c.layer, isa, err)
			}
		}
		if err := evaluates(g, tr); err != nil {
			t.Errorf("%s: %v", c.layer, err)
		}
	}
}

// evaluates compares the logits of a trainer after a step with those of a program that is compiled
// with the weights that the trainer has then.
func evaluates(net *ir.Graph, tr *autodiff.Training) error {
	net = net.Clone()
	net.Outputs = []*ir.Value{net.Outputs[0].Def.In[0]}
	r, err := CompileTraining(TrainingGraph{Graph: tr.Graph, Labels: tr.Labels, Step: tr.Step, Rate: tr.Rate, Loss: tr.Loss, Logits: tr.Logits, Norm: tr.Norm,
		Slots: tr.Slots, Averages: tr.Averages}, net, Options{Batch: 2, Threads: 2})
	if err != nil {
		return err
	}
	x := tensor.Make[float32]([]int{2, 3, 6, 6})
	for i := range x.Data {
		x.Data[i] = float32(i%17)/8 - 1
	}
	if _, err := r.Step(x.Data, []int32{0, 2}, 0.1, 1); err != nil {
		return err
	}
	got := make([]float32, 2*3)
	if err := r.Logits(got, x.Data, 2); err != nil {
		return err
	}
	for _, v := range net.Params {
		d := tensor.Make[float32](v.Type.Shape)
		if r.Get(v.Name, d.Data) == nil {
			net.Data[v.Name] = d
		}
	}
	p, err := Compile(net, Options{Batch: 2})
	if err != nil {
		return err
	}
	want, err := p.Infer(x)
	if err != nil {
		return err
	}
	if d, scale := tensor.MaxDiff(tensor.Widen(tensor.Of(got, 2, 3)), tensor.Widen(want[0])); d > 1e-5*scale {
		return fmt.Errorf("the logits of the trainer differ by %g of %g", d, scale)
	}
	return nil
}
