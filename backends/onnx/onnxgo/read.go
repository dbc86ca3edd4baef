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

// Graph is a model as onnx-go's decoder handed it to its backend.
type Graph struct {
	Inputs, Outputs []string
	Nodes           []Node
	Tensors         map[string]tensor.Tensor // initializers, and the declared types of other values
}

// Node is an operation of it.
type Node struct {
	Op      string
	Attrs   map[string]any
	In, Out []string

	in, out []*value
}

// Read decodes a model with onnx-go. A symbolic batch is lost on the way: the
// decoder leaves out axes without a number.
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

// maxDeclared bounds the memory, in bytes, of the values that a model declares:
// onnx-go allocates every one of them while it decodes.
const maxDeclared = 1 << 32

// safe decodes bytes as onnx.Decode does and demands what onnx-go's decoder needs
// besides.
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
			return nil, fmt.Errorf("initializer %q is stored in another file; onnx-go cannot read it", t.Name)
		}
	}
	return m, nil
}

// recorder is a backend of onnx-go that records all calls. Edges are kept in lists,
// because a node that reads a value twice has two edges to it, and a gonum graph
// holds only one.
type recorder struct {
	*simple.WeightedDirectedGraph
	values   []*value
	operands map[int64][]*value // of the value that an operation computes
	nodes    []Node
	backend  *Backend // the backend that owns the graph, nil for Read
}

var (
	_ onnxgo.Backend     = (*recorder)(nil)
	_ onnxgo.Namer       = (*value)(nil)
	_ onnxgo.DataCarrier = (*value)(nil)
)

// value is a node of onnx-go's graph: values are its nodes.
type value struct {
	id       int64
	name     string
	t        tensor.Tensor
	result   tensor.Tensor // of the last Run
	of       *recorder
	computed bool // by an operation
	decoded  int  // SetTensor before the first operation came, which is the decoder's
	given    int  // and after
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
	// A gonum graph has no edge from a node to itself, a malformed model may.
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

// Diff lists what differs between a model and what onnx-go read, nil if it is
// the same graph: inputs, outputs, operations with their operands and
// attributes, and initializers to the bit.
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
			differ("initializer %s is %v, read as %v", t.Name, shape, x.Shape())
		}
		if !sameData(want, x.Data()) {
			differ("initializer %s has other values", t.Name)
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
		differ("inputs %v and outputs %v, read as %v and %v", in, out, g.Inputs, g.Outputs)
	}
	if len(g.Nodes) != len(m.Graph.Node) {
		differ("%d nodes, read as %d", len(m.Graph.Node), len(g.Nodes))
		return d
	}
	for i, n := range m.Graph.Node {
		x := g.Nodes[i]
		if n.OpType != x.Op || !slices.Equal(n.Input, x.In) || !slices.Equal(n.Output, x.Out) {
			differ("node %s %s(%v) -> %v, read as %s(%v) -> %v", n.Name, n.OpType, n.Input, n.Output, x.Op, x.In, x.Out)
		}
		if len(n.Attribute) != len(x.Attrs) {
			differ("node %s has %d attributes, read as %d", n.Name, len(n.Attribute), len(x.Attrs))
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
				differ("node %s: %s is %v, read as %v", n.Name, a.Name, want, x.Attrs[a.Name])
			}
		}
	}
	return d
}

// sameData compares elements to the bit; gorgonia gives a scalar for one element.
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
