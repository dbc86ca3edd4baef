package onnx

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

func intAttr(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: v}
}

func setDim(v *onnxpb.ValueInfoProto, axis int, n int64) {
	v.Type.GetTensorType().Shape.Dim[axis].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
}

func TestVerifyAcceptsASoundModel(t *testing.T) {
	m := tiny()
	if p := Verify(m); len(p) > 0 {
		t.Errorf("problems with weights beside the message: %v", p)
	}
	if p := Verify(&Model{Proto: inline(m)}); len(p) > 0 {
		t.Errorf("problems with weights in the message: %v", p)
	}
	if u := Undeclared(m.Proto); len(u) > 0 {
		t.Errorf("undeclared: %v", u)
	}
	m.Proto.Graph.ValueInfo = m.Proto.Graph.ValueInfo[1:]
	if u := Undeclared(m.Proto); !slices.Equal(u, []string{"c1"}) {
		t.Errorf("undeclared: %v, want c1", u)
	}
}

// TestVerifyFindsDefects damages a valid model in one place at a time. ONNX Runtime or the
// checker of the Python package onnx accepts the first ten.
func TestVerifyFindsDefects(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(m *Model, g *onnxpb.GraphProto)
		want   string
	}{
		{"wrong declared shape inside", func(m *Model, g *onnxpb.GraphProto) { setDim(g.ValueInfo[0], 1, 5) }, `computes "c1" of shape Nx4x8x8, but it is declared Nx5x8x8`},
		{"wrong declared output shape", func(m *Model, g *onnxpb.GraphProto) { setDim(g.Output[0], 2, 7) }, `computes "c2" of shape Nx5x6x6, but it is declared Nx5x7x6`},
		{"batch declared as a number", func(m *Model, g *onnxpb.GraphProto) { setDim(g.ValueInfo[1], 0, 2) }, `is declared 2x4x8x8`},
		{"unsorted nodes", func(m *Model, g *onnxpb.GraphProto) { g.Node[0], g.Node[1] = g.Node[1], g.Node[0] }, `nodes must be in order`},
		{"raw_data too short", func(m *Model, g *onnxpb.GraphProto) {
			delete(m.Weights, "c2/weight")
			g.Initializer[2].RawData = make([]byte, 4*5*4*9-4)
		}, `720 bytes, but has 716 bytes of raw_data`},
		{"raw_data too long", func(m *Model, g *onnxpb.GraphProto) {
			delete(m.Weights, "c2/weight")
			g.Initializer[2].RawData = make([]byte, 4*5*4*9+4)
		}, `720 bytes, but has 724 bytes of raw_data`},
		{"weights of the wrong length", func(m *Model, g *onnxpb.GraphProto) { m.Weights["c1/bias"] = make([]float32, 3) }, `4 elements, but has 3 weights`},
		{"weights of another type", func(m *Model, g *onnxpb.GraphProto) { g.Initializer[1].DataType = int32(onnxpb.TensorProto_DOUBLE) }, `is DOUBLE, but its weights are FLOAT`},
		{"conv weights for another input", func(m *Model, g *onnxpb.GraphProto) {
			g.Initializer[2].Dims = []int64{5, 2, 3, 6}
		}, `need 2 channels, but the input Nx4x8x8 has 4`},
		{"conv bias for other filters", func(m *Model, g *onnxpb.GraphProto) {
			g.Initializer[1].Dims = []int64{2, 2}
		}, `the bias is 2x2, want 4`},
		{"kernel_shape against weights", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Attribute[0].Ints = []int64{3, 1} }, `kernel_shape=[3 1], but the weights are 4x3x3x3`},
		{"pads of the wrong number", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Attribute[1].Ints = []int64{1, 1} }, `pads has 2 numbers, want 4`},
		{"negative pads", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Attribute[1].Ints = []int64{1, -1, 1, 1} }, `-1 is not within`},
		{"stride of 0", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[0].Attribute = append(g.Node[0].Attribute, &onnxpb.AttributeProto{Name: "strides", Type: onnxpb.AttributeProto_INTS, Ints: []int64{0, 1}})
		}, `strides=[0 1]: 0 is not within`},
		{"group that does not divide", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[0].Attribute = append(g.Node[0].Attribute, intAttr("group", 3))
		}, `group=3 need 9 channels`},
		{"kernel larger than the map", func(m *Model, g *onnxpb.GraphProto) {
			setDim(g.Input[0], 2, 0)
			setDim(g.Input[0], 2, 1)
			g.Node[0].Attribute[1].Ints[0] = 0
		}, `does not fit`},
		{"attribute twice", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[0].Attribute = append(g.Node[0].Attribute, g.Node[0].Attribute[0])
		}, `"kernel_shape" is given twice`},
		{"unknown attribute", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[0].Attribute = append(g.Node[0].Attribute, intAttr("ceil_mode", 1))
		}, `unknown attribute "ceil_mode" (want one of auto_pad`},
		{"attribute of an op that has none", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[1].Attribute = append(g.Node[1].Attribute, intAttr("axis", 1))
		}, `the operator has none`},
		{"attribute of another type", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Attribute[1] = intAttr("pads", 1) }, `attribute "pads" is INT, want INTS`},
		{"attribute with two values", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Attribute[1].F = 1 }, `values of the type FLOAT, INTS`},
		{"required attribute missing", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].OpType = "LRN" }, `attribute size is missing`},
		{"attribute of a later opset", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[1].OpType, g.Node[1].Attribute = "Split", []*onnxpb.AttributeProto{intAttr("axis", 1), intAttr("num_outputs", 1)}
		}, `unknown attribute "num_outputs"`},
		{"attribute of an earlier opset", func(m *Model, g *onnxpb.GraphProto) {
			g.Node[1].OpType, g.Node[1].Attribute = "ReduceMax", []*onnxpb.AttributeProto{{Name: "axes", Type: onnxpb.AttributeProto_INTS, Ints: []int64{1}}}
			m.Proto.OpsetImport[0].Version = 18
		}, `unknown attribute "axes"`},
		{"too many inputs", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].Input = append(g.Node[1].Input, "image") }, `2 inputs, want 1`},
		{"input left out", func(m *Model, g *onnxpb.GraphProto) { g.Node[0].Input[1] = "" }, `input 1 is left out`},
		{"unknown operator", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].OpType = "Rleu" }, `is not a known operator`},
		{"foreign domain", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].Domain = "com.example" }, `domain "com.example"`},
		{"undefined input", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].Input[0] = "c0" }, `reads "c0", which nothing computes`},
		{"undefined output", func(m *Model, g *onnxpb.GraphProto) { g.Output[0].Name = "c3" }, `output "c3": nothing computes it`},
		{"value defined twice", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].Output[0] = "c1" }, `"c1" is defined twice`},
		{"node name twice", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].Name = "c1" }, `another node has the same name`},
		{"initializer twice", func(m *Model, g *onnxpb.GraphProto) { g.Initializer = append(g.Initializer, g.Initializer[0]) }, `"c1/weight" is defined twice`},
		{"value_info of nothing", func(m *Model, g *onnxpb.GraphProto) { g.ValueInfo[0].Name = "nobody" }, `value_info "nobody": there is no such value`},
		{"value_info twice", func(m *Model, g *onnxpb.GraphProto) { g.ValueInfo = append(g.ValueInfo, g.ValueInfo[0]) }, `is declared twice`},
		{"output of another type", func(m *Model, g *onnxpb.GraphProto) {
			g.Output[0].Type.GetTensorType().ElemType = int32(onnxpb.TensorProto_INT64)
		}, `as FLOAT, but it is declared INT64`},
		{"no outputs", func(m *Model, g *onnxpb.GraphProto) { g.Output = nil }, `has no outputs`},
		{"no graph name", func(m *Model, g *onnxpb.GraphProto) { g.Name = "" }, `graph: has no name`},
		{"no opset", func(m *Model, g *onnxpb.GraphProto) { m.Proto.OpsetImport = nil }, `imports no opset`},
		{"opset twice", func(m *Model, g *onnxpb.GraphProto) {
			m.Proto.OpsetImport = append(m.Proto.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: "ai.onnx", Version: 17})
		}, `twice`},
		{"opset of the future", func(m *Model, g *onnxpb.GraphProto) { m.Proto.OpsetImport[0].Version = 99 }, `opset 99`},
		{"opset newer than the IR", func(m *Model, g *onnxpb.GraphProto) { m.Proto.OpsetImport[0].Version = 21 }, `opset 21 needs IR version 10`},
		{"IR of the future", func(m *Model, g *onnxpb.GraphProto) { m.Proto.IrVersion = 99 }, `ir_version is 99`},
		{"no input type", func(m *Model, g *onnxpb.GraphProto) { g.Input[0].Type = nil }, `no element type`},
		{"metadata twice", func(m *Model, g *onnxpb.GraphProto) {
			m.Proto.MetadataProps = append(m.Proto.MetadataProps, m.Proto.MetadataProps[0])
		}, `metadata "incc_version" is given twice`},
		{"external without a place", func(m *Model, g *onnxpb.GraphProto) {
			delete(m.Weights, "c1/bias")
			g.Initializer[1].DataLocation = onnxpb.TensorProto_EXTERNAL
		}, `relative path`},
	} {
		m := tiny()
		c.damage(m, m.Proto.Graph)
		problems := Verify(m)
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.String(), c.want) }) {
			t.Errorf("%s: problems %q, want one with %q", c.name, problems, c.want)
		}
	}
}

