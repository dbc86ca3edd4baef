package onnx_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/specs"
	"github.com/incc-lang/incc/specs/spectest"
)

// reimported emits a graph as a model and imports that.
func reimported(t testing.TB, g *ir.Graph) (*ir.Graph, error) {
	t.Helper()
	m, err := onnx.Backend{Dropout: true}.Model(g)
	if err != nil {
		t.Fatal(err)
	}
	r, err := onnx.Import(m)
	if err != nil {
		return nil, err
	}
	if err := ir.Verify(r); err != nil {
		t.Fatal(err)
	}
	return r, nil
}

// TestImportEveryOp emits and imports each op; the results must be the same.
func TestImportEveryOp(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	compared := 0
	for _, c := range cases() {
		name := fmt.Sprintf("%s %v", ir.FormatOp(c.op), c.in)
		g := single(t, c.op, c.in, rng)
		if _, err := (onnx.Backend{}).Model(g); err != nil {
			continue // TestEveryOp checks which ops these are
		}
		r, err := reimported(t, g)
		if err != nil {
			if l, ok := c.op.(ops.LRN); ok && l.Size%2 == 0 && strings.Contains(err.Error(), "Pow") {
				continue // becomes its formula, and the IR has no power
			}
			t.Errorf("%s: %v", name, err)
			continue
		}
		list, _ := feed(g, 2, ir.Name(c.op) == "sqrt" || ir.Name(c.op) == "div", rng)
		want, err := ref.Run(g, list, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ref.Run(r, list, ref.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, v := range g.Outputs {
			// Attributes such as LRN's alpha are float32 in a model.
			if d, ok := onnxtest.Close(got[r.Outputs[i]], want[v]); !ok || d > 1e-7 {
				t.Errorf("%s: differs by %.2g", name, d)
			}
		}
		compared++
	}
	if compared < 250 {
		t.Errorf("only %d cases were compared", compared)
	}
}

// TestImportSpecs emits and imports every network. The counts must be the same, and for
// small networks the outputs.
func TestImportSpecs(t *testing.T) {
	ran := 0
	for _, name := range specs.Names() {
		g := spectest.Load(t, name)
		want := ir.Summarize(g)
		if want.Params > 30e6 && !longtest.Enabled() {
			continue
		}
		r, err := reimported(t, g)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ir.Summarize(r)
		if got.Params != want.Params || got.States != want.States || got.MACs != want.MACs || got.RF != want.RF {
			t.Errorf("%s: %d params, %d states, %d MACs, receptive field %v; want %d, %d, %d, %v", name,
				got.Params, got.States, got.MACs, got.RF, want.Params, want.States, want.MACs, want.RF)
		}
		if want.MACs > 3e6 {
			continue
		}
		in, _ := feed(g, 1, false, rand.New(rand.NewPCG(1, 1)))
		a, err := ref.Run(g, in, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := ref.Run(r, in, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := onnxtest.Close(b[r.Outputs[0]], a[g.Outputs[0]]); !ok || d > 1e-9 {
			t.Errorf("%s: differs by %.2g", name, d)
		}
		ran++
	}
	if ran < 5 {
		t.Errorf("only %d networks ran", ran)
	}
}

// TestImportForeignForms imports operators and attributes that other exporters write and
// Emit does not. The right results come from ONNX Runtime.
func TestImportForeignForms(t *testing.T) {
	ort := onnxtest.StartORT(t)
	i := func(name string, v int64) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v}
	}
	f := func(name string, v float32) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: v}
	}
	is := func(name string, v ...int64) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
	}
	s := func(name, v string) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
	}
	type attrs = []*onnxpb.AttributeProto
	rng := rand.New(rand.NewPCG(9, 9))
	for _, c := range []struct {
		op     string
		x      string   // shape of the input
		floats []string // shapes of weights
		ints   [][]int64
		attrs  attrs
		bad    string // what the refusal says
		opset  int64  // 0 for 17
	}{
		{op: "Conv", x: "2x3x8x7", floats: []string{"4x3x3x2"}, attrs: attrs{s("auto_pad", "SAME_UPPER"), is("strides", 2, 3)}},
		{op: "Conv", x: "2x3x8x7", floats: []string{"4x3x3x2"}, attrs: attrs{s("auto_pad", "SAME_LOWER"), is("strides", 2, 3)}},
		{op: "Conv", x: "2x3x8x7", floats: []string{"4x3x3x2", "4"}, attrs: attrs{s("auto_pad", "VALID")}},
		{op: "MaxPool", x: "2x3x8x7", attrs: attrs{is("kernel_shape", 3, 3), is("strides", 2, 2), i("ceil_mode", 1)}},
		{op: "MaxPool", x: "2x3x8x7", attrs: attrs{is("kernel_shape", 3, 3), is("dilations", 2, 2)}},
		{op: "MaxPool", x: "2x3x8x7", attrs: attrs{is("kernel_shape", 2, 3), is("dilations", 3, 2), is("strides", 2, 1), is("pads", 1, 1, 1, 1), i("ceil_mode", 1)}},
		{op: "AveragePool", x: "2x3x8x7", attrs: attrs{is("kernel_shape", 3, 3), is("strides", 2, 2), s("auto_pad", "SAME_UPPER")}},
		{op: "Gemm", x: "2x5", floats: []string{"5x4"}},
		{op: "Gemm", x: "2x5", floats: []string{"5x4", "2x4"}, attrs: attrs{f("alpha", 0.5), f("beta", 2)}},
		{op: "Gemm", x: "5x2", floats: []string{"4x5", "1"}, attrs: attrs{i("transA", 1), i("transB", 1)}},
		{op: "Gemm", x: "2x5", floats: []string{"4x5", "4"}, attrs: attrs{i("transB", 1), f("beta", 0)}},
		{op: "MatMul", x: "2x3x4x5", floats: []string{"5x6"}},
		{op: "MatMul", x: "2x3x5", floats: []string{"5x6"}},
		{op: "Mul", x: "2x3x4x4", floats: []string{"3x1x1"}},
		{op: "Mul", x: "2x3", floats: []string{"scalar"}},
		{op: "Sub", x: "2x3", floats: []string{"scalar"}},
		{op: "Slice", x: "2x6x5", ints: [][]int64{{-3, 1}, {1 << 40, -1}, {-2, 2}}},
		{op: "Slice", x: "2x6x5", ints: [][]int64{{0}, {6}, {1}, {2}}},
		{op: "Slice", x: "2x6x5", ints: [][]int64{{4, -1}, {-(1 << 40), 0}, {1, 2}, {-3, -1}}},
		{op: "Slice", x: "2x40x3x3", ints: [][]int64{{1}, {40}, {1}, {2}}},
		{op: "Reshape", x: "2x6x5", ints: [][]int64{{0, 3, -1}}},
		{op: "Flatten", x: "2x6x5", attrs: attrs{i("axis", 2)}},
		{op: "Squeeze", x: "2x1x5x1", ints: [][]int64{{-1}}},
		{op: "Softmax", x: "2x6x5", attrs: attrs{i("axis", -2)}},
		{op: "Transpose", x: "2x6x5"},
		{op: "ReduceMean", x: "2x6x5", attrs: attrs{is("axes", -1, 0)}},
		{op: "ReduceSum", x: "2x6x5", ints: [][]int64{{-1}}, attrs: attrs{i("keepdims", 0)}},
		{op: "ReduceSum", x: "2x6x5"},
		{op: "Sum", x: "2x6x5"},
		{op: "Concat", x: "2x6x5", floats: []string{"2x1x5"}, attrs: attrs{i("axis", -2)}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 0, 1, 2, 0, 0, 3, 0}}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 1, 0, 0, 0, 0, 0, 0}}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 1, 2, 0, 0, 1, 0, 3}}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 1, -1, 0, 0, 0, 0, -2}}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 0, 1, 2, 0, 0, 3, 4}}, attrs: attrs{s("mode", "reflect")}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 0, 1, 2, 0, 0, 3, 6}}, attrs: attrs{s("mode", "edge")}},
		{op: "Pad", x: "2x3x4x5", ints: [][]int64{{0, 0, 1, 2, 0, 0, 3, 4}}, attrs: attrs{s("mode", "wrap")}, opset: 19},
		{op: "Pad", x: "1x3x4x5", ints: [][]int64{{1, 0, 0, 0, 0, 0, 0, 0}}},
		{op: "Exp", x: "2x3"},
		{op: "Det", x: "2x2", bad: "no such op"},
		{op: "Conv", x: "2x3x8", floats: []string{"4x3x3", "4"}, attrs: attrs{is("strides", 2), is("pads", 1, 2)}},
		{op: "MaxPool", x: "2x3x8", attrs: attrs{is("kernel_shape", 3), is("strides", 2), s("auto_pad", "SAME_LOWER")}},
		{op: "MaxPool", x: "2x3x4x4x4", attrs: attrs{is("kernel_shape", 2, 2, 2)}},
		{op: "Unsqueeze", x: "2x6x5", ints: [][]int64{{-1, 1}}},
		{op: "Neg", x: "2x3"},
		{op: "Abs", x: "2x3"},
		{op: "Min", x: "2x3", floats: []string{"3", "2x1"}},
		{op: "Min", x: "2x3"},
		{op: "Mean", x: "2x3", floats: []string{"3", "2x1"}},
		{op: "Clip", x: "2x3x4"},
		{op: "Clip", x: "2x3x4", floats: []string{"scalar"}},
		{op: "Clip", x: "20x3x4", opset: 9, attrs: attrs{f("min", -0.5), f("max", 0.25)}},
		{op: "Clip", x: "20x3x4", opset: 9, attrs: attrs{f("min", 0), f("max", 6)}},
		{op: "HardSigmoid", x: "20x3x4", attrs: attrs{f("alpha", 0.7)}},
		{op: "HardSigmoid", x: "20x3x4"},
		{op: "HardSwish", x: "20x3x4"},
		{op: "Gelu", x: "20x3x4", opset: 20},
		{op: "Gelu", x: "20x3x4", opset: 20, attrs: attrs{s("approximate", "tanh")}},
		{op: "LeakyRelu", x: "20x3x4", attrs: attrs{f("alpha", -0.5)}},
		{op: "LeakyRelu", x: "20x3x4"},
		{op: "LeakyRelu", x: "20x3x4", attrs: attrs{f("alpha", 1.5)}},
		{op: "PRelu", x: "20x3x4x5", floats: []string{"3x1x1"}},
		{op: "GlobalMaxPool", x: "2x3x4x5"},
		{op: "ReduceMin", x: "2x3x4x5", attrs: attrs{is("axes", -1, 1)}},
		{op: "ReduceL1", x: "2x3x4x5", attrs: attrs{is("axes", 2), i("keepdims", 0)}},
		{op: "ReduceSumSquare", x: "2x3x4x5"},
		{op: "DepthToSpace", x: "2x8x3x2", attrs: attrs{i("blocksize", 2)}},
		{op: "DepthToSpace", x: "2x8x3x2", attrs: attrs{i("blocksize", 2), s("mode", "CRD")}},
		{op: "SpaceToDepth", x: "2x3x4x6", attrs: attrs{i("blocksize", 2)}},
		{op: "Gather", x: "2x6x5", ints: [][]int64{{3, -1, 3}}, attrs: attrs{i("axis", 1)}},
		{op: "Gather", x: "2x6x5", ints: [][]int64{{3}}, attrs: attrs{i("axis", 2)}},
		{op: "Gather", x: "2x40x3", ints: [][]int64{{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4}}, attrs: attrs{i("axis", 1)}},
		{op: "ReduceMean", x: "2x6x5x4", attrs: attrs{is("axes", 2, 3), i("keepdims", 0)}},
		{op: "ReduceMean", x: "2x6x5x4", attrs: attrs{is("axes", 2, -1)}},
		{op: "Tile", x: "2x3x4", ints: [][]int64{{1, 2, 3}}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x2x2", "4"}, attrs: attrs{is("strides", 2, 2)}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x4x4"}, attrs: attrs{is("strides", 2, 2), is("pads", 1, 1, 1, 1)}},
		{op: "ConvTranspose", x: "2x6x4x5", floats: []string{"6x2x3x3", "6"}, attrs: attrs{is("strides", 2, 3), is("pads", 1, 0, 1, 1), is("output_padding", 1, 0), i("group", 3)}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x3x2", "4"}, attrs: attrs{is("pads", 1, 0, 0, 1)}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x1x1"}, attrs: attrs{is("strides", 2, 2), is("output_padding", 1, 1)}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x3x3"}, attrs: attrs{is("dilations", 2, 2), is("strides", 2, 2)}},
		{op: "ConvTranspose", x: "2x3x4x5", floats: []string{"3x4x3x3"}, attrs: attrs{is("strides", 2, 2), s("auto_pad", "SAME_UPPER")}},
		{op: "ConvTranspose", x: "2x3x7", floats: []string{"3x4x3"}, attrs: attrs{is("strides", 2)}},
		{op: "Elu", x: "2x5", attrs: attrs{f("alpha", 0.4)}},
		{op: "Selu", x: "2x5"},
		{op: "Softplus", x: "2x5"},
		{op: "Trilu", x: "2x5x6", attrs: attrs{i("upper", 0)}},
		{op: "Einsum", x: "2x3x4", attrs: attrs{s("equation", "bij->bji")}},
		{op: "AveragePool", x: "2x3x4x5x6", attrs: attrs{is("kernel_shape", 2, 3, 2), is("strides", 1, 2, 2), is("pads", 0, 1, 0, 1, 1, 1), i("count_include_pad", 1)}},
		{op: "LpPool", x: "2x3x7x8", opset: 18, attrs: attrs{is("kernel_shape", 3, 3), i("p", 2)}},
		{op: "Conv", x: "2x3x4x5x6", floats: []string{"4x3x2x2x3", "4"}, attrs: attrs{is("strides", 1, 2, 1), is("pads", 0, 1, 1, 1, 0, 1)}},
		{op: "MatMul", x: "2x3x4", floats: []string{"2x4x5"}},
		{op: "Softmax", x: "2x3x4", opset: 9},
		{op: "Softmax", x: "2x3x4", opset: 9, attrs: attrs{i("axis", 2)}},
		{op: "LogSoftmax", x: "2x3x4", opset: 9, attrs: attrs{i("axis", 0)}},
		{op: "Softmax", x: "2x3x4"},
		{op: "Slice", x: "2x6x5", opset: 9, attrs: attrs{is("starts", 1, 0), is("ends", 4, -1), is("axes", 1, 2)}},
		{op: "Pad", x: "2x3x4x5", opset: 9, attrs: attrs{is("pads", 0, 0, 1, 2, 0, 0, 3, 0), f("value", 0.5)}},
		{op: "Pad", x: "2x3x4x5", opset: 9, attrs: attrs{is("pads", 0, 0, 1, 2, 0, 0, 3, 0), s("mode", "edge")}},
		{op: "Squeeze", x: "2x1x5x1", opset: 9, attrs: attrs{is("axes", 3)}},
		{op: "Unsqueeze", x: "2x5", opset: 9, attrs: attrs{is("axes", 0, 2)}},
		{op: "ReduceSum", x: "2x5x3", opset: 9, attrs: attrs{is("axes", 1)}},
		{op: "Dropout", x: "2x5x3", opset: 9, attrs: attrs{f("ratio", 0.2)}},
		{op: "Gemm", x: "2x5", opset: 7, floats: []string{"5x4", "1x4"}},
	} {
		g := &onnxpb.GraphProto{Name: "g", Input: []*onnxpb.ValueInfoProto{info("x", c.x)}, Output: []*onnxpb.ValueInfoProto{info("y", "")}}
		n := &onnxpb.NodeProto{OpType: c.op, Input: []string{"x"}, Output: []string{"y"}, Attribute: c.attrs}
		m := &onnx.Model{Weights: map[string][]float32{}, Proto: &onnxpb.ModelProto{IrVersion: 8, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: max(c.opset, 7)}}}}
		if c.opset == 0 {
			m.Proto.OpsetImport[0].Version = 17
		}
		for j, w := range c.floats {
			name := fmt.Sprint("w", j)
			shape, err := ir.ParseShape(w)
			if err != nil {
				t.Fatal(err)
			}
			x := &onnxpb.TensorProto{Name: name, DataType: 1}
			data := make([]float32, shape.Size())
			for k := range data {
				data[k] = float32(rng.NormFloat64())
			}
			for _, d := range shape {
				x.Dims = append(x.Dims, int64(d))
			}
			g.Initializer = append(g.Initializer, x)
			m.Weights[name] = data
			n.Input = append(n.Input, name)
		}
		for j, v := range c.ints {
			name := fmt.Sprint("i", j)
			g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: name, DataType: 7, Dims: []int64{int64(len(v))}, Int64Data: v})
			n.Input = append(n.Input, name)
		}
		g.Node = []*onnxpb.NodeProto{n}
		// Declare no shape of the output: no axes would mean a scalar.
		g.Output[0].Type.GetTensorType().Shape = nil
		name := fmt.Sprintf("%s-%d %s %v %v %v", c.op, m.Proto.OpsetImport[0].Version, c.x, c.floats, c.ints, c.attrs)
		file := encoded(t, m)
		g.Output[0].Type.GetTensorType().Shape = shapeOf(t, ort, file, c.x)
		r, err := onnx.ImportWith(m, onnx.ImportOptions{FixedBatch: true})
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%s: %v, want %q", name, err, c.bad)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in, _ := feed(r, 1, false, rng)
		want, err := onnxtest.Run(ort, file, map[string]*tensor.Tensor{"x": in[0]})
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := ref.Run(r, in, ref.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d, ok := onnxtest.Close(got[r.Outputs[0]], want["y"]); !ok {
			t.Errorf("%s: differs by %.2g", name, d)
		}
	}
}

func info(name, shape string) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	dims, err := ir.ParseShape(shape)
	if err != nil {
		dims = nil
	}
	for _, d := range dims {
		s.Dim = append(s.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}})
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: 1, Shape: s}}}}
}

// encoded writes a model into a folder of the test.
func encoded(t testing.TB, m *onnx.Model) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// shapeOf runs a model in ONNX Runtime and returns the shape of its output.
func shapeOf(t testing.TB, ort *peers.Peer, path, in string) *onnxpb.TensorShapeProto {
	t.Helper()
	shape, err := ir.ParseShape(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := onnxtest.Run(ort, path, map[string]*tensor.Tensor{"x": tensor.New(shape...)})
	if err != nil {
		t.Fatal(err)
	}
	text := ir.Shape(out["y"].Shape).String()
	return info("y", text).Type.GetTensorType().Shape
}
