package draw

import (
	"slices"
)

// Distances in pixels.
const (
	gapY      = 30.0 // between a layer and the next, for the edge
	gapX      = 18.0 // between branches
	laneWidth = 14.0 // of a branch without layers
	padding   = 12.0 // between a frame and what is in it
	titleRoom = 22.0 // for the title of a frame
	maxText   = 260.0
)

// A route is an edge with the points that it passes.
type route struct {
	points []point
	curve  bool // drawn as a curve through the points, not as a line along the axes
	head   bool // it leads to an auxiliary classifier
	// toFrame says that the edge ends at the side of a frame and goes on inside or outside of
	// it, so that it has no arrow.
	toFrame bool
}

type point struct{ x, y float64 }

// size gives a box its size, and a frame that of its layout. Down is the direction in which
// edges lead; where they lead to the right, boxes lie on their sides until turn.
func size(it *item, o Options) {
	if !it.frame() {
		for _, l := range it.lines {
			it.w = max(it.w, min(textWidth(l.text, textSize, l.bold), maxText)+16)
		}
		it.w = max(it.w, 64)
		it.h = 10 + leading*float64(len(it.lines))
		if o.Right {
			it.w, it.h = it.h, it.w
		}
		it.axis = it.w / 2
		return
	}
	for _, k := range it.kids {
		size(k, o)
	}
	l := newLayout(it)
	b := l.place()
	left, top, right, bottom := padding, padding, padding, padding
	if it.path != "" {
		room := textWidth(it.title, titleSize, true) + 2*padding
		if o.Right {
			left += titleRoom
			bottom = max(bottom, room-b.h-top)
		} else {
			top += titleRoom
			left = max(left, room-b.axis) // the edge that enters passes the title
			right = max(right, room-b.w-left)
		}
		if len(it.entries) > 0 {
			top += gapY / 2
		}
		if len(it.exits) > 1 {
			bottom += gapY / 2
		}
	}
	it.w, it.h = b.w+left+right, b.h+top+bottom
	it.axis = b.axis + left
	l.finish(b, left, top)
}

// A block is a part of a layout: its size, and the axis on which edges enter and leave.
type block struct{ w, h, axis float64 }

// layout is the layout of one frame. The nodes are its items, then a source from which all
// values come that enter the frame, then a sink.
type layout struct {
	it           *item
	n            int
	source, sink int
	next, prev   [][]int
	rank         []int // place in topological order
	x, y         []float64
	lanes        map[[2]int]float64 // where an edge passes the branches beside it, from the left
	curves       map[[2]int][]point
	side         []bool // leads to an auxiliary classifier only
}

func newLayout(it *item) *layout {
	n := len(it.kids)
	l := &layout{it: it, n: n, source: n, sink: n + 1, next: make([][]int, n+2), prev: make([][]int, n+2),
		x: make([]float64, n+2), y: make([]float64, n+2), lanes: map[[2]int]float64{}, curves: map[[2]int][]point{}, side: make([]bool, n+2)}
	edge := func(a, b int) {
		if !slices.Contains(l.next[a], b) {
			l.next[a], l.prev[b] = append(l.next[a], b), append(l.prev[b], a)
		}
	}
	for _, e := range it.edges {
		edge(e[0], e[1])
	}
	for _, i := range it.entries {
		edge(l.source, i)
	}
	for _, i := range slices.Concat(it.exits, it.ends) {
		edge(i, l.sink)
	}
	for i := range n {
		if len(l.prev[i]) == 0 {
			edge(l.source, i)
		}
	}
	if len(l.prev[l.sink]) == 0 {
		edge(n-1, l.sink)
	}
	l.order()
	l.sides()
	return l
}