// TestMinor: what onnx.checker and ONNX Runtime accept is minor: models whose batch has other
// symbols behind it, IR versions older than the opset, stale declarations.
func TestMinor(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(m *Model, g *onnxpb.GraphProto)
		minor  bool
	}{
		{"another symbol", func(m *Model, g *onnxpb.GraphProto) { setSymbol(g.Output[0], "Gemmoutput_dim_0") }, true},
		{"another symbol inside", func(m *Model, g *onnxpb.GraphProto) { setSymbol(g.ValueInfo[0], "unk__0") }, true},
		{"another batch", func(m *Model, g *onnxpb.GraphProto) { setDim(g.Output[0], 0, 1) }, true},
		{"old IR version", func(m *Model, g *onnxpb.GraphProto) { m.Proto.IrVersion = 3 }, true},
		{"value_info of nothing", func(m *Model, g *onnxpb.GraphProto) { g.ValueInfo[0].Name = "gone" }, true},
		{"another type", func(m *Model, g *onnxpb.GraphProto) {
			g.Output[0].Type.GetTensorType().ElemType = int32(onnxpb.TensorProto_INT64)
		}, false},
		{"no such operator", func(m *Model, g *onnxpb.GraphProto) { g.Node[1].OpType = "Rleu" }, false},
	} {
		m := tiny()
		c.damage(m, m.Proto.Graph)
		problems := Verify(m)
		if len(problems) == 0 || slices.ContainsFunc(problems, func(p Problem) bool { return p.Minor != c.minor }) {
			t.Errorf("%s: problems %v, want minor: %v", c.name, problems, c.minor)
		}
		if _, err := Import(m); c.minor && err != nil {
			t.Errorf("%s: a minor problem, but Import says: %v", c.name, err)
		}
	}
}

