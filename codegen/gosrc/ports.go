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

// ports are the inputs and outputs of a package whose Infer takes the structs Inputs and
// Outputs: of a network that has several of them, or one whose size does not follow from the
// number of images.
type ports struct {
	In, Out []port
	Sizes   int // float32s of the sizes of outputs that are known only at run time; 0 if there are none

	sizes int // index of the output that holds these sizes, if Sizes > 0
	axes  int // its number of columns
}

// port is an input or output.
type port struct {
	Name  string // in the network
	Field string // of Inputs or Outputs
	Len   string // name of the constant for its length
	Size  int    // float32s: of an image, or of all if Fixed
	Shape string // without the axis of images
	Axes  []int  // the same axes
	Fixed bool   // it does not depend on the number of images
	Whole bool   // its elements are whole numbers
	Open  bool   // its sizes are known only at run time: Axes are the largest
	At    int    // offset of its sizes among all sizes, if Open
}

// needsPorts reports whether the package of a plan has the structs Inputs and Outputs.
func needsPorts(p *plan.Plan) bool {
	return len(p.Inputs) != 1 || len(p.Outputs) != 1 || p.Inputs[0].Fixed || p.Outputs[0].Fixed
}

// newPorts returns the ports of a plan of a graph.
func newPorts(g *ir.Graph, p *plan.Plan) (*ports, error) {
	r := &ports{sizes: -1}
	open := ops.FilledSizes(g)
	if open != nil {
		r.sizes = len(g.Outputs) - 1
		s := open.Type.Shape
		r.Sizes, r.axes = s.Size(), s[len(s)-1]
	}
	names := taken{"List": true}
	row := 0
	add := func(e plan.Edge, v *ir.Value, otherwise string) port {
		x := port{Name: e.Name, Size: e.Size, Fixed: e.Fixed, Whole: v.Type.DType != ir.F32, Axes: e.Shape}
		if !e.Fixed {
			x.Axes = e.Shape[1:]
		}
		if x.Open = open != nil && v.Def == open.Def; x.Open {
			x.At = row * r.axes
			row++
		}
		x.Field = names.exported(e.Name, otherwise)
		if x.Open {
			names[x.Field+"Shape"] = true
		}
		x.Len = x.Field + "Len"
		x.Shape = axesText(x.Axes)
		return x
	}
	for i, e := range p.Inputs {
		r.In = append(r.In, add(e, g.Inputs[i], "Input"))
	}
	outputs := g.All() // heads included
	for i, e := range p.Outputs {
		if i != r.sizes {
			r.Out = append(r.Out, add(e, outputs[i], "Output"))
		}
	}
	if len(r.In) == 0 || len(r.Out) == 0 {
		return nil, refuse("%d inputs and %d outputs (want at least one of each)", len(r.In), len(r.Out))
	}
	return r, nil
}

// exported returns an identifier made from a text that begins with a capital and was not in
// use before.
func (t taken) exported(s, otherwise string) string {
	const most = 60
	name := ident(s)
	name = name[:min(len(name), most)]
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = otherwise + name
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	first := name
	for i := 2; t[name] || t[name+"Shape"]; i++ {
		name = first + "x" + strconv.Itoa(i)
	}
	t[name] = true
	return name
}

// axesText returns axes as text, such as 3x224x224; of a single number, 1.
func axesText(axes []int) string {
	if len(axes) == 0 {
		return "1"
	}
	return ir.Shape(axes).String()
}

// Images reports whether inputs hold any number of images.
func (r *ports) Images() bool {
	return slices.ContainsFunc(r.In, func(p port) bool { return !p.Fixed })
}

// Once reports whether all images must be computed at once, since an output has one size for
// all of them.
func (r *ports) Once() bool {
	return r.Images() && slices.ContainsFunc(r.Out, func(p port) bool { return p.Fixed })
}

// Split reports whether the images may be computed one by one.
func (r *ports) Split() bool { return r.Images() && !r.Once() }

// Whole reports whether an input takes whole numbers.
func (r *ports) Whole() bool { return slices.ContainsFunc(r.In, func(p port) bool { return p.Whole }) }

// InputLen and OutputLen return the number of float32s of all inputs and of all outputs, for
// one image.
func (r *ports) InputLen() int  { return lengths(r.In) }
func (r *ports) OutputLen() int { return lengths(r.Out) }

func lengths(list []port) (n int) {
	for _, p := range list {
		n += p.Size
	}
	return n
}

// ReadText returns a Go expression for the memory of an input in a run of images first to end-1.
func (r *ports) ReadText(i int) string { return "in." + r.In[i].part() }

// WriteText returns a Go expression for the memory of an output of the plan.
func (r *ports) WriteText(i int) string {
	if i == r.sizes {
		return "s.sizes[:]"
	}
	return "out." + r.Out[i].part()
}

func (p port) part() string {
	if p.Fixed {
		return p.Field
	}
	return fmt.Sprintf("%s[first*%s:end*%s]", p.Field, p.Len, p.Len)
}

// AxesText returns the axes as the elements of a Go slice.
func (p port) AxesText() string { return ints(p.Axes) }

// LenDoc describes the constant for the length.
func (p port) LenDoc(what string) string {
	kind := "float32s"
	switch {
	case p.Open:
		return fmt.Sprintf("the most %s of %s %s: %s", kind, what, comment(quote(p.Name)), p.Shape)
	case p.Fixed:
		return fmt.Sprintf("%s of %s %s: %s", kind, what, comment(quote(p.Name)), p.Shape)
	}
	return fmt.Sprintf("%s of %s %s for each image: %s", kind, what, comment(quote(p.Name)), p.Shape)
}

// FieldDoc describes the field of Inputs or Outputs.
func (p port) FieldDoc() string {
	s := comment(quote(p.Name)) + ": "
	switch {
	case p.Open:
		s += "at most " + p.Shape
	case p.Fixed:
		s += p.Shape
	default:
		s += "n x " + p.Shape
	}
	if p.Whole {
		s += ", whole numbers"
	}
	return s
}

// namesText lists the names of some ports, for a sentence.
func namesText(list []port) string {
	var l []string
	for _, p := range list {
		l = append(l, comment(quote(p.Name)))
	}
	if len(l) == 1 {
		return l[0]
	}
	const most = 8
	if len(l) > most {
		return strings.Join(l[:most], ", ") + fmt.Sprintf(" and %d more", len(l)-most)
	}
	return strings.Join(l[:len(l)-1], ", ") + " and " + l[len(l)-1]
}
