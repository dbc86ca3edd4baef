package draw

import (
	"strings"

	"github.com/incc-lang/incc/ir"
)

// An item is a box, which stands for one or more layers, or a frame around items.
type item struct {
	path  string // names of part, blocks and layer, joined by /
	title string // of a frame
	lines []line // of a box
	value string // of a box: the name of the value whose shape its last line has
	kind  string // class of a box: conv, pool, norm, join, dense, act, out, input, group
	note  string // what a viewer shows beside the pointer
	nodes []*ir.Node
	kids  []*item // of a frame, in the order of the graph
	edges [][2]int
	// entries and exits are the kids that read the value that enters the frame, and the kid
	// whose value leaves it.
	entries []int
	exits   []int
	ends    []int // the kids that make outputs of the network

	sum  sums
	line int // of the spec, 0 if there is none

	// The layout's results: size, and place of the top left corner.
	w, h, x, y float64
	axis       float64 // where edges enter and leave, from the left
	routes     []route // of a frame, relative to its corner
}

// sums are what the layers of an item cost for one image.
type sums struct {
	params, macs int64
	layers       int
	micros       float64 // measured time
	field        ir.HW   // receptive field of the last layer
}

func (s *sums) add(t sums) {
	s.params += t.params
	s.macs += t.macs
	s.layers += t.layers
	s.micros += t.micros
	s.field = t.field
}

func (it *item) frame() bool { return it.kids != nil }

// followers are ops that stand in the box of the layer whose result they read.
var followers = map[string]bool{
	"relu": true, "sigmoid": true, "tanh": true, "batchnorm": true, "dropout": true, "flatten": true, "act": true,
	"clip": true, "silu": true, "hardswish": true, "hardsigmoid": true, "gelu": true, "leaky_relu": true, "scale": true,
}

// boxes makes one box for each layer with its followers, in the order of the graph, and says
// which box makes a value.
func boxes(g *ir.Graph, s ir.Summary, o Options) (all []*item, made map[*ir.Value]*item) {
	users, made := g.Users(), map[*ir.Value]*item{}
	outputs := map[*ir.Value]bool{}
	for _, v := range g.All() {
		outputs[v] = true
	}
	for _, v := range g.Inputs {
		it := &item{path: v.Name, value: v.Name, kind: "input", lines: []line{{text: v.Name, bold: true}, {text: v.Type.Shape.WithoutBatch().String()}}}
		it.note = v.Name + ": input " + v.Type.Shape.WithoutBatch().String()
		all = append(all, it)
		made[v] = it
	}
	fixed := fixedOf(g, s)
	for i, n := range g.Nodes {
		l := s.Layers[i]
		if _, ok := fixed[n.Out[0]]; ok || l.Head && o.NoHeads {
			continue
		}
		it := follows(n, made, users, outputs, fixed)
		if it == nil {
			it = &item{path: n.Out[0].Name, kind: kindOf(n)}
			if n.Pos.IsValid() {
				it.line = n.Pos.Line
			}
			all = append(all, it)
		}
		it.nodes = append(it.nodes, n)
		params := l.Params
		for _, v := range n.In {
			if p, ok := fixed[v]; ok {
				params += p
				fixed[v] = 0 // it counts once
			}
		}
		it.sum.add(sums{params, l.Cost.MACs, 1, o.Micros[n.Out[0].Name], l.RF})
		for _, v := range n.Out {
			made[v] = it
		}
	}
	for _, it := range all {
		if it.nodes != nil {
			last := it.nodes[len(it.nodes)-1].Out[0]
			it.lines, it.value = describe(it.nodes), last.Name
			it.note = noteOf(it, last.Type.Shape, o)
		}
	}
	return all, made
}

