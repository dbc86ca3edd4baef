package golden

import (
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestExecutorNarrow compares the networks of specs/mnist at batch 128 with the reference in
// float64 and with ONNX Runtime. At this batch most of their values are stored with images
// side by side.
func TestExecutorNarrow(t *testing.T) {
	for _, name := range specs.Names() {
		if strings.HasPrefix(name, "mnist/") {
			t.Run(name, func(t *testing.T) { narrow(t, name) })
		}
	}
}

func narrow(t *testing.T, name string) {
	const batch, tolerance = 128, 1e-4
	g := spectest.Load(t, name)
	in := g.Inputs[0]
	size := in.Type.Shape.Size()
	scenes := drawScenes(in.Type.Shape, batch)
	if _, err := ref.Condition(g, tensor.Widen(tensor.Of(scenes[:size], in.Type.Shape.Bind(1)...)), 1); err != nil {
		t.Fatal(err)
	}
	logits := watched(g)[0]
	g.Outputs, g.Heads = []*ir.Value{logits}, nil
	ir.Rewrite(g, "").Sweep()
	o2 := g.Clone()
	if _, err := passes.Run(o2, passes.Level(2), passes.Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := cpu.Compile(o2, cpu.Options{Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	lanes := 0
	for _, b := range p.Plan().Buffers {
		if b.Layout == plan.N16 {
			lanes++
		}
	}
	if lanes == 0 && name != "mnist/conv" { // whose Winograd convolutions fill their blocks
		t.Errorf("no buffer lies in lanes:\n%v", p.Plan())
	}
	ours := make([]float32, batch*logits.Type.Shape.Size())
	if err := p.NewSession().Run([][]float32{scenes}, [][]float32{ours}); err != nil {
		t.Fatal(err)
	}
	compare := func(with string, want *tensor.Tensor) {
		t.Helper()
		d, m := tensor.MaxDiff(tensor.Widen(tensor.Of(ours, want.Shape...)), want)
		t.Logf("%s: logits differ by %.2g of the largest", with, d/m)
		if !(d <= tolerance*m) {
			t.Errorf("%s: logits differ by %.3g of the largest", with, d/m)
		}
	}
	want, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(tensor.Of(scenes, in.Type.Shape.Bind(batch)...))}, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	compare("the reference", want[logits])

	ort := onnxtest.StartORT(t)
	if _, err := ort.Load(onnxtest.Write(t, onnx.Backend{Batch: batch}, g)); err != nil {
		t.Fatal(err)
	}
	out := onnxtest.Infer(t, ort, peers.Tensor{Name: in.Name, Shape: in.Type.Shape.Bind(batch), Data: scenes})
	compare("ONNX Runtime", tensor.Widen(tensor.Of(out[0].Data, want[logits].Shape...)))
}
