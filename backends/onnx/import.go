package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// Import converts a model to a graph with default options; see ImportWith.
func Import(m *Model) (*ir.Graph, error) { return ImportWith(m, ImportOptions{}) }

// ImportWith converts a model to a graph. It supports the operators that Emit writes, and
// similar operators that other exporters write; see Importable. Nodes whose result depends
// only on constants and on shapes are computed. The model need not pass Verify: what does not
// change the numbers is accepted, such as wrong declarations of values, and nodes that no
// output needs. Its external data must be loaded. The graph may share the memory of weights
// with the model. A model does not contain labels, parts and heads, so a head becomes an
// ordinary output.
//
// Sizes that are known only at run time, as behind NonZero and NonMaxSuppression in detectors,
// get bounds: the outputs have their largest shapes, what a run does not fill is 0, and one more
// output, the last, has the sizes of all such outputs in that run (ops.FilledSizes). The number
// of images is fixed then, and a size without a bound is an error.
//
// A model may have one symbolic size, with any name; it becomes the batch. Real numbers of
// other types than FLOAT are read as FLOAT, and computed as such: FLOAT16 and BFLOAT16 with more
// digits than other runtimes have, DOUBLE with fewer. Opsets from 7 on are supported. An error about
// operators that cannot be expressed lists all of them. It wraps ErrUnsupported if the model
// is valid but uses something that ImportWith does not support.
func ImportWith(m *Model, o ImportOptions) (*ir.Graph, error) {
	if m.Proto == nil || m.Proto.Graph == nil {
		return nil, errors.New("the model is empty")
	}
	given := m
	m, err := o.prepare(m)
	if err != nil {
		return nil, unsupported{err}
	}
	m, old, err := upgrade(m)
	if err != nil {
		return nil, err
	}
	m = unfoldQ(m)
	v := &verifier{m: m, values: map[string]value{}, nodeOf: map[string]string{}, lenient: true}
	v.run()
	im := &importer{m: m, old: old, known: v.values, nodes: v.nodes, opset: v.opset, b: ir.NewBuilder(m.Proto.Graph.Name), values: map[string]*ir.Value{}}
	im.nodes = v.nodes
	im.tail = im.findTail(v.nodes)
	im.gelus(v.nodes)
	if err := im.unsupported(v.nodes); err != nil {
		return nil, unsupported{err}
	}
	if len(v.problems) > 0 {
		var errs []error
		for i, p := range v.problems {
			if i == 20 {
				errs = append(errs, fmt.Errorf("and %d more", len(v.problems)-i))
				break
			}
			errs = append(errs, errors.New(p.String()))
		}
		err := errors.Join(errs...)
		if len(Verify(given)) == 0 {
			err = unsupported{err}
		}
		return nil, err
	}
	if err := im.graph(m.Proto.Graph, v.nodes); err != nil {
		return nil, unsupported{err}
	}
	g := im.b.Graph()
	g.Doc = m.Proto.Graph.DocString
	if note := PrecisionNote(given); note != "" {
		g.Doc = strings.TrimSpace(g.Doc + "\n" + strings.ToUpper(note[:1]) + note[1:] + ".")
	}
	r := ir.Rewrite(g, "import")
	r.Sweep()
	if err := r.Finish(); err != nil {
		return nil, err
	}
	if !o.FixedBatch {
		g = freeBatch(g)
	}
	return sinkTransposes(g)
}

// ErrUnsupported is wrapped by errors of Import about valid models that the IR cannot
// express.
var ErrUnsupported = errors.New("not supported by incc")

// unsupported is an error for which errors.Is(err, ErrUnsupported) holds, with its own
// text.
type unsupported struct{ error }

func (unsupported) Is(target error) bool { return target == ErrUnsupported }
func (u unsupported) Unwrap() error      { return u.error }

