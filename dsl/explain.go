package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/diag"
)

// usages are examples of calls, for help texts and Explain. usage makes an example for
// forms that are not in it.
var usages = map[string]string{
	"conv": "conv 3x3/2 64 act=relu", "fc": "fc 1000", "bn": "bn eps=1e-3", "maxpool": "maxpool 3x3/2", "avgpool": "avgpool 3x3/1 include_pad=1",
	"dropout": "dropout 0.5", "lrn": "lrn 5 alpha=1e-4 beta=0.75 k=1", "reshape": "reshape 1x14x14", "maxout": "maxout 2",
	"concat": "concat { conv 1x1 64; conv 3x3 64 }", "add": "add { conv 1x1 64; conv 3x3 64 pad=1 }", "max": "max { conv 1x1 64; conv 3x3 64 pad=1 }",
	"mul": "mul { identity; gap -> conv 1x1 16 act=relu -> conv 1x1 64 act=sigmoid }", "clip": "clip -1 1",
	"residual": "residual scale=0.17 act=relu { conv 3x3 64 pad=1 }", "repeat": "repeat 10 { conv 3x3 64 pad=1 }",
	"head": "head weight=0.3 { gap -> fc 10 -> softmax }", "transpose": "transpose 0,1,3,2", "scale": "scale 0.17", "slice": "slice start=0 stop=16",
	"reduce": "reduce kind=mean axes=2,3", "pad": "pad pad=1 mode=reflect",
	"conv_transpose": "conv_transpose 2x2/2 64", "resize": "resize by=2 mode=bilinear", "pixel_shuffle": "pixel_shuffle 2", "group_norm": "group_norm 8",
	"from": "concat { from encoder; conv_transpose 2x2/2 64 }", "node": "node Elu attrs=\"alpha:0.5\"", "prelu": "prelu", "instance_norm": "instance_norm act=relu",
}

// usage returns an example of a call of a form.
func usage(f *form) string {
	if s := usages[f.name]; s != "" {
		return s
	}
	s := f.name
	for _, p := range f.pos {
		s += " " + strings.ToUpper(p.name)
	}
	return s
}

// blockUsage returns the name and parameters of a block: inception n1 r3 n3 r5 n5 np=32.
func blockUsage(k *Block) string {
	s := k.Name.Name
	for _, p := range k.Params {
		s += " " + p.Name.Name
		if p.Default != nil {
			s += "=" + p.Default.Raw
		}
	}
	return s
}

// Explain returns the page about an op, a block of the prelude, a statement, a key or the
// code of a diagnostic. Without a name it lists them all. ok is false for an unknown name;
// the text then suggests similar names.
func Explain(name string) (text string, ok bool) {
	if name == "" {
		return explainAll(), true
	}
	if s, ok := explainWord(name); ok {
		return s + alsoKey(name), true
	}
	if s, ok := explainKey(name); ok {
		return s, true
	}
	return fmt.Sprintf("there is no page about %q; %s", name, didYouMeanPage(name)), false
}

// explainWord returns the page about a name that is not only a key.
func explainWord(name string) (text string, ok bool) {
	if s, ok := ExplainCode(name); ok {
		return s, true
	}
	if f := forms()[name]; f != nil {
		return explainForm(f), true
	}
	for _, k := range prelude().blocks {
		if k.ast.Name.Name == name {
			return explainBlock(k), true
		}
	}
	for _, p := range statementPages() {
		if p.name == name {
			return p.page(), true
		}
	}
	for i := range trainTable {
		if trainTable[i].name == name {
			return explainTrainStmt(&trainTable[i]), true
		}
	}
	for _, p := range mixPages {
		if p.name == name {
			return p.page(), true
		}
	}
	if d := ir.Lookup(name); d != nil {
		return explainOp(d), true
	}
	return "", false
}

func explainForm(f *form) string {
	var b strings.Builder
	b.WriteString(f.name)
	for _, p := range f.pos {
		b.WriteString(" " + strings.ToUpper(p.name))
	}
	if len(f.keys) > 0 {
		b.WriteString(" KEY=VALUE…")
	}
	switch f.body {
	case optionalBranches:
		b.WriteString(" [{ … }]")
	case branches, sequence:
		b.WriteString(" { … }")
	}
	b.WriteString("\n\n" + fill(f.doc, 80))
	fmt.Fprintf(&b, "\n  %s\n", usage(f))
	b.WriteString(explainSlots("without a key, in this order", f.pos))
	b.WriteString(explainSlots("keys", f.keys))
	return b.String()
}

