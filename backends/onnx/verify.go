package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir/diag"
)

// Problem is a defect of a model.
type Problem struct {
	Where string // such as: node "3a/conv_1x1", initializer "w", output "probs", model
	Msg   string

	// Minor says that the results do not depend on the defect: Import, onnx.checker and ONNX
	// Runtime read the model nevertheless.
	Minor bool
}

func (p Problem) String() string { return p.Where + ": " + p.Msg }

// Verify checks a model against the ONNX standard and returns all defects, nil if there are
// none. It checks that
//
//   - every value is defined once, before it is used,
//   - every operator exists in the model's opset, with the attributes that the node has,
//   - the data of an initializer has exactly the length that its shape needs,
//   - the shapes of operands fit, and every declared shape is the inferred one,
//   - names are unique,
//   - every declared value exists.
//
// Defects that do not change the results are minor: a declared shape is wrong or has another
// symbol, a declared value is gone, the IR version is older than the opset, or metadata is given twice.
// It knows the operators that incc writes and similar ones (schemas). It reports other
// operators as unknown and makes no assumption about their outputs. It converts a model of
// opset 7 to 12 to opset 13 before it checks it.
func Verify(m *Model) []Problem {
	up, _, err := upgrade(m)
	if err != nil {
		return []Problem{{Where: "model", Msg: err.Error()}}
	}
	return newVerifier(up).problems
}

// newVerifier verifies a model and returns the problems and the types of all values.
func newVerifier(m *Model) *verifier {
	v := &verifier{m: m, values: map[string]value{}, nodeOf: map[string]string{}}
	v.run()
	return v
}

func (v *verifier) run() {
	v.model()
	if g := v.m.Proto.GetGraph(); g != nil {
		v.folder = newFolder(g)
		v.graph(g)
	}
}

// Undeclared returns the names of the values that nodes of the main graph compute and that
// have no complete shape in value_info or among the outputs. In models that Emit writes
// there are none.
func Undeclared(m *onnxpb.ModelProto) []string {
	declared := map[string]bool{}
	for _, v := range slices.Concat(m.GetGraph().GetValueInfo(), m.GetGraph().GetOutput()) {
		s := declaredValue(v)
		declared[v.Name] = s.ranked() && !slices.ContainsFunc(s.shape, func(a axis) bool { return !a.known() })
	}
	var missing []string
	for _, n := range m.GetGraph().GetNode() {
		for _, o := range n.Output {
			if o != "" && !declared[o] {
				missing = append(missing, o)
			}
		}
	}
	return missing
}

type verifier struct {
	m        *Model
	opset    int64
	folded   int64             // operations of the nodes that were computed
	values   map[string]value  // what is known about each value that has been defined so far
	nodeOf   map[string]string // the node that computes each value, for all nodes of the graph
	problems []Problem
	folder   *folder

	// lenient is set by Import. It accepts what does not change the numbers, such as wrong
	// declarations, and operators without a schema, whose results are then unknown.
	lenient bool
	nodes   []*onnxpb.NodeProto // the nodes, where the branch that an If takes is in its place
	inlined int                 // nodes of such branches
}

func (v *verifier) bad(where, format string, args ...any) {
	v.problems = append(v.problems, Problem{Where: where, Msg: fmt.Sprintf(format, args...)})
}

func (v *verifier) minor(where, format string, args ...any) {
	if !v.lenient {
		v.problems = append(v.problems, Problem{where, fmt.Sprintf(format, args...), true})
	}
}

func (v *verifier) model() {
	p := v.m.Proto
	if p == nil {
		v.bad("model", "is empty")
		return
	}
	if p.Graph == nil {
		v.bad("model", "has no graph")
	}
	if !v.lenient && (p.IrVersion < 3 || p.IrVersion > maxIR) {
		v.bad("model", "ir_version is %d, not within 3..%d", p.IrVersion, maxIR)
	}
	seen := map[string]bool{}
	for _, o := range p.OpsetImport {
		d := o.Domain
		if d == "ai.onnx" {
			d = ""
		}
		if seen[d] && !v.lenient {
			v.bad("model", "imports domain %q twice", o.Domain)
		}
		seen[d] = true
		if d == "" {
			v.opset = o.Version
		}
	}
	switch {
	case !seen[""]:
		v.bad("model", "imports no opset of ai.onnx")
	case v.opset < minOpset || v.opset > newestOpset:
		v.bad("model", "opset %d is not supported (want %d to %d)", v.opset, oldestImport, newestOpset)
	case p.IrVersion < MinIR(v.opset):
		v.minor("model", "opset %d needs IR version %d, but the model has %d", v.opset, MinIR(v.opset), p.IrVersion)
	}
	keys := map[string]bool{}
	for _, e := range p.MetadataProps {
		if keys[e.Key] {
			v.minor("model", "metadata %q is given twice", e.Key)
		}
		keys[e.Key] = true
	}
}

