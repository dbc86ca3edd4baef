package onnx_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// weighted lists the ops whose operands after the first are weights.
var weighted = map[string]bool{"conv": true, "dense": true, "batchnorm": true}

// single returns a graph of one op with random weights (positive for the variance of batch
// normalization). All results of the op are outputs of the graph.
func single(t testing.TB, op ir.Op, in []ir.Type, rng *rand.Rand) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("single")
	var vs []*ir.Value
	for i, x := range in {
		name := fmt.Sprint("x", i)
		if i == 0 || !weighted[ir.Name(op)] {
			vs = append(vs, b.Input(name, x))
			continue
		}
		w := b.Param(name, x.Shape, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitConstant}, LR: 1})
		data := tensor.Make[float32](x.Shape)
		for j := range data.Data {
			data.Data[j] = float32(rng.NormFloat64())
			if ir.Name(op) == "batchnorm" && i == 4 {
				data.Data[j] = float32(0.1 + rng.Float64())
			}
		}
		b.Graph().Data[name] = data
		vs = append(vs, w)
	}
	n, err := b.Add("y", op, vs...)
	if err != nil {
		t.Fatalf("%s: %v", ir.FormatOp(op), err)
	}
	b.Graph().Outputs = n.Out
	return b.Graph()
}

// feed draws random inputs for a batch. If positive is set, they are at least 0.5.
func feed(g *ir.Graph, batch int, positive bool, rng *rand.Rand) ([]*tensor.Tensor, map[string]*tensor.Tensor) {
	var list []*tensor.Tensor
	named := map[string]*tensor.Tensor{}
	for _, v := range g.Inputs {
		x := tensor.Make[float64](v.Type.Shape.Bind(batch))
		for i := range x.Data {
			f := float32(rng.NormFloat64())
			if positive {
				f = float32(0.5 + rng.Float64())
			}
			x.Data[i] = float64(f)
		}
		list = append(list, x)
		named[v.Name] = x
	}
	return list, named
}

// cases returns small uses of every op: the examples of the op itself, and more for ops
// with many attributes.
func cases() (list []struct {
	op ir.Op
	in []ir.Type
}) {
	add := func(op ir.Op, in ...ir.Type) {
		list = append(list, struct {
			op ir.Op
			in []ir.Type
		}{op, in})
	}
	for _, d := range ir.Defs() {
		for _, x := range d.Examples {
			if x.Violates == 0 && (onnx.Backend{}).Supports(x.Op) == nil {
				add(x.Op, x.In...)
			}
		}
	}
	one := ir.HW{1, 1}
	for _, k := range []ir.HW{{1, 1}, {3, 3}, {1, 7}, {7, 1}, {5, 2}} {
		for _, s := range []ir.HW{{1, 1}, {2, 2}, {3, 1}} {
			for _, p := range []ir.Pads{{}, {1, 1, 1, 1}, {0, 0, 1, 1}, {2, 0, 1, 3}} {
				add(ops.Conv{Stride: s, Pad: p, Dilation: one, Groups: 1}, ir.Float(ir.Batch, 2, 9, 8), ir.Float(3, 2, k[0], k[1]), ir.Float(3))
				if p[0] >= k[0] || p[1] >= k[1] || p[2] >= k[0] || p[3] >= k[1] {
					continue
				}
				for _, ceil := range []bool{false, true} {
					add(ops.MaxPool{Kernel: k, Stride: s, Pad: p, Ceil: ceil}, ir.Float(ir.Batch, 2, 9, 8))
					add(ops.AvgPool{Kernel: k, Stride: s, Pad: p, Ceil: ceil}, ir.Float(ir.Batch, 2, 9, 8))
					add(ops.AvgPool{Kernel: k, Stride: s, Pad: p, Ceil: ceil, IncludePad: true}, ir.Float(ir.Batch, 2, 9, 8))
				}
			}
		}
	}
	add(ops.Conv{Stride: one, Pad: ir.Pads{2, 2, 2, 2}, Dilation: ir.HW{2, 2}, Groups: 3}, ir.Float(ir.Batch, 6, 7, 7), ir.Float(9, 2, 3, 3))
	add(ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{3, 3}, Ceil: true}, ir.Float(ir.Batch, 2, 7, 7)) // the stride jumps over
	add(ops.LRN{Size: 5, Alpha: 1e-1, Beta: 0.75, K: 2}, ir.Float(ir.Batch, 7, 3, 3))
	add(ops.LRN{Size: 2, Alpha: 1e-1, Beta: 0.75, K: 1}, ir.Float(ir.Batch, 7, 3, 3))
	add(ops.Add{}, ir.Float(ir.Batch, 3, 4, 4), ir.Float(ir.Batch, 3, 4, 4), ir.Float(1, 3, 1, 1))
	add(ops.Max{}, ir.Float(ir.Batch, 3), ir.Float(ir.Batch, 3), ir.Float(ir.Batch, 1), ir.Float(1))
	add(ops.Softmax{Axis: 1}, ir.Float(ir.Batch, 5, 2, 2))
	add(ops.Concat{Axis: 2}, ir.Float(ir.Batch, 3, 2, 4), ir.Float(ir.Batch, 3, 5, 4), ir.Float(ir.Batch, 3, 1, 4))
	return list
}

