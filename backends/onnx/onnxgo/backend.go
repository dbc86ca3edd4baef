package onnxgo

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	onnxgo "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend"
	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/form"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/codegen/plan"
)

// Backend runs models of onnx-go on the executor of package cpu: make one with
// NewBackend, give it to onnx-go's NewModel, decode, set the inputs, Run.
//
// The first Run compiles the network for the shapes of its inputs, and so does
// the first one after a shape has changed. Inputs of INT64 (the shape of a
// Reshape) are compiled in, and inputs that the executor can only take as weights
// (the filters of a Conv) as well: a Run after their values have changed
// compiles again.
//
// Results are new tensors after every Run. A Backend serves one model and one
// goroutine.
type Backend struct {
	// Opset of the model. onnx-go does not pass it on, and 0 does without: the form
	// of the operators tells as much as is needed, except for a Softmax over other
	// axes than the last, which meant something else before opset 13. Such a model
	// is refused until Opset says which it is. Load fills it in.
	Opset int64
	// Options of the executor; Batch is set by Run.
	Options cpu.Options

	*recorder
	outputs []*value // asked for beside what no operation reads
	program *program
	ran     bool
	err     error
}

var _ backend.ComputationBackend = (*Backend)(nil)

// NewBackend returns an empty backend, which onnx-go's decoder fills.
//
// The decoder panics on malformed files, and some files end the program: give it
// only bytes that you trust or that onnx.Decode has passed, or use Load.
func NewBackend() *Backend {
	b := &Backend{recorder: newRecorder()}
	b.recorder.backend = b
	return b
}

// Load decodes a model from untrusted bytes: they pass onnx.Decode before onnx-go
// sees them. The backend is the one behind the model and knows its opset.
func Load(data []byte) (model *onnxgo.Model, b *Backend, err error) {
	m, err := safe(data)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			model, b, err = nil, nil, fmt.Errorf("onnx-go's decoder panics: %v", r)
		}
	}()
	b = NewBackend()
	for _, o := range m.OpsetImport {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			b.Opset = o.Version
		}
	}
	model = onnxgo.NewModel(b)
	if err := model.UnmarshalBinary(data); err != nil {
		return nil, nil, err
	}
	for _, id := range model.Output {
		b.want(b.values[id])
	}
	return model, b, nil
}

// newRecorder returns an empty graph.
func newRecorder() *recorder {
	return &recorder{WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, math.Inf(1)), operands: map[int64][]*value{}}
}

// ApplyOperation records an operation. It returns onnx-go's ErrNotImplemented for
// one that incc does not know.
func (b *Backend) ApplyOperation(o onnxgo.Operation, ns ...graph.Node) error {
	if !onnx.Importable(o.Name) {
		return &onnxgo.ErrNotImplemented{Operator: o.Name, Message: "incc has no such op"}
	}
	if len(ns) == 0 {
		return fmt.Errorf("operator %s has no outputs", o.Name)
	}
	b.program = nil
	return b.recorder.ApplyOperation(o, ns...)
}

// want makes a value an output; it reports whether it was none.
func (b *Backend) want(v *value) bool {
	if slices.Contains(b.outputs, v) {
		return false
	}
	b.outputs = append(b.outputs, v)
	return true
}

// changed is told of every SetTensor.
func (b *Backend) changed(v *value) {
	if b.program != nil && !slices.Contains(b.program.all, v) {
		b.program = nil // a weight of the model
	}
}

// result is the tensor of a value that operations compute. onnx-go does not say
// which values are outputs, so one that others read is computed when it is first
// asked for.
func (b *Backend) result(v *value) tensor.Tensor {
	if v.result == nil && b.ran && b.err == nil && b.want(v) {
		b.program = nil
		if b.err = b.Run(); b.err != nil {
			return nil
		}
	}
	if v.result == nil {
		return v.t
	}
	return v.result
}

// Run computes the outputs. An error is onnx-go's ErrNotImplemented where the
// model is sound and incc cannot run it.
func (b *Backend) Run() error {
	b.ran, b.err = true, nil
	for _, v := range b.values {
		v.result = nil
	}
	inputs, err := b.inputs()
	if err != nil {
		return err
	}
	if b.program == nil || !b.program.fits() {
		b.program = nil
		p, err := b.compile(inputs)
		if err != nil {
			return notImplemented(b.nodes, err)
		}
		b.program = p
	}
	return b.program.run()
}

// notImplemented makes an error onnx-go's where something is missing here.
func notImplemented(nodes []Node, err error) error {
	if !errors.Is(err, onnx.ErrUnsupported) && !errors.Is(err, plan.ErrUnsupported) && !errors.Is(err, form.ErrNone) {
		return err
	}
	names := map[string]bool{}
	for _, n := range nodes {
		names[n.Op] = true
	}
	op := "of the graph"
	if len(names) == 1 {
		op = nodes[0].Op
	}
	return &onnxgo.ErrNotImplemented{Operator: op, Message: strings.ReplaceAll(err.Error(), "\n", "; ")}
}

// inputs returns what the caller has to set. onnx-go adds the values of a model
// in this order: inputs, declared values and outputs, initializers, others; it
// sets the tensor of an initializer that is listed among the inputs twice.
func (b *Backend) inputs() ([]*value, error) {
	if len(b.nodes) == 0 {
		return nil, errors.New("the backend holds no model: decode one with onnx.NewModel(backend).UnmarshalBinary")
	}
	var in []*value
	for _, v := range b.values {
		if v.computed {
			break
		}
		if v.decoded > 1 {
			continue
		}
		if v.given == 0 {
			return nil, fmt.Errorf("input %q has no value: call SetInput before Run", v.name)
		}
		in = append(in, v)
	}
	return in, nil
}
