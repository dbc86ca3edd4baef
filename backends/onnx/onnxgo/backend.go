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

// Backend runs models of onnx-go on the executor of package cpu. To use it, make one with
// NewBackend, pass it to onnx-go's NewModel, decode a model, set the inputs and call Run.
//
// The first Run compiles the network for the shapes of its inputs. INT64 inputs (such as
// the shape of a Reshape) become constants of the compiled network, and so do inputs that
// the executor can only use as weights (such as the filters of a Conv). A later Run
// compiles again if the shape of an input or the value of such a constant has changed.
//
// Every Run makes new tensors for its results. A Backend is for one model and must be used
// by one goroutine at a time.
type Backend struct {
	// Opset is the opset of the model, or 0 if it is not known, because onnx-go does not
	// pass it to backends. The form of the operators shows what is needed, with one
	// exception: a Softmax over other axes than the last had another meaning before
	// opset 13. Run returns an error for a model with such a Softmax if Opset is 0. Load
	// sets Opset.
	Opset int64
	// Options are the options of the executor. Run sets Batch.
	Options cpu.Options

	*recorder
	outputs []*value // outputs besides those that no operation reads
	program *program
	ran     bool
	err     error
}

var _ backend.ComputationBackend = (*Backend)(nil)

// NewBackend returns an empty backend for onnx-go's decoder.
//
// The decoder panics on some malformed files and ends the program on others. Use it only
// for bytes that you trust or that onnx.Decode has accepted, or use Load.
func NewBackend() *Backend {
	b := &Backend{recorder: newRecorder()}
	b.recorder.backend = b
	return b
}

// Load decodes a model from untrusted bytes, which it checks with onnx.Decode before it
// passes them to onnx-go. It returns the model and its backend, whose Opset is set.
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

// ApplyOperation records an operation. It returns onnx-go's ErrNotImplemented for an
// operator that incc does not support.
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

// want makes a value an output. It returns false if it already was one.
func (b *Backend) want(v *value) bool {
	if slices.Contains(b.outputs, v) {
		return false
	}
	b.outputs = append(b.outputs, v)
	return true
}

// changed is called after every SetTensor of a decoded model.
func (b *Backend) changed(v *value) {
	if b.program != nil && !slices.Contains(b.program.all, v) {
		b.program = nil // a weight of the model
	}
}

// result returns the tensor of a value that an operation computes. onnx-go does not tell a
// backend which values are outputs, so a value that other operations read becomes an output
// when it is first requested; result then runs the model again.
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

// Run computes the outputs. It returns onnx-go's ErrNotImplemented if the model is valid but
// incc cannot run it.
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

// notImplemented converts an error about something that incc does not support to onnx-go's
// ErrNotImplemented. It returns other errors unchanged.
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

// inputs returns the inputs of the model, which the caller must set. onnx-go adds the values
// of a model in this order: inputs, declared values and outputs, initializers, others. It
// sets the tensor of an initializer twice if that is listed among the inputs, too.
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
