package torch

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// class is a Python class. Modules of the same structure are objects of one class if they have
// the same name in the spec; what differs are arguments of its constructor.
type class struct {
	name    string
	objects []*module
	params  []param
	text    string
	kids    []*class // in the order of use
}

// param is an argument of a constructor and its value for each object.
type param struct {
	name   string
	values []int
}

// field is an attribute of a module: a layer, a module inside, or a tensor.
type field struct {
	attr  string
	make  string // with $0 and so on for the slots
	slots []slot
	kid   *module
	// annotation is what mypy needs for a buffer.
	annotation bool
}

// layout is the structure of a module: its fields, and what its nodes become.
type layout struct {
	fields  []field
	calls   map[*ir.Node]*call
	attrs   map[*ir.Node]string
	loose   map[*ir.Value]string
	tensors map[string]*ir.Value // by the name in PyTorch, without those of modules inside
	taken   map[string]bool
}

// copyNumber is what repeat appends to the names of its copies.
var copyNumber = regexp.MustCompile(`(_\d+)+$`)

// maxConstant is how many numbers of a constant are written into model.py.
const maxConstant = 256

// newLayout describes a module. Its kids have classes and names already.
func (g *generator) newLayout(m *module) (*layout, error) {
	l := &layout{calls: map[*ir.Node]*call{}, attrs: map[*ir.Node]string{}, loose: map[*ir.Value]string{}, tensors: map[string]*ir.Value{}, taken: map[string]bool{}}
	order := map[*module]bool{}
	add := func(kid *module) {
		order[kid] = true
		kid.attr = unique(l.taken, identifier(lastName(kid.path)))
		l.fields = append(l.fields, kidField(kid))
	}
	made := map[string]string{} // attributes of layers, by constructor and weights
	for _, it := range m.items {
		if it.kid != nil {
			if it.kid.parent == m {
				add(it.kid)
			}
			continue
		}
		if err := g.node(l, m, it.node, made); err != nil {
			return nil, err
		}
	}
	for _, kid := range m.kids { // heads, which the root calls
		if !order[kid] {
			add(kid)
		}
	}
	return l, nil
}

// kidField is the field of a module inside.
func kidField(kid *module) field {
	f := field{attr: kid.attr, kid: kid}
	i := slices.Index(kid.class.objects, kid)
	args := make([]string, len(kid.class.params))
	for k, p := range kid.class.params {
		f.slots = append(f.slots, slot{p.name, p.values[i]})
		args[k] = "$" + strconv.Itoa(k)
		if k > 0 {
			args[k] = p.name + "=" + args[k]
		}
		if !strings.HasPrefix(p.name, "in_") {
			f.slots[k].name = "@_" + p.name
		}
	}
	f.make = kid.class.name + "(" + strings.Join(args, ", ") + ")"
	return f
}

// node adds what a node needs.
func (g *generator) node(l *layout, m *module, n *ir.Node, made map[string]string) error {
	c, err := callOf(n)
	if err != nil {
		return err
	}
	l.calls[n] = c
	if c.make == "" {
		for _, v := range n.In {
			if v == nil || v.Param == nil || l.loose[v] != "" {
				continue
			}
			if err := g.tensor(l, m, v); err != nil {
				return err
			}
		}
		return nil
	}
	same := c.make
	for _, s := range c.slots {
		same += fmt.Sprint(" ", s.value)
	}
	for _, v := range n.In[1:] {
		same += " " + v.Name
	}
	if attr := made[same]; attr != "" && len(c.tensors) > 0 {
		l.attrs[n] = attr
		return nil
	}
	name := n.Out[0].Name
	if layer := layerOf(n); layer != "" {
		if strings.HasPrefix(name, layer+"/bn") {
			layer += "_bn"
		}
		name = layer
	}
	attr := unique(l.taken, identifier(strings.ReplaceAll(within(name, m.path), "/", "_")))
	made[same] = attr
	l.attrs[n] = attr
	l.fields = append(l.fields, field{attr: attr, make: c.make, slots: c.slots})
	for i, t := range c.tensors {
		l.tensors[attr+"."+t] = n.In[1+i]
	}
	return nil
}

// within returns a path relative to that of a module.
func within(name, module string) string {
	if module == "" {
		return name
	}
	if rest, ok := strings.CutPrefix(name, module+"/"); ok {
		return rest
	}
	return lastName(name)
}

