package onnx_test

import (
	"math/rand/v2"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
)

// TestActivationsComeBack: every activation that is fused to a convolution is written and
// imported as one op, at the oldest and the newest opset.
func TestActivationsComeBack(t *testing.T) {
	for _, a := range ops.Acts() {
		for _, opset := range []int{onnx.DefaultOpset, onnx.MaxOpset} {
			if a == ops.ActGELUTanh && opset < 20 {
				continue // a formula of which only the value comes back
			}
			b := ir.NewBuilder("g")
			one := ir.HW{1, 1}
			y := b.Do(ops.Conv{Stride: one, Dilation: one, Groups: 1, Act: a}, b.Input("x", ir.Float(ir.Batch, 2, 3, 3)), b.Param("w", ir.Shape{2, 2, 1, 1}, ir.Param{Init: ir.Init{Kind: ir.InitConstant, A: 1}}))
			b.Graph().Outputs = []*ir.Value{y}
			if b.Err() != nil {
				t.Fatal(b.Err())
			}
			m, err := (onnx.Backend{Opset: opset}).Model(b.Graph())
			if err != nil {
				t.Fatal(err)
			}
			g, err := onnx.Import(m)
			if err != nil {
				t.Errorf("%s at opset %d: %v", a, opset, err)
				continue
			}
			if n := g.Nodes; len(n) != 2 || ops.ActOf(n[1].Op) != a {
				t.Errorf("%s at opset %d comes back as %d nodes, the last %s", a, opset, len(n), ir.FormatOp(n[len(n)-1].Op))
			}
		}
	}
}

// TestGeluForms: the ways in which exporters write a gelu by way of Erf are one gelu, and
// what looks similar is none.
func TestGeluForms(t *testing.T) {
	type node = [4]string // operator, operands, result
	for _, c := range []struct {
		name  string
		nodes []node
		gelu  bool
	}{
		{"PyTorch", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "x", "a", "m"}, {"Mul", "m", "half", "y"}}, true},
		{"half first", []node{{"Mul", "x", "half", "h"}, {"Mul", "root", "x", "d"}, {"Erf", "d", "", "e"}, {"Add", "one", "e", "a"}, {"Mul", "h", "a", "y"}}, true},
		{"half of the sum", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "half", "a", "m"}, {"Mul", "x", "m", "y"}}, true},
		{"half by a division", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "a", "x", "m"}, {"Div", "m", "two", "y"}}, true},
		{"another scale", []node{{"Div", "x", "two", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "x", "a", "m"}, {"Mul", "m", "half", "y"}}, false},
		{"two for half", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "x", "a", "m"}, {"Mul", "m", "two", "y"}}, false},
		{"the sum is read twice", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "x", "a", "m"}, {"Mul", "m", "half", "n"}, {"Add", "n", "a", "y"}}, false},
		{"another factor", []node{{"Div", "x", "sqrt2", "d"}, {"Erf", "d", "", "e"}, {"Add", "e", "one", "a"}, {"Mul", "d", "a", "m"}, {"Mul", "m", "half", "y"}}, false},
	} {
		p := &onnxpb.GraphProto{Name: "g", Input: []*onnxpb.ValueInfoProto{info("x", "2x9")}, Output: []*onnxpb.ValueInfoProto{info("y", "2x9")}}
		for name, v := range map[string]float32{"sqrt2": 1.41421354, "root": 0.70710677, "one": 1, "half": 0.5, "two": 2} {
			p.Initializer = append(p.Initializer, &onnxpb.TensorProto{Name: name, DataType: 1, FloatData: []float32{v}})
		}
		for _, n := range c.nodes {
			in := []string{n[1], n[2]}
			if n[2] == "" {
				in = in[:1]
			}
			p.Node = append(p.Node, &onnxpb.NodeProto{OpType: n[0], Input: in, Output: []string{n[3]}})
		}
		g, err := onnx.Import(&onnx.Model{Proto: &onnxpb.ModelProto{IrVersion: 8, Graph: p, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}}})
		if !c.gelu {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for _, n := range g.Nodes {
				if _, ok := n.Op.(ops.GELU); ok {
					t.Errorf("%s: imported as a gelu", c.name)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(g.Nodes) != 1 || g.Nodes[0].Op != (ops.GELU{}) {
			t.Errorf("%s: %d nodes, the last %s", c.name, len(g.Nodes), ir.FormatOp(g.Nodes[len(g.Nodes)-1].Op))
		}
	}
}

// TestSelfGates: x * sigmoid(x) is a silu, x * sigmoid(z) is not.
func TestSelfGates(t *testing.T) {
	b := ir.NewBuilder("g")
	x, z := b.Input("x", ir.Float(ir.Batch, 5)), b.Input("z", ir.Float(ir.Batch, 5))
	y := b.Do(ops.Mul{}, b.Do(ops.Sigmoid{}, x), x)
	h := b.Do(ops.Mul{}, x, b.Do(ops.ActHardSigmoid.Op(), x))
	w := b.Do(ops.Mul{}, x, b.Do(ops.Sigmoid{}, z))
	b.Graph().Outputs = []*ir.Value{y, h, w}
	m, err := (onnx.Backend{}).Model(b.Graph())
	if err != nil {
		t.Fatal(err)
	}
	g, err := onnx.Import(m)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range g.Outputs {
		got = append(got, ir.FormatOp(v.Def.Op))
	}
	if len(got) != 3 || got[0] != "silu" || got[1] != "hardswish" || got[2] != "mul" {
		t.Errorf("imported as %v", got)
	}
	list, _ := feed(b.Graph(), 2, false, rand.New(rand.NewPCG(1, 2)))
	want, err := ref.Run(b.Graph(), list, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	have, err := ref.Run(g, list, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range g.Outputs {
		if d, ok := onnxtest.Close(have[v], want[b.Graph().Outputs[i]]); !ok || d > 1e-7 {
			t.Errorf("%s differs by %.2g", got[i], d)
		}
	}
}
