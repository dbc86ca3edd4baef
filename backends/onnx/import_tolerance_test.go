package onnx_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/cpu/peers"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/onnx/onnxtest"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// op makes a node. ins and outs are names, separated by blanks; _ is an omitted input.
func op(typ, ins, outs string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{OpType: typ, Output: strings.Fields(outs), Attribute: attrs}
	for _, s := range strings.Fields(ins) {
		if s == "_" {
			s = ""
		}
		n.Input = append(n.Input, s)
	}
	return n
}

// attribute makes an attribute of an int, a list of ints, a number, a string or a tensor.
func attribute(name string, v any) *onnxpb.AttributeProto {
	switch v := v.(type) {
	case int:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: int64(v)}
	case []int64:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
	case float64:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: float32(v)}
	case string:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
	case *onnxpb.TensorProto:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_TENSOR, T: v}
	case *onnxpb.GraphProto:
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_GRAPH, G: v}
	}
	panic(fmt.Sprintf("attribute of %T", v))
}

// ints makes a tensor of INT64: a scalar if dims is empty and there is one number.
func ints(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(v))}, Int64Data: v}
}

func scalarInt(name string, v int64) *onnxpb.TensorProto {
	t := ints(name, v)
	t.Dims = nil
	return t
}

// noise makes a tensor of FLOAT with random numbers.
func noise(name string, dims ...int64) *onnxpb.TensorProto {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT), Dims: dims}
	for range n {
		t.FloatData = append(t.FloatData, float32(rng.NormFloat64()))
	}
	return t
}

// declare declares a value. shape is such as Nx3x8x8; ? is an axis without number and name.
func declare(name, shape string) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, w := range strings.Split(shape, "x") {
		d := &onnxpb.TensorShapeProto_Dimension{}
		var n int64
		if _, err := fmt.Sscan(w, &n); err == nil {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
		} else if w != "?" {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: w}
		}
		s.Dim = append(s.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT), Shape: s}}}}
}

// foreignModel makes a model with the input x and the output y, which is declared without a shape.
func foreignModel(opset int64, x string, tensors []*onnxpb.TensorProto, nodes ...*onnxpb.NodeProto) *onnxpb.ModelProto {
	y := declare("y", "1")
	y.Type.GetTensorType().Shape = nil
	return &onnxpb.ModelProto{IrVersion: 10, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}},
		Graph: &onnxpb.GraphProto{Name: "g", Input: []*onnxpb.ValueInfoProto{declare("x", x)}, Output: []*onnxpb.ValueInfoProto{y}, Initializer: tensors, Node: nodes}}
}

