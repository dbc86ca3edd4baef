package torch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/passes/autodiff"
)

// generator writes model.py.
type generator struct {
	graph   *ir.Graph
	classes []*class
	names   map[string]bool   // of classes
	labels  map[string]string // what incc calls the modules whose name is no Python name
	layouts map[*module]*layout
}

// ending is what the network does with its logits. Training needs the logits, inference what
// comes behind.
type ending struct {
	text  string // with %0 for the logits, "" if there is nothing
	shape ir.Shape
}

// Model returns the source of model.py: the network as classes of PyTorch. command is the
// command that makes the file. The graph is one that dsl or onnx made, before passes.
func Model(g *ir.Graph, command string) (string, error) {
	g = g.Clone()
	end, err := logitsOnly(g)
	if err != nil {
		return "", err
	}
	gen := &generator{graph: g, names: wordSet("Tensor F None True False"), labels: map[string]string{}, layouts: map[*module]*layout{}}
	root := buildTree(g)
	kept := map[*ir.Value]bool{}
	for _, v := range g.All() {
		kept[v] = true
	}
	root.connect(g.Users(), kept)
	if err := gen.define(root); err != nil {
		return "", err
	}
	main, err := gen.root(root, end)
	if err != nil {
		return "", err
	}
	return gen.file(root, main, command), nil
}

// logitsOnly makes the logits the outputs of a graph that ends in a softmax, and those of its
// heads.
func logitsOnly(g *ir.Graph) (ending, error) {
	var end ending
	r := ir.Rewrite(g, "torch")
	for i, h := range g.Heads {
		l := autodiff.BeforeSoftmax(h.Value)
		if l != h.Value && l.Param == nil && l.Def != nil {
			name := h.Value.Name
			g.Heads[i].Value = l
			h.Value.Name = r.Fresh(name + ".softmax")
			l.Name = name
		}
	}
	if len(g.Outputs) == 1 {
		out := g.Outputs[0]
		if l := autodiff.BeforeSoftmax(out); l != out && l.Def != nil {
			end.shape = out.Type.Shape
			end.text = "torch.softmax(%0, 1)"
			x := out
			if _, ok := x.Def.Op.(ops.Flatten); ok {
				x = x.Def.In[0]
			}
			if _, ok := x.Def.Op.(ops.LogSoftmax); ok {
				end.text = "torch.log_softmax(%0, 1)"
			}
			g.Outputs[0] = l
		}
	}
	if err := r.Err(); err != nil {
		return end, err
	}
	r.Sweep()
	return end, r.Finish()
}

// define makes the classes of all modules but the root, the innermost first.
func (g *generator) define(root *module) error {
	levels := map[int][]*module{}
	deepest := 0
	var walk func(m *module)
	walk = func(m *module) {
		for _, k := range m.kids {
			d := strings.Count(k.path, "/")
			levels[d] = append(levels[d], k)
			deepest = max(deepest, d)
			walk(k)
		}
	}
	walk(root)
	for d := deepest; d >= 0; d-- {
		groups := map[string]*class{}
		for _, m := range levels[d] {
			l, err := g.newLayout(m)
			if err != nil {
				return err
			}
			g.layouts[m] = l
			key := g.key(m, l)
			c := groups[key]
			if c == nil {
				c = &class{}
				groups[key] = c
				c.name = g.className(m)
				g.classes = append(g.classes, c)
			}
			c.objects = append(c.objects, m)
			m.class = c
		}
		// A class has arguments where its objects differ: all must be known.
		for _, c := range g.classes {
			if c.text == "" {
				g.render(c)
			}
		}
	}
	return nil
}

// className names the class of a module: by its label, or by its block without the number of
// a copy. What is inside of a block has the block's name in front.
func (g *generator) className(m *module) string {
	name := className(copyNumber.ReplaceAllString(lastName(m.path), ""))
	parts := strings.Split(m.path, "/")
	for i := 1; i < len(parts)-1; i++ {
		name = className(copyNumber.ReplaceAllString(parts[len(parts)-1-i], "")) + name
	}
	if m.head != nil && !strings.HasSuffix(name, "Head") {
		name += "Head"
	}
	return unique(g.names, name)
}