// setSymbol sets the first axis of a declared shape.
func setSymbol(v *onnxpb.ValueInfoProto, name string) {
	v.Type.GetTensorType().Shape.Dim[0] = &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: name}}
}

// TestShapeInference infers the outputs of one operator at a time from declared shapes.
func TestShapeInference(t *testing.T) {
	ints := func(name string, v ...int64) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: v}
	}
	str := func(name, v string) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
	}
	type attrs = []*onnxpb.AttributeProto
	// Inputs are shapes, or constant lists of integers in brackets.
	for _, c := range []struct {
		op    string
		opset int64
		in    string
		attrs attrs
		want  string // shapes of the outputs, or what the error contains
	}{
		{"Conv", 17, "Nx3x9x9 8x3x3x3", attrs{ints("strides", 2, 2), ints("pads", 0, 0, 1, 1)}, "Nx8x4x4"},
		{"Conv", 17, "Nx3x9x9 8x3x3x3", attrs{ints("dilations", 2, 3)}, "Nx8x5x3"},
		{"Conv", 17, "Nx3x9x10 8x3x3x3", attrs{str("auto_pad", "SAME_UPPER"), ints("strides", 2, 2)}, "Nx8x5x5"},
		{"Conv", 17, "Nx3x9x10 8x3x3x3", attrs{str("auto_pad", "SAME"), ints("strides", 2, 2)}, "!none of"},
		{"Conv", 17, "Nx4x9x9 8x2x1x7 8", attrs{intAttr("group", 2)}, "Nx8x9x3"},
		{"MaxPool", 17, "Nx3x8x8", attrs{ints("kernel_shape", 3, 3), ints("strides", 2, 2)}, "Nx3x3x3"},
		{"MaxPool", 17, "Nx3x8x8", attrs{ints("kernel_shape", 3, 3), ints("strides", 2, 2), intAttr("ceil_mode", 1)}, "Nx3x4x4"},
		{"MaxPool", 17, "Nx3x5x5", attrs{ints("kernel_shape", 1, 1), ints("strides", 3, 3), intAttr("ceil_mode", 1)}, "Nx3x2x2"},
		{"MaxPool", 17, "Nx3x8x8", attrs{ints("kernel_shape", 2, 2), ints("pads", 2, 0, 0, 0)}, "!not smaller than the kernel"},
		{"AveragePool", 17, "Nx3x8x8", attrs{ints("kernel_shape", 2)}, "!does not fit"},
		{"AveragePool", 17, "Nx3x8x8", attrs{ints("kernel_shape", 2, 2), ints("dilations", 2, 2)}, "!unknown attribute"},
		{"AveragePool", 19, "Nx3x8x8", attrs{ints("kernel_shape", 2, 2), ints("dilations", 2, 2)}, "Nx3x6x6"},
		{"GlobalAveragePool", 17, "Nx3x8x8", nil, "Nx3x1x1"},
		{"Gemm", 17, "Nx12 5x12 5", attrs{intAttr("transB", 1)}, "Nx5"},
		{"Gemm", 17, "Nx12 5x12", nil, "!inner sizes"},
		{"Gemm", 17, "Nx12 12x5 4", nil, "!does not broadcast"},
		{"MatMul", 17, "7xNx12 12x5", nil, "7xNx5"},
		{"Add", 17, "Nx3x8x8 1x3x1x1", nil, "Nx3x8x8"},
		{"Add", 17, "Nx3x8x8 3", nil, "!do not broadcast"},
		{"Max", 17, "Nx1 5 1", nil, "Nx5"},
		{"Concat", 17, "Nx3x8x8 Nx5x8x8", attrs{intAttr("axis", 1)}, "Nx8x8x8"},
		{"Concat", 17, "Nx3x8x8 Nx5x8x7", attrs{intAttr("axis", 1)}, "!differ in an axis other than 1"},
		{"Concat", 17, "Nx3x8x8 Nx5x8", attrs{intAttr("axis", 1)}, "!ranks differ"},
		{"Slice", 17, "Nx8x4x4 [2] [6] [1]", nil, "Nx4x4x4"},
		{"Slice", 17, "Nx8x4x4 [-3] [9223372036854775807] [1] [2]", nil, "Nx2x4x4"},
		{"Slice", 17, "Nx8x4x4 [-1] [-9223372036854775808] [1] [-1]", nil, "Nx8x4x4"},
		{"Split", 17, "Nx8x4x4 [3,5]", attrs{intAttr("axis", 1)}, "Nx3x4x4 Nx5x4x4"},
		{"Split", 17, "Nx8x4x4", attrs{intAttr("axis", 1)}, "Nx4x4x4 Nx4x4x4"},
		{"Split", 18, "Nx7x4x4", attrs{intAttr("axis", 1), intAttr("num_outputs", 2)}, "Nx4x4x4 Nx3x4x4"},
		{"Split", 17, "Nx8x4x4 [3,4]", attrs{intAttr("axis", 1)}, "!less than the axis"},
		{"ReduceMax", 17, "Nx4x2x3", attrs{ints("axes", 2), intAttr("keepdims", 0)}, "Nx4x3"},
		{"ReduceMax", 18, "Nx4x2x3 [-1]", nil, "Nx4x2x1"},
		{"ReduceSum", 17, "Nx4x2x3 [1,-2]", attrs{intAttr("keepdims", 0)}, "Nx3"},
		{"ReduceSum", 17, "4x2x3", attrs{intAttr("keepdims", 0)}, "scalar"},
		{"Pad", 17, "Nx3x8x8 [0,0,1,2,0,0,3,4]", nil, "Nx3x12x14"},
		{"Pad", 18, "Nx3x8x8 [1,3,2,4] scalar [2,3]", nil, "Nx3x11x15"},
		{"Pad", 17, "Nx3x8x8 [1,2]", nil, "!2 pads"},
		{"Squeeze", 17, "Nx1x8x1", nil, "Nx8"},
		{"Squeeze", 17, "Nx1x8x1 [-1]", nil, "Nx1x8"},
		{"Squeeze", 17, "Nx1x8x1 [2]", nil, "!is not 1"},
		{"Transpose", 17, "Nx3x8x9", attrs{ints("perm", 0, 2, 3, 1)}, "Nx8x9x3"},
		{"Transpose", 17, "Nx3x8x9", attrs{ints("perm", 0, 2, 2, 1)}, "!permutation"},
		{"Dropout", 17, "Nx3", nil, "Nx3 Nx3"},
		{"Flatten", 17, "Nx3x8x9", nil, "Nx216"},
		{"Flatten", 17, "2x3x8x9", attrs{intAttr("axis", 2)}, "6x72"},
		{"Reshape", 17, "Nx3x8x9 [0,-1]", nil, "Nx216"},
		{"Reshape", 17, "Nx3x8x9 [-1,216]", nil, "Nx216"},
		{"Reshape", 17, "Nx6x8x9 [0,3,2,72]", nil, "Nx3x2x72"},
		{"Reshape", 17, "Nx3x8x9 [-1,217]", nil, "!does not reshape"},
		{"Reshape", 17, "Nx3x8x9 [0,-1,-1]", nil, "!more than one -1"},
		{"Reshape", 17, "Nx3x8x9 [5,216]", nil, "!does not reshape"},
		{"Softmax", 17, "Nx10", attrs{intAttr("axis", 2)}, "!axis 2"},
		{"BatchNormalization", 17, "Nx3x8x8 3 3 3 3", nil, "Nx3x8x8"},
		{"BatchNormalization", 17, "Nx3x8x8 3 3 4 3", nil, "!mean is 4"},
		{"LRN", 17, "Nx3x8x8", attrs{intAttr("size", 5)}, "Nx3x8x8"},
	} {
		g := &onnxpb.GraphProto{Name: "g"}
		n := &onnxpb.NodeProto{OpType: c.op, Attribute: c.attrs}
		for i, in := range strings.Fields(c.in) {
			name := fmt.Sprint("in", i)
			n.Input = append(n.Input, name)
			if strings.HasPrefix(in, "[") {
				var v []int64
				if err := json.Unmarshal([]byte(in), &v); err != nil {
					t.Fatal(err)
				}
				g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(v))}, Int64Data: v})
				continue
			}
			g.Input = append(g.Input, testInfo(name, in))
		}
		shapes := strings.Fields(c.want)
		if strings.HasPrefix(c.want, "!") {
			shapes = []string{"?"}
		}
		for i, s := range shapes {
			name := fmt.Sprint("out", i)
			n.Output = append(n.Output, name)
			o := testInfo(name, s)
			if c.op == "Dropout" && i == 1 {
				o.Type.GetTensorType().ElemType = int32(onnxpb.TensorProto_BOOL)
			}
			g.Output = append(g.Output, o)
		}
		g.Node = []*onnxpb.NodeProto{n}
		problems := Verify(&Model{Proto: &onnxpb.ModelProto{IrVersion: 9, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: c.opset}}}})
		name := fmt.Sprintf("%s-%d(%s %v)", c.op, c.opset, c.in, c.attrs)
		if want, bad := strings.CutPrefix(c.want, "!"); bad {
			if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Msg, want) }) {
				t.Errorf("%s: problems %q, want %q", name, problems, want)
			}
		} else if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		} else if c.want != "scalar" {
			// The declared shape must have been compared, not skipped.
			setDim(g.Output[0], len(strings.Split(shapes[0], "x"))-1, 77)
			if len(Verify(&Model{Proto: &onnxpb.ModelProto{IrVersion: 9, Graph: g, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: c.opset}}}})) == 0 {
				t.Errorf("%s: a wrong shape passes", name)
			}
		}
	}
}

