package ort

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/executor"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes"
)

// maxPrograms is the number of combinations of input shapes that a model is compiled for at
// the same time.
const maxPrograms = 8

// model is a model that is compiled for the shapes of its inputs.
type model struct {
	proto   *onnx.Model
	inputs  []string
	outputs []string
	in, out []int // the places of inputs and outputs among the model's
	threads int

	mu       sync.Mutex
	programs []*compiled // the one used last at the end
}

// compiled is a model for some shapes.
type compiled struct {
	shapes  []Shape
	program *cpu.Program
	outputs []ir.Type // with their batch as a number
	// The rows of the outputs in the program's last output, which holds the sizes of those whose
	// sizes are known only at run time; -1 for all others.
	rows []int
}

// newModel checks the names of inputs and outputs.
func newModel(m *onnx.Model, inputs, outputs []string, o *SessionOptions) (*model, error) {
	if !IsInitialized() {
		return nil, NotInitializedError
	}
	r := &model{proto: m, inputs: slices.Clone(inputs), outputs: slices.Clone(outputs)}
	if o != nil {
		r.threads = o.threads
	}
	in, out := names(m)
	var err error
	if r.in, err = places(inputs, in, "input"); err != nil {
		return nil, err
	}
	if r.out, err = places(outputs, out, "output"); err != nil {
		return nil, err
	}
	for _, name := range in {
		if !slices.Contains(inputs, name) {
			return nil, fmt.Errorf("input %q of the model is missing", name)
		}
	}
	if len(inputs) != len(in) {
		return nil, errors.New("an input is named twice")
	}
	if len(outputs) == 0 {
		return nil, errors.New("no output is named")
	}
	if fixed(m) { // an error comes now, not in the first run
		if _, err := onnx.Import(m); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// places returns the places of names in a list of the model's.
func places(names, list []string, what string) ([]int, error) {
	var at []int
	for _, name := range names {
		i := slices.Index(list, name)
		if i < 0 {
			return nil, fmt.Errorf("the model has no %s %q: it has %q", what, name, list)
		}
		at = append(at, i)
	}
	return at, nil
}

// fixed reports whether all inputs have numbers as sizes, but for the first axis.
func fixed(m *onnx.Model) bool {
	for _, in := range info(m, m.Proto.GetGraph().GetInput()) {
		for i, d := range in.Dimensions {
			if i > 0 && d < 1 {
				return false
			}
		}
	}
	return true
}

// names returns the names of the inputs that are no weights, and of the outputs.
func names(m *onnx.Model) (in, out []string) {
	for _, x := range info(m, m.Proto.GetGraph().GetInput()) {
		in = append(in, x.Name)
	}
	for _, o := range m.Proto.GetGraph().GetOutput() {
		out = append(out, o.Name)
	}
	return in, out
}

// run computes the outputs. nil values of outputs are replaced with new tensors.
func (m *model) run(inputs, outputs []Value) error {
	if len(inputs) != len(m.inputs) || len(outputs) != len(m.outputs) {
		return fmt.Errorf("the session has %d inputs and %d outputs, %d and %d were given", len(m.inputs), len(m.outputs), len(inputs), len(outputs))
	}
	shapes := make([]Shape, len(inputs))
	data := make([][]float32, len(inputs))
	for i, v := range inputs {
		if v == nil {
			return fmt.Errorf("input %q is nil", m.inputs[i])
		}
		var err error
		if data[i], err = v.floats(); err != nil {
			return fmt.Errorf("input %q: %w", m.inputs[i], err)
		}
		shapes[i] = v.GetShape()
		n := shapes[i].FlattenedSize()
		if shapes[i] == nil && len(data[i]) == 1 { // a scalar
			n = 1
		}
		if n == 0 || n != int64(len(data[i])) {
			return fmt.Errorf("input %q has %d elements for shape %v: was it destroyed?", m.inputs[i], len(data[i]), shapes[i])
		}
	}
	c, err := m.compiledFor(shapes)
	if err != nil {
		return err
	}
	in := make([]*tensor.F32, len(data))
	for i, p := range c.program.Inputs() {
		in[i] = tensor.Of(data[i], p.Shape.Bind(images(p.Shape, len(data[i])))...)
	}
	res, err := c.program.Infer(in...)
	if err != nil {
		return err
	}
	for i, t := range c.outputs {
		y, dims := res[i].Data, t.Shape
		if row := c.rows[i]; row >= 0 {
			sizes := res[len(res)-1]
			filled := ops.Filled(y, t.Shape, sizes.Data[row*sizes.Shape[1]:])
			y, dims = filled.Data, filled.Shape
		}
		shape := make(Shape, len(dims))
		for j, d := range dims {
			shape[j] = int64(d)
		}
		if outputs[i] == nil {
			if outputs[i], err = newValue(t.DType, shape); err != nil {
				return fmt.Errorf("output %q: %w", m.outputs[i], err)
			}
		}
		if err := outputs[i].set(y, shape); err != nil {
			return fmt.Errorf("output %q: %w", m.outputs[i], err)
		}
	}
	return nil
}

// images returns the number of images in n elements of an input with a symbolic batch.
func images(s ir.Shape, n int) int { return max(1, n/max(1, s.Bind(1).Size())) }

// newValue returns a tensor for an output whose type the caller leaves to the model. It may have
// no elements, as the boxes of a picture without any.
func newValue(t ir.DType, shape Shape) (Value, error) {
	if len(shape) == 0 {
		shape = Shape{1}
	}
	switch t {
	case ir.I64:
		return emptyTensor[int64](shape)
	case ir.Bool:
		return emptyTensor[bool](shape)
	}
	return emptyTensor[float32](shape)
}

func emptyTensor[T TensorData](shape Shape) (Value, error) {
	if slices.Contains(shape, 0) {
		return &Tensor[T]{shape: shape, data: []T{}}, nil
	}
	return NewEmptyTensor[T](shape)
}

// compiledFor returns the program for some shapes of the inputs.
func (m *model) compiledFor(shapes []Shape) (*compiled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range m.programs {
		if slices.EqualFunc(c.shapes, shapes, Shape.Equals) {
			m.programs = append(slices.Delete(m.programs, i, i+1), c)
			return c, nil
		}
	}
	c, err := m.compile(shapes)
	if err != nil {
		return nil, err
	}
	if len(m.programs) == maxPrograms {
		m.programs = slices.Delete(m.programs, 0, 1)
	}
	m.programs = append(m.programs, c)
	return c, nil
}

func (m *model) compile(shapes []Shape) (*compiled, error) {
	sizes := map[string][]int{}
	for i, s := range shapes {
		sizes[m.inputs[i]] = s.ints()
	}
	bound, err := onnx.BindShapes(m.proto, sizes)
	if err != nil {
		return nil, err
	}
	g, err := onnx.Import(bound)
	if err != nil {
		return nil, err
	}
	rows := sizeRows(g)
	reorder(g, m.in, m.out)
	batch := 1
	for i, v := range g.Inputs {
		if len(v.Type.Shape) > 0 && v.Type.Shape[0] == ir.Batch {
			batch = int(shapes[i][0])
		}
	}
	c := &compiled{shapes: slices.Clone(shapes)}
	for i, j := range m.out {
		t := g.Outputs[i].Type
		c.outputs = append(c.outputs, ir.Type{DType: t.DType, Shape: t.Shape.Bind(batch)})
		c.rows = append(c.rows, rows[j])
	}
	c.program, err = executor.Compile(bound, g, cpu.Options{Batch: batch, Threads: m.threads}, func(h *ir.Graph, o cpu.Options) (*cpu.Program, error) {
		if h != g {
			reorder(h, m.in, m.out)
		}
		h = h.Clone()
		if _, err := passes.Run(h, passes.Level(passes.MaxLevel), passes.Options{}); err != nil {
			return nil, err
		}
		return cpu.Compile(h, o)
	})
	return c, err
}

// sizeRows returns the row of each output of a graph in the array of sizes that are known only at
// run time, -1 for other outputs.
func sizeRows(g *ir.Graph) []int {
	rows, next := slices.Repeat([]int{-1}, len(g.Outputs)), 0
	sizes := ops.FilledSizes(g)
	for i, v := range g.Outputs {
		if sizes != nil && v != sizes && v.Def == sizes.Def {
			rows[i] = next
			next++
		}
	}
	return rows
}

// reorder gives a graph the inputs and outputs of the session, in its order. The array of sizes
// that are known only at run time stays the last output.
func reorder(g *ir.Graph, in, out []int) {
	sizes := ops.FilledSizes(g)
	pick := func(from []*ir.Value, at []int) []*ir.Value {
		l := make([]*ir.Value, len(at))
		for i, j := range at {
			l[i] = from[j]
		}
		return l
	}
	g.Inputs, g.Outputs = pick(g.Inputs, in), pick(g.Outputs, out)
	if sizes != nil {
		g.Outputs = append(g.Outputs, sizes)
	}
}
