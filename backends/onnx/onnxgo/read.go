package onnxgo

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	onnxgo "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Graph is a model as onnx-go's decoder passed it to its backend.
type Graph struct {
	Inputs, Outputs []string
	Nodes           []Node
	Tensors         map[string]tensor.Tensor // initializers; for other values, tensors of the declared type
}

// Node is an operation of a Graph.
type Node struct {
	Op      string
	Attrs   map[string]any
	In, Out []string

	in, out []*value
}

// Read decodes a model with onnx-go. The shapes in the result lack a symbolic batch, because
// onnx-go's decoder omits axes without a number.
func Read(b []byte) (g *Graph, err error) {
	if _, err := safe(b); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			g, err = nil, fmt.Errorf("onnx-go panics: %v", r)
		}
	}()
	r := newRecorder()
	m := onnxgo.NewModel(r)
	if err := m.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("onnx-go: %w", err)
	}
	g = &Graph{Nodes: r.nodes, Tensors: map[string]tensor.Tensor{}}
	for _, v := range r.values {
		if v.t != nil {
			g.Tensors[v.name] = v.t
		}
	}
	for _, id := range m.Input {
		g.Inputs = append(g.Inputs, r.values[id].name)
	}
	for _, id := range m.Output {
		g.Outputs = append(g.Outputs, r.values[id].name)
	}
	return g, nil
}

// maxDeclared is the largest size in bytes of all values that a model declares. onnx-go
// allocates them all when it decodes a model.
const maxDeclared = 1 << 32

// safe decodes bytes with onnx.Decode and checks further conditions under which onnx-go's
// decoder is safe.
func safe(b []byte) (*onnxpb.ModelProto, error) {
	m, err := onnx.Decode(b)
	if err != nil {
		return nil, err
	}
	bytes := int64(0)
	for _, v := range slices.Concat(m.Graph.Input, m.Graph.ValueInfo, m.Graph.Output) {
		n := int64(8)
		for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
			n *= max(1, d.GetDimValue())
		}
		if bytes += n; bytes > maxDeclared {
			return nil, fmt.Errorf("the model declares values of more than %d bytes, which onnx-go would allocate", int64(maxDeclared))
		}
	}
	for _, t := range m.Graph.Initializer {
		if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
			return nil, fmt.Errorf("initializer %q is stored in another file, which onnx-go cannot read", t.Name)
		}
	}
	return m, nil
}

// recorder is a backend of onnx-go that records all calls. It keeps edges in its own lists,
// because a node that reads a value twice has two edges to it, but a gonum graph can have
// only one.
type recorder struct {
	*simple.WeightedDirectedGraph
	values   []*value
	operands map[int64][]*value // by the ID of a computed value, the operands of its operation
	nodes    []Node
	backend  *Backend // the backend that owns the graph, nil for Read
}

var (
	_ onnxgo.Backend     = (*recorder)(nil)
	_ onnxgo.Namer       = (*value)(nil)
	_ onnxgo.DataCarrier = (*value)(nil)
)

// value is a value of the model. In onnx-go's graph, values are the nodes.
type value struct {
	id       int64
	name     string
	t        tensor.Tensor
	result   tensor.Tensor // the result of the last Run
	of       *recorder
	computed bool // whether an operation computes it
	decoded  int  // number of SetTensor calls before the first operation, by the decoder
	given    int  // number of SetTensor calls after it, by the user
}

func (v *value) ID() int64        { return v.id }
func (v *value) SetName(s string) { v.name = s }
func (v *value) GetName() string  { return v.name }

func (v *value) SetTensor(t tensor.Tensor) error {
	v.t = t
	if len(v.of.nodes) == 0 {
		v.decoded++
		return nil
	}
	v.given++
	if v.of.backend != nil {
		v.of.backend.changed(v)
	}
	return nil
}

func (v *value) GetTensor() tensor.Tensor {
	if v.computed && v.of.backend != nil {
		return v.of.backend.result(v)
	}
	return v.t
}

func (r *recorder) NewNode() graph.Node { return &value{id: int64(len(r.values)), of: r} }

func (r *recorder) AddNode(n graph.Node) {
	r.values = append(r.values, n.(*value))
	r.WeightedDirectedGraph.AddNode(n)
}