// unsupported returns an error that lists the operators that are not supported, with the
// number of nodes of each and the names of the first.
func (im *importer) unsupported(nodes []*onnxpb.NodeProto) error {
	var order []string
	where := map[string][]string{}
	for i, n := range nodes {
		foreign := n.Domain != "" && n.Domain != "ai.onnx"
		if !foreign && Importable(n.OpType) || im.folded(n) || im.within[n] || im.inTail(n) && len(unknownSteps(n)) == 0 {
			continue
		}
		op := diag.Name(n.OpType)
		if foreign {
			op = diag.Name(n.Domain + "." + n.OpType)
		}
		if where[op] == nil {
			order = append(order, op)
		}
		name := nodeName(n, i)
		if list := unknownSteps(n); n.OpType == "If" && !foreign && len(list) > 0 {
			name += fmt.Sprintf(", whose graphs have %s", strings.Join(list, ", "))
		}
		where[op] = append(where[op], name)
	}
	var errs []error
	for _, op := range order {
		list := where[op]
		why := refusals[op]
		if why == "" {
			why = "the IR has no such op"
		}
		text := fmt.Sprintf("%s: %s", list[0], why)
		if len(list) > 1 {
			text = fmt.Sprintf("%s, in %d nodes: %s: %s", op, len(list), why, strings.Join(list[:min(3, len(list))], ", "))
		}
		if len(list) > 3 {
			text += ", …"
		}
		if len(errs) == 20 {
			errs = append(errs, fmt.Errorf("and %d more operators", len(order)-20))
			break
		}
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}

// refusals says why some operators are not supported, where there is more to say than that they
// are not.
var refusals = map[string]string{
	"Unique": "the number of its results is known only at run time, and shapes are fixed here",
	"Loop":   fmt.Sprintf("a loop is supported only if its number of turns and its condition are constants, and its turns have at most %d nodes in all", maxUnrolled),
	"Scan":   "loops are not supported",
	"If":     "the condition is known only at run time, and not all operators of its graphs are supported",
}

// folded reports whether the elements of all outputs of a node are known, so that it needs no
// op.
func (im *importer) folded(n *onnxpb.NodeProto) bool {
	if n.OpType == "DequantizeLinear" && len(n.Input) > 0 && im.initializer(n.Input[0]) != nil {
		return false // a weight: its whole numbers matter, not only what they stand for
	}
	for _, o := range n.Output {
		if v := im.known[o]; o != "" && v.ints == nil && v.syms == nil && v.floats == nil && v.ramp == nil {
			return false
		}
	}
	return true
}

// InferOutputs returns a model in which the outputs that are declared without a type have
// the inferred type. It does not change m.
func InferOutputs(m *Model) (*Model, error) {
	up, _, err := upgrade(m)
	if err != nil {
		return nil, err
	}
	known := newVerifier(up).values
	p := &onnxpb.ModelProto{IrVersion: m.Proto.IrVersion, OpsetImport: m.Proto.OpsetImport, MetadataProps: m.Proto.MetadataProps, Functions: m.Proto.Functions}
	g := m.Proto.Graph
	p.Graph = &onnxpb.GraphProto{Name: g.Name, DocString: g.DocString, Input: g.Input, Node: g.Node, Initializer: g.Initializer, SparseInitializer: g.SparseInitializer, ValueInfo: g.ValueInfo}
	for _, o := range g.Output {
		v, ok := known[o.Name]
		if ok && v.ranked() && o.Type == nil {
			o = valueInfo(o.Name, v)
		}
		p.Graph.Output = append(p.Graph.Output, o)
	}
	return &Model{Proto: p, Weights: m.Weights}, nil
}

func valueInfo(name string, v value) *onnxpb.ValueInfoProto {
	s := &onnxpb.TensorShapeProto{}
	for _, a := range v.shape {
		d := &onnxpb.TensorShapeProto_Dimension{}
		switch {
		case a.n > 0:
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: a.n}
		case a.sym != "":
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: a.sym}
		}
		s.Dim = append(s.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(v.elem), Shape: s}}}}
}

type importer struct {
	m      *Model
	opset  int64            // of the model, as it is read
	old    bool             // the model is older than opset 13
	known  map[string]value // the types of all values, which the verifier inferred
	batch  string           // the name of the symbolic size, "" if none was seen
	b      *ir.Builder
	values map[string]*ir.Value
	failed map[string]bool      // values of nodes that could not be imported
	nodes  []*onnxpb.NodeProto  // all nodes that are imported
	used   map[string]bool      // what they read, see reads
	mapped int                  // elements of the matrices of mappings
	flat   map[string]*ir.Value // by the name of a value that is a batch in one axis, the batch
	node   *node
	tail   *tail     // the part whose sizes are known only at run time, if there is one
	sizes  *ir.Value // the sizes of its results

	readers      map[string][]*onnxpb.NodeProto // of every value; see quantizes
	initializers map[string]*onnxpb.TensorProto

	gelu   map[string]string          // the results of gelus that are written by way of Erf, and their inputs
	within map[*onnxpb.NodeProto]bool // the nodes inside of these, which are left out
}