// agrees imports a model and compares it with ONNX Runtime, for an input x of a shape.
func agrees(t *testing.T, ort *peers.Peer, name string, m *onnxpb.ModelProto, x ...int) *ir.Graph {
	t.Helper()
	g, err := onnx.Import(&onnx.Model{Proto: m})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	if err := ir.Verify(g); err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	in := tensor.Widen(ir.Draw("x", x, ir.Init{Kind: ir.InitUniform, A: 2}, 5))
	want, err := onnxtest.Run(ort, encoded(t, &onnx.Model{Proto: m}), map[string]*tensor.Tensor{"x": in})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, err := ref.Run(g, []*tensor.Tensor{in}, ref.Options{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return g
	}
	for i, o := range m.Graph.Output {
		if d, ok := onnxtest.Close(got[g.Outputs[i]], want[o.Name]); !ok {
			t.Errorf("%s: output %s differs by %.2g", name, o.Name, d)
		}
	}
	return g
}

// small is a network that all cases of TestImportTolerates begin with.
func small() *onnxpb.ModelProto {
	return foreignModel(17, "Nx3x6x5", []*onnxpb.TensorProto{noise("w", 4, 3, 3, 3), noise("b", 4)},
		op("Conv", "x w b", "c", attribute("pads", []int64{1, 1, 1, 1})), op("Relu", "c", "y"))
}

// TestImportTolerates imports models with what other exporters and tools leave in them, and
// that ONNX Runtime accepts.
func TestImportTolerates(t *testing.T) {
	ort := onnxtest.StartORT(t)
	for _, c := range []struct {
		name   string
		change func(m *onnxpb.ModelProto, g *onnxpb.GraphProto)
	}{
		{"unnamed batch", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Input[0] = declare("x", "?x3x6x5") }},
		{"batch of -1", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Input[0] = declare("x", "-1x3x6x5") }},
		{"fixed batch", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Input[0] = declare("x", "2x3x6x5") }},
		{"other symbol of the output", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Output[0] = declare("y", "Mx4x6x5") }},
		{"stale shape of the output", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Output[0] = declare("y", "1x4x6x5") }},
		{"value_info of a value that is gone", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.ValueInfo = append(g.ValueInfo, declare("gone", "Nx3"))
		}},
		{"stale value_info", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.ValueInfo = append(g.ValueInfo, declare("c", "1x4x6x5"))
		}},
		{"old IR version", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { m.IrVersion = 4 }},
		{"opset 26", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { m.OpsetImport[0].Version, m.IrVersion = 26, 13 }},
		{"no name of the graph", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Name = " " }},
		{"empty tensor that nothing reads", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: "roi", DataType: 1, Dims: []int64{0}})
		}},
		{"a node that nothing reads", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.Node = append(g.Node, op("Hardmax", "x", "unread"))
		}},
		{"a mask that nothing reads", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.Node[1].Output[0] = "r"
			g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: "train", DataType: int32(onnxpb.TensorProto_BOOL), Int32Data: []int32{0}})
			g.Node = append(g.Node, op("Dropout", "r _ train", "y mask"))
		}},
		{"weights among the inputs", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) { g.Input = append(g.Input, declare("w", "4x3x3x3")) }},
		{"an unread weight among the inputs", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			g.Initializer = append(g.Initializer, noise("unread", 2))
			g.Input = append(g.Input, declare("unread", "2"))
		}},
		{"a second domain", func(m *onnxpb.ModelProto, g *onnxpb.GraphProto) {
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: "ai.onnx.ml", Version: 3})
		}},
	} {
		m := small()
		c.change(m, m.Graph)
		agrees(t, ort, c.name, m, 2, 3, 6, 5)
	}
	m := small() // newer versions of ONNX Runtime refuse this one
	m.Graph.Node[0].Name, m.Graph.Node[1].Name = "n", "n"
	if _, err := onnx.Import(&onnx.Model{Proto: m}); err != nil {
		t.Errorf("equal names of nodes: %v", err)
	}
}

// TestImportFreesBatch checks that a model for one image becomes one for any number, unless it
// computes across the images.
func TestImportFreesBatch(t *testing.T) {
	ort := onnxtest.StartORT(t)
	m := foreignModel(17, "1x3x6x5", []*onnxpb.TensorProto{noise("w", 4, 3, 3, 3), ints("shape", 1, -1)}, op("Conv", "x w", "c"), op("Reshape", "c shape", "y"))
	if g := agrees(t, ort, "conv", m, 1, 3, 6, 5); g != nil && (g.Inputs[0].Type.String() != "Nx3x6x5" || g.Outputs[0].Type.String() != "Nx48") {
		t.Errorf("%v to %v, want a symbolic batch", g.Inputs[0].Type, g.Outputs[0].Type)
	}
	m = foreignModel(17, "2x3x6x5", nil, op("ReduceMean", "x", "y", attribute("axes", []int64{0, 2})))
	if g := agrees(t, ort, "mean over images", m, 2, 3, 6, 5); g != nil && g.Inputs[0].Type.String() != "2x3x6x5" {
		t.Errorf("%v: a mean over the images became one of a symbolic batch", g.Inputs[0].Type)
	}
	g, err := onnx.ImportWith(&onnx.Model{Proto: small()}, onnx.ImportOptions{FixedBatch: true})
	if err != nil || g.Inputs[0].Type.String() != "Nx3x6x5" {
		t.Errorf("FixedBatch changes a symbolic batch: %v", err)
	}
}

