package onnxgo

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	onnxgo "github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"github.com/incc-lang/incc/backends/cpu"
	"github.com/incc-lang/incc/backends/cpu/form"
	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/passes"
)

// program is a model that has been compiled for certain shapes and constants.
type program struct {
	all     []*value // the inputs of the model
	shapes  [][]int  // the shapes of all
	baked   []any    // for each of all: its elements if it was compiled in as a constant, else nil
	session *cpu.Session
	in      []*value // the inputs that the session reads
	out     []output
}

// output is an output of a program. Its result is an output of the session, an input of the
// model, or data that the compiler computed.
type output struct {
	v     *value
	shape []int
	index int       // the number of the session's output, -1 for the other cases
	input *value    // the input, or nil
	data  []float32 // the computed data, or nil
}

// fits reports whether the program can still be used: the inputs have the shapes, and
// the constant inputs the values, that it was built for.
func (p *program) fits() bool {
	for i, v := range p.all {
		if !slices.Equal([]int(v.t.Shape()), p.shapes[i]) {
			return false
		}
		if p.baked[i] == nil {
			if v.t.Dtype() != tensor.Float32 {
				return false
			}
			continue
		}
		data, err := elements(v)
		if err != nil || !sameData(p.baked[i], data) {
			return false
		}
	}
	return true
}

func (p *program) run() error {
	results := make([][]float32, 0, len(p.out))
	for i := range p.out {
		if o := &p.out[i]; o.index >= 0 {
			results = append(results, make([]float32, ir.Shape(o.shape).Size()))
		}
	}
	data := func(v *value) ([]float32, error) {
		x, err := elements(v)
		if err != nil {
			return nil, err
		}
		return x.([]float32), nil
	}
	if p.session != nil {
		in := make([][]float32, len(p.in))
		for i, v := range p.in {
			var err error
			if in[i], err = data(v); err != nil {
				return err
			}
		}
		if err := p.session.Run(in, results); err != nil {
			return err
		}
	}
	for _, o := range p.out {
		x := slices.Clone(o.data)
		switch {
		case o.index >= 0:
			x = results[o.index]
		case o.input != nil:
			d, err := data(o.input)
			if err != nil {
				return err
			}
			x = slices.Clone(d)
		}
		o.v.result = tensor.New(tensor.WithShape(o.shape...), tensor.WithBacking(x))
	}
	return nil
}

// elements returns the elements of a value in row-major order, as []float32 or []int64. It
// returns an error for other types and for tensors that are not contiguous.
func elements(v *value) (any, error) {
	d, ok := v.t.(*tensor.Dense)
	if !ok {
		return nil, fmt.Errorf("%s is a %T, want a *tensor.Dense", v.title(), v.t)
	}
	if d.IsMasked() || !d.DataOrder().IsRowMajor() || d.DataOrder().IsTransposed() || d.RequiresIterator() {
		return nil, fmt.Errorf("%s is a view, masked, or not row-major: use a plain tensor; Materialize makes one from a view", v.title())
	}
	want := ir.Shape(d.Shape()).Size()
	n := -1
	var x any
	switch e := d.Data().(type) {
	case float32:
		x, n = []float32{e}, 1
	case int64:
		x, n = []int64{e}, 1
	case []float32:
		x, n = e, len(e)
	case []int64:
		x, n = e, len(e)
	default:
		return nil, unsupported("%s is of %v: only float32 and int64 can be used", v.title(), d.Dtype())
	}
	if n != want {
		return nil, fmt.Errorf("%s has shape %v and %d elements", v.title(), d.Shape(), n)
	}
	return x, nil
}

func (v *value) title() string {
	if v.name == "" {
		return fmt.Sprintf("value %d", v.id)
	}
	return fmt.Sprintf("%q", v.name)
}

// unsupported makes an error about something that incc does not support; it wraps
// form.ErrNone.
func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, form.ErrNone)...)
}

