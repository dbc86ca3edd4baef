// Package nodes computes operators of ONNX as their specification says, for arrays of any
// shape and of integers, bools or real numbers. It is plain and general: the executor has
// faster kernels for what convolutional networks consist of, and uses this package for the
// rest. The reference interpreter uses it, too; the node tests of ONNX check it.
//
// Every number is a float64, whatever the kind of the array. Integers are exact up to 2^53; an
// operator that meets or makes larger ones returns an error, as for an index outside of its axis.
// Results are rounded to their kind, real numbers to float32.
//
// The package belongs to the run time of generated packages: it imports only the standard
// library, and its names begin with node so that they differ from those of the other packages.
package nodes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// NodeMaxAxes is the largest number of axes of an array.
const NodeMaxAxes = 8

// NodeType is the kind and the shape of an array.
type NodeType struct {
	Kind  NodeKind
	Shape []int
}

// Len returns the number of elements.
func (t NodeType) Len() int { return nodeLen(t.Shape) }

func nodeLen(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// NodeAttrs are the attributes of a node: lists of numbers or a text, by name.
type NodeAttrs map[string]string

// ParseNodeAttrs reads what String prints: name:value pairs with semicolons between them; the
// numbers of a list have commas between them.
func ParseNodeAttrs(text string) (NodeAttrs, error) {
	a := NodeAttrs{}
	if text == "" {
		return a, nil
	}
	for _, pair := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(pair, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not name:value", pair)
		}
		if _, twice := a[name]; twice {
			return nil, fmt.Errorf("attribute %s is given twice", name)
		}
		a[name] = value
	}
	return a, nil
}

// String prints the attributes in the order of their names.
func (a NodeAttrs) String() string {
	var names []string
	for n := range a {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(n + ":" + a[n])
	}
	return b.String()
}

// NodeInts returns a list of integers as the value of an attribute.
func NodeInts[T int | int64](list ...T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = strconv.FormatInt(int64(v), 10)
	}
	return strings.Join(words, ",")
}

// NodeFloats returns a list of numbers as the value of an attribute.
func NodeFloats(list ...float64) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(words, ",")
}

// NodePlan is a node for operands of known types.
type NodePlan struct {
	Op  string
	In  []NodeType // an operand that is left out has the kind NodeNone
	Out []NodeType

	attrs  NodeAttrs
	exact  bool  // real numbers are not rounded
	empty  bool  // operands and results may have no elements
	err    error // the first bad attribute
	units  int   // parts of the work that do not depend on each other
	work   int   // operations for each unit
	run    func(x, y [][]float64, lo, hi int)
	check  func(x [][]float64) error    // finds bad elements of the operands; nil if none are bad
	fails  func(x, y [][]float64) error // replaces run in a node of one task that may fail
	checks bool                         // the integers of the results may be too large
}

// nodeOps maps every operator to the function that plans it: it checks the operands and sets
// Out, units and run. nodeTable makes it when it is first needed; an init function would be in
// every generated package.
var (
	nodeOps  map[string]func(p *NodePlan) error
	nodeOnce sync.Once
)

func nodeTable() map[string]func(p *NodePlan) error {
	nodeOnce.Do(func() {
		nodeOps = map[string]func(p *NodePlan) error{}
		for _, add := range []func(){nodeAddElementwise, nodeAddReductions, nodeAddMoves, nodeAddIndexed, nodeAddProducts,
			nodeAddWindows, nodeAddNorms, nodeAddQuantized, nodeAddResize, nodeAddLosses, nodeAddPrograms} {
			add()
		}
	})
	return nodeOps
}

// HasNode reports whether the package computes an operator.
func HasNode(op string) bool { return nodeTable()[op] != nil }

// NodeNames returns the operators that the package computes, in order.
func NodeNames() []string {
	var names []string
	for op := range nodeTable() {
		names = append(names, op)
	}
	slices.Sort(names)
	return names
}

// PlanNode plans an operator for operands of some types. Real numbers are rounded to float32,
// unless exact is set. An error says what is wrong with the attributes or the operands.
func PlanNode(op, attrs string, in []NodeType, exact bool) (*NodePlan, error) {
	a, err := ParseNodeAttrs(attrs)
	if err != nil {
		return nil, err
	}
	return planNode(op, a, in, exact, false)
}

// planNode is PlanNode. empty says that operands and results may have no elements.
func planNode(op string, attrs NodeAttrs, in []NodeType, exact, empty bool) (*NodePlan, error) {
	plan := nodeTable()[op]
	if plan == nil {
		return nil, fmt.Errorf("operator %q is not known", op)
	}
	p := &NodePlan{Op: op, In: in, attrs: attrs, exact: exact, empty: empty, work: 1}
	for _, t := range in {
		if len(t.Shape) > NodeMaxAxes {
			return nil, fmt.Errorf("an operand has %d axes (at most %d are possible)", len(t.Shape), NodeMaxAxes)
		}
	}
	err := plan(p)
	if p.err != nil {
		err = p.err
	}
	if err != nil {
		return nil, err
	}
	for _, t := range p.Out {
		if err := p.fits(t.Shape); err != nil {
			return nil, err
		}
	}
	p.checks = p.mayOverflow()
	return p, p.withoutElements()
}