// TestImportFloatTypes imports a network in which everything is of another type of real
// numbers.
func TestImportFloatTypes(t *testing.T) {
	want, err := onnx.Import(&onnx.Model{Proto: small()})
	if err != nil {
		t.Fatal(err)
	}
	in := []*tensor.Tensor{tensor.Widen(ir.Draw("x", ir.Shape{2, 3, 6, 5}, ir.Init{Kind: ir.InitUniform, A: 1}, 1))}
	exact, err := ref.Run(want, in, ref.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ       onnxpb.TensorProto_DataType
		tolerance float64
	}{{onnxpb.TensorProto_DOUBLE, 0}, {onnxpb.TensorProto_FLOAT16, 2e-3}, {onnxpb.TensorProto_BFLOAT16, 2e-2}} {
		m := small()
		for _, v := range append(m.Graph.Input, m.Graph.Output...) {
			v.Type.GetTensorType().ElemType = int32(c.typ)
		}
		for i, w := range m.Graph.Initializer {
			x := &onnxpb.TensorProto{Name: w.Name, Dims: w.Dims, DataType: int32(c.typ)}
			for _, f := range w.FloatData {
				switch c.typ {
				case onnxpb.TensorProto_DOUBLE:
					x.RawData = binary.LittleEndian.AppendUint64(x.RawData, math.Float64bits(float64(f)))
				case onnxpb.TensorProto_BFLOAT16:
					x.RawData = binary.LittleEndian.AppendUint16(x.RawData, uint16(math.Float32bits(f)>>16))
				default:
					x.Int32Data = append(x.Int32Data, int32(half(f)))
				}
			}
			m.Graph.Initializer[i] = x
		}
		g, err := onnx.Import(&onnx.Model{Proto: m})
		if err != nil {
			t.Errorf("%v: %v", c.typ, err)
			continue
		}
		got, err := ref.Run(g, in, ref.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d, scale := tensor.MaxDiff(got[g.Outputs[0]], exact[want.Outputs[0]])
		if d > c.tolerance*scale {
			t.Errorf("%v: differs by %g of %g", c.typ, d, scale)
		}
	}
}

// half returns the bits of a number of moderate size as binary16, rounded towards 0.
func half(f float32) uint16 {
	b := math.Float32bits(f)
	return uint16(b>>16&0x8000) | uint16((int(b>>23&255)-112)<<10) | uint16(b>>13&1023)
}

// TestImportFoldsShapes imports programs that compute with the shapes of tensors, of which
// the batch is a symbol.
func TestImportFoldsShapes(t *testing.T) {
	ort := onnxtest.StartORT(t)
	type tensors = []*onnxpb.TensorProto
	cast := func(to onnxpb.TensorProto_DataType) *onnxpb.AttributeProto { return attribute("to", int(to)) }
	for _, c := range []struct {
		name    string
		tensors tensors
		nodes   []*onnxpb.NodeProto
	}{
		{"x.view(x.size(0), -1)", tensors{scalarInt("zero", 0), ints("at", 0), ints("rest", -1)}, []*onnxpb.NodeProto{
			op("Shape", "x", "s"), op("Gather", "s zero", "n"), op("Unsqueeze", "n at", "n1"), op("Concat", "n1 rest", "to", attribute("axis", 0)), op("Reshape", "x to", "y")}},
		{"channel shuffle of computed sizes", tensors{scalarInt("one", 1), scalarInt("two", 2), ints("at", 0), ints("from2", 2), ints("end", math.MaxInt64), ints("front", 0), ints("groups", 2)},
			[]*onnxpb.NodeProto{
				op("Shape", "x", "s"), op("Gather", "s one", "c"), op("Div", "c two", "half"), op("Unsqueeze", "half at", "half1"), op("Slice", "s from2 end", "hw"),
				op("Concat", "front groups half1 hw", "to", attribute("axis", 0)), op("Reshape", "x to", "a"),
				op("Transpose", "a", "b", attribute("perm", []int64{0, 2, 1, 3, 4})), op("Reshape", "b s", "y")}},
		{"chunk with bounds from the shape", tensors{ints("one", 1), ints("two", 2), ints("zero", 0)}, []*onnxpb.NodeProto{
			op("Shape", "x", "s"), op("Gather", "s one", "c"), op("Div", "c two", "half"), op("Slice", "x zero half one", "a"), op("Slice", "x half c one", "b"),
			op("Sub", "a b", "y")}},
		{"expand as torch writes it", tensors{ints("want", -1, 4, 6, 5), ints("minus", -1), noise("w", 4, 1, 1)}, []*onnxpb.NodeProto{
			op("Shape", "want", "r"), op("ConstantOfShape", "r", "ones", attribute("value", ints("", 1))), op("Equal", "want minus", "is"),
			op("Where", "is ones want", "to"), op("Expand", "w to", "e"), op("Mul", "x e", "y")}},
		{"size of an image by way of real numbers", tensors{ints("zero", 0), ints("c", 4)}, []*onnxpb.NodeProto{
			op("Size", "x", "size"), op("Shape", "x", "s"), op("Gather", "s zero", "n"), op("Div", "size n", "per"), op("Cast", "per", "f", cast(onnxpb.TensorProto_FLOAT)),
			op("Sqrt", "f", "root"), op("Div", "x root", "y")}},
		{"range, where and reduce", tensors{scalarInt("zero", 0), scalarInt("five", 5), scalarInt("one", 1), scalarInt("two", 2)}, []*onnxpb.NodeProto{
			op("Range", "zero five one", "r"), op("Mod", "r two", "odd"), op("Cast", "odd", "is", cast(onnxpb.TensorProto_BOOL)), op("Where", "is r one", "w"),
			op("ReduceSum", "w", "sum", attribute("keepdims", 0)), op("Cast", "sum", "f", cast(onnxpb.TensorProto_FLOAT)), op("Cast", "w", "fw", cast(onnxpb.TensorProto_FLOAT)),
			op("Mul", "x fw", "m"), op("Add", "m f", "y")}},
		{"weight standardization", tensors{noise("w", 6, 4, 3, 3), noise("g", 6), ints("flat", 1, 6, -1), noise("m", 6)}, []*onnxpb.NodeProto{
			op("Constant", "", "b", attribute("value", &onnxpb.TensorProto{DataType: 1, Dims: []int64{6}, FloatData: make([]float32, 6)})),
			op("Shape", "w", "s"), op("Reshape", "w flat", "w1"), op("Mul", "m m", "v"), op("BatchNormalization", "w1 g b m v", "w2", attribute("epsilon", 1e-3)),
			op("Reshape", "w2 s", "w3"), op("Conv", "x w3", "y")}},
		{"an If whose condition is known", tensors{ints("two", 2), scalarInt("six", 6)}, []*onnxpb.NodeProto{
			op("Shape", "x", "s"), op("Gather", "s two", "h"), op("Squeeze", "h", "h0"), op("Equal", "h0 six", "is"),
			op("If", "is", "y", attribute("then_branch", branch(op("Relu", "x", "r"), op("Neg", "r", "out"))), attribute("else_branch", branch(op("Hardmax", "x", "out"))))}},
		{"a batch in one axis, gathered by computed positions", tensors{ints("flat", -1), scalarInt("zero", 0), scalarInt("one", 1), scalarInt("four", 4), ints("at", 1, 2, 3), ints("first", 0),
			{Name: "channels", DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{1, 4, 1, 1}, Int64Data: []int64{0, 1, 2, 3}}}, []*onnxpb.NodeProto{
			op("GlobalAveragePool", "x", "p"), op("Reshape", "p flat", "f"), op("Shape", "x", "s"), op("Gather", "s zero", "n"), op("Range", "zero n one", "i"),
			op("Mul", "i four", "i4"), op("Unsqueeze", "i4 at", "u"), op("Add", "u channels", "a"), op("Gather", "f a", "y")}},
		{"tile, split and transpose of weights", tensors{noise("w", 2, 4), ints("repeats", 2, 3), ints("sizes", 1, 3), ints("shape", 4, 3)}, []*onnxpb.NodeProto{
			op("Tile", "w repeats", "t"), op("Transpose", "t", "tt"), op("Split", "tt sizes", "a b", attribute("axis", 1)), op("Reshape", "b _", "c")}},
	} {
		if strings.HasPrefix(c.name, "tile") { // ends in a product with x
			c.nodes = append(c.nodes[:3], op("Slice", "b zero four zero", "c"), op("ReduceMax", "c", "k", attribute("axes", []int64{1}), attribute("keepdims", 0)),
				op("Unsqueeze", "k axes", "k3"), op("Mul", "x k3", "y"))
			c.tensors = append(c.tensors, ints("zero", 0), ints("four", 4), ints("axes", 1, 2))
		}
		agrees(t, ort, c.name, foreignModel(17, "Nx4x6x5", c.tensors, c.nodes...), 3, 4, 6, 5)
	}
}

// branch makes the graph of a branch of an If, whose result is called out.
func branch(nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	out := declare("out", "1")
	out.Type.GetTensorType().Shape = nil
	return &onnxpb.GraphProto{Name: "b", Node: nodes, Output: []*onnxpb.ValueInfoProto{out}}
}

// TestImportResize compares every way to resize with ONNX Runtime.
func TestImportResize(t *testing.T) {
	ort := onnxtest.StartORT(t)
	scales := func(v ...float32) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: "scales", DataType: 1, Dims: []int64{int64(len(v))}, FloatData: v}
	}
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for _, at := range []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"} {
			rounds := []string{"round_prefer_floor"}
			if mode == "nearest" {
				rounds = append(rounds, "round_prefer_ceil", "floor", "ceil")
			}
			for _, round := range rounds {
				attrs := []*onnxpb.AttributeProto{attribute("mode", mode), attribute("coordinate_transformation_mode", at), attribute("nearest_mode", round)}
				name := mode + " " + at + " " + round
				agrees(t, ort, name, foreignModel(19, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 2, 1.5)}, op("Resize", "x _ scales", "y", attrs...)), 2, 2, 4, 6)
				agrees(t, ort, name+" to sizes", foreignModel(19, "2x2x4x6", []*onnxpb.TensorProto{ints("sizes", 2, 2, 7, 3)}, op("Resize", "x _ _ sizes", "y", attrs...)), 2, 2, 4, 6)
			}
		}
	}
	agrees(t, ort, "exclude outside", foreignModel(17, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 2, 0.5)},
		op("Resize", "x _ scales", "y", attribute("mode", "cubic"), attribute("exclude_outside", 1), attribute("cubic_coeff_a", -0.5))), 2, 2, 4, 6)
	agrees(t, ort, "Upsample-9", foreignModel(9, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 2, 3)}, op("Upsample", "x scales", "y", attribute("mode", "nearest"))), 2, 2, 4, 6)
	agrees(t, ort, "Upsample-9 linear", foreignModel(9, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 2, 2)}, op("Upsample", "x scales", "y", attribute("mode", "linear"))), 2, 2, 4, 6)
	agrees(t, ort, "Resize-10 to smaller sizes", foreignModel(10, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 0.6, 2)}, op("Resize", "x scales", "y")), 2, 2, 4, 6)
	agrees(t, ort, "Resize-10", foreignModel(10, "Nx2x4x6", []*onnxpb.TensorProto{scales(1, 1, 2, 2)}, op("Resize", "x scales", "y")), 2, 2, 4, 6)
}

