package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
)

// Backend writes ONNX models. The zero value writes opset 17 and IR version 8, with a
// symbolic batch, the weights in the same file, and no heads.
type Backend struct {
	Path     string      // path of the model; by default the graph's name with .onnx
	Opset    int         // DefaultOpset to MaxOpset; 0 for DefaultOpset
	External bool        // write the weights to a second file, called Path with .data after it
	Heads    bool        // write the auxiliary classifiers, as further outputs
	Dropout  bool        // keep dropouts as nodes, which do nothing in inference
	Batch    int         // a fixed number of images; 0 for the symbolic batch N
	Outputs  []*ir.Value // further outputs, for tests
	Version  string      // version of incc, for the metadata
	Seed     int64       // seed for drawing the weights that have no data in the graph
}

// The oldest (and default) and the newest opset that Emit can write.
const (
	DefaultOpset = 17
	MaxOpset     = maxOpset
)

var _ backends.Backend = Backend{}

// Name returns "onnx".
func (Backend) Name() string { return "onnx" }

// Supports returns nil if an op can be written to an ONNX model, else an error that says
// why not.
func (Backend) Supports(op ir.Op) error {
	switch {
	case table.Has(op):
		return nil
	case trainOnly(op):
		return errTrainOnly(op)
	}
	return fmt.Errorf("%s cannot be written to ONNX", ir.Name(op))
}

func errTrainOnly(op ir.Op) error {
	return fmt.Errorf("%s is a training op, which ONNX models do not have: compile the network itself", ir.Name(op))
}

// ExternalSuffix is added to the name of a model for that of the file with its weights.
const ExternalSuffix = ".data"