// fixedOf finds the values that a pass computes from weights alone, such as weights with a
// batch norm folded in, and returns how many trained weights are in each. They have no boxes:
// they are weights of the layers that read them. Outputs of a network have boxes.
func fixedOf(g *ir.Graph, s ir.Summary) map[*ir.Value]int64 {
	fixed := map[*ir.Value]int64{}
	for _, v := range g.Params {
		fixed[v] = 0
	}
	outputs := map[*ir.Value]bool{}
	for _, v := range g.All() {
		outputs[v] = true
	}
	for i, n := range g.Nodes {
		all, params := !outputs[n.Out[0]], s.Layers[i].Params
		for _, v := range n.In {
			if v != nil {
				p, ok := fixed[v]
				all, params = all && ok, params+p
			}
		}
		if !all {
			continue
		}
		for _, v := range n.In {
			if v != nil {
				fixed[v] = 0
			}
		}
		for _, v := range n.Out {
			fixed[v] = 0
		}
		fixed[n.Out[0]] = params
	}
	return fixed
}

// follows returns the box that a node belongs to, nil if it has a box of its own.
func follows(n *ir.Node, made map[*ir.Value]*item, users map[*ir.Value][]*ir.Node, outputs map[*ir.Value]bool, fixed map[*ir.Value]int64) *item {
	if !followers[ir.Name(n.Op)] {
		return nil
	}
	var data *ir.Value
	for _, v := range n.In {
		if _, ok := fixed[v]; ok || v == nil {
			continue
		}
		if data != nil {
			return nil
		}
		data = v
	}
	if data == nil || len(users[data]) != 1 || outputs[data] {
		return nil
	}
	it := made[data]
	if it == nil || it.nodes == nil || it.nodes[len(it.nodes)-1].Part != n.Part {
		return nil
	}
	return it
}

// tree puts the boxes into frames by the names of their parts and blocks.
func tree(g *ir.Graph, s ir.Summary, o Options) *item {
	all, made := boxes(g, s, o)
	root := &item{title: g.Name, kids: []*item{}}
	frames := map[string]*item{"": root}
	parent := map[*item]*item{}
	within := map[string]bool{} // the paths that names continue
	for _, it := range all {
		for i, c := range it.path {
			if c == '/' {
				within[it.path[:i]] = true
			}
		}
	}
	for _, it := range all {
		dirs := strings.Split(it.path, "/")
		if within[it.path] {
			dirs = append(dirs, "") // h0/fc stands in one frame with h0/fc/maxout
		}
		at, path := root, ""
		if it.kind != "input" {
			for _, d := range dirs[:len(dirs)-1] {
				path = strings.TrimPrefix(path+"/"+d, "/")
				f := frames[path]
				if f == nil {
					f = &item{path: path, title: d, kids: []*item{}, line: it.line}
					frames[path], parent[f] = f, at
					at.kids = append(at.kids, f)
				}
				at = f
			}
		}
		parent[it] = at
		at.kids = append(at.kids, it)
	}
	b := &builder{o: o, parent: parent}
	for _, it := range all {
		for _, n := range it.nodes {
			for _, v := range n.In {
				if p := made[v]; p != nil && p != it {
					b.reads = append(b.reads, read{p, it, v})
				}
			}
		}
	}
	for _, v := range g.Outputs {
		if it := made[v]; it != nil {
			b.outputs = append(b.outputs, it)
		}
	}
	b.shape(root, 0)
	b.connect(root)
	return root
}

// A read says that a box reads a value that another box makes.
type read struct {
	from, to *item
	value    *ir.Value
}

type builder struct {
	o       Options
	parent  map[*item]*item
	reads   []read
	outputs []*item // the boxes of the network's outputs
}

// inside says whether an item is in a frame, at any depth, or is the frame.
func (b *builder) inside(it, frame *item) bool {
	for ; it != nil; it = b.parent[it] {
		if it == frame {
			return true
		}
	}
	return false
}

