package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// This file finds the tail of a model: what depends on sizes that are known only at run time, as
// behind NonZero and NonMaxSuppression in detectors. It becomes one node, a program (package
// nodes).

// tail is the part of a model whose sizes are known only at run time.
type tail struct {
	nodes map[*onnxpb.NodeProto]bool
	order []*onnxpb.NodeProto
	made  map[string]*onnxpb.NodeProto // the nodes of the whole model, by the names of their results
}

// openSizes lists the operators whose results have a size that depends on their operands.
var openSizes = map[string]bool{"NonZero": true, "NonMaxSuppression": true, "If": true}

// findTail returns the tail of a model, nil if it has none.
func (im *importer) findTail(all []*onnxpb.NodeProto) *tail {
	t := &tail{nodes: map[*onnxpb.NodeProto]bool{}, made: map[string]*onnxpb.NodeProto{}}
	inside := map[string]bool{}
	for _, n := range all {
		for _, o := range n.Output {
			t.made[o] = n
		}
		if im.folded(n) && !im.guessed(n) {
			continue
		}
		own := openSizes[n.OpType] && n.Domain == "" || im.openShape(n)
		readsOf(n, func(s string) { own = own || inside[s] })
		if !own {
			continue
		}
		t.add(n)
		for _, o := range n.Output {
			inside[o] = true
		}
	}
	if len(t.order) == 0 {
		return nil
	}
	return t
}

// guessed reports whether integers of a node's results are known only in part.
func (im *importer) guessed(n *onnxpb.NodeProto) bool {
	return slices.ContainsFunc(n.Output, func(o string) bool { return slices.Contains(im.known[o].syms, anything) })
}

// openShape reports whether a node has an operand that decides about the shape of its result and
// is computed at run time.
func (im *importer) openShape(n *onnxpb.NodeProto) bool {
	open := func(i int) bool {
		if i >= len(n.Input) || n.Input[i] == "" {
			return false
		}
		v := im.known[n.Input[i]]
		return v.elem != onnxpb.TensorProto_UNDEFINED && !v.folded()
	}
	switch n.OpType {
	case "Range":
		return open(0) || open(1) || open(2)
	case "ConstantOfShape":
		return open(0)
	case "Dropout":
		return false
	}
	return slices.ContainsFunc(constInputs[n.OpType], func(r constInput) bool { return r.attr != "roi" && open(r.input) })
}

func (t *tail) add(n *onnxpb.NodeProto) {
	t.nodes[n] = true
	t.order = append(t.order, n)
}

// reads returns the names of the values that the tail reads and that are no constants, in order.
func (t *tail) reads(im *importer) (list []string) {
	seen := map[string]bool{}
	for _, n := range t.order {
		readsOf(n, func(s string) {
			own := t.made[s]
			_, input := im.known[s]
			if s == "" || seen[s] || t.nodes[own] || own == nil && !input || im.constant(s) {
				return
			}
			seen[s] = true
			list = append(list, s)
		})
	}
	return list
}

