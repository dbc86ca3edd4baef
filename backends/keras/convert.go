package keras

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/incc-lang/incc/backends/onnx"
	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/ir/diag"
)

// opset is that of the models that Model makes.
const opset = 20

// Model makes an ONNX model of a whole model, with its weights. Its inputs and outputs have the
// axes of Keras: batch, height, width, channels. Inside, maps are batch, channels, height,
// width. It returns an error for a file without a description, and one that lists all layers
// that cannot be converted.
func (f *File) Model() (*onnx.Model, error) {
	if f.Config == nil {
		return nil, errors.New("the file has weights alone, not the network: save the whole model in Keras with model.save(\"model.keras\"), or give the weights to a spec with --weights")
	}
	if err := f.supported(); err != nil {
		return nil, err
	}
	t, err := arrays.Tensors(nil, f.Arrays)
	if err != nil {
		return nil, err
	}
	b := &builder{file: f, tensors: t, graph: &onnxpb.GraphProto{Name: ownName(f.Config.Name)}, constants: map[string]bool{}, weights: map[string][]float32{}}
	inputs, err := b.inputs(f.Config)
	if err != nil {
		return nil, err
	}
	out, err := b.model(f.Config, "", inputs)
	if err != nil {
		return nil, err
	}
	for i, v := range out {
		v = b.channelsLast(v, fmt.Sprintf("output_%d/channels_last", i))
		b.graph.Output = append(b.graph.Output, &onnxpb.ValueInfoProto{Name: v.name}) // InferOutputs adds the shape
	}
	m := &onnx.Model{Weights: b.weights, Proto: &onnxpb.ModelProto{IrVersion: 9, ProducerName: "keras", Graph: b.graph,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}}}}
	return onnx.InferOutputs(m)
}

// madeUp are names that Keras gives to models.
var madeUp = regexp.MustCompile(`^(functional|sequential|model)(_\d+)?$`)

// ownName returns the name of a model, main if Keras made it up.
func ownName(name string) string {
	if madeUp.MatchString(name) || name == "" {
		return "main"
	}
	return name
}

// supported returns an error that lists the classes that cannot be converted.
func (f *File) supported() error {
	count := map[string]int{}
	f.Config.walk("", func(_ string, l *Layer) {
		if l.Op {
			if opFunctions[l.Class] == "" {
				count["keras.ops."+snake(l.Class)]++
			}
		} else if converters()[l.Class] == nil && l.Class != "InputLayer" {
			count[l.Class]++
		}
	})
	if len(count) == 0 {
		return nil
	}
	var list []string
	for class, n := range count {
		list = append(list, fmt.Sprintf("%s (%d)", diag.Quote(class), n))
	}
	sort.Strings(list)
	return fmt.Errorf("layers of these classes are not read: %s; export the model to ONNX in Keras, model.export(\"model.onnx\", format=\"onnx\"), and use that", strings.Join(list, ", "))
}

// value is an output of a layer. Values of rank 4 are batch, channels, height, width; others
// have their channels last, as in Keras.
type value struct {
	name string
	rank int
}

// builder writes the nodes of a graph.
type builder struct {
	file      *File
	tensors   *safetensors.Tensors
	graph     *onnxpb.GraphProto
	weights   map[string][]float32
	constants map[string]bool // the names of initializers
	steps     int             // calls that were converted
}

// inputs declares the inputs of the outermost model.
func (b *builder) inputs(c *Config) ([]value, error) {
	layers, err := c.inputLayers()
	if err != nil {
		return nil, err
	}
	var list []value
	for _, l := range layers {
		shape, err := l.inputShape()
		if err != nil {
			return nil, err
		}
		t := "float32" // the name of a type, or of Keras 3 an object, a policy for layers
		if l.value("dtype", &t); !strings.HasPrefix(t, "float") && !strings.HasPrefix(t, "mixed") {
			return nil, fmt.Errorf("input %s has elements of type %s (want float32)", diag.Quote(l.Name), t)
		}
		b.graph.Input = append(b.graph.Input, info(l.Name, shape))
		list = append(list, b.channelsFirst(value{l.Name, len(shape)}, l.Name+"/channels_first"))
	}
	return list, nil
}