func (r *recorder) SetWeightedEdge(e graph.WeightedEdge) {
	// A gonum graph cannot have an edge from a node to itself; a malformed model may have
	// one.
	if e.From().ID() != e.To().ID() {
		r.WeightedDirectedGraph.SetWeightedEdge(e)
	}
	from := e.From().ID()
	r.operands[from] = append(r.operands[from], e.To().(*value))
}

func (r *recorder) ApplyOperation(o onnxgo.Operation, ns ...graph.Node) error {
	n := Node{Op: o.Name, Attrs: o.Attributes}
	for _, x := range ns {
		v := x.(*value)
		v.computed = true
		n.Out, n.out = append(n.Out, v.name), append(n.out, v)
	}
	for _, v := range r.operands[ns[0].ID()] {
		n.In, n.in = append(n.In, v.name), append(n.in, v)
	}
	r.nodes = append(r.nodes, n)
	return nil
}

// Diff lists the differences between a model and the graph that onnx-go read, nil if there
// are none. It compares inputs, outputs, operations with their operands and attributes, and
// initializers bit for bit.
func Diff(m *onnxpb.ModelProto, g *Graph) []string {
	var d []string
	differ := func(format string, args ...any) { d = append(d, fmt.Sprintf(format, args...)) }
	weights := map[string]bool{}
	for _, t := range m.Graph.Initializer {
		weights[t.Name] = true
		x := g.Tensors[t.Name]
		if x == nil {
			differ("initializer %s is missing", t.Name)
			continue
		}
		var want any
		var err error
		if onnxpb.TensorProto_DataType(t.DataType) == onnxpb.TensorProto_INT64 {
			want, err = onnx.Int64s(t)
		} else {
			want, err = onnx.Floats(t)
		}
		if err != nil {
			differ("initializer %s: %v", t.Name, err)
			continue
		}
		shape := make([]int, len(t.Dims))
		for i, n := range t.Dims {
			shape[i] = int(n)
		}
		if !slices.Equal([]int(x.Shape()), shape) {
			differ("initializer %s is %v, but onnx-go read it as %v", t.Name, shape, x.Shape())
		}
		if !sameData(want, x.Data()) {
			differ("onnx-go read other values for initializer %s", t.Name)
		}
	}
	var in, out []string
	for _, v := range m.Graph.Input {
		if !weights[v.Name] {
			in = append(in, v.Name)
		}
	}
	for _, v := range m.Graph.Output {
		out = append(out, v.Name)
	}
	if !slices.Equal(in, g.Inputs) || !slices.Equal(out, g.Outputs) {
		differ("the inputs are %v and the outputs are %v, but onnx-go read %v and %v", in, out, g.Inputs, g.Outputs)
	}
	if len(g.Nodes) != len(m.Graph.Node) {
		differ("the graph has %d nodes, but onnx-go read %d", len(m.Graph.Node), len(g.Nodes))
		return d
	}
	for i, n := range m.Graph.Node {
		x := g.Nodes[i]
		if n.OpType != x.Op || !slices.Equal(n.Input, x.In) || !slices.Equal(n.Output, x.Out) {
			differ("node %s is %s(%v) -> %v, but onnx-go read it as %s(%v) -> %v", n.Name, n.OpType, n.Input, n.Output, x.Op, x.In, x.Out)
		}
		if len(n.Attribute) != len(x.Attrs) {
			differ("node %s has %d attributes, but onnx-go read %d", n.Name, len(n.Attribute), len(x.Attrs))
		}
		for _, a := range n.Attribute {
			var want any
			switch a.Type {
			case onnxpb.AttributeProto_INT:
				want = a.I
			case onnxpb.AttributeProto_INTS:
				want = a.Ints
			case onnxpb.AttributeProto_FLOAT:
				want = a.F
			case onnxpb.AttributeProto_STRING:
				want = string(a.S)
			}
			if !reflect.DeepEqual(want, x.Attrs[a.Name]) {
				differ("node %s: %s is %v, but onnx-go read it as %v", n.Name, a.Name, want, x.Attrs[a.Name])
			}
		}
	}
	return d
}

// sameData compares elements bit for bit. have may be a scalar, which gorgonia returns for
// one element.
func sameData(want, have any) bool {
	if f, ok := have.(float32); ok {
		have = []float32{f}
	}
	if i, ok := have.(int64); ok {
		have = []int64{i}
	}
	if w, ok := want.([]float32); ok {
		h, ok := have.([]float32)
		return ok && slices.EqualFunc(w, h, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	}
	return reflect.DeepEqual(want, have)
}