func (v *verifier) define(where, name string, x value) {
	if name == "" {
		v.bad(where, "has no name")
		return
	}
	if _, dup := v.values[name]; dup {
		v.bad(where, "the value %q is defined twice", name)
		return
	}
	v.values[name] = x
}

func (v *verifier) graph(g *onnxpb.GraphProto) {
	if g.Name == "" && !v.lenient {
		v.bad("graph", "has no name")
	}
	v.initializers(g)
	for _, in := range g.Input {
		where := fmt.Sprintf("input %q", in.Name)
		x := declaredValue(in)
		if v.lenient && x.elem == onnxpb.TensorProto_UNDEFINED && v.values[in.Name].ranked() {
			continue
		}
		if x.elem == onnxpb.TensorProto_UNDEFINED || !x.ranked() {
			v.bad(where, "has no element type or no shape")
		}
		// An initializer with the same name is the default of the input (since IR 4); it
		// must have the same type.
		if w, ok := v.values[in.Name]; ok {
			if !v.lenient && (w.elem != x.elem || !fit(w.shape, x.shape)) {
				v.bad(where, "is declared %v %s, but its initializer is %v %s", x.elem, shapeString(x.shape), w.elem, shapeString(w.shape))
			}
			continue
		}
		v.define(where, in.Name, x)
	}
	var declared map[string]value
	if !v.lenient {
		declared = v.declarations(g)
	}
	for i, n := range g.Node {
		for _, o := range n.Output {
			if _, ok := v.nodeOf[o]; !ok {
				v.nodeOf[o] = v.m.nameOf(n, i)
			}
		}
	}
	names := map[string]bool{}
	for i, n := range g.Node {
		if n.Name != "" && names[n.Name] && !v.lenient {
			v.bad(nodeName(n, i), "another node has the same name")
		}
		names[n.Name] = true
		v.node(n, v.m.nameOf(n, i), declared)
	}
	if len(g.Output) == 0 {
		v.bad("graph", "has no outputs")
	}
	for _, o := range g.Output {
		if _, ok := v.values[o.Name]; !ok {
			v.bad(fmt.Sprintf("output %q", o.Name), "nothing computes it")
		}
	}
	for name := range declared {
		if _, ok := v.values[name]; !ok && v.nodeOf[name] == "" {
			declaredOnly := !slices.ContainsFunc(g.Output, func(o *onnxpb.ValueInfoProto) bool { return o.Name == name })
			if declaredOnly {
				v.minor(fmt.Sprintf("value_info %q", name), "there is no such value")
			}
		}
	}
	slices.SortStableFunc(v.problems, func(a, b Problem) int {
		// Problems of value_info were found in the random order of a map: put them last,
		// sorted by name.
		ai, bi := strings.HasPrefix(a.Where, "value_info"), strings.HasPrefix(b.Where, "value_info")
		switch {
		case ai && bi:
			return strings.Compare(a.Where, b.Where)
		case ai:
			return 1
		case bi:
			return -1
		}
		return 0
	})
}

func nodeName(n *onnxpb.NodeProto, i int) string {
	if n.Name != "" {
		return fmt.Sprintf("node %q (%s)", n.Name, diag.Name(n.OpType))
	}
	return fmt.Sprintf("node %d (%s)", i, diag.Name(n.OpType))
}

// initializers checks the data of every initializer and defines its value.
func (v *verifier) initializers(g *onnxpb.GraphProto) {
	for _, t := range g.Initializer {
		where := fmt.Sprintf("initializer %q", t.Name)
		if msg := v.initializer(t); msg != "" {
			v.bad(where, "%s", msg)
		}
		x := tensorValue(t)
		if w, ok := v.m.Weights[t.Name]; ok {
			x.floats = &floats{data: w}
		}
		v.define(where, t.Name, x)
	}
	for _, t := range g.SparseInitializer {
		v.define(fmt.Sprintf("sparse initializer %q", t.GetValues().GetName()), t.GetValues().GetName(),
			value{elem: onnxpb.TensorProto_DataType(t.GetValues().GetDataType()), shape: numbers(t.Dims...)})
	}
}