// inputLayers returns the input layers of a model in order. A Sequential model of Keras 2 has
// its shape in the first layer.
func (c *Config) inputLayers() (list []*Layer, err error) {
	if len(c.Layers) == 0 {
		return nil, errors.New("the model has no layers")
	}
	if len(c.Inputs) == 0 {
		l := *c.Layers[0]
		if l.Class != "InputLayer" {
			l.Name = "input"
		}
		return []*Layer{&l}, nil
	}
	for _, r := range c.Inputs {
		l := c.find(r.Layer)
		if l == nil || l.Class != "InputLayer" {
			return nil, fmt.Errorf("input %s is no InputLayer", diag.Quote(r.Layer))
		}
		list = append(list, l)
	}
	return list, nil
}

func (c *Config) find(name string) *Layer {
	if i := slices.IndexFunc(c.Layers, func(l *Layer) bool { return l.Name == name }); i >= 0 {
		return c.Layers[i]
	}
	return nil
}

// inputShape returns the shape of an input layer, with -1 for open axes, of which the first is
// the batch.
func (l *Layer) inputShape() ([]int64, error) {
	var dims []*float64
	if !l.value("batch_shape", &dims) && !l.value("batch_input_shape", &dims) {
		return nil, fmt.Errorf("the file does not say the shape of input %s: call the model once, or give it an Input, before it is saved", diag.Quote(l.Name))
	}
	var shape []int64
	for i, d := range dims {
		switch {
		case d == nil || i == 0:
			shape = append(shape, -1)
		case !isWhole(*d, 1, 1<<20):
			return nil, fmt.Errorf("input %s has an axis of %g", diag.Quote(l.Name), *d)
		default:
			shape = append(shape, int64(*d))
		}
	}
	if len(shape) < 2 || len(shape) > 4 {
		return nil, fmt.Errorf("input %s has %d axes (want 2 to 4)", diag.Quote(l.Name), len(shape))
	}
	return shape, nil
}

// model converts the layers of a model, which is called with inputs.
func (b *builder) model(c *Config, prefix string, inputs []value) ([]value, error) {
	layers, err := c.inputLayers()
	if err != nil {
		return nil, err
	}
	if len(inputs) != len(layers) {
		return nil, fmt.Errorf("model %s has %d inputs, and is called with %d", diag.Quote(c.Name), len(layers), len(inputs))
	}
	if len(c.Inputs) == 0 {
		x := inputs
		for _, l := range c.Layers {
			if l.Class != "InputLayer" {
				if x, err = b.layer(l, prefix, 0, x, nil); err != nil {
					return nil, err
				}
			}
		}
		return x, nil
	}
	w := &walker{b: b, c: c, prefix: prefix, done: map[Ref][]value{}, byName: map[string]*Layer{}}
	for _, l := range c.Layers {
		w.byName[l.Name] = l
	}
	for i, l := range layers {
		w.done[Ref{Layer: l.Name}] = inputs[i : i+1]
	}
	var out []value
	for _, r := range c.Outputs {
		v, err := w.output(r, 0)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("model %s has no outputs", diag.Quote(c.Name))
	}
	return out, nil
}

// walker converts the calls of a Functional model, each when its result is first asked for.
type walker struct {
	b      *builder
	c      *Config
	prefix string
	byName map[string]*Layer
	done   map[Ref][]value // by layer and call; nil while a call is being converted
}

func (w *walker) output(r Ref, depth int) (value, error) {
	key := Ref{Layer: r.Layer, Call: r.Call}
	list, ok := w.done[key]
	if ok && list == nil || depth > maxLayers {
		return value{}, fmt.Errorf("layer %s depends on itself", diag.Quote(r.Layer))
	}
	if !ok {
		l := w.byName[r.Layer]
		if l != nil && l.Model != nil && len(l.Calls) == 1 && r.Call == 1 {
			r.Call = 0 // Keras counts the call in which the model inside was made
		}
		if l == nil || r.Call < 0 || r.Call >= len(l.Calls) {
			return value{}, fmt.Errorf("layer %s, call %d is asked for, which the model does not have", diag.Quote(r.Layer), r.Call)
		}
		w.done[key] = nil
		var in []value
		var numbers []float64 // NaN for values
		for _, a := range l.Calls[r.Call].Args {
			if a.Ref == nil {
				numbers = append(numbers, a.Number)
				continue
			}
			v, err := w.output(*a.Ref, depth+1)
			if err != nil {
				return value{}, err
			}
			in = append(in, v)
			numbers = append(numbers, math.NaN())
		}
		var err error
		if list, err = w.b.layer(l, w.prefix, r.Call, in, numbers); err != nil {
			return value{}, err
		}
		w.done[key] = list
	}
	if r.Output < 0 || r.Output >= len(list) {
		return value{}, fmt.Errorf("layer %s has no output %d", diag.Quote(r.Layer), r.Output)
	}
	return list[r.Output], nil
}

