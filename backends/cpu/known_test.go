package cpu

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// TestWeightsFromFile compiles networks whose weights are folded beforehand, and the
// same ones with weights that Compile reads from a file or draws: the packed weights
// are the same bits, whatever the number of threads.
func TestWeightsFromFile(t *testing.T) {
	for _, name := range []string{"mnist/inception_v3", "mnist/deep_heads", "nin_cifar10", "maxout_mnist_pi"} {
		g := load(t, name, 0)
		drawn := g.Clone()
		ir.Materialize(g, 5)
		for i, v := range g.Params { // statistics and offsets that are not 0 and 1
			if len(v.Type.Shape) == 1 && v.Param.Kind != ir.Constant {
				d := ir.Draw(v.Name, v.Type.Shape, ir.Init{Kind: ir.InitUniform, A: 0.4}, int64(i))
				for j := range d.Data {
					d.Data[j] += 1
				}
				g.Data[v.Name] = d
			}
		}
		var file bytes.Buffer
		var infos []safetensors.TensorInfo
		for _, v := range g.Params {
			if v.Param.Kind != ir.Constant {
				infos = append(infos, safetensors.TensorInfo{Name: v.Name, Shape: v.Type.Shape})
			}
		}
		w, err := safetensors.NewTensorWriter(&file, nil, infos)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if err := w.Float32s(info.Name, g.Data[info.Name].Data); err != nil {
				t.Fatal(err)
			}
		}
		tensors, err := safetensors.OpenTensors(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		packed := func(g *ir.Graph, o Options) []float32 {
			h := g.Clone()
			h.Heads = nil
			if _, err := passes.Run(h, passes.Level(2), passes.Options{}); err != nil {
				t.Fatal(err)
			}
			p, err := Compile(h, o)
			if err != nil {
				t.Fatal(err)
			}
			return p.weights.Mem
		}
		same := func(a, b []float32) bool {
			return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
		}
		want := packed(g, Options{})
		if !same(want, packed(drawn, Options{Weights: tensors})) {
			t.Errorf("%s: packed from a file, the weights are others", name)
		}
		if same(want, packed(drawn, Options{Seed: 5})) {
			t.Errorf("%s: the file's weights are those that are drawn; the test shows nothing", name)
		}
		all := drawn.Clone()
		ir.Materialize(all, 5)
		if !same(packed(all, Options{}), packed(drawn, Options{Seed: 5})) {
			t.Errorf("%s: drawn while they are packed, the weights are others", name)
		}

		// A file that became shorter, and one that does not fit.
		cut, err := safetensors.OpenTensors(bytes.NewReader(file.Bytes()[:file.Len()-8]), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(drawn, Options{Weights: cut}); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("%s: a file that was cut short: %v", name, err)
		}
		first := infos[0].Name
		for _, v := range drawn.Params {
			if v.Name == first {
				v.Type.Shape[0]++
			}
		}
		if _, err := drawnStream(drawn, tensors, first); err == nil || !strings.Contains(err.Error(), "in the file") {
			t.Errorf("%s: a shape that does not fit: %v", name, err)
		}
	}
}

func drawnStream(g *ir.Graph, file *safetensors.Tensors, name string) ([]kernel.Stream, error) {
	_, k := prepare(g)
	k.file = file
	return k.streams(name)
}