func (v *verifier) initializer(t *onnxpb.TensorProto) string {
	n, err := elements(t.Dims)
	if err != nil {
		return err.Error()
	}
	dt := onnxpb.TensorProto_DataType(t.DataType)
	bits, ok := bitsOf[dt]
	if !ok && dt != onnxpb.TensorProto_STRING {
		return fmt.Sprintf("data type %d does not exist in ONNX", t.DataType)
	}
	if w, beside := v.m.Weights[t.Name]; beside {
		switch {
		case dt != onnxpb.TensorProto_FLOAT:
			return fmt.Sprintf("is %v, but its weights are FLOAT", dt)
		case t.DataLocation == onnxpb.TensorProto_EXTERNAL:
			return "is external but also has weights"
		case int64(len(w)) != n:
			return fmt.Sprintf("declares %s, %d elements, but has %d weights", shapeString(numbers(t.Dims...)), n, len(w))
		}
		return ""
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		if _, err := parseExternal(t); err != nil {
			return "external data: " + err.Error()
		}
		if len(t.RawData) > 0 {
			return "is external but also has raw_data"
		}
		return ""
	}
	used := 0
	for _, l := range []int{len(t.RawData), len(t.FloatData), len(t.Int32Data), len(t.Int64Data), len(t.DoubleData), len(t.Uint64Data), len(t.StringData)} {
		if l > 0 {
			used++
		}
	}
	if used > 1 && !(v.lenient && used == 2 && wideTensor(t)) {
		return "has data in more than one field"
	}
	if len(t.RawData) > 0 {
		if dt == onnxpb.TensorProto_STRING {
			return "is a tensor of strings but has raw_data"
		}
		if want := (n*bits + 7) / 8; int64(len(t.RawData)) != want {
			return fmt.Sprintf("declares %s of %v, %d bytes, but has %d bytes of raw_data", shapeString(numbers(t.Dims...)), dt, want, len(t.RawData))
		}
		return ""
	}
	have, err := present(t)
	if err != nil {
		return err.Error()
	}
	if bits > 0 && bits < 8 {
		// Elements smaller than a byte are packed; the last integer may have unused bits.
		if have >= n && have-n < 8/bits {
			return ""
		}
	}
	if have != n {
		return fmt.Sprintf("declares %s, %d elements, but has %d", shapeString(numbers(t.Dims...)), n, have)
	}
	return ""
}

// declarations returns the types that value_info and the outputs declare, by name.
func (v *verifier) declarations(g *onnxpb.GraphProto) map[string]value {
	d := map[string]value{}
	add := func(kind string, vi *onnxpb.ValueInfoProto) {
		where := fmt.Sprintf("%s %q", kind, vi.Name)
		x := declaredValue(vi)
		if old, ok := d[vi.Name]; ok {
			if old.elem != x.elem || !slices.Equal(old.shape, x.shape) {
				v.bad(where, "is declared twice, %s and %s", shapeString(old.shape), shapeString(x.shape))
			} else if kind == "output" && slices.ContainsFunc(g.ValueInfo, func(y *onnxpb.ValueInfoProto) bool { return y.Name == vi.Name }) {
				return // declared in both places with the same type
			} else {
				v.bad(where, "is declared twice")
			}
			return
		}
		d[vi.Name] = x
		switch have, ok := v.values[vi.Name]; {
		case !ok:
		case have.elem != x.elem:
			v.bad(where, "is declared %v %s, but it is %v %s", x.elem, shapeString(x.shape), have.elem, shapeString(have.shape))
		case !compatible(have.shape, x.shape):
			v.minor(where, "is declared %s, but it is %s", shapeString(x.shape), shapeString(have.shape))
		}
	}
	for _, vi := range g.ValueInfo {
		add("value_info", vi)
	}
	for _, vi := range g.Output {
		add("output", vi)
		if x := d[vi.Name]; x.elem == onnxpb.TensorProto_UNDEFINED || !x.ranked() {
			v.bad(fmt.Sprintf("output %q", vi.Name), "has no element type or no shape")
		}
	}
	return d
}