// compile makes a program for the current shapes of the inputs. First it tries to keep all
// float inputs as inputs; if that is not supported, it compiles in all but the first. In
// both cases it tries the first axis as the batch, and then the whole input as one image
// (package form).
func (b *Backend) compile(inputs []*value) (*program, error) {
	var first error
	floats := 0
	for try := range 2 {
		bake := make([]bool, len(inputs))
		baked := false
		floats = 0
		for i, v := range inputs {
			isFloat := v.t.Dtype() == tensor.Float32
			if isFloat {
				floats++
			}
			bake[i] = !isFloat || try == 1 && floats > 1
			baked = baked || bake[i] && isFloat
		}
		if try == 1 && !baked {
			break
		}
		p, err := b.compileFor(inputs, bake)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, plan.ErrUnsupported) && !errors.Is(err, form.ErrNone) && !errors.Is(err, onnx.ErrUnsupported) {
			break
		}
	}
	return nil, first
}

func (b *Backend) compileFor(inputs []*value, bake []bool) (*program, error) {
	p := &program{all: inputs, shapes: make([][]int, len(inputs)), baked: make([]any, len(inputs))}
	data := make([]any, len(inputs))
	for i, v := range inputs {
		x, err := elements(v)
		if err != nil {
			return nil, err
		}
		data[i], p.shapes[i] = x, slices.Clone([]int(v.t.Shape()))
		if bake[i] {
			// Copy the elements, because the caller may change its tensors.
			switch x := x.(type) {
			case []float32:
				data[i] = slices.Clone(x)
			case []int64:
				data[i] = slices.Clone(x)
			}
			p.baked[i] = data[i]
		} else {
			p.in = append(p.in, v)
		}
	}
	m, outs, err := b.model(inputs, data, bake)
	if err != nil {
		return nil, err
	}
	g, err := onnx.ImportWith(m, onnx.ImportOptions{FixedBatch: true})
	if err != nil {
		return nil, err
	}
	if len(g.Outputs) > len(outs) { // the last are the sizes of the others
		return nil, unsupported("outputs whose sizes are known only at run time")
	}
	if err := b.ambiguous(m, g); err != nil {
		return nil, err
	}
	shapes := make([][]int, len(outs))
	for i, o := range g.Outputs {
		if o.Type.DType != ir.F32 {
			return nil, unsupported("output %s is of %v", outs[i].title(), o.Type.DType)
		}
		shapes[i] = slices.Clone([]int(o.Type.Shape))
	}
	fold, err := passes.Parse("const-fold")
	if err != nil {
		return nil, err
	}
	if _, err := passes.Run(g, fold, passes.Options{}); err != nil {
		return nil, err
	}
	var first error
	for _, rewrite := range form.All {
		h, batch, err := rewrite(g)
		if err == nil {
			err = p.link(h, batch, outs, shapes, b.Options)
		}
		if err == nil {
			return p, nil
		}
		if first == nil || errors.Is(first, form.ErrNone) {
			first = err
		}
	}
	return nil, first
}

// link optimizes and compiles a graph and sets session and out.
func (p *program) link(g *ir.Graph, batch int, outs []*value, shapes [][]int, opt cpu.Options) error {
	if _, err := passes.Run(g, passes.Level(passes.MaxLevel), passes.Options{}); err != nil {
		return err
	}
	p.out = nil
	var computed []*ir.Value
	for i, o := range g.Outputs {
		x := output{v: outs[i], shape: shapes[i], index: -1}
		switch at := slices.Index(g.Inputs, o); {
		case at >= 0:
			x.input = p.in[at]
		case o.Param != nil:
			data := g.Data[o.Name]
			if data == nil {
				return fmt.Errorf("output %s has no data", x.v.title())
			}
			x.data = data.Data
		default:
			if x.index = slices.Index(computed, o); x.index < 0 {
				x.index = len(computed)
				computed = append(computed, o)
			} else {
				return unsupported("output %s is the same value as another output", x.v.title())
			}
		}
		p.out = append(p.out, x)
	}
	p.session = nil
	if len(computed) == 0 {
		return nil
	}
	g.Outputs = computed
	opt.Batch = batch
	prog, err := cpu.Compile(g, opt)
	if err != nil {
		return err
	}
	p.session = prog.NewSession()
	return nil
}