// TestEveryOp emits each op as a model and compares its results in ONNX Runtime with those
// of the reference interpreter, at the oldest and a newer opset.
func TestEveryOp(t *testing.T) {
	ort := onnxtest.StartORT(t)
	checker := onnxtest.NewChecker(t)
	rng := rand.New(rand.NewPCG(5, 6))
	ran := map[string]int{}
	refused := 0
	for i, c := range cases() {
		name := fmt.Sprintf("%s %v", ir.FormatOp(c.op), c.in)
		g := single(t, c.op, c.in, rng)
		opset := []int{17, 21}[i%2]
		b := onnx.Backend{Opset: opset}
		m, err := b.Model(g)
		if err != nil {
			if a, ok := c.op.(ops.AvgPool); ok && a.IncludePad && a.Ceil && strings.Contains(err.Error(), "hangs") {
				refused++
				continue
			}
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := onnx.Verify(m); len(p) > 0 {
			t.Errorf("%s: %v", name, p)
		}
		if u := onnx.Undeclared(m.Proto); len(u) > 0 {
			t.Errorf("%s: no shape declared of %v", name, u)
		}
		path := onnxtest.Write(t, b, g)
		if opset == 17 { // the newest that Debian's package knows
			if err := checker.Check(path); err != nil {
				t.Errorf("%s: checker: %v", name, err)
			}
		}
		if slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return v.Type.DType != ir.F32 }) {
			continue // the peer takes float32s only; the node tests of ONNX have integers
		}
		list, named := feed(g, 3, slices.Contains([]string{"sqrt", "div"}, ir.Name(c.op)), rng)
		want, err := ref.Run(g, list, ref.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := onnxtest.Run(ort, path, named)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got) != len(g.Outputs) {
			t.Errorf("%s: %d outputs, want %d", name, len(got), len(g.Outputs))
		}
		for _, v := range g.Outputs {
			out := v.Name
			if got[out] == nil && len(g.Outputs) == 1 {
				for k := range got {
					out = k
				}
			}
			if d, ok := onnxtest.Close(got[out], want[v]); !ok {
				t.Errorf("%s: output %s differs by %.2g of the largest", name, out, d)
			}
		}
		ran[ir.Name(c.op)]++
	}
	for _, d := range ir.Defs() {
		if op := d.Default(); (onnx.Backend{}).Supports(op) == nil && ran[d.Name] == 0 {
			t.Errorf("%s was never run", d.Name)
		}
	}
	if refused == 0 {
		t.Error("include_pad with a ceil overhang was never refused")
	}
	t.Logf("%d ops in %d cases, %d refused", len(ran), len(cases()), refused)
}

// TestEveryOpHasARow: every op can be written to a model, or its error says that it is a
// training op.
func TestEveryOpHasARow(t *testing.T) {
	trainOnly := 0
	for _, d := range ir.Defs() {
		err := (onnx.Backend{}).Supports(d.Default())
		switch {
		case err == nil && d.Grad:
			t.Errorf("%s exists for gradients, but has a row", d.Name)
		case err == nil:
		case strings.Contains(err.Error(), "is a training op"):
			trainOnly++
		default:
			t.Errorf("%s: %v", d.Name, err)
		}
	}
	if trainOnly == 0 {
		t.Error("no op is for training alone")
	}
}

