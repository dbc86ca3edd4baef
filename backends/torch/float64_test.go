package torch

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// TestInFloat64 compares networks in training mode with incc's interpreter, both in float64:
// the logits differ by less than 1e-9 of the largest one. So what differs in float32 is
// rounding. The network whose 149 normalizations over a small batch magnify it most is
// inception_v4, here with smaller pictures.
func TestInFloat64(t *testing.T) {
	py := python(t)
	inception, _, _ := specs.Source("inception_v4")
	cases := map[string]string{
		"bn": "net a\ninput image 3x12x12\ndefault conv bn=1e-3 act=relu\nc1: conv 3x3 8 -> conv 3x3/2 12 -> maxpool 3x3/2\nc2: gap -> fc 5 -> softmax\n",
	}
	if longtest.Enabled() {
		cases["inception_v4"] = strings.Replace(string(inception), "3x299x299", "3x139x139", 1)
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			c := &oracleCase{name: name, g: spectest.Build(t, "a.incc", text), batch: 2}
			inFloat64(t, py, c)
		})
	}
}

// inFloat64 compares the logits of a network in training mode without dropout.
func inFloat64(t *testing.T, py string, c *oracleCase) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 11))
	x := tensor.New(c.g.Inputs[0].Type.Shape.Bind(c.batch)...)
	images := tensor.Of(make([]float32, len(x.Data)), x.Shape...)
	for i := range x.Data {
		images.Data[i] = float32(r.NormFloat64())
		x.Data[i] = float64(images.Data[i])
	}
	if _, err := ref.Condition(c.g, x, 5); err != nil {
		t.Fatal(err)
	}
	ir.Materialize(c.g, 5)
	c.dir = writePackage(t, c.g, nil)
	given := values{"images": images, "labels": tensor.Of(make([]float32, c.batch), c.batch), "float64": tensor.Of([]float32{1}, 1)}
	writeValues(t, filepath.Join(c.dir, "input.safetensors"), given)
	want, rounded := logits(t, c.g, x, images)
	runOracle(t, []string{c.dir})
	got := readValues(t, filepath.Join(c.dir, "output.safetensors"))
	high, low := got["logits_0"], got["logits_0.low"]
	off, most := 0.0, 0.0
	for i, w := range want.Data {
		off = max(off, math.Abs(float64(high.Data[i])+float64(low.Data[i])-w))
		most = max(most, math.Abs(w))
	}
	t.Logf("%s: the logits of PyTorch in float64 differ by %.2g of the largest one, those of incc in float32 by %.2g", c.name, off/most, distance(rounded, tensor.Round(want).Data))
	if !(off <= 1e-9*most) {
		t.Errorf("%s: the logits differ by %.2g of the largest one", c.name, off/most)
	}
}

// logits computes logits in training mode without dropout, with incc's interpreter in float64
// and with the executor in float32.
func logits(t *testing.T, network *ir.Graph, x *tensor.Tensor, images *tensor.F32) (exact *tensor.Tensor, rounded []float32) {
	t.Helper()
	g := network.Clone()
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.Dropout); ok {
			n.Op = ops.Dropout{}
		}
	}
	tr, err := autodiff.Train(g, autodiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	z := tr.Losses[0].Def.In[0]
	tr.Graph.Outputs = []*ir.Value{z}
	tr.Graph.Inputs = tr.Graph.Inputs[:1]
	rw := ir.Rewrite(tr.Graph, "test")
	rw.Sweep()
	if err := rw.Finish(); err != nil {
		t.Fatal(err)
	}
	out, err := ref.Run(tr.Graph, []*tensor.Tensor{x}, ref.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	return out[z], run(t, tr.Graph, x.Shape[0], [][]float32{images.Data})[0]
}