func (im *importer) graph(g *onnxpb.GraphProto, nodes []*onnxpb.NodeProto) error {
	if len(g.SparseInitializer) > 0 {
		return errors.New("sparse initializers are not supported")
	}
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.Name] = true
	}
	for _, in := range g.Input {
		if weights[in.Name] { // an initializer that is listed among the inputs
			continue
		}
		t, err := im.typeOf(in.Name)
		if err != nil {
			return fmt.Errorf("input %q: %w", in.Name, err)
		}
		im.values[in.Name] = im.b.Input(safeName(in.Name), t)
	}
	var problems []error
	im.failed = map[string]bool{}
	for i, n := range nodes {
		if im.folded(n) || im.within[n] || im.inTail(n) {
			continue
		}
		// A node that reads the result of one with a problem has no problem of its own.
		err := error(nil)
		lost := slices.ContainsFunc(n.Input, func(s string) bool { return im.failed[s] })
		if !lost {
			if err = im.do(n); err == nil && len(im.b.Graph().Nodes) > maxNodes {
				return fmt.Errorf("%s: the model becomes more than %d ops", nodeName(n, i), maxNodes)
			}
			if err == nil {
				continue
			}
			problems = append(problems, fmt.Errorf("%s: %w", nodeName(n, i), err))
		}
		for _, o := range n.Output {
			im.failed[o] = true
		}
		if len(problems) == 20 || im.b.Err() != nil {
			break
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if im.tail != nil {
		if err := im.importTail(im.tail, g); err != nil {
			return err
		}
	}
	for _, o := range g.Output {
		v, err := im.typed(o.Name)
		if err != nil {
			return fmt.Errorf("output %q: %w", o.Name, err)
		}
		im.b.Graph().Outputs = append(im.b.Graph().Outputs, v)
	}
	if im.sizes != nil {
		im.b.Graph().Outputs = append(im.b.Graph().Outputs, im.sizes)
	}
	return nil
}

// safeName converts a name to one that the incc language allows: ASCII letters, digits, _,
// . and /, at most 128 bytes.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '/':
			return r
		}
		return '_'
	}, s)
	if len(s) > 128 {
		s = s[:128]
	}
	if s == "" {
		s = "_"
	}
	return s
}

// typeOf returns the type of a value that the verifier inferred. It returns an error if the
// type is not known or the IR does not support it.
func (im *importer) typeOf(name string) (ir.Type, error) {
	v := im.known[name]
	t := ir.Type{Shape: ir.Shape{}}
	var ok bool
	if t.DType, ok = dtypeOf(v.elem); !ok {
		return t, fmt.Errorf("%v values are not supported", v.elem)
	}
	if !v.ranked() {
		return t, errors.New("its shape is unknown")
	}
	for i, a := range v.shape {
		switch {
		case a.n > 0:
			t.Shape = append(t.Shape, int(a.n))
		case a.sym == "":
			return t, fmt.Errorf("axis %d of its shape is unknown", i)
		case im.batch != "" && im.batch != a.sym:
			return t, fmt.Errorf("axis %d is %q, and the batch is %q: only one symbolic size is supported", i, a.sym, im.batch)
		default:
			im.batch = a.sym
			t.Shape = append(t.Shape, ir.Batch)
		}
	}
	return t, t.Shape.Check()
}

// value returns the IR value with a name. A weight becomes a param of the given kind when
// it is first used.
func (im *importer) value(name string, kind ir.Kind) (*ir.Value, error) {
	if v := im.values[name]; v != nil {
		return v, nil
	}
	k := im.known[name]
	switch {
	case k.floats == nil && k.elem != onnxpb.TensorProto_FLOAT && k.elem != onnxpb.TensorProto_UNDEFINED:
		return nil, fmt.Errorf("%q holds %v, which the IR does not compute with", name, k.elem)
	case k.floats == nil:
		return nil, fmt.Errorf("%q is not available: the node that computes it is not supported", name)
	}
	data, err := k.floats.get(im.m.Weights)
	if err != nil {
		return nil, err
	}
	shape := ir.Shape(dimsOf(k.shape))
	if err := shape.Check(); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	p := ir.Param{Kind: kind, LR: 1}
	if kind == ir.Weight && len(shape) > 1 {
		p.Decay = 1
	}
	v := im.b.Param(safeName(name), shape, p)
	im.b.Graph().Data[v.Name] = tensor.Of(data, shape...)
	im.values[name] = v
	return v, nil
}

// scalar returns the value of an input that is a constant FLOAT with one element; ok is
// false for other inputs.
func (im *importer) scalar(input int) (float64, bool) {
	if !im.node.has(input) {
		return 0, false
	}
	data, ok := im.node.constFloats(input)
	if !ok {
		return 0, false
	}
	if len(data) != 1 {
		return 0, false
	}
	return float64(data[0]), true
}

func (im *importer) do(n *onnxpb.NodeProto) error {
	im.node = &node{NodeProto: n, in: make([]value, len(n.Input)), given: make([]bool, len(n.Input)), weights: im.m.Weights, opset: im.opset}
	for i, name := range n.Input {
		im.node.in[i], im.node.given[i] = im.known[name], name != ""
	}
	if x, ok := im.gelu[n.Output[0]]; ok {
		v, err := im.value(x, ir.Weight)
		if err != nil {
			return err
		}
		return im.add(ops.GELU{}, v)
	}
	row := importTable[n.OpType]
	if row == nil || !im.plain(im.node) && !im.quantizes(im.node) {
		err := im.importNode()
		if err != nil && row != nil {
			if own := row(im, im.node); own == nil {
				return nil
			}
		}
		return err
	}
	err := row(im, im.node)
	if err == nil {
		return nil
	}
	im.b.Forget()
	general := im.importNode()
	switch {
	case general == nil:
		return nil
	case n.OpType == "Resize": // as a node it takes more
		return general
	}
	return err
}