// testInfo declares a FLOAT value. shape is a shape such as Nx3x8x8, scalar, or ? for none.
func testInfo(name, shape string) *onnxpb.ValueInfoProto {
	tt := &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT)}
	if shape != "?" {
		tt.Shape = &onnxpb.TensorShapeProto{}
		for _, d := range strings.Split(shape, "x") {
			var n int64
			x := &onnxpb.TensorShapeProto_Dimension{}
			if shape == "scalar" {
				break
			} else if _, err := fmt.Sscan(d, &n); err == nil {
				x.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
			} else {
				x.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
			}
			tt.Shape.Dim = append(tt.Shape.Dim, x)
		}
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: tt}}}
}

// TestSchemasAgainstOnnx compares schemas with the Python package onnx, for the opsets that
// the installed version knows.
func TestSchemasAgainstOnnx(t *testing.T) {
	python := onnxPython(t)
	var rows []string
	for op, ss := range schemas {
		for _, s := range ss {
			rows = append(rows, fmt.Sprintf("%s %d %d %d %d %d %s", op, max(s.since, minOpset), s.inMin, s.inMax, s.outMin, s.outMx, s.attrs))
		}
	}
	slices.Sort(rows)
	script := `
import sys
from onnx import defs
top = min(defs.onnx_opset_version(), 28)
rows = {}
for line in sys.stdin:
    f = line.split()
    rows.setdefault(f[0], {})[int(f[1])] = f[2:]
for op, mine in rows.items():
    for opset in range(max(13, min(mine)), top + 1):
        s = defs.get_schema(op, opset)
        want = [str(x) for x in (s.min_input, s.max_input, s.min_output, s.max_output)]
        want += sorted("%s:%s%s" % (n, str(a.type).split(".")[-1], "!" if a.required else "") for n, a in s.attributes.items())
        have = mine[max(v for v in mine if v <= opset)]
        if have != want:
            print(op, opset, "have", have, "want", want)
print("compared up to opset", top)
`
	cmd := exec.Command(python, "-c", script)
	cmd.Stdin = strings.NewReader(strings.Join(rows, "\n"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, l := range lines[:len(lines)-1] {
		t.Error(l)
	}
	t.Log(lines[len(lines)-1])
}

// onnxPython returns a Python with the onnx package.
func onnxPython(t *testing.T) string {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import onnx").Run() != nil {
		t.Skip("no onnx package for", python, "(apt-get install python3-onnx)")
	}
	return python
}

// A model of an old opset is converted to opset 13 and checked with the same rules.
func TestVerifyOldOpsets(t *testing.T) {
	model := func(opset int64) *Model {
		m := tiny()
		m.Proto.OpsetImport[0].Version, m.Proto.IrVersion = opset, 3
		return m
	}
	for opset := int64(7); opset < 13; opset++ {
		if p := Verify(model(opset)); len(p) > 0 {
			t.Errorf("opset %d: %v", opset, p)
		}
		m := model(opset)
		setDim(m.Proto.Graph.ValueInfo[0], 1, 5)
		if p := Verify(m); len(p) == 0 || !strings.Contains(fmt.Sprint(p), "it is declared Nx5x8x8") {
			t.Errorf("opset %d: a wrong shape: %v", opset, p)
		}
	}
	for _, opset := range []int64{0, 1, 6, 29} {
		if p := Verify(model(opset)); len(p) == 0 {
			t.Errorf("opset %d is sound", opset)
		}
	}
}

func TestBind(t *testing.T) {
	m := tiny()
	before, err := json.Marshal(m.Proto)
	if err != nil {
		t.Fatal(err)
	}
	b := Bind(m, 3)
	if p := Verify(b); len(p) > 0 {
		t.Error(p)
	}
	for _, v := range slices.Concat(b.Proto.Graph.Input, b.Proto.Graph.ValueInfo, b.Proto.Graph.Output) {
		if d := v.Type.GetTensorType().Shape.Dim[0]; d.GetDimValue() != 3 {
			t.Errorf("%s: %v", v.Name, d)
		}
	}
	if after, err := json.Marshal(m.Proto); err != nil || string(after) != string(before) {
		t.Error("the model changed")
	}
}