// shape decides which frames are drawn. A frame without a branch inside another one, or with
// more than one value that enters or leaves, gives its items to the frame around it; a frame
// deeper than Options.Collapse becomes a box.
func (b *builder) shape(f *item, depth int) {
	if f.path != "" && b.o.Collapse > 0 && depth >= b.o.Collapse && b.closed(f) {
		b.fold(f)
		return
	}
	var kids []*item
	for _, k := range f.kids {
		if !k.frame() {
			kids = append(kids, k)
			continue
		}
		b.shape(k, depth+1)
		if k.frame() && !b.drawn(k, depth+1) {
			for _, c := range k.kids {
				b.parent[c] = f
			}
			kids = append(kids, k.kids...)
			continue
		}
		kids = append(kids, k)
	}
	f.kids = kids
	if len(kids) == 1 && kids[0].frame() && f.path != "" {
		only := kids[0] // 3a with nothing but an inception block
		f.kids = only.kids
		f.title += " " + only.title
		for _, c := range f.kids {
			b.parent[c] = f
		}
	}
}

// closed says whether at most one value enters a frame and one leaves it.
func (b *builder) closed(f *item) bool {
	in, out := map[*ir.Value]bool{}, map[*ir.Value]bool{}
	for _, r := range b.reads {
		switch a, c := b.inside(r.from, f), b.inside(r.to, f); {
		case c && !a:
			in[r.value] = true
		case a && !c:
			out[r.value] = true
		}
	}
	return len(in) <= 1 && len(out) <= 1
}

// drawn says whether a frame is drawn.
func (b *builder) drawn(f *item, depth int) bool {
	if !b.closed(f) {
		return false
	}
	from, to := map[*item]int{}, map[*item]int{}
	for _, r := range b.reads {
		a, c := b.inside(r.from, f), b.inside(r.to, f)
		switch {
		case c && !a:
			from[f]++
		case a && c:
			from[b.kidOf(r.from, f)]++
			to[b.kidOf(r.to, f)]++
		}
	}
	if depth == 1 {
		return true
	}
	for _, n := range from {
		if n > 1 {
			return true
		}
	}
	for _, n := range to {
		if n > 1 {
			return true
		}
	}
	return false
}

// kidOf returns the item of a frame that another item is in, nil if there is none.
func (b *builder) kidOf(it, frame *item) *item {
	for it != nil && b.parent[it] != frame {
		it = b.parent[it]
	}
	return it
}

// fold makes one box of a frame.
func (b *builder) fold(f *item) {
	var nodes []*ir.Node
	var walk func(it *item)
	walk = func(it *item) {
		nodes = append(nodes, it.nodes...)
		f.sum.add(it.sum)
		for _, k := range it.kids {
			walk(k)
		}
	}
	for _, k := range f.kids {
		walk(k)
	}
	out := nodes[len(nodes)-1].Out[0]
	for _, r := range b.reads {
		if b.inside(r.from, f) && !b.inside(r.to, f) {
			out = r.value
		}
	}
	f.nodes, f.kids, f.kind, f.value = nodes, nil, "group", out.Name
	f.lines = []line{
		{text: f.title, bold: true},
		{text: plural(f.sum.layers, "layer") + ", " + b.o.amount(f.sum)},
		{text: out.Type.Shape.WithoutBatch().String()},
	}
	f.note = noteOf(f, out.Type.Shape, b.o)
}

// connect finds the edges between the items of each frame.
func (b *builder) connect(f *item) {
	index := map[*item]int{}
	for i, k := range f.kids {
		index[k] = i
		if k.frame() {
			b.connect(k)
		}
	}
	seen := map[[2]int]bool{}
	enters, leaves := map[int]bool{}, map[int]bool{}
	for _, r := range b.reads {
		from, to := b.kidOf(r.from, f), b.kidOf(r.to, f)
		switch {
		case from != nil && to != nil && from != to:
			e := [2]int{index[from], index[to]}
			if !seen[e] {
				seen[e] = true
				f.edges = append(f.edges, e)
			}
		case from == nil && to != nil && !enters[index[to]]:
			enters[index[to]] = true
			f.entries = append(f.entries, index[to])
		case from != nil && to == nil && !leaves[index[from]]:
			leaves[index[from]] = true
			f.exits = append(f.exits, index[from])
		}
	}
	for _, it := range b.outputs {
		if k := b.kidOf(it, f); k != nil && !leaves[index[k]] {
			f.ends = append(f.ends, index[k])
		}
	}
}
