package torch

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// root writes the class of the whole network.
func (g *generator) root(m *module, end ending) (string, error) {
	l, err := g.newLayout(m)
	if err != nil {
		return "", err
	}
	g.layouts[m] = l
	a := &arguments{taken: map[string]bool{}}
	var init, notes strings.Builder
	for _, f := range l.fields {
		text := a.fill([]field{f})
		if f.annotation {
			fmt.Fprintf(&notes, "    %s: Tensor\n", f.attr)
		} else {
			text = "self." + f.attr + " = " + text
		}
		init.WriteString(breakLine("        ", text, ""))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "class %s(nn.Module):\n", g.netName())
	b.WriteString(docString("    ", g.rootDoc()))
	if notes.Len() > 0 {
		b.WriteString("\n" + notes.String())
	}
	b.WriteString("\n    def __init__(self) -> None:\n        super().__init__()\n" + init.String())
	b.WriteString("        self.register_state_dict_post_hook(_to_incc)  # type: ignore[no-untyped-call]\n        self.register_load_state_dict_pre_hook(_from_incc)  # type: ignore[no-untyped-call]\n")
	b.WriteString("\n" + g.rootForward(m, l))
	if len(g.graph.Outputs) == 1 {
		b.WriteString("\n" + g.predict(m, end))
	}
	return b.String(), nil
}

func (g *generator) rootDoc() string {
	doc := "The network " + docText(g.graph.Name) + "."
	first, _, _ := strings.Cut(strings.Join(commentLines(g.graph.Doc), " "), ". ")
	if first != "" {
		doc += " " + docText(strings.TrimRight(first, ".:")) + "."
	}
	return doc
}