// TestImportNorms compares normalizations with ONNX Runtime.
func TestImportNorms(t *testing.T) {
	ort := onnxtest.StartORT(t)
	for _, c := range []struct {
		n       *onnxpb.NodeProto
		tensors []*onnxpb.TensorProto
	}{
		{op("LayerNormalization", "x g b", "y", attribute("axis", -1)), []*onnxpb.TensorProto{noise("g", 5), noise("b", 5)}},
		{op("LayerNormalization", "x g", "y", attribute("axis", 1), attribute("epsilon", 0.01)), []*onnxpb.TensorProto{noise("g", 4, 6, 5)}},
		{op("InstanceNormalization", "x g b", "y"), []*onnxpb.TensorProto{noise("g", 4), noise("b", 4)}},
		{op("GroupNormalization", "x g b", "y", attribute("num_groups", 2)), []*onnxpb.TensorProto{noise("g", 4), noise("b", 4)}},
		{op("LpNormalization", "x", "y", attribute("axis", 1)), nil},
		{op("LpNormalization", "x", "y", attribute("axis", 1), attribute("p", 1)), nil},
		{op("ReduceL2", "x axes", "y"), []*onnxpb.TensorProto{ints("axes", 1, 3)}},
		{op("Reciprocal", "x", "y"), nil},
	} {
		agrees(t, ort, fmt.Sprint(c.n), foreignModel(21, "Nx4x6x5", c.tensors, c.n), 2, 4, 6, 5)
	}
}

