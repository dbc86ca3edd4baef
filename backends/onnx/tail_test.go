package onnx_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/irtest/longtest"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// detectorCase is an input of testdata/detector.onnx and what ONNX Runtime computes
// (testdata/detector.py).
type detectorCase struct {
	Input   []float64
	Shapes  [][]int
	Outputs [][]float64
}

func detector(t *testing.T) (*ir.Graph, []detectorCase) {
	t.Helper()
	g, err := onnx.Load("testdata/detector.onnx", onnx.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/detector.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []detectorCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return g, cases
}

// checkFilled compares results with those of a case: their sizes, the elements, and zeros behind
// them.
func checkFilled(t *testing.T, g *ir.Graph, c detectorCase, outs [][]float64) {
	t.Helper()
	sizes, axes := outs[len(outs)-1], g.Outputs[len(outs)-1].Type.Shape[1]
	for i, want := range c.Outputs {
		shape, bound := c.Shapes[i], g.Outputs[i].Type.Shape
		for a, d := range shape {
			if int(sizes[i*axes+a]) != d {
				t.Fatalf("output %d has the size %v, want %v", i, sizes[i*axes:(i+1)*axes], shape)
			}
		}
		inner := bound[1:].Size()
		if !slices.Equal(shape[1:], bound[1:]) {
			t.Fatalf("output %d is %v, want %v", i, bound, shape)
		}
		for j, y := range outs[i] {
			w := 0.0
			if j < shape[0]*inner {
				w = want[j]
			}
			if !(math.Abs(y-w) <= 2e-5) {
				t.Fatalf("element %d of output %d is %v, want %v", j, i, y, w)
			}
		}
	}
}

// TestDetector compares a detector that ends with its boxes, in the executor and in the reference
// interpreter, with ONNX Runtime.
func TestDetector(t *testing.T) {
	g, cases := detector(t)
	if n := g.Outputs[0].Type.Shape; !n.Equal(ir.Shape{12, 4}) {
		t.Errorf("there are at most %v boxes", n)
	}
	p, err := cpu.Compile(g, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	for _, c := range cases {
		x := tensor.Of(c.Input, 1, 3, 32, 32)
		values, err := ref.Run(g, []*tensor.Tensor{x}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var exact, fast [][]float64
		var out [][]float32
		for _, o := range g.Outputs {
			exact = append(exact, values[o].Data)
			out = append(out, slices.Repeat([]float32{7}, o.Type.Shape.Size()))
		}
		if err := s.Run([][]float32{tensor.Round(x).Data}, out); err != nil {
			t.Fatal(err)
		}
		for _, y := range out {
			fast = append(fast, tensor.Widen(tensor.Of(y, len(y))).Data)
		}
		checkFilled(t, g, c, exact)
		checkFilled(t, g, c, fast)
	}
}

// TestTailWithoutBound: a result for whose size there is no bound is refused, with the reason.
func TestTailWithoutBound(t *testing.T) {
	i64 := onnxpb.TensorProto_INT64
	m := &onnx.Model{Proto: &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
		Name:  "open",
		Input: []*onnxpb.ValueInfoProto{declared("x", onnxpb.TensorProto_FLOAT, 1, 3), declared("shape", i64, 2)},
		Node: []*onnxpb.NodeProto{
			{OpType: "Expand", Name: "stretch", Input: []string{"x", "shape"}, Output: []string{"y"}},
		},
		Output: []*onnxpb.ValueInfoProto{{Name: "y"}},
	}}}
	_, err := onnx.Import(m)
	if err == nil || !strings.Contains(err.Error(), `"stretch"`) || !strings.Contains(err.Error(), "there is no bound for the size") {
		t.Errorf("error: %v", err)
	}
}

// TestIfRefused: an If whose condition is known only at run time is refused once, with the
// operators of its graphs that are not supported.
func TestIfRefused(t *testing.T) {
	branch := func(op string) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: map[string]string{"Telepathy": "then_branch", "Relu": "else_branch"}[op], Type: onnxpb.AttributeProto_GRAPH, G: &onnxpb.GraphProto{
			Name: "g", Node: []*onnxpb.NodeProto{{OpType: op, Input: []string{"x"}, Output: []string{op}}}, Output: []*onnxpb.ValueInfoProto{{Name: op}}}}
	}
	m := &onnx.Model{Proto: &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: &onnxpb.GraphProto{
		Name:  "open",
		Input: []*onnxpb.ValueInfoProto{declared("x", onnxpb.TensorProto_FLOAT, 1, 3), declared("c", onnxpb.TensorProto_BOOL, 1)},
		Node: []*onnxpb.NodeProto{
			{OpType: "If", Name: "choose", Input: []string{"c"}, Output: []string{"y"}, Attribute: []*onnxpb.AttributeProto{branch("Telepathy"), branch("Relu")}},
		},
		Output: []*onnxpb.ValueInfoProto{{Name: "y"}},
	}}}
	_, err := onnx.Import(m)
	if err == nil || !strings.Contains(err.Error(), `node "choose" (If), whose graphs have Telepathy: the condition is known only at run time`) {
		t.Errorf("error: %v", err)
	}
	m.Proto.Graph.Node[0].Attribute[0].G.Node[0].OpType = "Neg"
	g, err := onnx.Import(m)
	if err != nil {
		t.Fatal(err)
	}
	for c, want := range map[float64][]float64{1: {-1, 2, -3}, 0: {1, 0, 3}} {
		values, err := ref.Run(g, []*tensor.Tensor{tensor.Of([]float64{1, -2, 3}, 1, 3), tensor.Of([]float64{c}, 1)}, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if y := values[g.Outputs[0]].Data; !slices.Equal(y, want) {
			t.Errorf("condition %v: %v, want %v", c, y, want)
		}
	}
}

// TestMutatedDetector imports, compiles and runs copies of a detector with random changes, which
// must not panic.
func TestMutatedDetector(t *testing.T) {
	b, err := os.ReadFile("testdata/detector.onnx")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	ran := 0
	for range longtest.Count(150, 5000, 50000) {
		c := slices.Clone(b)
		for range 1 + r.IntN(3) {
			c[r.IntN(len(c))] = byte(r.IntN(256))
		}
		m, err := onnx.Decode(c)
		if err != nil {
			continue
		}
		g, err := onnx.Import(&onnx.Model{Proto: m})
		if err != nil {
			continue
		}
		p, err := cpu.Compile(g, cpu.Options{Memory: 256 << 20, Threads: 1})
		if err != nil {
			continue
		}
		var in, out [][]float32
		for _, v := range g.Inputs {
			in = append(in, make([]float32, v.Type.Shape.Bind(1).Size()))
		}
		for _, v := range g.Outputs {
			out = append(out, make([]float32, v.Type.Shape.Bind(1).Size()))
		}
		if p.NewSession().Run(in, out) == nil {
			ran++
		}
	}
	if ran < 20 {
		t.Errorf("only %d copies were run", ran)
	}
}

// declared is an input of fixed sizes.
func declared(name string, elem onnxpb.TensorProto_DataType, dims ...int64) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		s.Dim = append(s.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(elem), Shape: s}}}}
}
