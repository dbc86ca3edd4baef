package ir

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/incc-lang/incc/ir/diag"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
)

// Builder adds inputs, params and nodes to a graph. It infers the types of a
// node's outputs when the node is added.
//
// There are two ways to add a node. Add returns an error. Do keeps the first
// error for Err and continues; it is for code that adds many nodes whose types
// are known to fit, such as gradients and passes.
type Builder struct {
	g     *Graph
	names map[string]bool
	next  map[string]int
	err   error

	// Pos, By and Part become the fields of the nodes that are added next.
	Pos  diag.Pos
	By   string
	Part string
	// Prefix begins the names that Do gives to nodes.
	Prefix string

	sink func(*Node) // called with each new node; if nil, the node is appended to the graph
}

// NewBuilder returns a builder of a new, empty graph.
func NewBuilder(name string) *Builder {
	return Extend(&Graph{Name: name, Recipe: &recipe.Recipe{}, Data: map[string]*tensor.F32{}})
}

// Extend returns a builder that adds to an existing graph.
func Extend(g *Graph) *Builder {
	b := &Builder{g: g, names: map[string]bool{}, next: map[string]int{}}
	g.EachValue(func(v *Value) { b.names[v.Name] = true })
	return b
}

// Graph returns the graph that is being built.
func (b *Builder) Graph() *Graph { return b.g }

// Err returns the first error of Do, DoN and Fail.
func (b *Builder) Err() error { return b.err }

// Fresh returns a name that no value has yet, and reserves it: name itself, or
// name_2, name_3 and so on if name is in use.
func (b *Builder) Fresh(name string) string {
	if !b.names[name] {
		b.names[name] = true
		return name
	}
	n := max(b.next[name], 2)
	for {
		s := name + "_" + strconv.Itoa(n)
		n++
		if !b.names[s] {
			b.next[name] = n
			b.names[s] = true
			return s
		}
	}
}

// Input adds an input of the network.
func (b *Builder) Input(name string, t Type) *Value {
	v := &Value{Name: b.Fresh(name), Type: t}
	b.g.Inputs = append(b.g.Inputs, v)
	return v
}

// Param adds a weight, a state or a constant. It does not fill in defaults: the
// factors p.LR and p.Decay are used as given, so set them to 1 where 1 is meant.
func (b *Builder) Param(name string, shape Shape, p Param) *Value {
	if !p.Pos.IsValid() {
		p.Pos = b.Pos
	}
	v := &Value{Name: b.Fresh(name), Type: Type{F32, shape}, Param: &p}
	b.g.Params = append(b.g.Params, v)
	return v
}

// Const adds a constant with the given data. The graph keeps data; it is not
// copied.
func (b *Builder) Const(name string, data *tensor.F32) *Value {
	v := b.Param(name, append(Shape{}, data.Shape...), Param{Kind: Constant})
	b.g.Data[v.Name] = data
	return v
}

// Fill adds a constant all of whose elements are x.
func (b *Builder) Fill(name string, x float64, shape ...int) *Value {
	return b.Param(name, append(Shape{}, shape...), Param{Kind: Constant, Init: Init{Kind: InitConstant, A: x}})
}

// Add adds a node. Its first output is called name, the others name.1, name.2
// and so on; a name that is in use gets a suffix (see Fresh). in holds the
// operands; leave out optional ones at its end. Add returns an error if an
// operand is nil or the op does not accept the operands' types.
func (b *Builder) Add(name string, op Op, in ...*Value) (*Node, error) {
	types := make([]Type, len(in))
	for i, v := range in {
		if v == nil {
			return nil, fmt.Errorf("%s: operand %d is missing", Name(op), i+1)
		}
		types[i] = v.Type
	}
	out, err := op.Infer(types)
	if err != nil {
		return nil, err
	}
	n := &Node{Op: op, In: append([]*Value(nil), in...), Pos: b.Pos, By: b.By, Part: b.Part}
	for i, t := range out {
		if err := t.Shape.Check(); err != nil {
			return nil, fmt.Errorf("%s: output %d: %w", Name(op), i, err)
		}
		s := name
		if i > 0 {
			s = name + "." + strconv.Itoa(i)
		}
		n.Out = append(n.Out, &Value{Name: b.Fresh(s), Type: t, Def: n, Index: i})
	}
	if b.sink != nil {
		b.sink(n)
	} else {
		b.g.Nodes = append(b.g.Nodes, n)
	}
	return n, nil
}

// Do adds a node, named after Prefix and the op, and returns its first output.
// After an error, Do adds nothing and returns a placeholder value without a
// type; call Err at the end.
func (b *Builder) Do(op Op, in ...*Value) *Value { return b.DoN(op, in...)[0] }

// DoN is Do for ops with several outputs. After an error it returns MaxOutputs
// placeholders.
func (b *Builder) DoN(op Op, in ...*Value) []*Value {
	if b.err == nil {
		n, err := b.Add(b.Prefix+Name(op), op, in...)
		if err == nil {
			return n.Out
		}
		b.err = err
	}
	return poison()
}

func poison() []*Value {
	vs := make([]*Value, MaxOutputs)
	for i := range vs {
		vs[i] = &Value{Name: "?"}
	}
	return vs
}

// MaxOutputs is the largest number of outputs of a node.
const MaxOutputs = 64

// Forget clears the error of Do, DoN and Fail: for a caller that tries another way.
func (b *Builder) Forget() { b.err = nil }

// Fail records an error for Err, unless there is an earlier one.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// ErrGraph is wrapped by every error of Verify.
var ErrGraph = errors.New("graph is not valid")
