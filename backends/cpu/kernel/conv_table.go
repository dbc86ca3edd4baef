package kernel

import (
	"math"
	"sync"
)

// The table of a Conv: taps (bytes from a pixel's first operand), block pairs, the
// tiles of a task of Rows rows, then those of the last task if it has fewer; at the end the
// taps of half blocks (halfTaps).
const (
	pairInts = 9
	tileInts = 7
)

// flat reports whether the rows of input and outputs lie without gaps, so that
// tiles need not end with them.
func (c Conv) flat() bool {
	l := c.tapChannels()
	if one(c.SH) != 1 || one(c.SW) != 1 || c.In.H != c.W*l || c.second() && c.Res.H != c.W*c.Outputs[0].step() {
		return false
	}
	for _, p := range c.Outputs {
		if p.C > 0 && p.View.H != c.W*p.step() {
			return false
		}
	}
	return true
}

// taps returns where the operands of a pixel are, in bytes from its first one, in
// the order of the packed weights.
func (c Conv) taps() []int {
	l := c.tapChannels()
	t := make([]int, 0, ceilDiv(c.IC, l)*c.KH*c.KW)
	for b := 0; b < ceilDiv(c.IC, l); b++ {
		for kh := 0; kh < c.KH; kh++ {
			for kw := 0; kw < c.KW; kw++ {
				t = append(t, 4*(b*c.In.C+kh*one(c.DH)*c.In.H+kw*one(c.DW)*l))
			}
		}
	}
	return t
}

// Table returns taps, block pairs and tiles for a tier.
func (c Conv) Table(isa ISA) []int {
	l := c.tapChannels()
	t := c.taps()
	for g := range c.blockPairs {
		t = append(t, g.part, g.block, g.blocks, g.oc, g.n, g.lo, g.hi, g.w, g.bias)
	}
	t = appendTiles(t, tileGrid{h: c.H, rows: c.rows(), w: c.W, flat: c.flat(), most: maxPixels(isa),
		down: one(c.SH) * c.In.H, right: one(c.SW) * l})
	for i := range c.halfTaps() {
		t = append(t, 4*(i/2*c.In.C+i%2*Block/2))
	}
	return t
}

// tileGrid says how tiles cover the pixels of a map.
type tileGrid struct {
	h, rows, w  int  // of the map, of a full task, and the columns
	flat        bool // rows lie without gaps, so tiles need not end with them
	most        int  // pixels of a tile
	down, right int  // from an output pixel's place in the input to the one below, and beside it
}

// appendTiles appends where the tiles of a full task and of the last one end, and these tiles: the
// number of pixels, and of both halves the place in the input, the row and the column.
func appendTiles(t []int, g tileGrid) []int {
	head := len(t)
	t = append(t, 0, 0)
	put := func(rows int) {
		w, h := g.w, rows
		if g.flat {
			w, h = rows*g.w, 1
		}
		x, y := 0, 0
		for _, p := range cover(h, w, g.most) {
			t = append(t, p)
			for _, n := range [2]int{(p + 1) / 2, p / 2} {
				ty, tx := y, x
				if n == 0 { // the second half of a single pixel: any valid address
					ty, tx = t[len(t)-2], t[len(t)-1]
				}
				t = append(t, ty*g.down+tx*g.right, ty, tx)
				if x += n; x == w {
					x, y = 0, y+1
				}
			}
		}
	}
	put(g.rows)
	t[head] = len(t)
	if g.h%g.rows != 0 {
		put(g.h % g.rows)
	}
	t[head+1] = len(t)
	return t
}

// cover cuts h rows of w pixels, in reading order, into tiles of at most
// most pixels. A tile has two halves, of which the first is the larger by at most
// one pixel, and neither crosses the end of a row. It minimizes the predicted time,
// in which a tile of fewer than 5 pixels (AVX2: 4) costs as much as one of 5: latency and
// the stream of weights are the limit then.
//
// Networks have few sizes of maps, and a search takes a while.
func cover(h, w, most int) []int {
	key := [3]int{h, w, most}
	if tiles, ok := covers.Load(key); ok {
		return tiles.([]int)
	}
	tiles := findCover(h, w, most)
	covers.Store(key, tiles)
	return tiles
}

// covers are what cover has found. Their number is bounded by that of the shapes
// in plans, and so is their length.
var covers sync.Map

func findCover(h, w, most int) []int {
	least := [...]int{3: 1, 4: 2, 6: 4, 14: 5}[most]
	n := h * w
	best := make([]int, n+1)
	step := make([]uint8, n+1)
	for i := n - 1; i >= 0; i-- {
		left := w - i%w
		best[i] = math.MaxInt
		for p := 1; p <= min(most, n-i); p++ {
			a, b := (p+1)/2, p/2
			if a > left || a < left && p > left || a == left && b > w {
				continue
			}
			if cost := 8*max(p, least) + 4 + best[i+p]; cost <= best[i] {
				best[i], step[i] = cost, uint8(p)
			}
		}
	}
	var tiles []int
	for i := 0; i < n; i += int(step[i]) {
		tiles = append(tiles, int(step[i]))
	}
	return tiles
}
