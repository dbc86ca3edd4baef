package cpu

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/dsl"
	"github.com/incc-lang/incc/ir/recipe"
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
	}
}