// order ranks the nodes topologically; of those that are ready the first in the graph comes
// first.
func (l *layout) order() {
	l.rank = make([]int, l.n+2)
	missing := make([]int, l.n+2)
	for i := range missing {
		missing[i] = len(l.prev[i])
	}
	ready, at := []int{l.source}, 0
	for len(ready) > 0 {
		k := slices.Index(ready, slices.MinFunc(ready, func(a, b int) int { return l.place0(a) - l.place0(b) }))
		v := ready[k]
		ready = slices.Delete(ready, k, k+1)
		l.rank[v] = at
		at++
		for _, w := range l.next[v] {
			if missing[w]--; missing[w] == 0 {
				ready = append(ready, w)
			}
		}
	}
}

// place0 is the place of a node in the graph: the source is first.
func (l *layout) place0(v int) int {
	if v == l.source {
		return -1
	}
	return v
}

// sides finds the items that lead to auxiliary classifiers only.
func (l *layout) sides() {
	main := make([]bool, l.n+2)
	stack := []int{l.sink}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if main[v] {
			continue
		}
		main[v] = true
		stack = append(stack, l.prev[v]...)
	}
	for v := range l.n {
		l.side[v] = !main[v]
	}
}

func (l *layout) width(v int) block {
	if v >= l.n {
		return block{0, 0, 0}
	}
	k := l.it.kids[v]
	return block{k.w, k.h, k.axis}
}

// place lays out all nodes and returns the size of the whole.
func (l *layout) place() block {
	var nodes []int
	for v := range l.n {
		if !l.side[v] {
			nodes = append(nodes, v)
		}
	}
	b := l.region(nodes, l.source, l.sink, false)
	return l.placeSides(b)
}

// placeSides puts each auxiliary classifier to the right of the rest, beside the item that it
// branches off from.
func (l *layout) placeSides(b block) block {
	var nodes []int
	for v := range l.n {
		if l.side[v] {
			nodes = append(nodes, v)
		}
	}
	type column struct{ x, bottom float64 }
	var columns []column
	for _, c := range l.components(nodes) {
		from := l.source
		for _, v := range c {
			for _, p := range l.prev[v] {
				if !slices.Contains(c, p) && (from == l.source || l.rank[p] > l.rank[from]) {
					from = p
				}
			}
		}
		sub := l.region(c, from, l.sink, true)
		top := 0.0
		if from != l.source {
			top = l.y[from] + l.width(from).h + gapY
		}
		at := -1
		for i, k := range columns {
			if k.bottom+gapY <= top {
				at = i
				break
			}
		}
		if at < 0 {
			columns = append(columns, column{x: b.w + gapX})
			at = len(columns) - 1
			b.w += gapX + sub.w
		}
		// A later classifier in the same column may be wider.
		b.w = max(b.w, columns[at].x+sub.w)
		columns[at].bottom = top + sub.h
		l.shift(c, -1, -1, columns[at].x, top)
		b.h = max(b.h, top+sub.h)
	}
	return b
}

// shift moves nodes and the edges that have an end among them, or that lead from s to t.
func (l *layout) shift(nodes []int, s, t int, dx, dy float64) {
	in := map[int]bool{}
	for _, v := range nodes {
		in[v] = true
		l.x[v] += dx
		l.y[v] += dy
	}
	moves := func(e [2]int) bool { return in[e[0]] || in[e[1]] || e == [2]int{s, t} }
	for e := range l.lanes {
		if moves(e) {
			l.lanes[e] += dx
		}
	}
	for e, ps := range l.curves {
		if moves(e) {
			for i := range ps {
				ps[i].x += dx
				ps[i].y += dy
			}
		}
	}
}

// components splits nodes into those that edges connect, in the order of their first node.
func (l *layout) components(nodes []int) [][]int {
	in := map[int]bool{}
	for _, v := range nodes {
		in[v] = true
	}
	nodes = slices.Clone(nodes)
	slices.Sort(nodes)
	seen := map[int]bool{}
	var all [][]int
	for _, v := range nodes {
		if seen[v] {
			continue
		}
		var c []int
		stack := []int{v}
		seen[v] = true
		for len(stack) > 0 {
			u := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			c = append(c, u)
			for _, list := range [][]int{l.next[u], l.prev[u]} {
				for _, w := range list {
					if in[w] && !seen[w] {
						seen[w] = true
						stack = append(stack, w)
					}
				}
			}
		}
		slices.SortFunc(c, func(a, b int) int { return l.rank[a] - l.rank[b] })
		all = append(all, c)
	}
	return all
}