// model converts the recorded operations to an ONNX model and returns it with its outputs.
// The inputs for which bake is set become initializers with the elements in data.
func (b *Backend) model(inputs []*value, data []any, bake []bool) (*onnx.Model, []*value, error) {
	g := &onnxpb.GraphProto{Name: "onnx-go"}
	m := &onnx.Model{Proto: &onnxpb.ModelProto{Graph: g}, Weights: map[string][]float32{}}
	names, taken := map[*value]string{}, map[string]bool{}
	name := func(v *value) string {
		if v.name == "" && v.t == nil && !v.computed {
			return "" // an operand that is left out
		}
		s, ok := names[v]
		for i := 1; !ok; i++ {
			if s = v.name; i > 1 || s == "" {
				s = fmt.Sprintf("%s.%d", v.name, i)
			}
			if ok = !taken[s]; ok {
				names[v], taken[s] = s, true
			}
		}
		return s
	}
	initializer := func(v *value, x any) {
		t := &onnxpb.TensorProto{Name: name(v), Dims: dims(v.t.Shape())}
		switch x := x.(type) {
		case []float32:
			t.DataType = int32(onnxpb.TensorProto_FLOAT)
			m.Weights[t.Name] = x
		case []int64:
			t.DataType, t.Int64Data = int32(onnxpb.TensorProto_INT64), x
		}
		g.Initializer = append(g.Initializer, t)
	}
	isInput := map[*value]bool{}
	for i, v := range inputs {
		isInput[v] = true
		if bake[i] {
			initializer(v, data[i])
			continue
		}
		g.Input = append(g.Input, &onnxpb.ValueInfoProto{Name: name(v), Type: floatType(v.t.Shape())})
	}
	read := map[*value]bool{}
	for _, n := range b.nodes {
		x := &onnxpb.NodeProto{OpType: n.Op}
		for _, v := range n.in {
			if v.t == nil && !v.computed && v.name != "" {
				continue // onnx-go makes such a value for operations without operands
			}
			if v.t != nil && !v.computed && !isInput[v] && !read[v] {
				d, err := elements(v)
				if err != nil {
					return nil, nil, err
				}
				initializer(v, d)
			}
			read[v] = true
			x.Input = append(x.Input, name(v))
		}
		for _, v := range n.out {
			x.Output = append(x.Output, name(v))
		}
		var err error
		if x.Attribute, err = attributes(n); err != nil {
			return nil, nil, err
		}
		g.Node = append(g.Node, x)
	}
	opset := b.opset(g.Node)
	m.Proto.OpsetImport, m.Proto.IrVersion = []*onnxpb.OperatorSetIdProto{{Version: opset}}, max(10, onnx.MinIR(opset))
	var outs []*value
	for _, n := range b.nodes {
		for _, v := range n.out {
			if v.name != "" && (!read[v] || slices.Contains(b.outputs, v)) && !slices.Contains(outs, v) {
				outs = append(outs, v)
				g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: name(v)})
			}
		}
	}
	m, err := onnx.InferOutputs(m)
	return m, outs, err
}

