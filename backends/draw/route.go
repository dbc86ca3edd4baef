package draw

import (
	"math"
	"slices"
)

// finish gives the items of a frame their places in it, and its edges their points.
func (l *layout) finish(b block, left, top float64) {
	it := l.it
	for v := range l.n {
		it.kids[v].x, it.kids[v].y = l.x[v]+left, l.y[v]+top
	}
	l.x[l.source], l.y[l.source] = b.axis, -gapY
	l.x[l.sink], l.y[l.sink] = b.axis, b.h+gapY
	for v := range l.n + 2 {
		for _, w := range l.next[v] {
			if it.path == "" && (v == l.source || w == l.sink) {
				continue // nothing enters or leaves the whole drawing
			}
			if v == l.source && !slices.Contains(it.entries, w) || w == l.sink && !slices.Contains(it.exits, v) {
				continue
			}
			r := l.route(v, w)
			for i := range r.points {
				r.points[i].x += left
				r.points[i].y += top
			}
			if v == l.source {
				r.points[0].y = 0
			}
			if w == l.sink {
				r.points[len(r.points)-1].y = it.h
				r.toFrame = true
			}
			r.toFrame = r.toFrame || w < l.n && it.kids[w].frame() && len(it.kids[w].entries) > 0
			it.routes = append(it.routes, r)
		}
	}
}

// route returns the way of an edge: down from its item, along the gap below it, down beside
// the branches that it passes, along the gap above the next item, and into that.
func (l *layout) route(v, w int) route {
	from := point{l.x[v] + l.width(v).axis, l.y[v] + l.width(v).h}
	to := point{l.x[w] + l.width(w).axis, l.y[w]}
	if ps, ok := l.curves[[2]int{v, w}]; ok {
		return route{points: append(append([]point{from}, ps...), to), curve: true}
	}
	x, ok := l.lanes[[2]int{v, w}]
	switch {
	case ok:
	case len(l.next[v]) > 1 && len(l.prev[w]) <= 1:
		x = to.x
	default:
		x = from.x
	}
	high, low := from.y+gapY/2, to.y-gapY/2
	return route{points: straighten([]point{from, {from.x, high}, {x, high}, {x, low}, {to.x, low}, to}), head: l.side[w] && !l.side[v]}
}

// straighten removes points that lie on the line between their neighbours.
func straighten(ps []point) []point {
	out := ps[:1:1]
	for i := 1; i < len(ps); i++ {
		p := ps[i]
		if same(p.x, out[len(out)-1].x) && same(p.y, out[len(out)-1].y) {
			continue
		}
		if n := len(out); n >= 2 {
			a, b := out[n-2], out[n-1]
			if same(a.x, b.x) && same(b.x, p.x) || same(a.y, b.y) && same(b.y, p.y) {
				out = out[:n-1]
			}
		}
		out = append(out, p)
	}
	return out
}

func same(a, b float64) bool { return math.Abs(a-b) < 0.01 }