// apply adds an op whose operands are the inputs of the node with the given numbers. It
// skips omitted inputs. The results of the op become the outputs of the node.
func (im *importer) apply(op ir.Op, inputs ...int) error {
	var vs []*ir.Value
	for _, i := range inputs {
		if !im.node.has(i) {
			continue
		}
		v, err := im.value(im.node.Input[i], ir.Weight)
		if err != nil {
			return err
		}
		vs = append(vs, v)
	}
	return im.add(op, vs...)
}

func (im *importer) add(op ir.Op, in ...*ir.Value) error {
	n, err := im.b.Add(safeName(im.node.Output[0]), op, in...)
	if err != nil {
		return err
	}
	for i, v := range n.Out {
		if i < len(im.node.Output) {
			im.values[im.node.Output[i]] = v
		}
	}
	return nil
}

// importTable maps each supported operator to the function that imports it.
var importTable map[string]func(*importer, *node) error

func init() { // a literal would be an initialization cycle through importer.do
	importTable = map[string]func(*importer, *node) error{
		"Conv":               importConv,
		"Gemm":               importGemm,
		"MatMul":             importMatMul,
		"BatchNormalization": importBatchNorm,
		"LRN": func(im *importer, n *node) error {
			return im.apply(ops.LRN{Size: int(n.int("size", 0)), Alpha: n.float("alpha", 1e-4), Beta: n.float("beta", 0.75), K: n.float("bias", 1)}, 0)
		},
		"MaxPool":           importMaxPool,
		"AveragePool":       importAveragePool,
		"GlobalAveragePool": same(ops.GlobalAvgPool{}),
		"Relu":              same(ops.ReLU{}),
		"Sigmoid":           same(ops.Sigmoid{}),
		"Tanh":              same(ops.Tanh{}),
		"Clip":              importClip,
		"HardSigmoid":       importHardSigmoid,
		"HardSwish":         same(ops.HardSwish{}),
		"LeakyRelu":         importLeakyRelu,
		"Gelu":              importGelu,
		"Sqrt":              same(ops.Sqrt{}),
		"Softmax": func(im *importer, n *node) error {
			return im.softmax(func(a int) ir.Op { return ops.Softmax{Axis: a} })
		},
		"LogSoftmax": func(im *importer, n *node) error {
			return im.softmax(func(a int) ir.Op { return ops.LogSoftmax{Axis: a} })
		},
		"Swish": func(im *importer, n *node) error {
			if n.float("alpha", 1) != 1 {
				return im.importNode()
			}
			return im.apply(ops.SiLU{}, 0)
		},
		"Hardmax": func(im *importer, n *node) error {
			return im.softmax(func(a int) ir.Op {
				return ops.Node{Type: "Hardmax", Attrs: nodes.NodeAttrs{"axis": strconv.Itoa(a)}.String()}
			})
		},
		"Add": same(ops.Add{}),
		"Sum": variadic(ops.Add{}),
		"Max": variadic(ops.Max{}),
		"Sub": same(ops.Sub{}),
		"Mul": importMul,
		"Div": same(ops.Div{}),
		"Concat": func(im *importer, n *node) error {
			axis, err := normAxis(n.int("axis", 0), len(n.in[0].shape))
			if err != nil {
				return err
			}
			return variadic(ops.Concat{Axis: axis})(im, n)
		},
		"Split":      importSplit,
		"ReduceSum":  reduceOf(ops.ReduceSum),
		"ReduceMean": importReduceMean,
		"Cast":       importCast,
		"CastLike":   importCast,
		"ReduceMax":  reduceOf(ops.ReduceMax),
		"Transpose":  importTranspose,
		"Flatten":    importShape,
		"Reshape":    importShape,
		"Squeeze":    importShape,
		"Identity":   importIdentity,
		"Dropout":    importDropout,
		"Constant":   importConstant,
	}
}

// float returns a FLOAT attribute as float64. It returns the shortest decimal number that
// rounds to the same float32, so 0.1 stays 0.1.
func (n *node) float(name string, def float64) float64 {
	a := n.attr(name)
	if a == nil {
		return def
	}
	return shortest(a.F)
}

func shortest(f float32) float64 {
	var x float64
	if _, err := fmt.Sscan(fmt.Sprint(f), &x); err != nil {
		return float64(f)
	}
	return x
}