// weights returns the names of the constants that are too large for the text of a program.
func (t *tail) weights(im *importer) (list []string) {
	for _, n := range t.order {
		for _, s := range n.Input {
			if size, ok := countOf(im.known[s].shape); s != "" && ok && size > maxTailConstant && im.constant(s) && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// constant reports whether the elements of a value are known.
func (im *importer) constant(name string) bool {
	v := im.known[name]
	return v.ints != nil || v.floats != nil
}

// heavy lists operators that stay outside of a tail, where they have fast kernels.
var heavy = map[string]bool{"Conv": true, "ConvTranspose": true, "MatMul": true, "Gemm": true, "MaxPool": true, "AveragePool": true, "BatchNormalization": true, "Resize": true,
	"Softmax": true, "Einsum": true}

// maxTailReads is the largest number of computed values that a program reads.
const maxTailReads = 4

// grow pulls nodes in front of the tail into it until it reads few enough values: those whose
// operands are fewer new ones than they have results.
func (t *tail) grow(im *importer) {
	for {
		reads := t.reads(im)
		if len(reads) <= maxTailReads {
			return
		}
		grown := false
		for i := len(reads) - 1; i >= 0 && !grown; i-- {
			n := t.made[reads[i]]
			if n == nil || heavy[n.OpType] || !nodes.HasNodeStep(n.OpType) {
				continue
			}
			fresh := 0
			for j, s := range n.Input {
				if s != "" && !im.constant(s) && !slices.Contains(reads, s) && !slices.Contains(n.Input[:j], s) {
					fresh++
				}
			}
			if fresh <= 1 {
				t.nodes[n] = true
				t.order = append([]*onnxpb.NodeProto{n}, t.order...)
				grown = true
			}
		}
		if !grown {
			return
		}
		at := map[*onnxpb.NodeProto]int{}
		for i, n := range im.nodes {
			at[n] = i
		}
		slices.SortFunc(t.order, func(a, b *onnxpb.NodeProto) int { return at[a] - at[b] })
	}
}

// unknownSteps returns the operators of a node, and of the graphs inside of it, that a program
// cannot have.
func unknownSteps(n *onnxpb.NodeProto) []string {
	var list []string
	var visit func(n *onnxpb.NodeProto)
	visit = func(n *onnxpb.NodeProto) {
		for _, a := range n.Attribute {
			for _, b := range a.GetG().GetNode() {
				visit(b)
			}
		}
		name := n.OpType
		if n.Domain != "" && n.Domain != "ai.onnx" {
			name = n.Domain + "." + n.OpType
		} else if n.OpType == "Constant" || nodes.HasNodeStep(n.OpType) {
			return
		}
		if name = diag.Name(name); !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	visit(n)
	return list
}

// importTail makes a program of the tail, and of its results outputs of the graph.
func (im *importer) importTail(t *tail, g *onnxpb.GraphProto) error {
	t.grow(im)
	what := fmt.Sprintf("the part behind %s, whose sizes are known only at run time,", t.first())
	e := &tailEncoder{im: im, ids: map[string]int{}}
	prog := &nodes.NodeProgram{}
	operands, err := e.operands(prog, t.reads(im), t.weights(im))
	if err != nil {
		return fmt.Errorf("%s reads %w", what, err)
	}
	for _, n := range t.order {
		if err := e.node(prog, n); err != nil {
			return fmt.Errorf("%s: %w", tailName(n), err)
		}
	}
	var kinds, bounds []string
	var names []string
	for _, o := range g.Output {
		if n := t.made[o.Name]; n == nil || !t.nodes[n] {
			continue
		}
		b := e.bounds[e.ids[o.Name]]
		if len(b.dims) > nodes.NodeMaxAxes || !b.fits() {
			return fmt.Errorf("output %q has up to %v elements: this is too large", o.Name, b.dims)
		}
		prog.Return = append(prog.Return, e.ids[o.Name])
		kinds, bounds, names = append(kinds, b.kind.String()), append(bounds, b.shape()), append(names, o.Name)
	}
	if err := prog.Check(); err != nil {
		return err
	}
	if len(names) > maxTailResults {
		return fmt.Errorf("%s has %d outputs (at most %d are possible)", what, len(names), maxTailResults)
	}
	if len(operands) == 0 {
		return fmt.Errorf("%s reads no input", what)
	}
	attrs := nodes.NodeAttrs{"program": prog.String(), "kinds": strings.Join(kinds, ","), "bounds": strings.Join(bounds, ",")}
	var types []ir.Type
	for _, v := range operands {
		types = append(types, v.Type)
	}
	n, err := im.b.Add(safeName(names[0]), ops.Node{Type: "Program", Attrs: attrs.String(), Kinds: ops.NodeKinds(types)}, operands...)
	if err != nil {
		return err
	}
	for i, name := range names {
		if i > 0 {
			n.Out[i].Name = im.b.Fresh(safeName(name))
		}
		im.values[name] = n.Out[i]
	}
	n.Out[len(names)].Name = im.b.Fresh("sizes")
	im.sizes = n.Out[len(names)]
	return nil
}

// maxTailResults is the largest number of results of a program, without that of their sizes.
const maxTailResults = 3

// first names the operator with which the tail begins.
func (t *tail) first() string {
	for _, n := range t.order {
		if openSizes[n.OpType] {
			return n.OpType
		}
	}
	return t.order[0].OpType
}

// tailName is nodeName for nodes whose number says nothing to a reader of the file.
func tailName(n *onnxpb.NodeProto) string {
	if n.Name != "" {
		return nodeName(n, 0)
	}
	return diag.Name(n.OpType)
}

// inTail reports whether a node belongs to the tail.
func (im *importer) inTail(n *onnxpb.NodeProto) bool { return im.tail != nil && im.tail.nodes[n] }

// openTypes sets what is known about the results of operators whose sizes are known only at run
// time.
func openTypes(n *onnxpb.NodeProto, x *node, outs []value) {
	switch {
	case n.OpType == "NonZero" && len(outs) > 0 && len(x.in) > 0 && x.in[0].ranked():
		outs[0] = value{elem: onnxpb.TensorProto_INT64, shape: []axis{{n: int64(len(x.in[0].shape)), none: len(x.in[0].shape) == 0}, {}}}
	case n.OpType == "NonMaxSuppression" && len(outs) > 0:
		outs[0] = value{elem: onnxpb.TensorProto_INT64, shape: []axis{{}, {n: 3}}}
	case n.OpType == "If":
		a, b := x.attr("then_branch").GetG().GetOutput(), x.attr("else_branch").GetG().GetOutput()
		for i := range min(len(outs), len(a), len(b)) {
			if t := declaredValue(a[i]); t.elem == declaredValue(b[i]).elem {
				outs[i].elem = t.elem
			}
		}
	}
}

// open reports whether an operand of a node has a type that is not known.
func (n *node) open() bool {
	for i, v := range n.in {
		if n.given[i] && (v.elem == onnxpb.TensorProto_UNDEFINED || !v.ranked()) {
			return true
		}
	}
	return false
}
