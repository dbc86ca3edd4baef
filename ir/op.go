package ir

import (
	"encoding"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir/tensor"
)

// Op is an operation: a small comparable struct. Its fields are the attributes,
// with dsl:"name" tags; its methods define what it computes. There is no enum of
// ops. A backend that needs an entry for each op keeps a Table.
//
// Attributes are ints, floats, bools, strings, or types that marshal as text
// (HW, Pads, Dims, Ints). A tag may give the default: dsl:"stride,default=1x1".
// Without one, the default is the zero value.
type Op interface {
	// Infer returns the types of the outputs. If the inputs violate one of the
	// op's numbered constraints, the error is a *ConstraintError.
	Infer(in []Type) ([]Type, error)
	// Eval computes the outputs in float64, with code that is simple rather than
	// fast. The inputs have passed Infer. Eval does not change them.
	Eval(in []*tensor.Tensor) ([]*tensor.Tensor, error)
}

// Optional interfaces of an op, found by type assertion.
type (
	// Coster estimates the work of the op, for the batch size in the types.
	Coster interface{ Cost(in, out []Type) Cost }
	// Differ builds the gradient of the op as nodes of the graph. dy are the
	// gradients with respect to the outputs of n, nil for an output that does not
	// lead to the loss. Grad returns the gradients with respect to the inputs of n,
	// nil for an input without one, such as class indices.
	Differ interface {
		Grad(b *Builder, n *Node, dy []*Value) []*Value
	}
	// Resizer returns how many neighbouring elements of the first input one output element
	// depends on, in each axis, and by which factor maps become larger.
	Resizer interface {
		Resizes(in, out []Type) (taps HW, by [2]float64)
	}
	// Windower returns the window of the first input that one output element
	// depends on.
	Windower interface {
		Window(in []Type) (kernel, stride, dilation HW)
	}
	// Operander names the operands. The name of an optional one ends in "?", that
	// of a repeatable one in "...".
	Operander interface{ Operands() []string }
)

// Cost is the work of a node or graph.
type Cost struct {
	MACs int64 // multiply-accumulates of convolutions and matrix products, without bias
	Ops  int64 // estimate of other operations, such as one addition for each element
}

// ConstraintError reports that the inputs or attributes of an op violate one of its
// constraints.
type ConstraintError struct {
	Op      string
	Num     int // the constraint's number in the op's comment
	Operand int // index of the input at fault, -1 if it is not a single input
	Msg     string
	Help    string // how to mend it, empty if that is not known
}

func (e *ConstraintError) Error() string {
	return fmt.Sprintf("%s: %s (%s constraint %d)", e.Op, e.Msg, e.Op, e.Num)
}

// Violation returns a ConstraintError. operand is the index of the input at fault,
// -1 if it is not a single input.
func Violation(op string, num, operand int, format string, args ...any) *ConstraintError {
	return &ConstraintError{Op: op, Num: num, Operand: operand, Msg: fmt.Sprintf(format, args...)}
}

// WithHelp sets Help, the advice on how to mend the error, and returns e.
func (e *ConstraintError) WithHelp(format string, args ...any) *ConstraintError {
	e.Help = fmt.Sprintf(format, args...)
	return e
}

// Example is a use of an op that the common tests of all ops run. The op accepts
// the input types if Violates is 0; otherwise they violate the constraint of that
// number.
type Example struct {
	Op       Op
	In       []Type
	Violates int
}

// Def is the definition of an op: its name, documentation and attributes.
type Def struct {
	Name     string
	Doc      string
	Attrs    []Attr
	Examples []Example
	Grad     bool // used only in gradients and training
	typ      reflect.Type
}

// Attr is one attribute of an op.
type Attr struct {
	Name    string
	Kind    string // int, float, bool, string, or the Go type's name in lower case
	Default string // as text
	index   int
}

var (
	byName = map[string]*Def{}
	byType = map[reflect.Type]*Def{}
)

// Define registers an op. The op's own file calls it when the package is
// initialized. It panics if the op breaks a rule: two ops with one name, a field
// without a dsl tag, or a type that is not a comparable struct.
func Define[T Op](name, doc string, examples ...Example) *Def {
	var zero T
	t := reflect.TypeOf(zero)
	d := &Def{Name: name, Doc: doc, Examples: examples, typ: t}
	if !t.Comparable() || t.Kind() != reflect.Struct {
		panic("ir: op " + name + " is not a comparable struct")
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, ok := f.Tag.Lookup("dsl")
		if !ok {
			panic("ir: op " + name + ": field " + f.Name + " has no dsl tag")
		}
		key, opt, _ := strings.Cut(tag, ",")
		a := Attr{Name: key, Kind: strings.ToLower(f.Type.Name()), index: i}
		a.Default, _ = strings.CutPrefix(opt, "default=")
		v := reflect.New(f.Type).Elem()
		if a.Default == "" {
			a.Default = formatAttr(v)
		} else if err := parseAttr(v, a.Default); err != nil {
			panic(fmt.Sprintf("ir: op %s: default of %s: %v", name, key, err))
		}
		d.Attrs = append(d.Attrs, a)
	}
	if byName[name] != nil || byType[t] != nil {
		panic("ir: op " + name + " is defined twice")
	}
	byName[name], byType[t] = d, d
	return d
}