// network returns a small network with everything that a model can contain: parts, a head,
// a dropout, preprocessing, labels.
func network(t testing.TB) *ir.Graph {
	t.Helper()
	b := ir.NewBuilder("small")
	g := b.Graph()
	g.Doc = "A small network."
	g.Recipe.SpecHash = "abc123"
	g.Recipe.Input = &recipe.Input{Lo: 0, Hi: 1, Mean: []float64{0.5, 0.4, 0.3}, Std: []float64{0.2, 0.2, 0.25}, Order: "rgb", Resize: 12, Crop: "center"}
	g.Recipe.Labels = &recipe.Labels{Set: "pets", Names: []string{"cat", "dog \"quoted\"", "é"}}
	par := func(name string, shape ...int) *ir.Value {
		return b.Param(name, shape, ir.Param{Kind: ir.Weight, Init: ir.Init{Kind: ir.InitHe}, LR: 1})
	}
	must := func(n *ir.Node, err error) *ir.Value {
		if err != nil {
			t.Fatal(err)
		}
		return n.Out[0]
	}
	x := b.Input("image", ir.Float(ir.Batch, 3, 8, 8))
	c := must(b.Add("c1/conv_3x3", ops.Conv{Stride: ir.HW{1, 1}, Pad: ir.Pads{1, 1, 1, 1}, Dilation: ir.HW{1, 1}, Groups: 1, Act: ops.ActReLU}, x, par("c1/conv_3x3/weight", 16, 3, 3, 3), par("c1/conv_3x3/bias", 16)))
	head := must(b.Add("c1/head", ops.GlobalAvgPool{}, c))
	p := must(b.Add("pool", ops.MaxPool{Kernel: ir.HW{3, 3}, Stride: ir.HW{2, 2}, Ceil: true}, c))
	d := must(b.Add("drop", ops.Dropout{P: 0.4}, p))
	f := must(b.Add("flat", ops.Flatten{}, d))
	l := must(b.Add("fc", ops.Dense{}, f, par("fc/weight", 3, 256), par("fc/bias", 3)))
	y := must(b.Add("prob", ops.Softmax{Axis: 1}, l))
	g.Outputs = []*ir.Value{y}
	g.Heads = []ir.Head{{Value: head, Weight: 0.3}}
	g.Parts = []ir.Part{{Name: "c1", Out: c}, {Name: "drop", Out: d}}
	return g
}