// explainSlots prints arguments as a table.
func explainSlots(head string, slots []slot) string {
	if len(slots) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s:\n", head)
	width := 0
	for _, s := range slots {
		width = max(width, len(s.name))
	}
	for _, s := range slots {
		fmt.Fprintf(&b, "  %-*s  %s", width, s.name, s.kind.want)
		if s.standard != "" {
			fmt.Fprintf(&b, "; default %s", s.standard)
		}
		b.WriteString("\n")
		if s.doc != "" {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, "", s.doc)
		}
	}
	return b.String()
}

func explainBlock(k *block) string {
	src := strings.Split(string(preludeSource), "\n")
	from := k.ast.Kw.Line - 1
	for from > 0 && strings.HasPrefix(src[from-1], "#") {
		from--
	}
	to := k.ast.Kw.Line
	for to < len(src) && src[to] != "" {
		to++ // blocks are separated by a blank line
	}
	var doc []string
	for _, l := range src[from : k.ast.Kw.Line-1] {
		doc = append(doc, strings.TrimPrefix(strings.TrimPrefix(l, "#"), " "))
	}
	s := blockUsage(k.ast) + "\n\n" + fill(strings.Join(doc, " "), 80) + "\nA built-in block:\n\n"
	for _, l := range src[k.ast.Kw.Line-1 : to] {
		s += "  " + l + "\n"
	}
	return s
}

// explainOp returns the page about an op that exists only in graphs.
func explainOp(d *ir.Def) string {
	s := d.Name + "\n\n" + fill(d.Doc, 80)
	if d.Grad {
		s += "\nOnly for gradients and training: a pipeline cannot call it.\n"
	} else {
		s += "\nOnly for the flat form: a pipeline cannot call it.\n"
	}
	if o, ok := d.Default().(ir.Operander); ok {
		s += "\noperands: " + strings.Join(o.Operands(), " ") + "\n"
	}
	var slots []slot
	for _, a := range d.Attrs {
		slots = append(slots, slot{a.Name, attrKind(a), a.Default, ""})
	}
	return s + explainSlots("keys", slots)
}

func explainTrainStmt(s *trainStmt) string {
	t := s.name
	if s.words != nil {
		t += " " + strings.Join(s.words, "|")
	}
	if s.name == "init" {
		t += " INITIALIZATION"
	}
	if s.about != nil {
		t += " PART…"
	}
	if len(s.keys) > 0 {
		t += " KEY=VALUE…"
	}
	t += "\n\n" + fill(s.doc, 80) + "\nA statement of train { … }.\n"
	var slots []slot
	for _, k := range s.keys {
		slots = append(slots, k.slot)
	}
	return t + explainSlots("keys", slots)
}

// explainAll lists what Explain knows.
func explainAll() string {
	var b strings.Builder
	b.WriteString("ops and joins:\n")
	for _, n := range formNames() {
		fmt.Fprintf(&b, "  %-12s %s\n", n, firstSentence(forms()[n].doc))
	}
	b.WriteString("\nbuilt-in blocks:\n")
	for _, k := range prelude().blocks {
		fmt.Fprintf(&b, "  %s\n", blockUsage(k.ast))
	}
	b.WriteString("\nstatements:\n" + listing(statementNames()))
	b.WriteString("\nstatements of train { … }:\n" + listing(trainNames()))
	b.WriteString("\nkeys:\n" + listing(slices.Concat(keyNames(), mixNames())))
	var flat []string
	for _, d := range ir.Defs() {
		if forms()[d.Name] == nil {
			flat = append(flat, d.Name)
		}
	}
	b.WriteString("\nops that only the flat form has:\n" + listing(flat))
	b.WriteString("\ncodes of errors and warnings:\n")
	for _, c := range Codes() {
		fmt.Fprintf(&b, "  %s  %s\n", c.ID, c.Title)
	}
	return b.String()
}

// listing prints names in lines of at most 80 columns.
func listing(names []string) string {
	lines := strings.Split(strings.TrimSuffix(fill(strings.Join(names, " "), 78), "\n"), "\n")
	return "  " + strings.Join(lines, "\n  ") + "\n"
}

func firstSentence(s string) string {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == '.' && s[i+1] == ' ' && s[i+2] >= 'A' && s[i+2] <= 'Z' {
			return s[:i+1]
		}
	}
	return s
}

// ExplainNames lists the names that Explain knows, for completion and suggestions.
func ExplainNames() []string {
	names := append([]string{}, formNames()...)
	names = append(names, PreludeBlocks()...)
	names = append(names, statementNames()...)
	names = append(names, trainNames()...)
	names = append(names, mixNames()...)
	names = append(names, keyNames()...)
	for _, d := range ir.Defs() {
		if forms()[d.Name] == nil && !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	for _, c := range Codes() {
		names = append(names, c.ID)
	}
	return names
}

func didYouMeanPage(name string) string {
	if s := diag.DidYouMean(name, ExplainNames()); s != "" {
		return s
	}
	return "incc explain lists all pages"
}