// TestImportRefusesOnce lists every operator that is not supported, with the number of nodes.
func TestImportRefusesOnce(t *testing.T) {
	loop := op("Loop", "_ _ b", "l", attribute("body", branch(op("Relu", "x", "out"))))
	m := foreignModel(17, "Nx3x4x4", nil, op("Det", "x", "a"), op("Relu", "a", "b"), op("Det", "b", "c"), loop, op("Add", "c l", "y"))
	m.Graph.Node[2].Name = "second"
	_, err := onnx.Import(&onnx.Model{Proto: m})
	if !errors.Is(err, onnx.ErrUnsupported) {
		t.Fatal(err)
	}
	for _, want := range []string{`Det, in 2 nodes: the IR has no such op: node 0 (Det), node "second" (Det)`, "node 3 (Loop): a loop is supported only if"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 2 {
		t.Errorf("%d lines, want one for each operator:\n%v", lines, err)
	}
}

// TestImportOpenSizes imports a network whose height and width are symbols.
func TestImportOpenSizes(t *testing.T) {
	m := small()
	m.Graph.Input[0] = declare("x", "Nx3xHx?")
	_, err := onnx.Import(&onnx.Model{Proto: m})
	var open *onnx.OpenSizesError
	if !errors.As(err, &open) || !strings.Contains(err.Error(), `"x" is Nx3xHxx.3`) {
		t.Errorf("%v, want an OpenSizesError", err)
	}
	g, err := onnx.ImportWith(&onnx.Model{Proto: m}, onnx.ImportOptions{Input: ir.Shape{3, 6, 5}})
	if err != nil || !slices.Equal(g.Outputs[0].Type.Shape, ir.Shape{ir.Batch, 4, 6, 5}) {
		t.Errorf("with sizes: %v", err)
	}
	for _, bad := range []ir.Shape{{1, 6, 5}, {3, 6}} {
		if _, err := onnx.ImportWith(&onnx.Model{Proto: m}, onnx.ImportOptions{Input: bad}); err == nil {
			t.Errorf("an input of %v is accepted", bad)
		}
	}
}
