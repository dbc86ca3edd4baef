package gosrc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/codegen/plan"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// weights describes how the arrays that steps read are computed from the file of weights.
type weights struct {
	stored   []*ir.Value // read from the file, in the order of the graph
	Tensors  []tensorLine
	Packings []packingLine
	Folds    []foldFunc
	Reads    bool // a fold function reads tensors of the file

	g      *ir.Graph
	own    map[string]bool // params of the network, rather than of the graph that was planned in its place
	values map[string]*ir.Value
	used   map[*ir.Value]bool
	fills  map[*ir.Value]float32 // constants whose elements are all the same number
	funcs  map[*ir.Value]string  // names of the fold functions
	names  taken
}

type tensorLine struct {
	Name  string
	Shape string // Go expression
}

// packingLine is one array that a step reads.
type packingLine struct {
	At, Len, Step int
	How, Arg      string
	From          string // Go expression: a func(w *weights) []kernel.Stream
}

// foldFunc is a generated function that computes an array from tensors of the file.
type foldFunc struct {
	Func, Says, Body string
}

// Folding returns the weights for the templates.
func (d *description) Folding() *weights { return d.weights }

// planned returns the graph whose values a plan names.
func planned(g *ir.Graph, p *plan.Plan) *ir.Graph {
	if p.Graph != nil {
		return p.Graph
	}
	return g
}

func newWeights(g *ir.Graph, p *plan.Plan) (*weights, error) {
	own := map[string]bool{}
	for _, v := range g.Params {
		own[v.Name] = true
	}
	g = planned(g, p)
	w := &weights{g: g, own: own, values: map[string]*ir.Value{}, used: map[*ir.Value]bool{}, fills: map[*ir.Value]float32{}, funcs: map[*ir.Value]string{}, names: taken{}}
	g.EachValue(func(v *ir.Value) { w.values[v.Name] = v })
	for _, x := range p.Weights {
		l := packingLine{At: x.Off, Len: x.Len, Step: x.Step, How: quote(x.How)}
		if x.Arg != 0 {
			var err error
			if l.Arg, err = number(x.Arg, 64); err != nil {
				return nil, err
			}
		}
		var from []string
		for _, name := range x.Params {
			v := w.values[name]
			if v == nil {
				return nil, fmt.Errorf("the plan names a weight %s, which the graph does not have", quote(name))
			}
			s, err := w.array(v)
			if err != nil {
				return nil, fmt.Errorf("weight %s: %w", comment(name), err)
			}
			from = append(from, s)
		}
		if len(from) > 0 {
			l.From = "func(w *weights) []kernel.Stream { return []kernel.Stream{" + strings.Join(from, ", ") + "} }"
		}
		w.Packings = append(w.Packings, l)
	}
	for _, v := range g.Params {
		if w.used[v] {
			w.stored = append(w.stored, v)
			var dims []string
			for _, n := range v.Type.Shape {
				dims = append(dims, strconv.Itoa(n))
			}
			w.Tensors = append(w.Tensors, tensorLine{quote(v.Name), "[]int{" + strings.Join(dims, ", ") + "}"})
		}
	}
	return w, nil
}

// fill reports whether a param is a constant whose elements are all the same number, and
// returns that number.
func (w *weights) fill(v *ir.Value) (float32, bool) {
	if v.Param == nil || v.Param.Kind != ir.Constant {
		return 0, false
	}
	if x, ok := w.fills[v]; ok {
		return x, true
	}
	d := w.g.Data[v.Name]
	if d == nil {
		if v.Param.Init.Kind != ir.InitConstant {
			return 0, false
		}
		w.fills[v] = float32(v.Param.Init.A)
		return w.fills[v], true
	}
	if len(d.Data) == 0 || slices.ContainsFunc(d.Data, func(x float32) bool { return x != d.Data[0] }) {
		return 0, false
	}
	w.fills[v] = d.Data[0]
	return d.Data[0], true
}

// array returns a Go expression for a value, of type kernel.Stream: a param, several params
// one after another, or the call of a fold function.
func (w *weights) array(v *ir.Value) (string, error) {
	if v.Param != nil {
		if x, ok := w.fill(v); ok {
			s, err := number32(x)
			return fmt.Sprintf("kernel.StreamOf(slices.Repeat([]float32{%s}, %d))", s, v.Type.Shape.Size()), err
		}
		// A file of weights of the network does not have what planning adds.
		if d := w.g.Data[v.Name]; !w.own[v.Name] && v.Param.Kind == ir.Constant && d != nil && len(d.Data) <= maxLiteral {
			s, err := numbers32(d.Data)
			return "kernel.StreamOf(" + s + ")", err
		}
		w.used[v] = true
		return "w.get(" + quote(v.Name) + ")", nil
	}
	if v.Def == nil {
		return "", fmt.Errorf("%s is an input", comment(v.Name))
	}
	switch op := v.Def.Op.(type) {
	case ops.Reshape:
		return w.array(v.Def.In[0])
	case ops.Quantize:
		// The file holds whole multiples of the scales, which stay what they are.
		if weight, _, ok := ops.QuantizedWeight(v); ok {
			return w.array(weight)
		}
	case ops.Concat:
		if op.Axis != 0 {
			break
		}
		var parts []string
		for _, x := range v.Def.In {
			s, err := w.array(x)
			if err != nil {
				return "", err
			}
			parts = append(parts, s)
		}
		return "kernel.StreamJoin(" + strings.Join(parts, ", ") + ")", nil
	}
	name, err := w.function(v)
	return name + "(w)", err
}

func number32(x float32) (string, error) {
	if x == 0 {
		return "0", nil
	}
	return number(float64(x), 32)
}