// opset returns Opset or, if that is 0, an opset in which the operators have the form of
// the given nodes.
func (b *Backend) opset(nodes []*onnxpb.NodeProto) int64 {
	if b.Opset != 0 {
		return b.Opset
	}
	older, newer := false, false
	for _, n := range nodes {
		attr := func(names ...string) bool {
			return slices.ContainsFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return slices.Contains(names, a.Name) })
		}
		switch n.OpType {
		case "Squeeze", "Unsqueeze", "ReduceSum":
			older = older || attr("axes")
		case "Slice", "Pad", "Clip", "Dropout", "Split":
			older = older || attr("starts", "pads", "min", "max", "ratio", "split")
			newer = newer || attr("num_outputs") || n.OpType == "Pad" && len(n.Input) > 3
		case "BatchNormalization":
			older = older || attr("spatial")
		case "ReduceMax", "ReduceMean", "ReduceMin", "ReduceL1", "ReduceSumSquare":
			newer = newer || len(n.Input) > 1
		case "AveragePool":
			newer = newer || attr("dilations")
		}
	}
	switch {
	case older:
		return 12
	case newer:
		return 20
	}
	return 17
}

// ambiguous returns an error if the model has a Softmax whose meaning depends on the opset
// and the opset is not known, neither from Opset nor from the form of the operators. g is
// the result of Import for m.
func (b *Backend) ambiguous(m *onnx.Model, g *ir.Graph) error {
	const neutral, old = 17, 12
	softmax := slices.ContainsFunc(b.nodes, func(n Node) bool { return n.Op == "Softmax" || n.Op == "LogSoftmax" })
	version := m.Proto.OpsetImport[0]
	if b.Opset != 0 || !softmax || version.Version != neutral {
		return nil
	}
	version.Version = old
	defer func() { version.Version = neutral }()
	o, err := onnx.ImportWith(m, onnx.ImportOptions{FixedBatch: true})
	if err != nil {
		return nil // the model is not valid at the old opset, so there is only one meaning
	}
	same := slices.EqualFunc(g.Nodes, o.Nodes, func(x, y *ir.Node) bool { return ir.FormatOp(x.Op) == ir.FormatOp(y.Op) })
	if !same {
		return errors.New("a Softmax over inner axes: its meaning changed at opset 13, but onnx-go does not report the opset: set Backend.Opset or use Load")
	}
	return nil
}

func floatType(shape []int) *onnxpb.TypeProto {
	s := &onnxpb.TensorShapeProto{}
	for _, d := range shape {
		s.Dim = append(s.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}})
	}
	return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT), Shape: s}}}
}

func dims(shape []int) []int64 {
	d := make([]int64, len(shape))
	for i, n := range shape {
		d[i] = int64(n)
	}
	return d
}

// attributes converts the attributes of an operation, in the order of their names.
func attributes(n Node) (list []*onnxpb.AttributeProto, err error) {
	for _, name := range slices.Sorted(maps.Keys(n.Attrs)) {
		a, err := attribute(name, n.Attrs[name])
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w", name, n.Op, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// attribute converts an attribute that onnx-go decoded back to a message.
func attribute(name string, x any) (*onnxpb.AttributeProto, error) {
	a := &onnxpb.AttributeProto{Name: name}
	switch x := x.(type) {
	case int64:
		a.Type, a.I = onnxpb.AttributeProto_INT, x
	case []int64:
		a.Type, a.Ints = onnxpb.AttributeProto_INTS, x
	case float32:
		a.Type, a.F = onnxpb.AttributeProto_FLOAT, x
	case []float32:
		a.Type, a.Floats = onnxpb.AttributeProto_FLOATS, x
	case string:
		a.Type, a.S = onnxpb.AttributeProto_STRING, []byte(x)
	case tensor.Tensor:
		d, err := elements(&value{name: name, t: x})
		if err != nil {
			return nil, err
		}
		t := &onnxpb.TensorProto{Name: name, Dims: dims(x.Shape())}
		switch d := d.(type) {
		case []float32:
			t.DataType, t.FloatData = int32(onnxpb.TensorProto_FLOAT), d
		case []int64:
			t.DataType, t.Int64Data = int32(onnxpb.TensorProto_INT64), d
		}
		a.Type, a.T = onnxpb.AttributeProto_TENSOR, t
	default:
		return nil, &onnxgo.ErrNotImplemented{AttributeName: name, AttributeValue: x, Message: "of a type that incc does not use"}
	}
	return a, nil
}