// same imports an operator as the given op, with the same operands.
func same(op ir.Op) func(*importer, *node) error {
	return func(im *importer, n *node) error {
		var inputs []int
		for i := range n.Input {
			inputs = append(inputs, i)
		}
		return im.apply(op, inputs...)
	}
}

// variadic imports an operator with one or more inputs, which is the identity if it has
// only one.
func variadic(op ir.Op) func(*importer, *node) error {
	return func(im *importer, n *node) error {
		if len(n.Input) == 1 {
			return importIdentity(im, n)
		}
		return same(op)(im, n)
	}
}

func importIdentity(im *importer, n *node) error {
	v, err := im.value(n.Input[0], ir.Weight)
	im.values[n.Output[0]] = v
	return err
}

// window2D returns the kernel, stride, dilation and padding of a convolution or pool over
// one or two axes. It resolves auto_pad. A window over one axis gets width 1.
func (n *node) window2D(kernel []int64) (k, stride, dilation ir.HW, pad ir.Pads, err error) {
	x := n.in[0].shape
	rows := len(x) == 3 && len(kernel) == 1
	if !rows && (len(x) != 4 || len(kernel) != 2) {
		return k, stride, dilation, pad, fmt.Errorf("input is %s (want batch, channels, and one or two axes of space)", shapeString(x))
	}
	s, err := n.spatial(kernel)
	if err != nil {
		return k, stride, dilation, pad, err
	}
	if rows {
		k[1], stride[1], dilation[1] = 1, 1, 1
	}
	for a := range len(kernel) {
		k[a], stride[a], dilation[a] = int(s.kernel[a]), int(s.stride[a]), int(s.dilation[a])
		pad[a], pad[2+a] = int(s.begin[a]), int(s.end[a])
		if strings.HasPrefix(s.auto, "SAME") {
			in := int(x[2+a].n)
			if in == 0 {
				return k, stride, dilation, pad, fmt.Errorf("auto_pad=%s needs axes with known sizes", s.auto)
			}
			total := max(0, ((in+stride[a]-1)/stride[a]-1)*stride[a]+(k[a]-1)*dilation[a]+1-in)
			pad[a], pad[2+a] = total/2, total-total/2
			if s.auto == "SAME_LOWER" {
				pad[a], pad[2+a] = pad[2+a], pad[a]
			}
		}
	}
	return k, stride, dilation, pad, nil
}

func importConv(im *importer, n *node) error {
	var kernel []int64
	for _, a := range n.in[1].shape[min(2, len(n.in[1].shape)):] {
		kernel = append(kernel, a.n)
	}
	_, stride, dilation, pad, err := n.window2D(kernel)
	if err != nil {
		return err
	}
	if x, more, ok := im.padBefore(n, 0); ok {
		vs := []*ir.Value{x}
		for i := 1; i < len(n.Input) && n.has(i); i++ {
			v, err := im.value(n.Input[i], ir.Weight)
			if err != nil {
				return err
			}
			vs = append(vs, v)
		}
		return im.add(ops.Conv{Stride: stride, Pad: pad.Plus(more), Dilation: dilation, Groups: int(n.int("group", 1))}, vs...)
	}
	return im.windowed(ops.Conv{Stride: stride, Pad: pad, Dilation: dilation, Groups: int(n.int("group", 1))}, 0, 1, 2)
}

// importGemm imports a Gemm as a dense layer if it has that form, else as a matrix product
// with scales and a sum.
func importGemm(im *importer, n *node) error {
	alpha, beta := n.float("alpha", 1), n.float("beta", 1)
	transA, transB := n.int("transA", 0) != 0, n.int("transB", 0) != 0
	if !transA && transB && alpha == 1 && (!n.has(2) || beta == 1 && len(n.in[2].shape) == 1 && n.in[2].shape[0] == n.in[1].shape[0]) {
		return im.apply(ops.Dense{}, 0, 1, 2)
	}
	if err := im.apply(ops.MatMul{TransA: transA, TransB: transB}, 0, 1); err != nil {
		return err
	}
	out := im.node.Output[0]
	if alpha != 1 {
		if err := im.add(ops.Scale{By: alpha}, im.values[out]); err != nil {
			return err
		}
	}
	if !n.has(2) || beta == 0 {
		return nil
	}
	y := im.values[out]
	c, err := im.value(n.Input[2], ir.Weight)
	if err != nil {
		return err
	}
	if beta != 1 {
		if err := im.add(ops.Scale{By: beta}, c); err != nil {
			return err
		}
		c = im.values[out]
	}
	return im.add(ops.Add{}, y, c)
}