// ForGradients marks an op that only gradients and training need. A spec cannot
// name it, and backends that do not train may leave it out.
func (d *Def) ForGradients() *Def { d.Grad = true; return d }

// Lookup returns the definition of the op with that name, nil if there is none.
func Lookup(name string) *Def { return byName[name] }

// DefOf returns the definition of an op; it is nil if the op was never defined.
func DefOf(op Op) *Def { return byType[reflect.TypeOf(op)] }

// Name returns the name of an op, or its Go type if it was never defined.
func Name(op Op) string {
	if d := DefOf(op); d != nil {
		return d.Name
	}
	return fmt.Sprintf("%T", op)
}

// Defs returns all definitions in order of name.
func Defs() []*Def {
	ds := make([]*Def, 0, len(byName))
	for _, d := range byName {
		ds = append(ds, d)
	}
	sort.Slice(ds, func(i, j int) bool { return ds[i].Name < ds[j].Name })
	return ds
}

// Default returns the op with every attribute at its default.
func (d *Def) Default() Op {
	v := reflect.New(d.typ).Elem()
	for _, a := range d.Attrs {
		// No error is possible: Define has parsed this text before.
		_ = parseAttr(v.Field(a.index), a.Default)
	}
	return v.Interface().(Op)
}

// AttrError reports an attribute that an op does not have (Unknown), or a value that
// an attribute does not accept (Reason).
type AttrError struct {
	Op, Attr, Value string
	Unknown         bool
	Reason          string
}

func (e *AttrError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("%s has no attribute %q", e.Op, e.Attr)
	}
	return fmt.Sprintf("%s: %s=%s: %s", e.Op, e.Attr, e.Value, e.Reason)
}

// With returns the op with the given attributes, read from text. Other attributes
// have their defaults. An error is an *AttrError.
func (d *Def) With(attrs map[string]string) (Op, error) {
	v := reflect.New(d.typ).Elem()
	for _, a := range d.Attrs {
		_ = parseAttr(v.Field(a.index), a.Default)
	}
	keys := make([]string, 0, len(attrs))
	for k := range attrs {
		keys = append(keys, k)
	}
	sort.Strings(keys)
next:
	for _, k := range keys {
		for _, a := range d.Attrs {
			if a.Name == k {
				if err := parseAttr(v.Field(a.index), attrs[k]); err != nil {
					return nil, &AttrError{Op: d.Name, Attr: k, Value: attrs[k], Reason: err.Error()}
				}
				continue next
			}
		}
		return nil, &AttrError{Op: d.Name, Attr: k, Value: attrs[k], Unknown: true}
	}
	return v.Interface().(Op), nil
}

// AttrText is an attribute's value as text.
type AttrText struct {
	Name, Text string
	IsDefault  bool
}

// AttrsOf returns the attributes of an op in the order of its fields, nil if the op
// was never defined.
func AttrsOf(op Op) []AttrText {
	d := DefOf(op)
	if d == nil {
		return nil
	}
	v := reflect.ValueOf(op)
	r := make([]AttrText, len(d.Attrs))
	for i, a := range d.Attrs {
		s := formatAttr(v.Field(a.index))
		r[i] = AttrText{a.Name, s, s == a.Default}
	}
	return r
}

// FormatOp prints an op as the flat form does: its name and the attributes that
// are not at their default.
func FormatOp(op Op) string {
	var b strings.Builder
	b.WriteString(Name(op))
	for _, a := range AttrsOf(op) {
		if !a.IsDefault {
			b.WriteString(" " + a.Name + "=" + a.Text)
		}
	}
	return b.String()
}

func formatAttr(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, _ := m.MarshalText()
		return string(b)
	}
	switch v.Kind() {
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return FormatFloat(v.Float())
	case reflect.Bool:
		if v.Bool() {
			return "1"
		}
		return "0"
	case reflect.String:
		return v.String()
	}
	panic("ir: attribute of type " + v.Type().String())
}

// FormatFloat prints a number with the fewest digits that read back to the same
// float64.
func FormatFloat(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func parseAttr(v reflect.Value, s string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	switch v.Kind() {
	case reflect.Int:
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("want a whole number")
		}
		v.SetInt(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != f {
			return fmt.Errorf("want a number")
		}
		v.SetFloat(f)
	case reflect.Bool:
		switch s {
		case "1", "on":
			v.SetBool(true)
		case "0", "off":
			v.SetBool(false)
		default:
			return fmt.Errorf("want on (1) or off (0)")
		}
	case reflect.String:
		v.SetString(s)
	default:
		return fmt.Errorf("attributes of type %s cannot be read", v.Type())
	}
	return nil
}
