package draw

import (
	"math"
	"slices"
	"sort"
)

// layerGap is the distance between two layers, in which edges are curves.
const layerGap = 44.0

// A spot is a place in a layer: an item, or a point that a long edge passes.
type spot struct {
	node     int // -1 for a point
	edge     [2]int
	w, axis  float64
	x        float64
	up, down []int // spots in the layers above and below
	order    float64
}

// depths returns the layer of each node, one below all that it reads, and the last layer.
func (l *layout) depths(nodes []int) (depth map[int]int, last int) {
	depth = map[int]int{}
	for _, v := range nodes { // in topological order
		for _, p := range l.prev[v] {
			if d, ok := depth[p]; ok {
				depth[v] = max(depth[v], d+1)
			}
		}
		if _, ok := depth[v]; !ok {
			depth[v] = 0
		}
		last = max(last, depth[v])
	}
	return depth, last
}

// layered lays out nodes that are no series and parallel of branches, in layers: each item
// lies below all that it reads (Sugiyama, Tagawa and Toda 1981).
func (l *layout) layered(nodes []int, s, t int) block {
	depth, last := l.depths(nodes)
	var spots []spot
	layers := make([][]int, last+1)
	add := func(sp spot, layer int) int {
		spots = append(spots, sp)
		layers[layer] = append(layers[layer], len(spots)-1)
		return len(spots) - 1
	}
	at := map[int]int{}
	for _, v := range nodes {
		b := l.width(v)
		at[v] = add(spot{node: v, w: b.w, axis: b.axis}, depth[v])
	}
	join := func(a, b int) {
		spots[a].down = append(spots[a].down, b)
		spots[b].up = append(spots[b].up, a)
	}
	passes := map[[2]int][]int{}
	chain := func(e [2]int, from, first, end, to int) {
		prev := from
		for d := first; d < end; d++ {
			p := add(spot{node: -1, edge: e, w: laneWidth, axis: laneWidth / 2}, d)
			passes[e] = append(passes[e], p)
			if prev >= 0 {
				join(prev, p)
			}
			prev = p
		}
		if prev >= 0 && to >= 0 {
			join(prev, to)
		}
	}
	for _, v := range slices.Concat([]int{s}, nodes) {
		for _, w := range l.next[v] {
			from, first := -1, 0
			if v != s {
				from, first = at[v], depth[v]+1
			}
			to, end := -1, last+1
			if i, ok := at[w]; ok {
				to, end = i, depth[w]
			} else if w != t || v == s {
				continue
			}
			e := [2]int{v, w}
			passes[e] = []int{}
			chain(e, from, first, end, to)
		}
	}
	arrange(spots, layers)
	width := spread(spots, layers)

	tops, bottoms := l.stack(spots, layers)
	for e, ps := range passes {
		points := []point{}
		for k, i := range ps {
			d := k
			if e[0] != s {
				d = depth[e[0]] + 1 + k
			}
			// Beside the items of a layer the edge leads straight down.
			x := spots[i].x + spots[i].axis
			points = append(points, point{x, tops[d]}, point{x, bottoms[d]})
		}
		l.curves[e] = points
	}
	return block{width, bottoms[last] + layerGap - gapY, width / 2}
}

// stack gives the items of layers their places: from left to right those of the spots, from
// above one layer below the other. It returns where each layer begins and ends.
func (l *layout) stack(spots []spot, layers [][]int) (tops, bottoms []float64) {
	y := layerGap - gapY // edges enter as curves too
	tops, bottoms = make([]float64, len(layers)), make([]float64, len(layers))
	for d, layer := range layers {
		h := 0.0
		for _, i := range layer {
			if v := spots[i].node; v >= 0 {
				h = max(h, l.width(v).h)
			}
		}
		for _, i := range layer {
			if v := spots[i].node; v >= 0 {
				l.x[v], l.y[v] = spots[i].x, y+(h-l.width(v).h)/2
			}
		}
		tops[d], bottoms[d] = y, y+h
		y += h + layerGap
	}
	return tops, bottoms
}

// arrange orders the spots of each layer by the mean place of their neighbours, from the top
// and from the bottom in turns, which leaves few crossings.
func arrange(spots []spot, layers [][]int) {
	place := make([]int, len(spots))
	number := func(layer []int) {
		for k, i := range layer {
			place[i] = k
		}
	}
	for _, layer := range layers {
		number(layer)
	}
	sweep := func(layer []int, of func(*spot) []int) {
		for _, i := range layer {
			sp := &spots[i]
			sp.order = float64(place[i])
			if near := of(sp); len(near) > 0 {
				sum := 0.0
				for _, j := range near {
					sum += float64(place[j])
				}
				sp.order = sum / float64(len(near))
			}
		}
		sort.SliceStable(layer, func(a, b int) bool { return spots[layer[a]].order < spots[layer[b]].order })
		number(layer)
	}
	for range 6 {
		for d := 1; d < len(layers); d++ {
			sweep(layers[d], func(s *spot) []int { return s.up })
		}
		for d := len(layers) - 2; d >= 0; d-- {
			sweep(layers[d], func(s *spot) []int { return s.down })
		}
	}
}

// spread gives the spots their places from left to right, near their neighbours and without
// overlap, and returns the width of all.
func spread(spots []spot, layers [][]int) float64 {
	for _, layer := range layers {
		x := 0.0
		for _, i := range layer {
			spots[i].x = x
			x += spots[i].w + gapX
		}
	}
	for round := range 12 {
		for k := range layers {
			d := k
			if round%2 == 1 {
				d = len(layers) - 1 - k
			}
			pull(spots, layers[d])
		}
	}
	low, high := 0.0, 0.0
	for i := range spots {
		if i == 0 || spots[i].x < low {
			low = spots[i].x
		}
	}
	for i := range spots {
		spots[i].x -= low
		high = max(high, spots[i].x+spots[i].w)
	}
	return high
}

// pull moves the spots of a layer towards the mean of their neighbours. Those that would
// overlap move as one piece.
func pull(spots []spot, layer []int) {
	type piece struct {
		from, to int // in layer
		x, w     float64
		sum, n   float64 // of what its members want for its left edge
	}
	var pieces []piece
	for k, i := range layer {
		sp := &spots[i]
		want, n := sp.x, 0.0
		sum := 0.0
		for _, near := range [][]int{sp.up, sp.down} {
			for _, j := range near {
				sum += spots[j].x + spots[j].axis - sp.axis
				n++
			}
		}
		if n > 0 {
			want = sum / n
		}
		pieces = append(pieces, piece{k, k + 1, want, sp.w, want, 1})
		for len(pieces) > 1 {
			a, b := &pieces[len(pieces)-2], pieces[len(pieces)-1]
			if a.x+a.w+gapX <= b.x {
				break
			}
			shift := a.w + gapX
			a.sum += b.sum - b.n*shift
			a.n += b.n
			a.w += gapX + b.w
			a.to = b.to
			a.x = a.sum / a.n
			pieces = pieces[:len(pieces)-1]
		}
	}
	for _, p := range pieces {
		x := math.Round(4*p.x) / 4 // numbers that the layout computes with exactly
		for k := p.from; k < p.to; k++ {
			spots[layer[k]].x = x
			x += spots[layer[k]].w + gapX
		}
	}
}