// compatible reports whether a declared shape does not contradict an inferred one.
func compatible(have, declared []axis) bool {
	return have == nil || declared == nil || fit(have, declared)
}

func declaredValue(vi *onnxpb.ValueInfoProto) value {
	t := vi.GetType().GetTensorType()
	x := value{elem: onnxpb.TensorProto_DataType(t.GetElemType())}
	if t.GetShape() != nil {
		x.shape = []axis{}
		for _, d := range t.Shape.Dim {
			x.shape = append(x.shape, axis{n: max(0, d.GetDimValue()), sym: d.GetDimParam()})
		}
	}
	return x
}

func (v *verifier) node(n *onnxpb.NodeProto, where string, declared map[string]value) {
	x := &node{NodeProto: n, in: make([]value, len(n.Input)), given: make([]bool, len(n.Input)), weights: v.m.Weights, opset: v.opset}
	ok := true
	for i, name := range n.Input {
		if name == "" {
			continue
		}
		x.given[i] = true
		in, defined := v.values[name]
		switch {
		case defined:
			x.in[i] = in
		case v.nodeOf[name] != "":
			ok = false
			v.bad(where, "reads %q before %s computes it: nodes must be in order", name, v.nodeOf[name])
		default:
			ok = false
			v.bad(where, "reads %q, which nothing computes", name)
		}
	}
	outs := make([]value, len(n.Output))
	foreign := n.Domain != "" && n.Domain != "ai.onnx"
	switch s, known := schemaOf(n.OpType, v.opset); {
	case v.lenient && (foreign || !known):
		if ok && (n.OpType == "If" && v.branch(n, x, where) || n.OpType == "Loop" && v.unroll(n, x, where)) {
			return
		}
		if !foreign {
			openTypes(n, x, outs)
		}
	case foreign:
		v.bad(where, "domain %q is not supported", n.Domain)
	case v.opset < minOpset || v.opset > newestOpset:
	case (n.OpType == "If" || n.OpType == "Loop") && !known: // its graphs are not looked into
		openTypes(n, x, outs)
	case !known:
		v.bad(where, "is not a known operator of opset %d", v.opset)
	default:
		problems := s.check(n)
		for _, p := range problems {
			v.bad(where, "%s", p)
		}
		if !ok || len(problems) > 0 {
			break
		}
		got, err := v.infer(s, x)
		if err != nil && x.open() { // the tail of a model (tail.go) checks it at run time
			break
		}
		if err != nil {
			v.bad(where, "%v", err)
			break
		}
		copy(outs, got)
		if err := v.folder.fold(x, outs[:min(len(got), len(outs))]); err != nil {
			v.bad(where, "%v", err)
		}
	}
	v.nodes = append(v.nodes, n)
	for i, name := range n.Output {
		if name == "" {
			continue
		}
		if d, ok := declared[name]; ok {
			switch {
			case outs[i].elem != onnxpb.TensorProto_UNDEFINED && d.elem != outs[i].elem:
				v.bad(where, "computes %q as %v, but it is declared %v", name, outs[i].elem, d.elem)
			case !compatible(outs[i].shape, d.shape):
				v.minor(where, "computes %q of shape %s, but it is declared %s", name, shapeString(outs[i].shape), shapeString(d.shape))
			}
			outs[i] = refine(outs[i], d)
		}
		v.define(where, name, outs[i])
	}
}

// infer returns the types of the outputs of a node, by the schema's function or else as a node of
// the IR.
func (v *verifier) infer(s schema, n *node) ([]value, error) {
	if s.infer == nil {
		return v.nodeTypes(n)
	}
	got, err := s.infer(n)
	if err != nil || len(got) > 0 && got[0].ranked() && got[0].elem != onnxpb.TensorProto_UNDEFINED {
		return got, err
	}
	if more, err := v.nodeTypes(n); err == nil && more != nil {
		return more, nil
	}
	return got, nil
}

// refine returns x, where unknown parts of the type are replaced by those of the
// declaration d.
func refine(x, d value) value {
	if x.elem == onnxpb.TensorProto_UNDEFINED {
		x.elem = d.elem
	}
	if x.shape == nil {
		x.shape = d.shape
		return x
	}
	if len(x.shape) != len(d.shape) {
		return x
	}
	x.shape = slices.Clone(x.shape)
	for i := range x.shape {
		if !x.shape[i].known() {
			x.shape[i] = d.shape[i]
		}
	}
	return x
}
