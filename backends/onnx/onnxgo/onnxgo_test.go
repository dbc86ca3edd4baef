package onnxgo

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	gtensor "gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// The test sends a request to a child process and receives a reply. The child is the test
// program itself, started with this environment variable.
const childEnv = "INCC_GORGONNX_CHILD"

type request struct {
	Model []byte
	Shape []int
	Data  []float32
}

type reply struct {
	Err    string
	Shapes [][]int
	Data   [][]float32
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	var q request
	var r reply
	if err := gob.NewDecoder(os.Stdin).Decode(&q); err != nil {
		r.Err = err.Error()
	} else {
		outs, err := Run(q.Model, []*gtensor.Dense{gtensor.New(gtensor.WithShape(q.Shape...), gtensor.WithBacking(q.Data))})
		if err != nil {
			r.Err = err.Error()
		}
		for _, o := range outs {
			r.Shapes = append(r.Shapes, []int(o.Shape()))
			r.Data = append(r.Data, o.Data().([]float32))
		}
	}
	if err := gob.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(1)
	}
}

// inChild runs a model with one input with gorgonnx in a child process.
func inChild(t testing.TB, model []byte, x *tensor.F32) (*reply, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var in, out, msg bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(request{model, x.Shape, x.Data}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &msg
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %.300s", err, msg.String())
	}
	var r reply
	if err := gob.NewDecoder(&out).Decode(&r); err != nil {
		return nil, err
	}
	if r.Err != "" {
		return nil, fmt.Errorf("%s", r.Err)
	}
	return &r, nil
}

func emit(t testing.TB, b onnx.Backend, g *ir.Graph) []byte {
	t.Helper()
	files, err := b.Emit(g)
	if err != nil {
		t.Fatal(err)
	}
	var w bytes.Buffer
	if _, err := files[0].WriteTo(&w); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestModelsReadBack decodes the model of every spec with onnx-go's decoder; the result must
// be the same graph. The decoder takes a second for every 100 MB of weights, so the largest
// specs run only with INCC_LONG=1.
func TestModelsReadBack(t *testing.T) {
	read := 0
	for _, name := range specs.Names() {
		g := spectest.Load(t, name)
		if s := ir.Summarize(g); s.Params+s.HeadParams > 14e6 && !longtest.Enabled() {
			continue
		}
		for _, b := range []onnx.Backend{{Batch: 1}, {Batch: 2, Opset: 21, Heads: true, Dropout: true}} {
			if b.Heads && read > 3 && len(g.Heads) == 0 {
				continue
			}
			model := emit(t, b, g)
			m, err := onnx.Decode(model)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := Read(model)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if d := Diff(m, got); len(d) > 0 {
				t.Errorf("%s: %d differences: %s", name, len(d), strings.Join(d[:min(3, len(d))], "; "))
			}
		}
		read++
	}
	if read < 15 {
		t.Errorf("only %d specs were read", read)
	}
	t.Logf("%d of %d specs", read, len(specs.Names()))
}

// TestDiffSeesDifferences changes one part of a graph at a time; Diff must report it.
func TestDiffSeesDifferences(t *testing.T) {
	model := emit(t, onnx.Backend{Batch: 1}, spectest.Load(t, "lenet5"))
	m, err := onnx.Decode(model)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Graph){
		"operator":  func(g *Graph) { g.Nodes[0].Op = "Gemm" },
		"operand":   func(g *Graph) { g.Nodes[0].In[0], g.Nodes[0].In[1] = g.Nodes[0].In[1], g.Nodes[0].In[0] },
		"result":    func(g *Graph) { g.Nodes[0].Out[0] = "x" },
		"attribute": func(g *Graph) { g.Nodes[0].Attrs["kernel_shape"] = []int64{5, 4} },
		"extra":     func(g *Graph) { g.Nodes[0].Attrs["group"] = int64(2) },
		"node":      func(g *Graph) { g.Nodes = g.Nodes[1:] },
		"input":     func(g *Graph) { g.Inputs = nil },
		"output":    func(g *Graph) { g.Outputs[0] = "x" },
		"weight":    func(g *Graph) { g.Tensors[m.Graph.Initializer[0].Name].Data().([]float32)[1] += 1e-6 },
		"tensor":    func(g *Graph) { delete(g.Tensors, m.Graph.Initializer[1].Name) },
	} {
		g, err := Read(model)
		if err != nil {
			t.Fatal(err)
		}
		if d := Diff(m, g); len(d) > 0 {
			t.Fatal(d)
		}
		change(g)
		if d := Diff(m, g); len(d) == 0 {
			t.Errorf("another %s is not seen", name)
		}
	}
}

