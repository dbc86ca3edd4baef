package torch

import (
	"strings"

	"github.com/incc-lang/incc/ir"
)

// module is an nn.Module to be: the part of the network under a path of labels and blocks.
type module struct {
	path   string  // 3a/inception/b1; empty for the whole network
	parent *module // in which it is constructed
	attr   string  // the name of the parent's attribute
	items  []item  // in the order of execution
	kids   []*module
	head   *ir.Head // the head that it computes, nil for other modules

	in, out []*ir.Value
	class   *class
}

// item is a step of a module's forward: a node, or a module inside.
type item struct {
	node *ir.Node
	kid  *module
}

func parentPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// paths finds the module of each node.
type paths struct {
	g      *ir.Graph
	layers map[string]bool // paths of layers: what lies under them is not a module
	heads  map[string]bool
}

func newPaths(g *ir.Graph) *paths {
	p := &paths{g, map[string]bool{}, map[string]bool{}}
	for _, h := range g.Heads {
		p.heads[h.Value.Name] = true
	}
	for _, v := range g.Params {
		p.layers[parentPath(v.Name)] = true
	}
	for _, n := range g.Nodes {
		if name := n.Out[0].Name; !p.heads[name] {
			p.layers[name] = true
		}
	}
	return p
}

// layerOf returns the path of the layer that owns the params of a node, "" if there are none
// or if they do not belong to one layer.
func layerOf(n *ir.Node) string {
	path := ""
	for i, v := range n.In {
		if v == nil || v.Param == nil {
			continue
		}
		p := parentPath(v.Name)
		if i == 0 || p == "" || path != "" && p != path {
			return ""
		}
		path = p
	}
	return path
}

// of returns the path of the module that a node belongs to.
func (p *paths) of(n *ir.Node) string {
	path := parentPath(n.Out[0].Name)
	if l := layerOf(n); l != "" {
		path = parentPath(l)
	} else if p.heads[n.Out[0].Name] {
		path = n.Out[0].Name
	}
	for path != "" && p.layers[path] {
		path = parentPath(path)
	}
	return path
}

// buildTree assigns the nodes of a graph to modules. A path whose nodes do not follow each
// other becomes no module: its nodes go to the module above.
func buildTree(g *ir.Graph) *module {
	p := newPaths(g)
	of := make([]string, len(g.Nodes))
	if !sharesParams(g, p) {
		for i, n := range g.Nodes {
			of[i] = p.of(n)
		}
	}
	scattered := map[string]bool{}
	open, done := map[string]bool{}, map[string]bool{}
	for _, path := range of {
		now := map[string]bool{}
		for q := path; q != ""; q = parentPath(q) {
			now[q] = true
			if done[q] {
				scattered[q] = true
			}
		}
		for q := range open {
			if !now[q] {
				done[q] = true
			}
		}
		open = now
	}
	root := &module{}
	at := map[string]*module{"": root}
	for i, n := range g.Nodes {
		m := moduleAt(at, of[i], scattered)
		m.items = append(m.items, item{node: n})
	}
	for i := range g.Heads {
		h := &g.Heads[i]
		if m := at[h.Value.Name]; m != nil && m.parent != nil {
			m.head = h
		}
	}
	root.takeHeads()
	return root
}

// sharesParams reports whether nodes of several modules read the same param. Then the whole
// network becomes one module.
func sharesParams(g *ir.Graph, p *paths) bool {
	owner := map[*ir.Value]string{}
	for _, n := range g.Nodes {
		for _, v := range n.In {
			if v == nil || v.Param == nil {
				continue
			}
			if was, ok := owner[v]; ok && was != p.of(n) {
				return true
			}
			owner[v] = p.of(n)
		}
	}
	return false
}

// moduleAt returns the module of a path. It makes those that are missing.
func moduleAt(at map[string]*module, path string, scattered map[string]bool) *module {
	if m := at[path]; m != nil {
		return m
	}
	up := moduleAt(at, parentPath(path), scattered)
	if scattered[path] {
		at[path] = up
		return up
	}
	m := &module{path: path, parent: up}
	at[path] = m
	up.items = append(up.items, item{kid: m})
	up.kids = append(up.kids, m)
	return m
}

// takeHeads moves the calls of heads to the end of the root's forward, because only training
// computes them. Their modules stay where the spec has them.
func (m *module) takeHeads() {
	var calls []item
	var walk func(x *module)
	walk = func(x *module) {
		var stay []item
		for _, it := range x.items {
			switch {
			case it.kid != nil && it.kid.head != nil:
				calls = append(calls, it)
				continue
			case it.kid != nil:
				walk(it.kid)
			}
			stay = append(stay, it)
		}
		x.items = stay
	}
	walk(m)
	m.items = append(m.items, calls...)
}

// nodes calls f for each node of a module and of the modules inside.
func (m *module) nodes(f func(*ir.Node)) {
	for _, it := range m.items {
		if it.kid != nil {
			it.kid.nodes(f)
		} else {
			f(it.node)
		}
	}
}

// connect finds the inputs and the outputs of every module. users are the readers of each
// value; kept are the values that the network returns.
func (m *module) connect(users map[*ir.Value][]*ir.Node, kept map[*ir.Value]bool) {
	for _, it := range m.items {
		if it.kid != nil {
			it.kid.connect(users, kept)
		}
	}
	inside := map[*ir.Node]bool{}
	m.nodes(func(n *ir.Node) { inside[n] = true })
	seen := map[*ir.Value]bool{}
	m.nodes(func(n *ir.Node) {
		for _, v := range n.In {
			if v != nil && v.Param == nil && !inside[v.Def] && !seen[v] {
				seen[v] = true
				m.in = append(m.in, v)
			}
		}
		for _, v := range n.Out {
			leaves := kept[v]
			for _, u := range users[v] {
				leaves = leaves || !inside[u]
			}
			if leaves {
				m.out = append(m.out, v)
			}
		}
	})
}