func importBatchNorm(im *importer, n *node) error {
	if n.int("training_mode", 0) != 0 {
		return errors.New("training_mode=1 is not supported")
	}
	var vs []*ir.Value
	for i, name := range n.Input {
		kind := ir.Weight
		if i >= 3 {
			kind = ir.State
		}
		v, err := im.value(name, kind)
		if err != nil {
			return err
		}
		vs = append(vs, v)
	}
	return im.add(ops.BatchNorm{Eps: n.float("epsilon", 1e-5), Momentum: n.float("momentum", 0.9)}, vs...)
}

// windowed adds a convolution or pool. If its input has only one axis of space, it adds an
// axis of size 1 (the width) before and removes it after.
func (im *importer) windowed(op ir.Op, inputs ...int) error {
	n := im.node
	if len(n.in[0].shape) != 3 {
		return im.apply(op, inputs...)
	}
	var vs []*ir.Value
	for _, i := range inputs {
		if !n.has(i) {
			continue
		}
		v, err := im.value(n.Input[i], ir.Weight)
		if err != nil {
			return err
		}
		if len(v.Type.Shape) == 3 {
			v = im.op(ops.Reshape{Shape: ir.DimsOf(append(append(ir.Shape{}, v.Type.Shape...), 1))}, v)
		}
		vs = append(vs, v)
	}
	y := im.op(op, vs...)
	if err := im.b.Err(); err != nil {
		return err
	}
	return im.finish(im.op(ops.Reshape{Shape: ir.DimsOf(y.Type.Shape[:3])}, y))
}

func importMaxPool(im *importer, n *node) error {
	k, stride, dilation, pad, err := n.window2D(n.attr("kernel_shape").Ints)
	if err != nil {
		return err
	}
	if len(n.Output) > 1 && n.Output[1] != "" && im.reads(n.Output[1]) {
		return fmt.Errorf("the second output, indices %q, is used: this is not supported", n.Output[1])
	}
	ceil := n.int("ceil_mode", 0) != 0
	if dilation != (ir.HW{1, 1}) {
		return im.dilatedMaxPool(n, k, stride, dilation, pad)
	}
	if x, more, ok := im.padBefore(n, math.Inf(-1)); ok && !ceil {
		sum := pad.Plus(more)
		if sum[0] < k[0] && sum[2] < k[0] && sum[1] < k[1] && sum[3] < k[1] {
			return im.add(ops.MaxPool{Kernel: k, Stride: stride, Pad: sum}, x)
		}
	}
	return im.windowed(ops.MaxPool{Kernel: k, Stride: stride, Pad: pad, Ceil: ceil}, 0)
}

// dilatedMaxPool takes the maximum of slices, one for each element of the window.
func (im *importer) dilatedMaxPool(n *node, k, stride, dilation ir.HW, pad ir.Pads) error {
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	out, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	if len(x.Type.Shape) != 4 || k[0]*k[1] > maxPieces {
		return fmt.Errorf("dilations of a window of %v over %v are not supported", k, x.Type.Shape)
	}
	for a := range 2 { // rounding sizes up takes more padding
		pad[2+a] = max(pad[2+a], (out.Shape[2+a]-1)*stride[a]+(k[a]-1)*dilation[a]+1-x.Type.Shape[2+a]-pad[a])
	}
	if pad != (ir.Pads{}) {
		x = im.op(ops.Pad{Pad: pad, Value: -math.MaxFloat32}, x)
	}
	var parts []*ir.Value
	for i := range k[0] {
		for j := range k[1] {
			y := x
			for a, at := range []int{i * dilation[0], j * dilation[1]} {
				rows := make([]int, out.Shape[2+a])
				for r := range rows {
					rows[r] = at + r*stride[a]
				}
				if y, err = im.take(y, 2+a, rows, "window"); err != nil {
					return err
				}
			}
			parts = append(parts, y)
		}
	}
	if len(parts) == 1 {
		return im.finish(parts[0])
	}
	return im.finish(im.op(ops.Max{}, parts...))
}

// padBefore returns the input of a constant padding whose result is the first input of a
// node, if the value fits: a convolution or pool can take over the padding. A pool for the
// maximum (value -Inf) takes over a padding with 0 after a ReLU.
func (im *importer) padBefore(n *node, value float64) (x *ir.Value, p ir.Pads, ok bool) {
	v := im.values[n.Input[0]]
	if v == nil || v.Def == nil || len(v.Type.Shape) != 4 {
		return nil, p, false
	}
	op, isPad := v.Def.Op.(ops.Pad)
	if !isPad {
		return nil, p, false
	}
	x = v.Def.In[0]
	ok = op.Value == value
	if math.IsInf(value, -1) {
		relu := false
		if x.Def != nil {
			_, relu = x.Def.Op.(ops.ReLU)
		}
		ok = op.Value <= -math.MaxFloat32 || op.Value == 0 && relu
	}
	return x, op.Pad, ok
}

