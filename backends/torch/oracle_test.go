package torch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/cpu/train"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/autodiff"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// python returns the interpreter that has PyTorch. It skips the test where there is none.
func python(t *testing.T) string {
	t.Helper()
	path := peers.TorchPython(peers.Torch)
	if _, err := os.Stat(path); err != nil {
		err := &peers.MissingError{What: "PyTorch " + peers.Torch, How: "go run ./backends/cpu/peers/install torch"}
		t.Skip(err)
	}
	return path
}

// values are tensors by name.
type values map[string]*tensor.F32

func writeValues(t *testing.T, path string, x values) {
	t.Helper()
	var infos []safetensors.TensorInfo
	for name, v := range x {
		infos = append(infos, safetensors.TensorInfo{Name: name, Shape: v.Shape})
	}
	slices.SortFunc(infos, func(a, b safetensors.TensorInfo) int { return strings.Compare(a.Name, b.Name) })
	if err := safetensors.SaveTensors(path, nil, infos, func(dst []float32, i int) error {
		copy(dst, x[infos[i].Name].Data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func readValues(t *testing.T, path string) values {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.ParseTensors(b)
	if err != nil {
		t.Fatal(err)
	}
	x := values{}
	for _, info := range f.All() {
		data, err := f.Float32s(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		x[info.Name] = tensor.Of(data, info.Shape...)
	}
	return x
}

// weights are the weights and statistics of a graph.
func weights(g *ir.Graph) values {
	x := values{}
	for _, v := range g.Params {
		if v.Param.Kind != ir.Constant {
			x[v.Name] = g.Data[v.Name]
		}
	}
	return x
}

// oracleCase is a network, its input, and what incc computes.
type oracleCase struct {
	name   string
	g      *ir.Graph
	batch  int
	trains bool    // also compare training mode
	grads  bool    // also compare gradients
	bound  float64 // of the logits in training mode, where not 1e-4
	images *tensor.F32
	dir    string
	wanted values
}

// run computes the outputs of a graph with the executor.
func run(t *testing.T, g *ir.Graph, batch int, inputs [][]float32) [][]float32 {
	t.Helper()
	p, err := cpu.Compile(g, cpu.Options{Batch: batch, Threads: 2, Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]float32, len(g.Outputs))
	for i, v := range g.Outputs {
		out[i] = make([]float32, tensor.Size(v.Type.Shape.Bind(batch)))
	}
	if err := p.NewSession().Run(inputs, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// prepare draws weights and inputs, writes what PyTorch needs, and computes what incc makes
// of them.
func (c *oracleCase) prepare(t *testing.T) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 11))
	shape := c.g.Inputs[0].Type.Shape
	x := tensor.New(shape.Bind(c.batch)...)
	c.images = tensor.Of(make([]float32, len(x.Data)), x.Shape...)
	for i := range x.Data {
		c.images.Data[i] = float32(r.NormFloat64())
		x.Data[i] = float64(c.images.Data[i])
	}
	if _, err := ref.Condition(c.g, x, 5); err != nil {
		t.Fatal(err)
	}
	ir.Materialize(c.g, 5)
	text, err := Model(c.g, "incc gen torch "+c.name)
	if err != nil {
		t.Fatal(err)
	}
	c.dir = filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(c.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "model.py"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	writeValues(t, filepath.Join(c.dir, "weights.safetensors"), weights(c.g))
	given := values{"images": c.images}
	infer := c.g.Clone()
	infer.Heads = nil
	ir.Rewrite(infer, "test").Sweep()
	c.wanted = values{"probabilities": tensor.Of(run(t, infer, c.batch, [][]float32{c.images.Data})[0], infer.Outputs[0].Type.Shape.Bind(c.batch)...)}
	if c.trains {
		c.training(t, r, given)
	}
	writeValues(t, filepath.Join(c.dir, "input.safetensors"), given)
}

// training computes logits, the loss and the gradients, without dropout.
func (c *oracleCase) training(t *testing.T, r *rand.Rand, given values) {
	t.Helper()
	g := c.g.Clone()
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.Dropout); ok {
			n.Op = ops.Dropout{}
		}
	}
	for _, p := range g.Params {
		p.Param.MaxNorm = 0 // the long step of gradients would exceed it
	}
	tr, err := autodiff.Train(g, autodiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var outs []*ir.Value
	for i, l := range tr.Losses {
		names = append(names, fmt.Sprintf("logits_%d", i))
		outs = append(outs, l.Def.In[0])
	}
	classes := tr.Logits.Type.Shape[1]
	labels := make([]int32, c.batch)
	asFloat := tensor.Of(make([]float32, c.batch), c.batch)
	for i := range labels {
		labels[i] = int32(r.IntN(classes))
		asFloat.Data[i] = float32(labels[i])
	}
	given["labels"] = asFloat
	var heads []float32
	for _, h := range c.g.Heads {
		heads = append(heads, float32(h.Weight))
	}
	if len(heads) > 0 {
		given["head_weights"] = tensor.Of(heads, len(heads))
	}
	tr.Graph.Outputs = outs
	tr.Graph.Inputs = tr.Graph.Inputs[:1]
	rw := ir.Rewrite(tr.Graph, "test")
	rw.Sweep()
	if err := rw.Finish(); err != nil {
		t.Fatal(err)
	}
	for i, x := range run(t, tr.Graph, c.batch, [][]float32{c.images.Data}) {
		c.wanted[names[i]] = tensor.Of(x, outs[i].Type.Shape.Bind(c.batch)...)
	}
	if c.grads {
		given["gradients"] = tensor.Of([]float32{1}, 1)
	}
	c.gradients(t, g, labels)
}

// gradients takes a step so long that it shows the gradients.
func (c *oracleCase) gradients(t *testing.T, g *ir.Graph, labels []int32) {
	t.Helper()
	const rate = 1 << 12
	e, err := train.NewCPU(g, autodiff.Options{Optimizer: &recipe.Optimizer{Kind: "sgd"}}, c.batch, 5, cpu.Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Step(c.images.Data, labels, rate, 0)
	if err != nil || !s.Finite() {
		t.Fatal(s, err)
	}
	c.wanted["loss"] = tensor.Of([]float32{float32(s.Loss)})
	if !c.grads {
		return
	}
	for _, p := range e.Params() {
		v := g.Value(p.Name)
		if p.Slot || v.Param.Kind != ir.Weight {
			continue
		}
		after := make([]float32, len(g.Data[p.Name].Data))
		if err := e.Get(p.Name, after); err != nil {
			t.Fatal(err)
		}
		for i, before := range g.Data[p.Name].Data {
			after[i] = (before - after[i]) / rate
		}
		c.wanted[p.Name+".grad"] = tensor.Of(after, v.Type.Shape...)
	}
}

// distance is max|a-b| / max|b|.
func distance(a, b []float32) float64 {
	most, off := 0.0, 0.0
	for i, x := range b {
		most = max(most, math.Abs(float64(x)))
		off = max(off, math.Abs(float64(a[i])-float64(x)))
		if math.IsNaN(float64(a[i])) || math.IsNaN(float64(x)) {
			return math.NaN()
		}
	}
	if off == 0 {
		return 0
	}
	return off / most
}

// compare checks what PyTorch computed.
func (c *oracleCase) compare(t *testing.T) {
	t.Helper()
	got := readValues(t, filepath.Join(c.dir, "output.safetensors"))
	largest := 0.0
	for name, w := range c.wanted {
		if strings.HasSuffix(name, ".grad") {
			for _, x := range w.Data {
				largest = max(largest, math.Abs(float64(x)))
			}
		}
	}
	worst, where := 0.0, ""
	for name, w := range c.wanted {
		x := got[name]
		if x == nil {
			t.Errorf("%s: PyTorch has no %s", c.name, name)
			continue
		}
		if !slices.Equal(x.Shape, w.Shape) {
			t.Errorf("%s: %s has shape %v, want %v", c.name, name, x.Shape, w.Shape)
			continue
		}
		d := distance(x.Data, w.Data)
		if !strings.HasSuffix(name, ".grad") {
			bound := 1e-4
			if c.bound > 0 && strings.HasPrefix(name, "logits") {
				bound = c.bound
			}
			if !(d <= bound) {
				t.Errorf("%s: %s differs by %.2g of its largest number", c.name, name, d)
			}
			continue
		}
		// The gradient of a bias before a normalization is 0 but for rounding.
		most := 0.0
		for _, v := range w.Data {
			most = max(most, math.Abs(float64(v)))
		}
		if most < 1e-3*largest {
			d *= most / (1e-3 * largest)
		}
		if d > worst || math.IsNaN(d) {
			worst, where = d, name
		}
	}
	if len(got) != len(c.wanted) {
		t.Errorf("%s: PyTorch has %d values, incc %d", c.name, len(got), len(c.wanted))
	}
	t.Logf("%s: the largest difference of a gradient is %.2g, of %s", c.name, worst, where)
	if !(worst <= 1e-3) {
		t.Errorf("%s: the gradient %s differs by %.2g of its largest number", c.name, where, worst)
	}
}

// oracle runs the cases in PyTorch and compares.
func oracle(t *testing.T, cases []*oracleCase) {
	t.Helper()
	var dirs []string
	for _, c := range cases {
		c.prepare(t)
		dirs = append(dirs, c.dir)
	}
	runOracle(t, dirs)
	for _, c := range cases {
		c.compare(t)
	}
}

// runOracle runs the models of some folders in PyTorch.
func runOracle(t *testing.T, dirs []string) {
	t.Helper()
	args := append([]string{filepath.Join("testdata", "oracle.py")}, dirs...)
	if out, err := exec.Command(python(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// small are the specs whose comparison takes a moment.
func small(name string) bool {
	return strings.HasPrefix(name, "mnist/") || strings.HasPrefix(name, "fashion/") || name == "lenet5" || name == "maxout_mnist_pi"
}

// TestSpecs compares every network of specs/ with incc: the probabilities, and in training
// mode without dropout the logits, also those of the heads, and the loss; those of small
// networks also in the gradients. Of the millions of activations of a large one some are so
// near to 0 that rounding decides their sign, and one of them can be a twentieth of a gradient.
func TestSpecs(t *testing.T) {
	python(t)
	var cases []*oracleCase
	for _, name := range specs.Names() {
		if small(name) {
			cases = append(cases, &oracleCase{name: name, g: spectest.Load(t, name), batch: 8, trains: true, grads: true})
		}
	}
	t.Run("small", func(t *testing.T) { oracle(t, cases) })
	for _, name := range specs.Names() {
		if small(name) || !longtest.Enabled() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			batch := 2
			if name == "inception_v3" {
				batch = 5 // its head normalizes maps of 1x1: of two images that leaves signs alone
			}
			c := &oracleCase{name: name, g: spectest.Load(t, name), batch: batch, trains: true}
			if name == "inception_v4" {
				c.bound = 1e-3 // rounding, as TestInFloat64 shows
			}
			oracle(t, []*oracleCase{c})
		})
	}
}
