package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/incc-lang/incc/ir"
)

// diffUnit is a block, or a layer with its normalization and activation.
type diffUnit struct {
	*summaryRow
	part   string
	inits  bool        // whether the initialization of the weights counts
	shape  string      // the op of every node, and the shapes and settings of its weights
	own    string      // the same without what follows from the input: the width of weights on that side
	layers []*diffUnit // the layers of a block; nil for a layer
}

// diffUnits lists what --depth 1 of incc summary shows, with the layers of blocks. inits
// says whether the initialization of weights counts.
func diffUnits(g *ir.Graph, s ir.Summary, inits bool) []*diffUnit {
	parts := map[*ir.Node]string{}
	for _, n := range g.Nodes {
		parts[n] = n.Part
	}
	unit := func(r *summaryRow) *diffUnit {
		u := &diffUnit{summaryRow: r, part: parts[r.nodes[0]], inits: inits}
		for _, n := range r.nodes {
			op := ir.FormatOp(n.Op)
			for _, a := range paramAttrs(n, inits) {
				op += " " + a.name + "=" + a.text
			}
			u.shape += op
			u.own += op + weightText(n, false)
			for _, v := range n.In {
				if v.Param != nil {
					u.shape += " " + v.Type.Shape.String()
				}
			}
			u.shape, u.own = u.shape+"\n", u.own+"\n"
		}
		return u
	}
	var units []*diffUnit
	at := map[*ir.Node]*diffUnit{}
	for _, r := range foldSummary(g, s, 1) {
		u := unit(r)
		units = append(units, u)
		for _, n := range r.nodes {
			at[n] = u
		}
	}
	const deepest = 1 << 20
	for _, r := range foldSummary(g, s, deepest) {
		if u := at[r.nodes[0]]; u.Block {
			u.layers = append(u.layers, unit(r))
		}
	}
	return units
}

// weightText is the size of a convolution's or dense layer's weights: the window and the
// outputs, and the inputs as well if all is set.
func weightText(n *ir.Node, all bool) string {
	if !hasWeights(n) || len(n.In) < 2 {
		return ""
	}
	text := ""
	for _, a := range weightAttrs(n) {
		if all || a.name != "inputs" {
			text += " " + a.name + "=" + a.text
		}
	}
	return text
}

type diffAttr struct{ name, text string }

// weightAttrs are the attributes that the shape of the weights tells.
func weightAttrs(n *ir.Node) []diffAttr {
	if !hasWeights(n) || len(n.In) < 2 {
		return nil
	}
	sh := n.In[1].Type.Shape
	switch len(sh) {
	case 4:
		return []diffAttr{{"kernel", fmt.Sprintf("%dx%d", sh[2], sh[3])}, {"outputs", fmt.Sprint(sh[0])}, {"inputs", fmt.Sprint(sh[1])}}
	case 2:
		return []diffAttr{{"outputs", fmt.Sprint(sh[0])}, {"inputs", fmt.Sprint(sh[1])}}
	}
	return nil
}

// paramAttrs says how the weights of a node begin, where inits is set, and learn.
func paramAttrs(n *ir.Node, inits bool) []diffAttr {
	var list []diffAttr
	for i, v := range n.In {
		if v.Param == nil || v.Param.Kind != ir.Weight {
			continue
		}
		prefix := baseName(v.Name) + " "
		if i == 1 && hasWeights(n) {
			prefix = ""
		}
		if inits {
			list = append(list, diffAttr{prefix + "init", v.Param.Init.String()})
		}
		list = append(list, diffAttr{prefix + "lr", ir.FormatFloat(v.Param.LR)},
			diffAttr{prefix + "decay", ir.FormatFloat(v.Param.Decay)}, diffAttr{prefix + "max_norm", ir.FormatFloat(v.Param.MaxNorm)})
	}
	return list
}

// layerAttrs are all attributes of a node.
func layerAttrs(n *ir.Node, inits bool) []diffAttr {
	list := weightAttrs(n)
	for _, a := range ir.AttrsOf(n.Op) {
		text := a.Text
		if h, w, ok := strings.Cut(text, "x"); ok && h == w && a.Name != "kernel" {
			text = h
		}
		list = append(list, diffAttr{a.Name, text})
	}
	return append(list, paramAttrs(n, inits)...)
}