// function adds the fold function that computes a value and returns its name.
func (w *weights) function(v *ir.Value) (string, error) {
	if f := w.funcs[v]; f != "" {
		return f, nil
	}
	f := foldPrinter{w: w, uses: map[*ir.Value]int{}, local: map[*ir.Value]string{}}
	f.countUses(v)
	s, err := f.stream(v)
	if err != nil {
		return "", err
	}
	if s == "" {
		if s, err = f.expression(v); err != nil {
			return "", err
		}
		s += ".Stream()"
	}
	body := "return " + s
	name := w.names.give("fold_"+v.Name, "fold")
	w.funcs[v] = name
	w.Folds = append(w.Folds, foldFunc{name, comment(v.Name), strings.Join(append(f.lines, body), "\n")})
	return name, nil
}

// foldPrinter prints the expression of a fold function. Subexpressions that are used more than
// once, or are long, become variables.
type foldPrinter struct {
	w     *weights
	uses  map[*ir.Value]int
	local map[*ir.Value]string
	lines []string
}

func (f *foldPrinter) countUses(v *ir.Value) {
	f.uses[v]++
	if f.uses[v] > 1 || v.Def == nil {
		return
	}
	for _, x := range v.Def.In {
		f.countUses(x)
	}
}

// stream returns a Go expression of type kernel.Stream for a param times factors. A Stream is
// multiplied while it is read, without a copy; most weights of a network have this form. It
// returns "" for values that are computed in another way.
func (f *foldPrinter) stream(v *ir.Value) (string, error) {
	if v.Param != nil {
		if _, fill := f.w.fill(v); fill {
			return "", nil
		}
		return f.w.array(v)
	}
	if v.Def == nil {
		return "", nil
	}
	var scale *ir.Value // one factor for each index of the first axis
	switch v.Def.Op.(type) {
	case ops.Scale:
	case ops.Mul:
		if len(v.Def.In) != 2 {
			return "", nil
		}
		scale = v.Def.In[1]
		s, t := v.Def.In[0].Type.Shape, scale.Type.Shape
		if len(s) != len(t) || len(s) == 0 || s[0] != t[0] || t.Size() != t[0] {
			return "", nil
		}
	default:
		return "", nil
	}
	weight, err := f.stream(v.Def.In[0])
	if weight == "" || err != nil {
		return "", err
	}
	by := ""
	if scale != nil {
		by, err = f.print(scale)
		by += ".Data"
	} else if by, err = number(v.Def.Op.(ops.Scale).By, 64); err == nil {
		by = "[]float64{" + by + "}"
	}
	return weight + ".Times(" + by + ")", err
}

func ints(l []int) string {
	var s []string
	for _, n := range l {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, ", ")
}

// print returns a Go expression for a value, of type kernel.Fold.
func (f *foldPrinter) print(v *ir.Value) (string, error) {
	if name := f.local[v]; name != "" {
		return name, nil
	}
	s, err := f.expression(v)
	if err != nil {
		return "", err
	}
	const long = 90 // characters
	if f.uses[v] > 1 || v.Param == nil && len(s) > long {
		name := "v" + strconv.Itoa(len(f.lines))
		f.lines = append(f.lines, name+" := "+s)
		f.local[v] = name
		return name, nil
	}
	return s, nil
}

func (f *foldPrinter) expression(v *ir.Value) (string, error) {
	dims := ints(v.Type.Shape)
	if v.Param != nil {
		if x, ok := f.w.fill(v); ok {
			s, err := number32(x)
			return "kernel.FoldFill(" + join(s, dims) + ")", err
		}
		f.w.used[v] = true
		f.w.Reads = true
		return "w.fold(" + join(quote(v.Name), dims) + ")", nil
	}
	if v.Def == nil {
		return "", fmt.Errorf("%s is an input", comment(v.Name))
	}
	var in []string
	for _, x := range v.Def.In {
		s, err := f.print(x)
		if err != nil {
			return "", err
		}
		in = append(in, s)
	}
	chain := func(method string) (string, error) {
		s := in[0]
		for _, x := range in[1:] {
			s += "." + method + "(" + x + ")"
		}
		return s, nil
	}
	switch op := v.Def.Op.(type) {
	case ops.Add:
		return chain("Add")
	case ops.Sub:
		return chain("Sub")
	case ops.Mul:
		return chain("Mul")
	case ops.Div:
		return chain("Div")
	case ops.Sqrt:
		return in[0] + ".Sqrt()", nil
	case ops.Scale:
		by, err := number(op.By, 64)
		return in[0] + ".Scale(" + by + ")", err
	case ops.Reshape:
		return in[0] + ".Reshape(" + dims + ")", nil
	case ops.Concat:
		return fmt.Sprintf("kernel.FoldConcat(%d, %s)", op.Axis, strings.Join(in, ", ")), nil
	case ops.Slice:
		return fmt.Sprintf("%s.Slice(%d, %d, %d)", in[0], op.Axis, op.Start, op.Stop), nil
	case ops.Transpose:
		perm, err := op.Perm.List()
		return in[0] + ".Transpose(" + ints(perm) + ")", err
	case ops.Pad:
		by, err := number32(float32(op.Value))
		return in[0] + ".Pad(" + join(by, ints(op.Pad[:])) + ")", err
	case ops.MatMul:
		if !op.TransA && !op.TransB {
			return in[0] + ".MatMul(" + in[1] + ")", nil
		}
	case ops.Reduce:
		axes, err := op.Axes.List()
		if err != nil {
			return "", err
		}
		if op.Kind == ops.ReduceSum && len(axes) > 0 {
			return fmt.Sprintf("%s.Sum(%s)", in[0], join("[]int{"+dims+"}", ints(axes))), nil
		}
	}
	return "", refuse("it is computed by %s", ir.Name(v.Def.Op))
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}