// importAveragePool does not support ceil_mode with count_include_pad, because runtimes
// disagree whether the padding that ceil_mode adds counts.
func importAveragePool(im *importer, n *node) error {
	k, stride, dilation, pad, err := n.window2D(n.attr("kernel_shape").Ints)
	if err != nil {
		return err
	}
	if dilation != (ir.HW{1, 1}) {
		return errors.New("dilations are not supported")
	}
	ceil, include := n.int("ceil_mode", 0) != 0, n.int("count_include_pad", 0) != 0
	if ceil && include && pad != (ir.Pads{}) {
		return errors.New("ceil_mode with count_include_pad: runtimes disagree about what it means")
	}
	if x, more, ok := im.padBefore(n, 0); ok && !ceil && (include || pad == (ir.Pads{})) {
		sum := pad.Plus(more)
		if sum[0] < k[0] && sum[2] < k[0] && sum[1] < k[1] && sum[3] < k[1] {
			return im.add(ops.AvgPool{Kernel: k, Stride: stride, Pad: sum, IncludePad: true}, x)
		}
	}
	return im.windowed(ops.AvgPool{Kernel: k, Stride: stride, Pad: pad, Ceil: ceil, IncludePad: include}, 0)
}

// softmax imports a Softmax or LogSoftmax over one axis. Before opset 13 it was over all
// axes from the given one on; these are joined by a reshape.
func (im *importer) softmax(op func(axis int) ir.Op) error {
	def := int64(-1)
	if im.old {
		def = 1
	}
	n := im.node
	rank := len(n.in[0].shape)
	if im.old && rank == 1 {
		def = 0
	}
	axis, err := normAxis(n.int("axis", def), rank)
	if err != nil {
		return err
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	s := x.Type.Shape
	if rest := s[axis+1:]; !im.old || rest.Size() == 1 && !rest.Symbolic() {
		return im.add(op(axis), x)
	}
	if s[axis:].Symbolic() {
		return errors.New("softmax over the batch is not supported")
	}
	joined := append(append(ir.Shape{}, s[:axis]...), s[axis:].Size())
	y := im.op(op(axis), im.op(ops.Reshape{Shape: ir.DimsOf(joined)}, x))
	return im.finish(im.op(ops.Reshape{Shape: ir.DimsOf(s)}, y))
}

// importMul imports a product with a constant scalar as a scale, that of a value and its
// sigmoid as a silu, every other product as a mul.
func importMul(im *importer, n *node) error {
	for i := range 2 {
		if by, ok := im.scalar(i); ok && len(n.in[i].shape) == 0 && im.values[n.Input[i]] == nil && len(n.in[1-i].shape) > 0 {
			return im.apply(ops.Scale{By: shortest(float32(by))}, 1-i)
		}
	}
	if op, x := im.selfGate(n); op != nil {
		return im.add(op, x)
	}
	return im.apply(ops.Mul{}, 0, 1)
}

func importSplit(im *importer, n *node) error {
	axis, err := normAxis(n.int("axis", 0), len(n.in[0].shape))
	if err != nil {
		return err
	}
	sizes := make([]int, len(n.Output))
	for i, o := range n.Output {
		shape := im.known[o].shape
		if axis >= len(shape) || shape[axis].n == 0 {
			return errors.New("the sizes must be constants")
		}
		sizes[i] = int(shape[axis].n)
	}
	return im.apply(ops.Split{Axis: axis, Sizes: ir.IntsOf(sizes...)}, 0)
}

func reduceOf(kind ops.ReduceKind) func(*importer, *node) error {
	return func(im *importer, n *node) error {
		op, err := reduceOp(n, kind)
		if err != nil {
			return err
		}
		if op == nil {
			return importIdentity(im, n)
		}
		return im.apply(*op, 0)
	}
}

// importReduceMean imports a mean over height and width as a global pool.
func importReduceMean(im *importer, n *node) error {
	gone, err := n.reducedAxes()
	if err != nil {
		return err
	}
	if !slices.Equal(gone, []bool{false, false, true, true}) {
		return reduceOf(ops.ReduceMean)(im, n)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	y := im.op(ops.GlobalAvgPool{}, x)
	if n.int("keepdims", 1) == 0 {
		y = im.op(ops.Flatten{}, y)
	}
	return im.finish(y)
}

// importCast imports a cast between types of real numbers, all of which are FLOAT here.
func importCast(im *importer, n *node) error {
	from, to := n.in[0].elem, im.known[n.Output[0]].elem
	if n.OpType == "CastLike" && len(n.in) > 1 {
		to = n.in[1].elem
	}
	if from != onnxpb.TensorProto_FLOAT || to != onnxpb.TensorProto_FLOAT {
		return fmt.Errorf("a cast of %v to %v is not supported", from, to)
	}
	return importIdentity(im, n)
}

// reduceOp returns the op of a reduction, or nil for a reduction over no axes.
func reduceOp(n *node, kind ops.ReduceKind) (*ops.Reduce, error) {
	var axes []int64
	if a := n.attr("axes"); a != nil {
		axes = a.Ints
	} else if n.has(1) {
		var ok bool
		if axes, ok = n.constInts(1); !ok {
			return nil, errors.New("the axes must be constants")
		}
	}
	if len(axes) == 0 && n.int("noop_with_empty_axes", 0) != 0 {
		return nil, nil
	}
	list := make([]int, len(axes))
	for i, a := range axes {
		var err error
		if list[i], err = normAxis(a, len(n.in[0].shape)); err != nil {
			return nil, err
		}
	}
	return &ops.Reduce{Kind: kind, Axes: ir.IntsOf(list...), Keep: n.int("keepdims", 1) != 0}, nil
}

func importTranspose(im *importer, n *node) error {
	perm := make([]int, len(n.in[0].shape))
	a := n.attr("perm")
	if a != nil && len(a.Ints) != len(perm) {
		return fmt.Errorf("perm=%v for rank %d", a.Ints, len(perm))
	}
	for i := range perm {
		if perm[i] = len(perm) - 1 - i; a != nil {
			perm[i] = int(a.Ints[i])
		}
	}
	return im.apply(ops.Transpose{Perm: ir.IntsOf(perm...)}, 0)
}

// importShape imports operators that change only the shape, as a flatten if the result is
// [batch, K], else as a reshape.
func importShape(im *importer, n *node) error {
	t, err := im.typeOf(n.Output[0])
	if err != nil {
		if im.flatten(n) {
			return nil
		}
		return err
	}
	x := n.in[0].shape
	if len(t.Shape) == 2 && len(x) > 2 && t.Shape[0] == ir.Batch && x[0].sym != "" {
		return im.apply(ops.Flatten{}, 0)
	}
	v, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	if v = unshaped(v, t.Shape); v.Type.Shape.Equal(t.Shape) {
		return im.finish(v)
	}
	return im.add(ops.Reshape{Shape: ir.DimsOf(t.Shape)}, v)
}

// reads reports whether a node or an output of the model uses a value.
func (im *importer) reads(name string) bool {
	if im.used == nil {
		im.used = map[string]bool{}
		for _, n := range im.nodes {
			readsOf(n, func(s string) { im.used[s] = true })
		}
		for _, o := range im.m.Proto.Graph.Output {
			im.used[o.Name] = true
		}
	}
	return im.used[name]
}

// importDropout imports a dropout as a dropout, which does nothing in inference.
func importDropout(im *importer, n *node) error {
	if len(n.Output) > 1 && n.Output[1] != "" && im.reads(n.Output[1]) {
		return fmt.Errorf("the second output of a dropout, mask %q, is used: this is not supported", n.Output[1])
	}
	p := 0.5
	if n.has(1) {
		var ok bool
		if p, ok = im.scalar(1); !ok {
			return errors.New("the ratio must be constant")
		}
	}
	if train, ok := n.constInts(2); n.has(2) && (!ok || len(train) != 1 || train[0] != 0) {
		return errors.New("training_mode is not supported")
	}
	return im.apply(ops.Dropout{P: shortest(float32(p))}, 0)
}

// importConstant returns an error: a constant of a type that the IR supports has been folded.
func importConstant(im *importer, n *node) error {
	return fmt.Errorf("constants of %v are not supported", im.known[n.Output[0]].elem)
}

// Importable reports whether Import supports an operator of ONNX's default domain.
func Importable(op string) bool {
	return importTable[op] != nil || nodes.HasNode(op) && schemas[op] != nil
}

// Bind returns a model in which all symbolic sizes are n, so that a model for any batch
// becomes a model for a batch of n images. It does not change m.
func Bind(m *Model, n int) *Model {
	bind := func(list []*onnxpb.ValueInfoProto) []*onnxpb.ValueInfoProto {
		var bound []*onnxpb.ValueInfoProto
		for _, v := range list {
			v = proto.CloneOf(v)
			for i, d := range v.GetType().GetTensorType().GetShape().GetDim() {
				if d.GetDimParam() != "" || i == 0 && d.GetDimValue() <= 0 {
					d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
				}
			}
			bound = append(bound, v)
		}
		return bound
	}
	g := m.Proto.GetGraph()
	return &Model{Weights: m.Weights, Proto: &onnxpb.ModelProto{IrVersion: m.Proto.IrVersion, OpsetImport: m.Proto.OpsetImport, Functions: m.Proto.Functions,
		Graph: &onnxpb.GraphProto{Name: g.GetName(), Node: g.GetNode(), Initializer: g.GetInitializer(), SparseInitializer: g.GetSparseInitializer(),
			Input: bind(g.GetInput()), Output: bind(g.GetOutput()), ValueInfo: bind(g.GetValueInfo())}}}
}