func meta(m *onnxpb.ModelProto, key string) string {
	for _, e := range m.MetadataProps {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

func names(vs []*onnxpb.ValueInfoProto) (s []string) {
	for _, v := range vs {
		s = append(s, v.Name)
	}
	return s
}

func TestModelOfANetwork(t *testing.T) {
	g := network(t)
	m, err := onnx.Backend{Version: "v1"}.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Proto
	if p.IrVersion != 8 || len(p.OpsetImport) != 1 || p.OpsetImport[0].Version != 17 || p.OpsetImport[0].Domain != "" {
		t.Errorf("IR version %d, opsets %v", p.IrVersion, p.OpsetImport)
	}
	for key, want := range map[string]string{
		"incc.version": "v1", "incc.spec_sha256": "abc123", "incc.input.range": "0..1", "incc.input.mean": "0.5,0.4,0.3", "incc.input.std": "0.2,0.2,0.25",
		"incc.input.order": "rgb", "incc.input.resize": "12", "incc.input.crop": "center", "incc.labels": "pets", "incc.classes": `["cat","dog \"quoted\"","é"]`,
		"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "",
	} {
		if got := meta(p, key); got != want {
			t.Errorf("metadata %s is %q, want %q", key, got, want)
		}
	}
	var ops []string
	for _, n := range p.Graph.Node {
		ops = append(ops, n.OpType)
		if n.DocString == "" {
			t.Errorf("node %s has no doc string", n.Name)
		}
	}
	if want := []string{"Conv", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax"}; !slices.Equal(ops, want) {
		t.Errorf("nodes %v, want %v: heads and dropout are gone", ops, want)
	}
	if got := names(p.Graph.Output); !slices.Equal(got, []string{"prob"}) {
		t.Errorf("outputs %v", got)
	}
	if p.Graph.Node[1].Output[0] != "c1/conv_3x3" || p.Graph.DocString != g.Doc {
		t.Errorf("names and docs: %v", p.Graph.Node[1])
	}
	withHeads, err := onnx.Backend{Heads: true, Dropout: true, Batch: 4}.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(withHeads.Proto.Graph.Output); !slices.Equal(got, []string{"prob", "c1/head"}) {
		t.Errorf("outputs with heads: %v", got)
	}
	if got := withHeads.Proto.Graph.Output[0].Type.GetTensorType().Shape.Dim[0].GetDimValue(); got != 4 {
		t.Errorf("the fixed batch is %d, want 4", got)
	}
	if len(g.Data) != 0 {
		t.Error("emitting changed the graph's data")
	}
	for _, m := range []*onnx.Model{m, withHeads} {
		if p := onnx.Verify(m); len(p) > 0 {
			t.Error(p)
		}
	}
}

// TestExtraOutputs requests outputs that have no node of their own in the model: an input, a
// weight, a removed dropout, the same value twice.
func TestExtraOutputs(t *testing.T) {
	g := network(t)
	drop := g.Parts[1].Out
	b := onnx.Backend{Outputs: []*ir.Value{g.Parts[0].Out, drop, g.Inputs[0], drop, g.Params[0]}}
	m, err := b.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	if p := onnx.Verify(m); len(p) > 0 {
		t.Fatal(p)
	}
	want := []string{"prob", "c1/conv_3x3", "drop", "image/output", "c1/conv_3x3/weight/output"}
	if got := names(m.Proto.Graph.Output); !slices.Equal(got[:3], want[:3]) || !slices.Contains(got, want[3]) || !slices.Contains(got, want[4]) {
		t.Errorf("outputs %v, want %v", got, want)
	}
	path := onnxtest.Write(t, b, g)
	if err := onnxtest.NewChecker(t).Check(path); err != nil {
		t.Error("checker:", err)
	}
	list, named := feed(g, 2, false, rand.New(rand.NewPCG(1, 1)))
	res, err := ref.Run(g, list, ref.Options{Keep: []*ir.Value{drop, g.Parts[0].Out}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnxtest.Run(onnxtest.StartORT(t), path, named)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*ir.Value{"prob": g.Outputs[0], "drop": drop, "c1/conv_3x3": g.Parts[0].Out} {
		if d, ok := onnxtest.Close(got[name], res[v]); !ok {
			t.Errorf("%s differs by %g", name, d)
		}
	}
}

// TestEmittedFiles: emitting twice gives the same bytes, the file can be decoded, and a
// model with external data is the same model.
func TestEmittedFiles(t *testing.T) {
	g := network(t)
	var first []byte
	for range 2 {
		files, err := onnx.Backend{}.Emit(g)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := files[0].WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, b.Bytes()) {
			t.Error("two emissions differ")
		}
		first = b.Bytes()
	}
	inside, err := onnx.Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	path := onnxtest.Write(t, onnx.Backend{Path: "out/small.onnx", External: true}, g)
	if err := onnxtest.NewChecker(t).Check(path); err != nil {
		t.Error("checker on external data:", err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := onnx.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if !onnx.HasExternal(outside) {
		t.Fatal("no weights are external")
	}
	root, err := os.OpenRoot(path[:strings.LastIndexByte(path, os.PathSeparator)])
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := onnx.LoadExternal(outside, onnx.Dir(root)); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(inside, outside) {
		t.Error("external data makes another model")
	}
	if got, err := onnxtest.Run(onnxtest.StartORT(t), path, map[string]*tensor.Tensor{"image": tensor.New(1, 3, 8, 8)}); err != nil || got["prob"] == nil {
		t.Errorf("ONNX Runtime on external data: %v, %v", got, err)
	}
}

func TestRefusals(t *testing.T) {
	g := network(t)
	for opset, ok := range map[int]bool{16: false, 17: true, onnx.MaxOpset: true, onnx.MaxOpset + 1: false} {
		if _, err := (onnx.Backend{Opset: opset}).Model(g); (err == nil) != ok {
			t.Errorf("opset %d: %v", opset, err)
		}
	}
	b := ir.NewBuilder("training")
	x := b.Input("x", ir.Float(ir.Batch, 3))
	y := b.Input("y", ir.Float(ir.Batch, 3))
	b.Graph().Outputs = []*ir.Value{b.Do(ops.ReLUDx{}, x, y), b.Do(ops.TanhDx{}, x, y)}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	_, err := onnx.Backend{}.Model(b.Graph())
	if err == nil || !strings.Contains(err.Error(), "relu_dx is a training op") || !strings.Contains(err.Error(), "tanh_dx is a training op") {
		t.Errorf("a training graph: %v", err)
	}
	if _, err := (onnx.Backend{}).Model(&ir.Graph{Name: "empty"}); err == nil {
		t.Error("a graph without outputs was emitted")
	}
}
