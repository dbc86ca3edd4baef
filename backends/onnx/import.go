package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
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
		if !slices.ContainsFunc(Verify(given), func(p Problem) bool { return !p.Minor }) {
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
	if !o.Layers {
		if g, err = lower.Graph(g); err != nil {
			return nil, unsupported{err}
		}
	}
	return sinkTransposes(g)
}

// folded reports whether the elements of all outputs of a node are known, so that it needs no
// op.
func (im *importer) folded(n *onnxpb.NodeProto) bool {
	if n.OpType == "DequantizeLinear" && len(n.Input) > 0 && im.initializer(n.Input[0]) != nil {
		return false // a weight: its integers are needed, not only the real numbers that they encode
	}
	for _, o := range n.Output {
		if o != "" && !im.known[o].folded() {
			return false
		}
	}
	return true
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
				return fmt.Errorf("%s: the model becomes more than %d ops", im.m.nameOf(n, i), maxNodes)
			}
			if err == nil {
				continue
			}
			problems = append(problems, fmt.Errorf("%s: %w", im.m.nameOf(n, i), err))
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
		g := im.b.Graph()
		// A node that becomes several ops leaves its name to one of them.
		if name := safeName(o.Name); v.Name != name && v.Def != nil && !slices.Contains(g.Outputs, v) {
			v.Name = im.b.Fresh(name)
		}
		g.Outputs = append(g.Outputs, v)
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

// Importable reports whether Import supports an operator of ONNX's default domain.
func Importable(op string) bool {
	return importTable[op] != nil || nodes.HasNode(op) && schemas[op] != nil
}
