package onnx_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// quantizedNet is a network with every form of a quantize: two convolutions, one with a bias, a max
// pool, a join of parts with one scale, and a dense layer.
func quantizedNet(t *testing.T) *ir.Graph {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	b := ir.NewBuilder("quantized")
	weight := func(name string, shape ...int) *ir.Value {
		w, s := tensor.Make[float32](shape), tensor.Make[float32](shape[:1])
		for i := range s.Data {
			s.Data[i] = 0.01 + 0.02*rng.Float32()
		}
		for i := range w.Data {
			// Weights have 7 bits: with 8, ONNX Runtime's sums of pairs of products saturate on
			// processors with AVX2 and without VNNI.
			w.Data[i] = float32(rng.IntN(127)-63) * s.Data[i/(len(w.Data)/shape[0])]
		}
		p := b.Param(name, shape, ir.Param{Kind: ir.Weight, LR: 1, Decay: 1})
		b.Graph().Data[p.Name] = w
		return b.Do(ops.Quantize{Scale: 1, Signed: true}, p, b.Const(name+"/scale", s))
	}
	bias := func(name string, n int, step float32, scale *ir.Value) *ir.Value {
		p, x := b.Param(name, ir.Shape{n}, ir.Param{Kind: ir.Weight, LR: 1}), tensor.Make[float32]([]int{n})
		for i := range x.Data {
			x.Data[i] = float32(rng.IntN(2001)-1000) * (step * b.Graph().Data[scale.Name].Data[i])
		}
		b.Graph().Data[p.Name] = x
		return p
	}
	one := ir.HW{1, 1}
	x := b.Do(ops.Quantize{Scale: 0.02, Zero: 120}, b.Input("x", ir.Float(ir.Batch, 4, 9, 8)))
	w := weight("w1", 8, 4, 3, 3)
	y := b.Do(ops.Conv{Stride: one, Pad: ir.Pads{1, 1, 1, 1}, Dilation: one, Groups: 1, Act: ops.ActReLU}, x, w, bias("b1", 8, 0.02, w.Def.In[1]))
	y = b.Do(ops.MaxPool{Kernel: ir.HW{2, 2}, Stride: ir.HW{2, 2}}, b.Do(ops.Quantize{Scale: 0.03}, y))
	z := b.Do(ops.Quantize{Scale: 0.03}, b.Do(ops.ReLU{}, b.Do(ops.Conv{Stride: one, Dilation: one, Groups: 1}, y, weight("w2", 5, 8, 1, 1))))
	y = b.Do(ops.Quantize{Scale: 0.25, Zero: 3, Signed: true}, b.Do(ops.GlobalAvgPool{}, b.Do(ops.Concat{Axis: 1}, y, z)))
	w = weight("w3", 3, 13)
	b.Graph().Outputs = []*ir.Value{b.Do(ops.Dense{}, b.Do(ops.Flatten{}, y), w, bias("b3", 3, 0.25, w.Def.In[1]))}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return b.Graph()
}

// TestQuantized: a quantized network has the QDQ form in ONNX, with INT8 weights and INT32 biases;
// ONNX Runtime computes it on integers with results that differ by no more than a step of the
// scales, and the import computes exactly what the network did.
func TestQuantized(t *testing.T) {
	g := quantizedNet(t)
	m, err := (onnx.Backend{}).Model(g)
	if err != nil {
		t.Fatal(err)
	}
	if p := onnx.Verify(m); len(p) > 0 {
		t.Error(p)
	}
	types := map[string]onnxpb.TensorProto_DataType{}
	for _, x := range m.Proto.Graph.Initializer {
		types[x.Name] = onnxpb.TensorProto_DataType(x.DataType)
	}
	for name, want := range map[string]onnxpb.TensorProto_DataType{"w1": onnxpb.TensorProto_INT8, "w2": onnxpb.TensorProto_INT8, "w3": onnxpb.TensorProto_INT8, "b1": onnxpb.TensorProto_INT32, "b3": onnxpb.TensorProto_INT32} {
		if types[name] != want {
			t.Errorf("%s is written as %v, want %v", name, types[name], want)
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	list, named := feed(g, 3, false, rng)
	want, err := ref.Run(g, list, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := reimported(t, g)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ref.Run(back, list, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d, scale := tensor.MaxDiff(got[back.Outputs[0]], want[g.Outputs[0]]); d > 1e-6*scale {
		t.Errorf("the import differs by %g of %g", d, scale)
	}
	quantizes := 0
	for _, n := range back.Nodes {
		if _, ok := n.Op.(ops.Quantize); ok {
			quantizes++
		}
	}
	if quantizes != 7 {
		t.Errorf("the import has %d quantizes, want 7", quantizes)
	}
	ort := onnxtest.StartORT(t)
	out, err := onnxtest.Run(ort, onnxtest.Write(t, onnx.Backend{}, g), named)
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range out {
		// A sum that lies next to the middle between two steps may go either way: a step of the input
		// of the last layer, 0.25, times a weight of up to 63 * 0.03.
		if d, scale := tensor.MaxDiff(y, want[g.Outputs[0]]); d > 0.25*63*0.03 || scale == 0 {
			t.Errorf("ONNX Runtime differs by %g of %g", d, scale)
		}
	}
}

// TestQuantizedOthers: a QuantizeLinear that is no quantize becomes a node, with its DequantizeLinear;
// damaged weights are an error.
func TestQuantizedOthers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(g *onnxpb.GraphProto)
		want   string
	}{
		"another scale": {func(g *onnxpb.GraphProto) {
			for _, n := range g.Node {
				if n.OpType == "DequantizeLinear" && n.Input[0] == "quantize/whole" {
					n.Input[1] = "quantize_3/scale"
				}
			}
		}, ""},
		"16 bits": {func(g *onnxpb.GraphProto) {
			for _, x := range g.Initializer {
				if x.Name == "quantize/zero" {
					x.DataType, x.RawData = int32(onnxpb.TensorProto_UINT16), []byte{1, 0}
				}
			}
		}, ""},
		"cut short": {func(g *onnxpb.GraphProto) {
			for _, x := range g.Initializer {
				if x.Name == "w1" {
					x.RawData = x.RawData[1:]
				}
			}
		}, "bytes"},
	} {
		g := quantizedNet(t)
		m, err := (onnx.Backend{}).Model(g)
		if err != nil {
			t.Fatal(err)
		}
		c.change(m.Proto.Graph)
		back, err := onnx.Import(m)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want an error with %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := ir.Summarize(back); n.MACs != ir.Summarize(g).MACs {
			t.Errorf("%s: %d MACs", name, n.MACs)
		}
		kinds := map[string]int{}
		for _, n := range back.Nodes {
			kinds[ir.Name(n.Op)]++
		}
		if kinds["quantize"] != 6 || kinds["node"] != 2 {
			t.Errorf("%s: %d quantizes and %d nodes, want 6 and 2", name, kinds["quantize"], kinds["node"])
		}
	}
}