// commentLines are the lines of the comment at the head of a spec.
func commentLines(doc string) []string {
	var lines []string
	for line := range strings.Lines(doc) {
		if text := strings.TrimSpace(strings.TrimLeft(line, "# ")); text != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// inputNames are the arguments of the root's forward.
func (g *generator) inputNames() []string {
	if len(g.graph.Inputs) == 1 {
		return []string{"images"}
	}
	taken := map[string]bool{}
	names := make([]string, len(g.graph.Inputs))
	for i, v := range g.graph.Inputs {
		names[i] = unique(taken, identifier(lastName(v.Name)))
	}
	return names
}

// flat reports whether a value has one number for each class, on axes of extent 1.
func flat(v *ir.Value) bool {
	s := v.Type.Shape
	return len(s) == 4 && s[2] == 1 && s[3] == 1
}

// rootForward writes the forward method of the network.
func (g *generator) rootForward(m *module, l *layout) string {
	f := g.method(m, l)
	f.args = map[*ir.Value]string{}
	args, shapes := []string{"self"}, []string{}
	for i, name := range g.inputNames() {
		v := g.graph.Inputs[i]
		f.args[v] = name
		args = append(args, name+": Tensor")
		shapes = append(shapes, (&arguments{}).dims([]*ir.Value{v}))
	}
	f.ret = g.graph.Outputs
	loose := []*ir.Value{} // heads that are no modules of their own
	called := map[*ir.Value]bool{}
	for _, s := range f.steps {
		if s.head != nil {
			called[s.out[0]] = true
		}
	}
	for _, h := range g.graph.Heads {
		if !called[h.Value] {
			loose = append(loose, h.Value)
		}
	}
	f.ret = append(slices.Clone(f.ret), loose...)
	text, _, vars := f.body("        ", false)
	var outs, heads []string
	for _, v := range g.graph.Outputs {
		outs = append(outs, flattened(vars[v], v, len(g.graph.Outputs) == 1))
	}
	for _, h := range g.graph.Heads {
		heads = append(heads, flattened(vars[h.Value], h.Value, true))
	}
	out := g.graph.Outputs[0]
	doc := strings.Join(shapes, ", ")
	var b strings.Builder
	switch {
	case len(heads) > 0:
		b.WriteString(signature("forward", args, "Tensor | tuple[Tensor, ...]"))
		b.WriteString(docString("        ", fmt.Sprintf("%s to the logits, [N, %d]; in training a tuple of these and of the logits of each auxiliary classifier.", doc, out.Type.Shape[1])))
		b.WriteString(text)
		b.WriteString("        if self.training:\n")
		b.WriteString(returnTuple("            ", append(slices.Clone(outs), heads...)))
		b.WriteString(breakLine("        ", "return "+outs[0], ""))
	case len(outs) == 1:
		b.WriteString(signature("forward", args, "Tensor"))
		to := (&arguments{}).dims([]*ir.Value{out})
		if flat(out) {
			to = fmt.Sprintf("[N, %d]", out.Type.Shape[1])
		}
		b.WriteString(docString("        ", doc+" to the logits, "+to+"."))
		b.WriteString(text)
		b.WriteString(breakLine("        ", "return "+outs[0], ""))
	default:
		b.WriteString(signature("forward", args, "tuple[Tensor, ...]"))
		b.WriteString(docString("        ", doc+" to all outputs."))
		b.WriteString(text)
		b.WriteString(returnTuple("        ", outs))
	}
	return b.String()
}

// returnTuple prints a return statement of two or more values.
func returnTuple(indent string, values []string) string {
	list := strings.Join(values, ", ")
	if len(indent)+len("return ")+len(list) <= lineLength {
		return indent + "return " + list + "\n"
	}
	return breakLine(indent, "return ("+list+")", "")
}

// flattened returns the text of an output of the network, as [N, C] where it has no height
// and width.
func flattened(text string, v *ir.Value, one bool) string {
	if one && flat(v) {
		return "torch.flatten(" + text + ", 1)"
	}
	return text
}

// predict writes a method with the network's own output.
func (g *generator) predict(m *module, end ending) string {
	names := g.inputNames()
	args := []string{"self"}
	for _, n := range names {
		args = append(args, n+": Tensor")
	}
	out := g.graph.Outputs[0]
	shape := end.shape
	what := "probabilities"
	if end.text == "" {
		shape, what = out.Type.Shape, "output"
	}
	if strings.Contains(end.text, "log_") {
		what = "logarithms of the probabilities"
	}
	var b strings.Builder
	b.WriteString(signature("predict", args, "Tensor"))
	b.WriteString(docString("        ", "The "+what+" of the classes, "+(&arguments{}).dims([]*ir.Value{{Type: ir.Type{Shape: shape}}})+"."))
	b.WriteString("        out: Tensor | tuple[Tensor, ...] = self(" + strings.Join(names, ", ") + ")\n")
	b.WriteString("        logits = out[0] if isinstance(out, tuple) else out\n")
	text := "logits"
	if end.text != "" {
		text = strings.ReplaceAll(end.text, "%0", "logits")
	}
	if len(shape) == 4 && flat(out) {
		text += ".reshape(-1, " + fmt.Sprint(shape[1]) + ", 1, 1)"
	}
	b.WriteString("        return " + text + "\n")
	return b.String()
}

// file joins the parts of model.py.
func (g *generator) file(root *module, main, command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Code generated by %s. DO NOT EDIT.\n", docText(command))
	name := docText(g.graph.Name)
	doc := "The network " + name + " for PyTorch.\n"
	if lines := commentLines(g.graph.Doc); len(lines) > 0 {
		doc += "\n"
		paragraph := ""
		for _, line := range lines {
			if strings.HasPrefix(line, "Counts: ") {
				doc += wrap("", docText(paragraph))
				paragraph = ""
			}
			paragraph += " " + line
		}
		doc += wrap("", docText(paragraph))
	}
	b.WriteString("\"\"\"" + doc + "\n" + namesDoc + "\"\"\"\n\n")
	body := ""
	for _, c := range g.sorted(root) {
		body += "\n\n" + c.text
	}
	body += "\n\n" + main
	b.WriteString("import torch\n")
	functional := strings.Contains(body, "F.")
	if functional {
		b.WriteString("import torch.nn.functional as F\n")
	}
	b.WriteString("from torch import Tensor, nn\n")
	inputs := make([]string, len(g.graph.Inputs))
	for i, v := range g.graph.Inputs {
		inputs[i] = quoteInts(v.Type.Shape.WithoutBatch())
	}
	fmt.Fprintf(&b, "\n#: The shape of an input, without the number of images.\nINPUT_SHAPE = %s\n", inputs[0])
	g.tables(&b, root)
	b.WriteString(nameFunctions)
	b.WriteString(body)
	return b.String()
}

// namesDoc is in the docstring of every model.
const namesDoc = `The names in state_dict() are those of incc: load_state_dict takes the weights of a
safetensors file that incc wrote, and incc reads what safetensors.torch.save_file
writes of state_dict().
`

// nameFunctions translate the names of weights. They follow the rule of generator.rule.
const nameFunctions = `
#: What incc calls the tensors of a normalization.
_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "mean",
    "running_var": "variance",
}


def incc_names(model: nn.Module) -> dict[str, str]:
    """What incc calls each weight and running statistic, by its name in PyTorch."""
    names = {}
    for path, module in model.named_modules():
        layer = [_LABELS.get(word, word) for word in path.split(".") if word]
        norm = isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))
        if norm:
            layer[-1] = layer[-1].removesuffix("_bn")
        tensors = [name for name, _ in module.named_parameters(recurse=False)]
        tensors += [name for name, _ in module.named_buffers(recurse=False)]
        for name in tensors:
            if norm and name == "num_batches_tracked":
                continue
            key = f"{path}.{name}" if path else name
            tensor = _NORM[name] if norm else name
            names[key] = _OTHERS.get(key, "/".join([*layer, tensor]))
    return names


def _to_incc(
    model: nn.Module, state: dict[str, Tensor], prefix: str, _: dict[str, object]
) -> None:
    """Renames the tensors of a state_dict to the names of incc."""
    names = incc_names(model)
    for key in [key for key in state if key.startswith(prefix)]:
        tensor = state.pop(key)
        if (name := names.get(key.removeprefix(prefix))) is not None:
            state[prefix + name] = tensor


def _from_incc(
    model: nn.Module, state: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Renames the tensors of a state_dict from the names of incc."""
    for key, name in incc_names(model).items():
        if prefix + name in state:
            state[prefix + key] = state.pop(prefix + name)
    for key, buffer in model.named_buffers():
        if key.endswith("num_batches_tracked"):
            state.setdefault(prefix + key, buffer)
`

// rule is what incc_names makes of the name of a tensor, without the table _OTHERS.
func (g *generator) rule(key string, norm bool) string {
	words := strings.Split(key, ".")
	for i, w := range words[:len(words)-1] {
		if label, ok := g.labels[w]; ok {
			words[i] = label
		}
	}
	if n := len(words); norm {
		words[n-2] = strings.TrimSuffix(words[n-2], "_bn")
		words[n-1] = map[string]string{"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}[words[n-1]]
	}
	return strings.Join(words, "/")
}

// tables writes _LABELS and _OTHERS.
func (g *generator) tables(b *strings.Builder, root *module) {
	type tensor struct {
		key, name string
		norm      bool
	}
	var tensors []tensor
	var walk func(m *module, prefix string)
	walk = func(m *module, prefix string) {
		l := g.layouts[m]
		norms := map[string]bool{}
		for _, f := range l.fields {
			norms[f.attr] = strings.HasPrefix(f.make, "nn.BatchNorm")
		}
		for _, key := range slices.Sorted(maps.Keys(l.tensors)) {
			attr, _, _ := strings.Cut(key, ".")
			tensors = append(tensors, tensor{prefix + key, l.tensors[key].Name, norms[attr]})
		}
		for _, k := range m.kids {
			if label := lastName(k.path); label != k.attr {
				if _, ok := g.labels[k.attr]; !ok {
					g.labels[k.attr] = label
				}
			}
			walk(k, prefix+k.attr+".")
		}
	}
	walk(root, "")
	b.WriteString("\n#: The labels of the spec that cannot be names in Python.\n")
	writeDict(b, "_LABELS", g.labels)
	others := map[string]string{}
	for _, t := range tensors {
		if g.rule(t.key, t.norm) != t.name {
			others[t.key] = t.name
		}
	}
	b.WriteString("\n#: The weights whose names follow no rule, by their names in PyTorch.\n")
	writeDict(b, "_OTHERS", others)
}

// writeDict writes a dictionary of strings.
func writeDict(b *strings.Builder, name string, d map[string]string) {
	if len(d) == 0 {
		fmt.Fprintf(b, "%s: dict[str, str] = {}\n", name)
		return
	}
	fmt.Fprintf(b, "%s: dict[str, str] = {\n", name)
	for _, k := range slices.Sorted(maps.Keys(d)) {
		fmt.Fprintf(b, "    %s: %s,\n", quote(k), quote(d[k]))
	}
	b.WriteString("}\n")
}