// main is the node that a unit is called after, else its first.
func (u *diffUnit) main() *ir.Node {
	if u.named != nil {
		return u.named
	}
	return u.nodes[0]
}

// what names a unit in a sentence: conv 3x3, maxpool 2x2, a block of 14 layers.
func (u *diffUnit) what() string {
	if u.Block {
		return u.op()
	}
	text := ir.Name(u.main().Op)
	for _, a := range layerAttrs(u.main(), u.inits) {
		if a.name == "kernel" {
			text += " " + a.text
		}
	}
	return text
}

// attached are the nodes of a unit behind its main one, such as normalization.
func (u *diffUnit) attached() []*ir.Node {
	var list []*ir.Node
	for _, n := range u.nodes {
		if n != u.main() && ir.Name(n.Op) != "flatten" {
			list = append(list, n)
		}
	}
	return list
}

// changes says what differs between two units, each in a few words.
func changes(a, b *diffUnit) []string {
	switch {
	case a.Block && b.Block && sameKinds(a, b):
		var list []string
		for i := range a.layers {
			for _, c := range changes(a.layers[i], b.layers[i]) {
				if !slices.Contains(list, c) && !strings.HasPrefix(c, "output ") {
					list = append(list, c)
				}
			}
		}
		if len(list) == 0 && a.Out.String() != b.Out.String() {
			list = append(list, "output "+a.Out.Shape.WithoutBatch().String()+" -> "+b.Out.Shape.WithoutBatch().String())
		}
		return list
	case a.Block || b.Block || ir.Name(a.main().Op) != ir.Name(b.main().Op):
		return []string{a.what() + " -> " + b.what()}
	}
	list := nodeChanges(a, b, a.main(), b.main())
	x, y := a.attached(), b.attached()
	find := func(list []*ir.Node, op string) *ir.Node {
		if i := slices.IndexFunc(list, func(n *ir.Node) bool { return ir.Name(n.Op) == op }); i >= 0 {
			return list[i]
		}
		return nil
	}
	for _, n := range x {
		op := ir.Name(n.Op)
		if m := find(y, op); m == nil {
			list = append(list, "no "+op)
		} else {
			for _, c := range nodeChanges(a, b, n, m) {
				list = append(list, op+" "+c)
			}
		}
	}
	for _, n := range y {
		if op := ir.Name(n.Op); find(x, op) == nil {
			list = append(list, "with "+op)
		}
	}
	if len(list) == 0 && a.Out.String() != b.Out.String() {
		list = append(list, "output "+a.Out.Shape.WithoutBatch().String()+" -> "+b.Out.Shape.WithoutBatch().String())
	}
	return list
}

// nodeChanges lists the attributes that differ between two nodes of one op in two units.
func nodeChanges(u, v *diffUnit, a, b *ir.Node) []string {
	var list []string
	op := ir.Name(a.Op)
	other := layerAttrs(b, v.inits)
	for _, x := range layerAttrs(a, u.inits) {
		i := slices.IndexFunc(other, func(y diffAttr) bool { return y.name == x.name })
		if i < 0 || other[i].text == x.text {
			continue
		}
		from, to := x.text, other[i].text
		switch {
		case x.name == "kernel":
			list = append(list, op+" "+from+" -> "+to)
			continue
		case from == "":
			from = "none"
		case to == "":
			to = "none"
		}
		list = append(list, x.name+" "+from+" -> "+to)
	}
	return list
}

// sameKinds reports whether two blocks have the same ops in the same order; their
// attributes, normalizations and activations may differ.
func sameKinds(a, b *diffUnit) bool {
	return slices.EqualFunc(a.layers, b.layers, func(x, y *diffUnit) bool { return ir.Name(x.main().Op) == ir.Name(y.main().Op) })
}