// Emit returns the file of the model and, with External, the file of the weights after it.
func (b Backend) Emit(g *ir.Graph) ([]backends.File, error) {
	m, err := b.Model(g)
	if err != nil {
		return nil, err
	}
	path := b.Path
	if path == "" {
		path = g.Name + ".onnx"
	}
	if !b.External {
		if _, err := m.Size(); err != nil {
			return nil, err
		}
		return []backends.File{{Path: path, WriterTo: m}}, nil
	}
	data := path + ExternalSuffix
	location := data[strings.LastIndexAny(data, `/\`)+1:]
	m, w, err := m.Externalize(location)
	if err != nil {
		return nil, err
	}
	return []backends.File{{Path: path, WriterTo: m}, {Path: data, WriterTo: w}}, nil
}

// Model returns the graph as a model. It keeps only the nodes that the outputs need:
// heads only if b.Heads is set, and never updates. The error lists all nodes that
// cannot be expressed, not only the first.
func (b Backend) Model(g *ir.Graph) (*Model, error) {
	opset := int64(b.Opset)
	if opset == 0 {
		opset = DefaultOpset
	}
	if opset < DefaultOpset || opset > MaxOpset {
		return nil, fmt.Errorf("opset %d cannot be written (want %d to %d)", opset, DefaultOpset, MaxOpset)
	}
	e := &emitter{b: b, g: g, opset: opset, names: map[string]bool{}, as: map[*ir.Value]string{}, weights: map[string][]float32{},
		out: &onnxpb.GraphProto{Name: g.Name, DocString: g.Doc}}
	if e.out.Name == "" {
		e.out.Name = "network"
	}
	if err := e.graph(); err != nil {
		return nil, err
	}
	m := &Model{Weights: e.weights, Proto: &onnxpb.ModelProto{
		IrVersion:       max(8, MinIR(opset)),
		ProducerName:    "incc",
		ProducerVersion: b.Version,
		DocString:       g.Doc,
		Graph:           e.out,
		OpsetImport:     []*onnxpb.OperatorSetIdProto{{Version: opset}},
		MetadataProps:   metadata(g.Recipe, b.Version),
	}}
	return m, nil
}

// emitter builds a GraphProto.
type emitter struct {
	b       Backend
	g       *ir.Graph
	opset   int64
	out     *onnxpb.GraphProto
	names   map[string]bool      // the names that are taken in the model
	as      map[*ir.Value]string // the name of an IR value in the model
	weights map[string][]float32
	node    *ir.Node           // the node that is being emitted
	whole   map[*ir.Value]bool // the params that are written as whole numbers, by the nodes that read them
}

func (e *emitter) graph() error {
	outputs := slices.Clone(e.g.Outputs)
	if e.b.Heads {
		for _, h := range e.g.Heads {
			outputs = append(outputs, h.Value)
		}
	}
	for _, v := range e.b.Outputs {
		if !slices.Contains(outputs, v) {
			outputs = append(outputs, v)
		}
	}
	if len(outputs) == 0 {
		return errors.New("the graph has no outputs")
	}
	needed := need(outputs)
	e.g.EachValue(func(v *ir.Value) { e.names[v.Name] = true })
	for _, v := range e.g.Inputs {
		e.as[v] = v.Name
		info := e.info(v.Name, v.Type)
		// Declare that an input with four axes is an image, and the meaning of its axes
		// (ONNX docs/TypeDenotation.md, docs/DimensionDenotation.md).
		if d := info.Type.GetTensorType().Shape.Dim; len(d) == 4 {
			info.Type.Denotation = "IMAGE"
			for i, name := range []string{"DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE", "DATA_FEATURE"} {
				d[i].Denotation = name
			}
		}
		e.out.Input = append(e.out.Input, info)
	}
	e.wholeParams()
	for _, v := range e.g.Params {
		if needed[v] && !e.whole[v] {
			if err := e.param(v); err != nil {
				return err
			}
		}
	}
	var problems []error
	for _, n := range e.g.Nodes {
		if !slices.ContainsFunc(n.Out, func(v *ir.Value) bool { return needed[v] }) {
			continue
		}
		e.node = n
		if err := e.emit(n); err != nil {
			at := ""
			if n.Pos.IsValid() {
				at = n.Pos.String() + ": "
			}
			problems = append(problems, fmt.Errorf("%s%s: %w", at, n.Out[0].Name, err))
			for _, v := range n.Out {
				e.as[v] = v.Name
			}
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	e.node = nil
	seen := map[string]bool{}
	for _, v := range outputs {
		// An output needs a name of its own and a node that computes it. An input, a
		// weight or the input of a removed dropout gets one through an Identity.
		name := v.Name
		if e.as[v] != name || v.Def == nil {
			if v.Def == nil {
				name = e.fresh(name + "/output")
			}
			e.add("Identity", []string{e.as[v]}, name)
		}
		if seen[name] {
			name = e.fresh(name + "/output")
			e.add("Identity", []string{e.as[v]}, name)
		}
		seen[name] = true
		e.out.ValueInfo = slices.DeleteFunc(e.out.ValueInfo, func(i *onnxpb.ValueInfoProto) bool { return i.Name == name })
		e.out.Output = append(e.out.Output, e.info(name, v.Type))
	}
	return nil
}

// need returns the given values and all values that they are computed from.
func need(roots []*ir.Value) map[*ir.Value]bool {
	needed := map[*ir.Value]bool{}
	stack := slices.Clone(roots)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v == nil || needed[v] {
			continue
		}
		needed[v] = true
		if v.Def != nil {
			stack = append(stack, v.Def.In...)
		}
	}
	return needed
}

func (e *emitter) emit(n *ir.Node) error {
	if trainOnly(n.Op) {
		return errTrainOnly(n.Op)
	}
	ok, err := table.Do(n, e)
	if !ok {
		return e.b.Supports(n.Op)
	}
	return err
}

func (e *emitter) param(v *ir.Value) error {
	if v.Type.Shape.Symbolic() {
		return fmt.Errorf("param %s is %v (want a fixed shape)", v.Name, v.Type)
	}
	x, err := e.values(v)
	if err != nil {
		return err
	}
	e.as[v] = v.Name
	if v.Type.DType != ir.F32 {
		e.integers(v.Name, v.Type, x)
		return nil
	}
	e.weight(v.Name, v.Type.Shape, x)
	return nil
}

// values returns the elements of a param.
func (e *emitter) values(v *ir.Value) ([]float32, error) {
	t := e.g.Data[v.Name]
	if t == nil {
		t = ir.Draw(v.Name, v.Type.Shape, v.Param.Init, e.b.Seed)
	}
	if len(t.Data) != v.Type.Shape.Size() {
		return nil, fmt.Errorf("param %s is %v and has %d values", v.Name, v.Type, len(t.Data))
	}
	return t.Data, nil
}

func (e *emitter) weight(name string, shape ir.Shape, values []float32) {
	t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_FLOAT)}
	for _, d := range shape {
		t.Dims = append(t.Dims, int64(d))
	}
	e.out.Initializer = append(e.out.Initializer, t)
	e.weights[name] = values
}

// floats adds a constant for the current node and returns its name, which begins with the
// name of the node.
func (e *emitter) floats(what string, shape ir.Shape, values ...float32) string {
	name := e.fresh(e.node.Out[0].Name + "/" + what)
	e.weight(name, shape, values)
	return name
}

// ints adds a constant list of integers for the current node and returns its name.
func (e *emitter) ints(what string, values ...int) string {
	name := e.fresh(e.node.Out[0].Name + "/" + what)
	t := &onnxpb.TensorProto{Name: name, DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{int64(len(values))}}
	for _, v := range values {
		t.RawData = binary.LittleEndian.AppendUint64(t.RawData, uint64(int64(v)))
	}
	e.out.Initializer = append(e.out.Initializer, t)
	return name
}

// fresh returns name or, if it is taken, name_2, name_3 and so on.
func (e *emitter) fresh(name string) string {
	s := name
	for i := 2; e.names[s]; i++ {
		s = name + "_" + strconv.Itoa(i)
	}
	e.names[s] = true
	return s
}

// inner declares an intermediate value of the current node, which becomes several ONNX
// nodes, and returns its name.
func (e *emitter) inner(what string, t ir.Type) string {
	name := e.fresh(e.node.Out[0].Name + "/" + what)
	e.out.ValueInfo = append(e.out.ValueInfo, e.info(name, t))
	return name
}

// in returns the names of a node's operands. The name of an omitted operand is "".
func (e *emitter) in(n *ir.Node) []string {
	s := make([]string, len(n.In))
	for i, v := range n.In {
		if v != nil {
			s[i] = e.as[v]
		}
	}
	return s
}

// result declares an output of a node with its shape and returns its name.
func (e *emitter) result(v *ir.Value) string {
	e.as[v] = v.Name
	e.out.ValueInfo = append(e.out.ValueInfo, e.info(v.Name, v.Type))
	return v.Name
}

// add appends an ONNX node that computes out. The node has the name of out.
func (e *emitter) add(op string, in []string, out string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	n := &onnxpb.NodeProto{Name: out, OpType: op, Input: in, Output: []string{out}}
	if e.node != nil {
		n.DocString = doc(e.node)
	}
	for _, a := range attrs {
		if a != nil {
			n.Attribute = append(n.Attribute, a)
		}
	}
	e.out.Node = append(e.out.Node, n)
	return n
}

// one emits a node of the IR as a single node of ONNX.
func (e *emitter) one(op string, n *ir.Node, attrs ...*onnxpb.AttributeProto) error {
	e.add(op, e.in(n), e.result(n.Out[0]), attrs...)
	return nil
}

// doc returns the doc string of a node: its op, its line of the spec and the pass that
// made it.
func doc(n *ir.Node) string {
	s := ir.FormatOp(n.Op)
	if n.Pos.IsValid() {
		s += ", line " + strconv.Itoa(n.Pos.Line)
	}
	if n.By != "" {
		s += ", by " + n.By
	}
	return s
}

func (e *emitter) info(name string, t ir.Type) *onnxpb.ValueInfoProto {
	elem := elemTypes[t.DType]
	s := &onnxpb.TensorShapeProto{}
	for _, d := range t.Shape {
		x := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}}
		if d == ir.Batch {
			x.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}
			if e.b.Batch > 0 {
				x.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(e.b.Batch)}
			}
		}
		s.Dim = append(s.Dim, x)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(elem), Shape: s}}}}
}

// The following functions make attributes. Emit does not write attributes that have ONNX's
// default value.

func attrInt(name string, v int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: int64(v)}
}

func attrString(name, v string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
}

func attrInts(name string, v ...int) *onnxpb.AttributeProto {
	a := &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

func attrFloat(name string, v float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: float32(v)}
}