// layer converts a call of a layer.
func (b *builder) layer(l *Layer, prefix string, call int, in []value, numbers []float64) ([]value, error) {
	if b.steps++; b.steps > 2*maxLayers {
		return nil, fmt.Errorf("the model has more than %d calls", 2*maxLayers)
	}
	path := prefix + l.Name
	if l.Model != nil {
		if len(l.Calls) > 1 {
			return nil, fmt.Errorf("model %s is called more than once, which is not read", diag.Quote(path))
		}
		return b.model(l.Model, path+"/", in)
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("layer %s has no inputs", diag.Quote(path))
	}
	s := &step{builder: b, l: l, path: path, out: path, in: in, numbers: numbers}
	if call > 0 {
		s.out = fmt.Sprintf("%s:%d", path, call)
	}
	if l.Class == "InputLayer" {
		return in, nil
	}
	build := converters()[l.Class]
	if l.Op {
		build = opFunction
	}
	if build == nil {
		return nil, fmt.Errorf("layer %s: class %s is not read", diag.Quote(path), diag.Quote(l.Class))
	}
	v, err := build(s)
	if err == nil {
		err = l.wrong
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s (%s): %w", diag.Quote(path), l.Class, err)
	}
	return []value{v}, nil
}

// fromFront returns an axis as a number from 0. Negative ones count from the end.
func fromFront(axis, rank int) int {
	if axis < 0 {
		return axis + rank
	}
	return axis
}

// axisOf returns the axis that a value of some rank has for an axis of Keras. It reports false
// for the batch and for an axis that does not exist.
func axisOf(axis, rank int) (int64, bool) {
	if axis < 1 || axis >= rank {
		return 0, false
	}
	if rank == 4 {
		return []int64{0, 2, 3, 1}[axis], true
	}
	return int64(axis), true
}

// node adds a node with one output.
func (b *builder) node(op, name string, rank int, in []string, attrs ...*onnxpb.AttributeProto) value {
	b.graph.Node = append(b.graph.Node, &onnxpb.NodeProto{OpType: op, Name: name, Input: in, Output: []string{name}, Attribute: attrs})
	return value{name, rank}
}

// channelsLast returns a value with the axes of Keras.
func (b *builder) channelsLast(v value, name string) value {
	if v.rank != 4 {
		return v
	}
	return b.node("Transpose", name, 4, []string{v.name}, ints("perm", 0, 2, 3, 1))
}

// channelsFirst returns a value of rank 4 with the axes that values have here.
func (b *builder) channelsFirst(v value, name string) value {
	if v.rank != 4 {
		return v
	}
	return b.node("Transpose", name, 4, []string{v.name}, ints("perm", 0, 3, 1, 2))
}

// floats adds an initializer of float32. One of the same name stays.
func (b *builder) floats(name string, shape []int, data []float32) string {
	b.weights[name] = data
	return b.initializer(name, onnxpb.TensorProto_FLOAT, shape, nil)
}

// int64s adds an initializer of integers.
func (b *builder) int64s(name string, list ...int64) string {
	var raw []byte
	for _, x := range list {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return b.initializer(name, onnxpb.TensorProto_INT64, []int{len(list)}, raw)
}

func (b *builder) initializer(name string, t onnxpb.TensorProto_DataType, shape []int, raw []byte) string {
	if !b.constants[name] {
		b.constants[name] = true
		p := &onnxpb.TensorProto{Name: name, DataType: int32(t), RawData: raw}
		for _, d := range shape {
			p.Dims = append(p.Dims, int64(d))
		}
		b.graph.Initializer = append(b.graph.Initializer, p)
	}
	return name
}

// info describes an input or output. -1 is an open axis.
func info(name string, shape []int64) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for i, d := range shape {
		dim := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}}
		if d < 0 {
			dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: []string{"N", "H", "W", "C"}[min(i, 3)]}
			if i > 0 && len(shape) < 4 {
				dim.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: fmt.Sprintf("D%d", i)}
			}
		}
		s.Dim = append(s.Dim, dim)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(onnxpb.TensorProto_FLOAT), Shape: s}}}}
}

func ints(name string, list ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INTS, Ints: list}
}

func integer(name string, x int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_INT, I: x}
}

func float(name string, x float64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOAT, F: float32(x)}
}

func text(name, s string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(s)}
}