// region lays out the nodes between s and t, which are not part of it, with its top left
// corner at 0, 0. An edge from s to t belongs to the region, unless it is a branch: a piece
// that edges connect without s and t.
func (l *layout) region(nodes []int, s, t int, branch bool) block {
	nodes = slices.Clone(nodes)
	slices.SortFunc(nodes, func(a, b int) int { return l.rank[a] - l.rank[b] })
	cuts := l.articulations(nodes, s, t, branch)
	switch {
	case len(cuts) == 0 && branch:
		return l.layered(nodes, s, t)
	case len(cuts) == 0:
		return l.between(nodes, s, t)
	}
	// A series: blocks between the cuts, and the cuts themselves, below each other.
	var out block
	type placed struct {
		nodes []int
		b     block
		y     float64
		s, t  int // the ends of a region, equal for a cut
	}
	var parts []placed
	y, from := 0.0, 0
	add := func(nodes []int, b block, s, t int) {
		parts = append(parts, placed{nodes, b, y, s, t})
		y += b.h + gapY
	}
	prev := s
	for i := 0; i <= len(cuts); i++ {
		end, to := len(nodes), t
		if i < len(cuts) {
			end, to = cuts[i], nodes[cuts[i]]
		}
		if between := nodes[from:end]; len(between) > 0 {
			add(between, l.between(between, prev, to), prev, to)
		}
		if i < len(cuts) {
			add(nodes[end:end+1], l.width(to), to, to)
			prev, from = to, end+1
		}
	}
	out.h = y - gapY
	for _, p := range parts {
		out.axis = max(out.axis, p.b.axis)
	}
	for _, p := range parts {
		dx := out.axis - p.b.axis
		out.w = max(out.w, dx+p.b.w)
		if p.s == p.t {
			l.x[p.nodes[0]], l.y[p.nodes[0]] = dx, p.y
			continue
		}
		l.shift(p.nodes, p.s, p.t, dx, p.y)
	}
	return out
}

// articulations returns the places in nodes that every path from s to t passes. The nodes
// are in topological order.
func (l *layout) articulations(nodes []int, s, t int, branch bool) []int {
	at := map[int]int{s: -1, t: len(nodes)}
	for i, v := range nodes {
		at[v] = i
	}
	// reach is the largest place that an edge from before i leads to.
	reach := -1
	see := func(v int) {
		for _, w := range l.next[v] {
			if i, ok := at[w]; ok && !(branch && v == s && w == t) {
				reach = max(reach, i)
			}
		}
	}
	see(s)
	var cuts []int
	for i, v := range nodes {
		if reach <= i {
			cuts = append(cuts, i)
		}
		see(v)
	}
	return cuts
}

// between lays out nodes of which none is passed by every path from s to t: branches beside
// each other, or, where they are one piece, layers.
func (l *layout) between(nodes []int, s, t int) block {
	comps := l.components(nodes)
	direct := slices.Contains(l.next[s], t)
	slices.SortFunc(comps, func(a, b []int) int { return l.firstIn(a) - l.firstIn(b) })
	var out block
	var axes []float64
	for i, c := range comps {
		if i > 0 {
			out.w += gapX
		}
		b := l.region(c, s, t, true)
		l.shift(c, -1, -1, out.w, 0)
		axes = append(axes, out.w+b.axis)
		out.w += b.w
		out.h = max(out.h, b.h)
	}
	if direct {
		out.w += gapX + laneWidth
		x := out.w - laneWidth/2
		l.lanes[[2]int{s, t}] = x
		axes = append(axes, x)
	}
	out.axis = (axes[0] + axes[len(axes)-1]) / 2
	return out
}

// firstIn is the place in the graph of a branch's first item.
func (l *layout) firstIn(c []int) int { return slices.Min(c) }