// tensor adds a param that belongs to no layer.
func (g *generator) tensor(l *layout, m *module, v *ir.Value) error {
	attr := unique(l.taken, identifier(strings.ReplaceAll(within(v.Name, m.path), "/", "_")))
	l.loose[v] = attr
	dims := make([]string, len(v.Type.Shape))
	for i, d := range v.Type.Shape {
		dims[i] = strconv.Itoa(d)
	}
	size := strings.Join(dims, ", ")
	f := field{attr: attr, annotation: v.Param.Kind != ir.Weight}
	switch v.Param.Kind {
	case ir.Weight:
		f.make = "nn.Parameter(torch.zeros(" + size + "))"
		if size == "" {
			f.make = "nn.Parameter(torch.zeros(()))"
		}
	case ir.State:
		f.make = "torch.zeros((" + size + ",))"
	default:
		values, err := g.constant(v)
		if err != nil {
			return err
		}
		f.make = "torch.tensor([" + values + "]).reshape((" + size + ",))"
		if size == "" {
			f.make = "torch.tensor(" + values + ")"
		}
	}
	if v.Param.Kind == ir.State && size == "" {
		f.make = "torch.zeros(())"
	}
	if v.Param.Kind != ir.Constant {
		l.tensors[attr] = v
		if f.annotation {
			f.make = fmt.Sprintf("self.register_buffer(%s, %s)", quote(attr), f.make)
		}
	} else {
		f.make = fmt.Sprintf("self.register_buffer(%s, %s, persistent=False)", quote(attr), f.make)
	}
	l.fields = append(l.fields, f)
	return nil
}

// constant prints the elements of a constant.
func (g *generator) constant(v *ir.Value) (string, error) {
	if n := v.Type.Shape.Size(); n > maxConstant || v.Type.DType != ir.F32 {
		return "", fmt.Errorf("constant %s is %v: incc gen torch writes constants of at most %d float32 numbers", v.Name, v.Type, maxConstant)
	}
	x := g.graph.Data[v.Name]
	if x == nil {
		x = ir.Draw(v.Name, v.Type.Shape, v.Param.Init, 0)
	}
	list := make([]string, len(x.Data))
	for i, e := range x.Data {
		list[i] = bound(float64(e))
	}
	return strings.Join(list, ", "), nil
}

// arguments are those of the constructor of a class.
type arguments struct {
	params []param
	taken  map[string]bool
}

// of returns the text of a number that has these values in the objects: itself if they are
// equal, the name of an argument otherwise. It adds the argument if there is none with the
// same values.
func (a *arguments) of(name string, values []int) string {
	if slices.Min(values) == slices.Max(values) {
		return strconv.Itoa(values[0])
	}
	for _, p := range a.params {
		if slices.Equal(p.values, values) {
			return p.name
		}
	}
	name = unique(a.taken, name)
	a.params = append(a.params, param{name, values})
	return name
}

var slotPlace = regexp.MustCompile(`\$\d+`)

// fill puts the numbers of slots into a constructor. fields are those of all objects.
func (a *arguments) fill(fields []field) string {
	f := fields[0]
	args := make([]string, len(f.slots))
	for k, s := range f.slots {
		values := make([]int, len(fields))
		for i := range fields {
			values[i] = fields[i].slots[k].value
		}
		args[k] = a.of(strings.ReplaceAll(s.name, "@", f.attr), values)
	}
	return slotPlace.ReplaceAllStringFunc(f.make, func(p string) string {
		k, _ := strconv.Atoi(p[1:])
		return args[k]
	})
}

// dims prints the shape of the values that the objects have in one place.
func (a *arguments) dims(values []*ir.Value) string {
	letters := map[int]string{1: "C", 2: "H", 3: "W"}
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range values[0].Type.Shape {
		if i > 0 {
			b.WriteString(", ")
		}
		if d == ir.Batch {
			b.WriteByte('N')
			continue
		}
		all := make([]int, len(values))
		for k, v := range values {
			if i < len(v.Type.Shape) {
				all[k] = v.Type.Shape[i]
			}
		}
		text := strconv.Itoa(d)
		if slices.Min(all) != slices.Max(all) {
			if text = letters[i]; text == "" {
				text = "D"
			}
			for _, p := range a.params {
				if slices.Equal(p.values, all) {
					text = p.name
				}
			}
		}
		b.WriteString(text)
	}
	b.WriteByte(']')
	return b.String()
}