// nodeTakesNothing are the operators that have a result where an operand has no elements.
var nodeTakesNothing = []string{"Concat", "ReduceSum", "ReduceProd", "ScatterElements", "ScatterND", "MatMul"}

// withoutElements gives a node no work if its results have no elements. It returns an error if they
// have some but an operand has none.
func (p *NodePlan) withoutElements() error {
	none := func(t NodeType) bool { return t.Kind != NodeNone && t.Len() == 0 }
	if !slices.ContainsFunc(p.In, none) && !slices.ContainsFunc(p.Out, none) {
		return nil
	}
	if !slices.ContainsFunc(p.Out, func(t NodeType) bool { return !none(t) }) {
		p.units, p.check, p.checks = 0, nil, false
		return nil
	}
	if !slices.Contains(nodeTakesNothing, p.Op) {
		return fmt.Errorf("an operand or a result of %s has no elements", p.Op)
	}
	return nil
}

// fits returns an error if a result has no elements, too many of them, or too many axes.
func (p *NodePlan) fits(shape []int) error {
	if len(shape) > NodeMaxAxes {
		return fmt.Errorf("the result has %d axes (at most %d are possible)", len(shape), NodeMaxAxes)
	}
	n := 1
	for _, d := range shape {
		if d < 0 || d == 0 && !p.empty {
			return errors.New("the result would have no elements")
		}
		if d > 0 && n > nodeMaxLen/d {
			return fmt.Errorf("the result %v is too large", shape)
		}
		n *= max(d, 1)
	}
	return nil
}

// Ops estimates the number of operations.
func (p *NodePlan) Ops() int {
	units, work := max(1, p.units), max(1, p.work)
	if units > math.MaxInt/work {
		return math.MaxInt
	}
	return units * work
}

// nodeMaxLen is the largest number of elements of a result.
const nodeMaxLen = min(1<<31, math.MaxInt)

// nodeTaskOps is how many operations a task has at least, and nodeTasks how many tasks there are
// at most.
const (
	nodeTaskOps = 1 << 14
	nodeTasks   = 64
)

// Tasks returns the number of tasks into which Run divides the work.
func (p *NodePlan) Tasks() int {
	if p.checks {
		return 1
	}
	return max(1, min(nodeTasks, p.units, p.Ops()/nodeTaskOps))
}

// CanFail reports whether Run may return an error.
func (p *NodePlan) CanFail() bool { return p.check != nil || p.checks || p.fails != nil }

// Run computes a task. x and y are the elements of the operands and of the results in row-major
// order, nil for an operand that is left out. Tasks do not depend on each other.
//
// An error says that the operands of the node, not only those of the task, have elements for
// which there is no result: an index outside of its axis, or integers beyond 2^53. Elements of
// the results that depend on them are NaN or 0 then.
func (p *NodePlan) Run(task int, x, y [][]float64) error {
	if p.fails != nil {
		return p.fails(x, y)
	}
	var err error
	if task == 0 && p.check != nil {
		err = p.check(x)
	}
	n := p.Tasks()
	p.run(x, y, p.units*task/n, p.units*(task+1)/n)
	if err == nil && p.checks {
		err = p.overflow(x, y)
	}
	return err
}

// Eval computes all tasks into new arrays. The error is that of Run.
func (p *NodePlan) Eval(x [][]float64) ([][]float64, error) {
	y := make([][]float64, len(p.Out))
	for i, t := range p.Out {
		y[i] = make([]float64, t.Len())
	}
	if p.units == 0 && p.fails == nil {
		return y, nil
	}
	if p.fails == nil && p.check == nil && !p.checks { // in one piece, which blocks of a product like
		p.run(x, y, 0, p.units)
		return y, nil
	}
	for task := range p.Tasks() {
		if err := p.Run(task, x, y); err != nil {
			return nil, err
		}
	}
	return y, nil
}

// f32 rounds a real number.
func (p *NodePlan) f32(x float64) float64 {
	if p.exact {
		return x
	}
	return float64(float32(x))
}

// round rounds a number to its kind.
func (p *NodePlan) round(k NodeKind, x float64) float64 {
	if k == NodeFloat {
		return p.f32(x)
	}
	return k.Round(x)
}

// has reports whether an operand is given.
func (p *NodePlan) has(i int) bool { return i < len(p.In) && p.In[i].Kind != NodeNone }

// need returns an error if there are fewer or more operands, or if one that is not optional is
// left out.
func (p *NodePlan) need(low, high int) error {
	if len(p.In) > high {
		return fmt.Errorf("%d operands (want at most %d)", len(p.In), high)
	}
	for i := range low {
		if !p.has(i) {
			return fmt.Errorf("operand %d is missing", i+1)
		}
	}
	return nil
}

func (p *NodePlan) bad(name, value, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("attribute %s is %q (want %s)", name, value, want)
	}
}

func (p *NodePlan) int(name string, def int) int {
	text, ok := p.attrs[name]
	if !ok {
		return def
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		p.bad(name, text, "a whole number")
	}
	return v
}