// TestGorgonnxComputesTheSame runs the networks that gorgonnx can run, and parts
// of others, against the reference interpreter.
func TestGorgonnxComputesTheSame(t *testing.T) {
	graphs := map[string]*ir.Graph{"module": module(t)}
	for _, name := range specs.Names() {
		if s := spectest.Load(t, name); ir.Summarize(s).MACs < 3e6 {
			graphs[name] = s
		}
	}
	ran := 0
	for name, g := range graphs {
		model := emit(t, onnx.Backend{Batch: 1, Seed: 3}, g)
		m, err := onnx.Decode(model)
		if err != nil {
			t.Fatal(err)
		}
		if err := Runnable(m); err != nil {
			t.Logf("%s: not runnable: %v", name, err)
			continue
		}
		rng := rand.New(rand.NewPCG(1, 2))
		x := tensor.Make[float32](g.Inputs[0].Type.Shape.Bind(1))
		for i := range x.Data {
			x.Data[i] = float32(rng.NormFloat64())
		}
		want, err := ref.Run(g, []*tensor.Tensor{tensor.Widen(x)}, ref.Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		r, err := inChild(t, model, x)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w := want[g.Outputs[0]]
		if len(r.Data[0]) != len(w.Data) {
			t.Errorf("%s: shape %v, want %v", name, r.Shapes[0], w.Shape)
			continue
		}
		got := tensor.Widen(tensor.Of(r.Data[0], w.Shape...))
		if d, ok := onnxtest.Close(got, w); !ok {
			t.Errorf("%s: differs by %.2g", name, d)
		}
		t.Logf("%s: the same", name)
		ran++
	}
	if ran < 4 {
		t.Errorf("only %d networks ran", ran)
	}
}

// module returns a narrow Inception module of ops that gorgonnx can run.
func module(t testing.TB) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("module")
	par := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitHe}, LR: 1})
	}
	conv := func(x *ir.Value, name string, out, k int, act ops.Act) *ir.Value {
		n, err := b.Add(name, ops.Conv{Stride: ir.HW{1, 1}, Pad: ir.Pads{k / 2, k / 2, k / 2, k / 2}, Dilation: ir.HW{1, 1}, Groups: 1, Act: act},
			x, par(name+"/weight", out, x.Type.Shape[1], k, k), par(name+"/bias", out))
		if err != nil {
			t.Fatal(err)
		}
		return n.Out[0]
	}
	x := b.Input("x", ir.Float(ir.Batch, 4, 8, 8))
	a := conv(x, "a", 3, 1, ops.ActReLU)
	c := conv(conv(x, "r", 2, 1, ops.ActReLU), "c", 5, 3, ops.ActTanh)
	p := conv(b.Do(ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}}, x), "p", 2, 1, ops.ActSigmoid)
	j := b.Do(ops.Concat{Axis: 1}, a, c, p)
	d := b.Do(ops.Dense{}, b.Do(ops.Flatten{}, b.Do(ops.GlobalAvgPool{}, j)), par("fc/weight", 6, 10), par("fc/bias", 6))
	b.Graph().Outputs = []*ir.Value{b.Do(ops.Softmax{Axis: 1}, d)}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return b.Graph()
}

// TestRunnableRefuses: Runnable returns errors for models that gorgonnx would compute
// wrongly without an error.
func TestRunnableRefuses(t *testing.T) {
	one := ir.HW{1, 1}
	x := ir.Float(ir.Batch, 4, 8, 8)
	for want, op := range map[string]ir.Op{
		"padding":              ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true},
		"no such operator":     ops.AvgPool{Kernel: ir.HW{2, 2}, Stride: one},
		"no such":              ops.LRN{Size: 3, Alpha: 1, Beta: 1, K: 1},
		"joins this axis":      ops.Softmax{Axis: 1},
		"gorgonnx reads it":    ops.Concat{Axis: 1},
		"twice, but gorgonnx ": ops.Add{},
	} {
		b := ir.NewBuilder("g")
		in := []*ir.Value{b.Input("x", x)}
		if strings.Contains(want, "gorgonnx") {
			in = append(in, in[0])
		}
		b.Graph().Outputs = []*ir.Value{b.Do(op, in...)}
		if b.Err() != nil {
			t.Fatal(b.Err())
		}
		m, err := onnx.Backend{Batch: 1}.Model(b.Graph())
		if err != nil {
			t.Fatal(err)
		}
		if err := Runnable(m.Proto); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ir.FormatOp(op), err, want)
		}
	}
	m, err := onnx.Backend{}.Model(module(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := Runnable(m.Proto); err == nil || !strings.Contains(err.Error(), "symbolic") {
		t.Errorf("a symbolic batch: %v", err)
	}
}

// TestHostileBytesStopBeforeOnnxGo passes bytes to Read and Run that would make onnx-go
// panic or end the program; they must return errors.
func TestHostileBytesStopBeforeOnnxGo(t *testing.T) {
	for _, b := range [][]byte{nil, {0x08}, bytes.Repeat([]byte{0x3a, 0}, 5<<20), bytes.Repeat([]byte{0xff}, 100)} {
		if _, err := Read(b); err == nil {
			t.Errorf("%d hostile bytes were read", len(b))
		}
		if _, err := Run(b, nil); err == nil {
			t.Errorf("%d hostile bytes ran", len(b))
		}
	}
}
