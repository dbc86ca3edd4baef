package ort

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// NotInitializedError is returned before InitializeEnvironment was called, as by
// onnxruntime_go.
//
//lint:ignore ST1012 onnxruntime_go calls it so
var NotInitializedError = errors.New("InitializeEnvironment() has either not yet been called, or did not return successfully")

var initialized atomic.Bool

// SetSharedLibraryPath does nothing: there is no shared library.
func SetSharedLibraryPath(string) {}

// InitializeEnvironment must be called before tensors and sessions are made, and only once.
func InitializeEnvironment() error {
	if !initialized.CompareAndSwap(false, true) {
		return errors.New("the environment has already been initialized")
	}
	return nil
}

// IsInitialized reports whether InitializeEnvironment was called.
func IsInitialized() bool { return initialized.Load() }

// DestroyEnvironment undoes InitializeEnvironment.
func DestroyEnvironment() error {
	if !initialized.CompareAndSwap(true, false) {
		return NotInitializedError
	}
	return nil
}

// SessionOptions are the options of a session.
type SessionOptions struct{ threads int }

// NewSessionOptions returns the default options.
func NewSessionOptions() (*SessionOptions, error) { return &SessionOptions{}, nil }

// SetIntraOpNumThreads sets the number of threads of a run; 0, the default, takes the pool
// that all such sessions share, of GOMAXPROCS threads.
func (o *SessionOptions) SetIntraOpNumThreads(n int) error {
	if n < 0 || n > cpu.MaxThreads {
		return fmt.Errorf("%d threads (want 1 to %d, or 0 for the default)", n, cpu.MaxThreads)
	}
	o.threads = n
	return nil
}

// Destroy does nothing.
func (o *SessionOptions) Destroy() error { return nil }

var errDestroyed = errors.New("the session was destroyed")

// DynamicAdvancedSession is a model that runs on tensors that each call names. It is safe for
// concurrent use.
type DynamicAdvancedSession struct{ model *model }

// NewDynamicAdvancedSession reads a model from a file. The names of all inputs and of the
// wanted outputs say in which order Run takes them. options may be nil.
func NewDynamicAdvancedSession(path string, inputNames, outputNames []string, options *SessionOptions) (*DynamicAdvancedSession, error) {
	m, err := onnx.ReadFile(path, onnx.LoadOptions{})
	if err != nil {
		return nil, err
	}
	r, err := newModel(m, inputNames, outputNames, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &DynamicAdvancedSession{r}, nil
}

// NewDynamicAdvancedSessionWithONNXData is NewDynamicAdvancedSession for the bytes of a model.
func NewDynamicAdvancedSessionWithONNXData(data []byte, inputNames, outputNames []string, options *SessionOptions) (*DynamicAdvancedSession, error) {
	m, err := decode(data)
	if err != nil {
		return nil, err
	}
	r, err := newModel(m, inputNames, outputNames, options)
	if err != nil {
		return nil, err
	}
	return &DynamicAdvancedSession{r}, nil
}

// Run computes the outputs. An output that is nil is replaced with a new tensor.
func (s *DynamicAdvancedSession) Run(inputs, outputs []Value) error {
	if s.model == nil {
		return errDestroyed
	}
	return s.model.run(inputs, outputs)
}

// Destroy lets go of the model.
func (s *DynamicAdvancedSession) Destroy() error {
	s.model = nil
	return nil
}

// AdvancedSession is a model with the tensors that it runs on.
type AdvancedSession struct {
	session         *DynamicAdvancedSession
	inputs, outputs []Value
}

// NewAdvancedSession reads a model from a file. Run reads the tensors in inputs and writes
// those in outputs, which have the given names. options may be nil.
func NewAdvancedSession(path string, inputNames, outputNames []string, inputs, outputs []Value, options *SessionOptions) (*AdvancedSession, error) {
	s, err := NewDynamicAdvancedSession(path, inputNames, outputNames, options)
	return advanced(s, err, inputs, outputs)
}

// NewAdvancedSessionWithONNXData is NewAdvancedSession for the bytes of a model.
func NewAdvancedSessionWithONNXData(data []byte, inputNames, outputNames []string, inputs, outputs []Value, options *SessionOptions) (*AdvancedSession, error) {
	s, err := NewDynamicAdvancedSessionWithONNXData(data, inputNames, outputNames, options)
	return advanced(s, err, inputs, outputs)
}

func advanced(s *DynamicAdvancedSession, err error, inputs, outputs []Value) (*AdvancedSession, error) {
	if err != nil {
		return nil, err
	}
	if len(inputs) != len(s.model.inputs) || len(outputs) != len(s.model.outputs) {
		return nil, fmt.Errorf("%d names and %d values of inputs, %d names and %d values of outputs", len(s.model.inputs), len(inputs), len(s.model.outputs), len(outputs))
	}
	if slices.Contains(outputs, nil) {
		return nil, errors.New("an output of an AdvancedSession is nil: a DynamicAdvancedSession makes outputs")
	}
	return &AdvancedSession{s, slices.Clone(inputs), slices.Clone(outputs)}, nil
}

// Run computes the outputs from the inputs.
func (s *AdvancedSession) Run() error { return s.session.Run(s.inputs, s.outputs) }

// Destroy lets go of the model. The tensors remain.
func (s *AdvancedSession) Destroy() error { return s.session.Destroy() }

// InputOutputInfo describes an input or output of a model.
type InputOutputInfo struct {
	Name       string
	Dimensions Shape // -1 for those that the model leaves open
	DataType   TensorElementDataType
}

func (n *InputOutputInfo) String() string {
	return fmt.Sprintf("%q: %v, %v", n.Name, n.Dimensions, n.DataType)
}

// GetInputOutputInfo returns the inputs and outputs of the model in a file.
func GetInputOutputInfo(path string) (inputs, outputs []InputOutputInfo, err error) {
	m, err := onnx.ReadFile(path, onnx.LoadOptions{})
	if err != nil {
		return nil, nil, err
	}
	return info(m, m.Proto.GetGraph().GetInput()), info(m, m.Proto.GetGraph().GetOutput()), nil
}

// GetInputOutputInfoWithONNXData is GetInputOutputInfo for the bytes of a model.
func GetInputOutputInfoWithONNXData(data []byte) (inputs, outputs []InputOutputInfo, err error) {
	m, err := decode(data)
	if err != nil {
		return nil, nil, err
	}
	return info(m, m.Proto.GetGraph().GetInput()), info(m, m.Proto.GetGraph().GetOutput()), nil
}

func decode(data []byte) (*onnx.Model, error) {
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, err
	}
	if onnx.HasExternal(m) {
		return nil, errors.New("the weights of the model are in other files: read it by its path")
	}
	return &onnx.Model{Proto: m}, nil
}

// info describes the values of a list that are no weights.
func info(m *onnx.Model, list []*onnxpb.ValueInfoProto) []InputOutputInfo {
	weights := map[string]bool{}
	for _, t := range m.Proto.GetGraph().GetInitializer() {
		weights[t.Name] = true
	}
	var l []InputOutputInfo
	for _, v := range list {
		if weights[v.Name] {
			continue
		}
		t := v.GetType().GetTensorType()
		x := InputOutputInfo{Name: v.Name, DataType: TensorElementDataType(t.GetElemType())}
		for _, d := range t.GetShape().GetDim() {
			n := d.GetDimValue()
			if n < 1 {
				n = -1
			}
			x.Dimensions = append(x.Dimensions, n)
		}
		l = append(l, x)
	}
	return l
}