// key describes the structure of a module: modules with equal keys can be objects of one
// class.
func (g *generator) key(m *module, l *layout) string {
	var b strings.Builder
	b.WriteString(copyNumber.ReplaceAllString(lastName(m.path), ""))
	if strings.Count(m.path, "/") == 0 {
		b.WriteString(m.path) // a part has a class of its own
	} else if up := parentPath(m.path); strings.Count(up, "/") > 0 {
		b.WriteString(lastName(copyNumber.ReplaceAllString(up, "")))
	}
	for _, f := range l.fields {
		fmt.Fprintf(&b, "\n%s = %s", f.attr, f.make)
	}
	f := g.method(m, l)
	for _, s := range f.steps {
		fmt.Fprintf(&b, "\n%d %s", len(s.out), s.text)
	}
	for _, v := range append(slices.Clone(m.in), m.out...) {
		fmt.Fprintf(&b, "\n%s %d", f.ref(v), len(v.Type.Shape))
	}
	return b.String()
}

// method returns the forward method of a module.
func (g *generator) method(m *module, l *layout) *method {
	f := &method{m: m, ids: map[*ir.Value]int{}, ret: m.out, args: map[*ir.Value]string{}}
	taken := map[string]bool{}
	for i, v := range m.in {
		f.ref(v)
		name := "x"
		if i > 0 || len(m.in) > 1 {
			name = identifier(lastName(v.Name))
		}
		f.args[v] = unique(taken, name)
	}
	for _, it := range m.items {
		if it.kid != nil {
			f.steps = append(f.steps, f.kidStep(it.kid, "self."+it.kid.within(m)))
		} else {
			f.steps = append(f.steps, f.nodeStep(l.calls[it.node], l.attrs[it.node], func(v *ir.Value) string { return l.loose[v] }))
		}
	}
	return f
}

// within returns how a module is reached from one above it.
func (m *module) within(above *module) string {
	if m.parent == above {
		return m.attr
	}
	return m.parent.within(above) + "." + m.attr
}

// render writes a class.
func (g *generator) render(c *class) {
	m := c.objects[0]
	a := &arguments{taken: map[string]bool{"self": true}}
	fields := make([][]field, len(g.layouts[m].fields))
	for _, o := range c.objects {
		for k, f := range g.layouts[o].fields {
			fields[k] = append(fields[k], f)
		}
	}
	var init, notes strings.Builder
	for _, f := range fields {
		text := a.fill(f)
		if f[0].annotation {
			fmt.Fprintf(&notes, "    %s: Tensor\n", f[0].attr)
			init.WriteString(breakLine("        ", text, ""))
		} else {
			init.WriteString(breakLine("        ", "self."+f[0].attr+" = "+text, ""))
		}
		if f[0].kid != nil && !slices.Contains(c.kids, f[0].kid.class) {
			c.kids = append(c.kids, f[0].kid.class)
		}
	}
	c.params = a.params
	var b strings.Builder
	fmt.Fprintf(&b, "class %s(nn.Module):\n", c.name)
	b.WriteString(docString("    ", g.classDoc(c)))
	if notes.Len() > 0 {
		b.WriteString("\n" + notes.String())
	}
	if init.Len() > 0 {
		args := []string{"self"}
		for _, p := range a.params {
			args = append(args, p.name+": int")
		}
		b.WriteString("\n" + signature("__init__", args, "None"))
		b.WriteString("        super().__init__()\n" + init.String())
	}
	b.WriteString("\n" + g.forward(m, c, a))
	c.text = b.String()
}