// ints returns a list; ok is false if it is not given.
func (p *NodePlan) ints(name string) (list []int, ok bool) {
	text, ok := p.attrs[name]
	if !ok || text == "" {
		return nil, ok
	}
	for _, w := range strings.Split(text, ",") {
		v, err := strconv.Atoi(w)
		if err != nil {
			p.bad(name, text, "whole numbers")
			return nil, false
		}
		list = append(list, v)
	}
	return list, true
}

// intsOr returns a list of n numbers, def if it is not given.
func (p *NodePlan) intsOr(name string, n, def int) []int {
	list, ok := p.ints(name)
	if !ok || len(list) == 0 {
		return slices.Repeat([]int{def}, n)
	}
	if len(list) != n {
		p.bad(name, p.attrs[name], fmt.Sprintf("%d numbers", n))
		return slices.Repeat([]int{def}, n)
	}
	return list
}

func (p *NodePlan) floats(name string) (list []float64, ok bool) {
	text, ok := p.attrs[name]
	if !ok || text == "" {
		return nil, ok
	}
	for _, w := range strings.Split(text, ",") {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			p.bad(name, text, "numbers")
			return nil, false
		}
		list = append(list, v)
	}
	return list, true
}

func (p *NodePlan) float(name string, def float64) float64 {
	list, ok := p.floats(name)
	if !ok {
		return def
	}
	if len(list) != 1 {
		p.bad(name, p.attrs[name], "a number")
		return def
	}
	return list[0]
}

// text returns a text that must be one of some words; the first is the default.
func (p *NodePlan) text(name string, words ...string) string {
	v, ok := p.attrs[name]
	if !ok {
		return words[0]
	}
	if !slices.Contains(words, v) {
		p.bad(name, v, "one of "+strings.Join(words, ", "))
	}
	return v
}

// axis returns the number of an axis: negative ones count from the end.
func nodeAxis(a, rank int) (int, error) {
	if a < -rank || a >= rank {
		return 0, fmt.Errorf("axis %d does not exist in an array of %d axes", a, rank)
	}
	if a < 0 {
		a += rank
	}
	return a, nil
}

func (p *NodePlan) axisOf(name string, def, rank int) (int, error) {
	return nodeAxis(p.int(name, def), rank)
}

// oneAxis returns the shape of the only operand and the attribute axis, which is def by default.
func (p *NodePlan) oneAxis(def int) (shape []int, axis int, err error) {
	if err := p.need(1, 1); err != nil {
		return nil, 0, err
	}
	shape = p.In[0].Shape
	axis, err = p.axisOf("axis", def, len(shape))
	return shape, axis, err
}

// axesOf returns the attribute axes, by default the first n.
func (p *NodePlan) axesOf(n int) []int {
	axes, ok := p.ints("axes")
	if !ok {
		for i := range n {
			axes = append(axes, i)
		}
	}
	return axes
}

// result adds a result.
func (p *NodePlan) result(k NodeKind, shape ...int) {
	p.Out = append(p.Out, NodeType{k, slices.Clone(shape)})
}

// nodeAround returns the product of the axes before one, its extent, and the product of those
// behind it.
func nodeAround(shape []int, axis int) (outer, n, inner int) {
	return nodeLen(shape[:axis]), shape[axis], nodeLen(shape[axis+1:])
}

// nodeSteps returns how far apart neighbours along each axis lie in row-major order.
func nodeSteps(shape []int) (s [NodeMaxAxes]int) {
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// nodeIndex is an index into an array: one number for each axis.
type nodeIndex [NodeMaxAxes]int

// nodeSplit returns the index of element i of an array.
func nodeSplit(i int, shape []int) (x nodeIndex) {
	for a := len(shape) - 1; a >= 0; a-- {
		x[a] = i % shape[a]
		i /= shape[a]
	}
	return x
}

// nodeWalk goes through the elements of an array in order, and keeps the places of up to four
// operands, which move by their own steps along each axis.
type nodeWalk struct {
	rank  int
	dims  nodeIndex
	step  [4]nodeIndex
	count nodeIndex
	at    [4]int
}

func newNodeWalk(shape []int) (w nodeWalk) {
	w.rank = len(shape)
	copy(w.dims[:], shape)
	return w
}

// seek goes to element i.
func (w *nodeWalk) seek(i int) {
	w.at = [4]int{}
	for a := w.rank - 1; a >= 0 && w.dims[a] > 0; a-- {
		c := i % w.dims[a]
		i /= w.dims[a]
		w.count[a] = c
		for o := range w.at {
			w.at[o] += c * w.step[o][a]
		}
	}
}

// next goes to the next element.
func (w *nodeWalk) next() {
	for a := w.rank - 1; a >= 0; a-- {
		w.count[a]++
		for o := range w.at {
			w.at[o] += w.step[o][a]
		}
		if w.count[a] < w.dims[a] {
			return
		}
		for o := range w.at {
			w.at[o] -= w.step[o][a] * w.dims[a]
		}
		w.count[a] = 0
	}
}