// baseName is the last element of a name.
func baseName(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// diffCost says how much two units differ: 0 for equal ones, at least 2 for a pair that is
// rather one unit less and one more.
func diffCost(a, b *diffUnit) float64 {
	renamed := 0.0
	if a.Name != b.Name {
		if renamed = 0.15; a.part != b.part {
			renamed = 0.25
		}
	}
	op := ir.Name(a.main().Op) == ir.Name(b.main().Op)
	switch {
	case a.Head != b.Head:
		return 2
	case a.shape == b.shape:
		return renamed
	case a.own == b.own:
		return 0.1 + renamed
	case a.Block && b.Block && a.Name == b.Name:
		return 0.5
	case a.Block && b.Block && sameKinds(a, b):
		return 0.6 + renamed
	case a.Block && b.Block:
		return 0.9 + renamed
	case !a.Block && !b.Block && op:
		return 0.5 + 2*renamed
	case a.part == b.part && a.Out.Equal(b.Out):
		return 1.2 + renamed
	case a.Block != b.Block || hasWeights(a.main()) == hasWeights(b.main()):
		return 1.6 + renamed
	}
	return 2
}

type diffRow struct{ a, b *diffUnit }

// mark tells how the units of a row differ: ! in what they compute, ~ in their name
// only. It is empty for equal ones.
func (r diffRow) mark() string {
	switch {
	case r.b == nil:
		return "<"
	case r.a == nil:
		return ">"
	case r.a.shape != r.b.shape || !r.a.Out.Equal(r.b.Out):
		return "!"
	case r.a.Name != r.b.Name:
		return "~"
	}
	return ""
}

// maxAligned bounds the work of alignUnits: pairs of units that it compares.
const maxAligned = 1 << 22

// alignUnits pairs the units of two networks in an order that keeps both, so that the
// costs of all pairs and of units without a partner, 1 each, are least.
func alignUnits(a, b []*diffUnit) []diffRow {
	var head, tail []diffRow
	same := func(x, y *diffUnit) bool { return x.Name == y.Name && x.shape == y.shape && x.Head == y.Head }
	for len(a) > 0 && len(b) > 0 && same(a[0], b[0]) {
		head, a, b = append(head, diffRow{a[0], b[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(a[len(a)-1], b[len(b)-1]) {
		tail = append(tail, diffRow{a[len(a)-1], b[len(b)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	rows := head
	if len(a)*len(b) > maxAligned { // too many to compare each with each
		for _, x := range a {
			rows = append(rows, diffRow{a: x})
		}
		for _, x := range b {
			rows = append(rows, diffRow{b: x})
		}
		return append(rows, tail...)
	}
	cost := make([][]float32, len(a)+1) // of what follows
	for i := range cost {
		cost[i] = make([]float32, len(b)+1)
	}
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a):
				cost[i][j] = float32(len(b) - j)
			case j == len(b):
				cost[i][j] = float32(len(a) - i)
			default:
				cost[i][j] = min(cost[i+1][j]+1, cost[i][j+1]+1, cost[i+1][j+1]+float32(diffCost(a[i], b[j])))
			}
		}
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && cost[i][j] == cost[i+1][j+1]+float32(diffCost(a[i], b[j])):
			rows = append(rows, diffRow{a[i], b[j]})
			i, j = i+1, j+1
		case i < len(a) && cost[i][j] == cost[i+1][j]+1:
			rows = append(rows, diffRow{a: a[i]})
			i++
		default:
			rows = append(rows, diffRow{b: b[j]})
			j++
		}
	}
	return append(rows, tail...)
}

// openBlocks replaces a pair of blocks with one name that differ inside by the rows of
// their layers.
func openBlocks(rows []diffRow) []diffRow {
	var out []diffRow
	for _, r := range rows {
		if r.mark() == "!" && r.a.Block && r.b.Block && baseName(r.a.Name) == baseName(r.b.Name) && r.a.own != r.b.own {
			inside := alignUnits(r.a.layers, r.b.layers)
			changed := 0
			for _, x := range inside {
				if x.a == nil || x.b == nil {
					changed++
				}
			}
			if 2*changed <= len(inside) { // else they have little in common
				out = append(out, inside...)
				continue
			}
		}
		out = append(out, r)
	}
	return out
}