// signature prints the first line of a method.
func signature(name string, args []string, result string) string {
	line := fmt.Sprintf("    def %s(%s) -> %s:", name, strings.Join(args, ", "), result)
	if len(line) <= lineLength {
		return line + "\n"
	}
	one := "        " + strings.Join(args, ", ")
	if len(one) > lineLength {
		one = "        " + strings.Join(args, ",\n        ") + ","
	}
	return fmt.Sprintf("    def %s(\n%s\n    ) -> %s:\n", name, one, result)
}

// forward writes the forward method of a class.
func (g *generator) forward(m *module, c *class, a *arguments) string {
	f := g.method(m, g.layouts[m])
	args := []string{"self"}
	for _, v := range m.in {
		args = append(args, f.args[v]+": Tensor")
	}
	result := "Tensor"
	if len(m.out) != 1 {
		list := make([]string, len(m.out))
		for i := range list {
			list[i] = "Tensor"
		}
		result = "tuple[" + strings.Join(list, ", ") + "]"
	}
	shapes := func(pick func(o *module) []*ir.Value) string {
		var list []string
		for i := range pick(m) {
			var all []*ir.Value
			for _, o := range c.objects {
				all = append(all, pick(o)[i])
			}
			list = append(list, a.dims(all))
		}
		return strings.Join(list, ", ")
	}
	doc := shapes(func(o *module) []*ir.Value { return o.in }) + " to " + shapes(func(o *module) []*ir.Value { return o.out }) + "."
	text, last, vars := f.body("        ", true)
	if last == "" {
		list := make([]string, len(m.out))
		for i, v := range m.out {
			list[i] = vars[v]
		}
		last = strings.Join(list, ", ")
	}
	return signature("forward", args, result) + docString("        ", doc) + text + breakLine("        ", "return "+last, "")
}

// classDoc says which parts of the network are objects of a class.
func (g *generator) classDoc(c *class) string {
	paths := make([]string, len(c.objects))
	for i, m := range c.objects {
		paths[i] = docText(m.path)
	}
	what := "Part"
	if strings.Contains(c.objects[0].path, "/") {
		what = "Block"
	}
	if c.objects[0].head != nil {
		what = "Auxiliary classifier"
	}
	if _, rest, ok := strings.Cut(paths[0], "/"); ok && len(paths) > 1 {
		same := true
		for _, p := range paths {
			_, r, _ := strings.Cut(p, "/")
			same = same && r == rest
		}
		if same {
			for i, p := range paths {
				paths[i], _, _ = strings.Cut(p, "/")
			}
			return what + " " + rest + " of the parts " + listed(paths) + "."
		}
	}
	return what + " " + listed(paths) + "."
}

// listed joins words: a, b and c.
func listed(words []string) string {
	n := len(words)
	if n == 1 {
		return words[0]
	}
	return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
}

// docString prints a docstring, in lines of at most lineLength.
func docString(indent, text string) string {
	if len(indent)+len(text)+6 <= lineLength {
		return indent + `"""` + text + "\"\"\"\n"
	}
	return wrap(indent, `"""`+text) + indent + "\"\"\"\n"
}

// wrap prints a paragraph in lines of at most lineLength.
func wrap(indent, text string) string {
	var b strings.Builder
	line := indent
	for w := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(w) > lineLength {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += w
	}
	return b.String() + line + "\n"
}

// sorted lists the classes so that each comes after those that it uses.
func (g *generator) sorted(root *module) []*class {
	var list []*class
	done := map[*class]bool{}
	var add func(c *class)
	add = func(c *class) {
		if done[c] {
			return
		}
		done[c] = true
		for _, k := range c.kids {
			add(k)
		}
		list = append(list, c)
	}
	for _, k := range root.kids {
		add(k.class)
	}
	return list
}

// netName is the class of the whole network.
func (g *generator) netName() string {
	return unique(g.names, className(g.graph.Name))
}

// quoteInts prints a shape as a tuple.
func quoteInts(s ir.Shape) string {
	list := make([]string, len(s))
	for i, d := range s {
		list[i] = strconv.Itoa(d)
	}
	return "(" + strings.Join(list, ", ") + ")"
}
