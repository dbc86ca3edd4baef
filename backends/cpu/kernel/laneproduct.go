package kernel

import "unsafe"

// Tiles of a laneProduct: groups of 16 images by rows, at most.
const laneProductRows = 6

func laneProductGroups(isa ISA) int {
	if isa == AVX512 {
		return 4
	}
	return 1
}

// laneProductNear is how many bytes of x a laneProduct goes over at most: they stay in the
// first cache for all rows.
const laneProductNear = 24 << 10

// laneProduct is a product of dense layers whose vectors are images: of some groups of 16
// images
//
//	out[row][group] = sum over taps of x[tap][group] * w[row][tap]
//
// as one chain of fused multiply-adds each. The taps come in parts of as many each, and a
// rest. Distances are in float32s.
type laneProduct struct {
	x         []float32 // from the first tap of the first group on
	xTap      int       // from a tap to the next
	xGroup    int       // from a group to the next
	groups    int
	w         []float32 // from the first row's first tap on
	wRow      int
	wTap      int
	wPart     int
	taps      int // of a part
	parts     int
	rest      int       // taps behind them
	restW     []float32 // their weights
	restRow   int
	out       []float32 // rows lie side by side
	outGroup  int
	rows      int
	ahead     int // what is asked for: so far behind the first tap under way, up to 32 bytes for every tap
	aheadTile int // and so much further with each tile
	acc       bool
	mask      bool      // out is 0 where y is neither above 0 nor NaN, and what is written is added to sums
	y         []float32 // rows lie side by side
	yGroup    int
	sums      []float32 // a vector for each group
	sumsGroup int
}

// laneProductTile is the argument block of the microkernel; the assembly knows its layout.
// It lives in the Worker. Distances are in bytes.
type laneProductTile struct {
	x            unsafe.Pointer
	xTap, xGroup int
	w            unsafe.Pointer
	wRow, wTap   int
	wPart        int
	taps, parts  int
	rest         int
	restW        unsafe.Pointer
	restRow      int
	out          unsafe.Pointer
	outRow       int
	outGroup     int
	y            unsafe.Pointer
	yRow, yGroup int
	sums         unsafe.Pointer
	sumsGroup    int
	ahead        int
	aheadTile    int
	tiles        int     // times as many rows
	flags        int     // tileAcc, tileMask
	wAt, restAt  uintptr // the assembly's own: where the tile under way begins
	outAt, yAt   uintptr
	aheadAt      int
}

func (p *laneProduct) run(w *Worker) {
	// The assembly checks no bounds: the farthest elements are looked at here, so that a
	// wrong plan panics and corrupts nothing.
	_ = p.x[(p.groups-1)*p.xGroup+(p.parts*p.taps+p.rest-1)*p.xTap+Block-1]
	_ = p.out[(p.groups-1)*p.outGroup+p.rows*Block-1]
	if p.parts > 0 {
		_ = p.w[(p.parts-1)*p.wPart+(p.rows-1)*p.wRow+(p.taps-1)*p.wTap]
	}
	if p.rest > 0 {
		_ = p.restW[(p.rows-1)*p.restRow+(p.rest-1)*p.wTap]
	}
	if p.mask {
		_ = p.y[(p.groups-1)*p.yGroup+p.rows*Block-1]
		_ = p.sums[(p.groups-1)*p.sumsGroup+Block-1]
	}
	if w.ISA == Portable {
		p.portable()
		return
	}
	t := &w.laneProduct
	t.x, t.xTap, t.xGroup = float(p.x, 0), 4*p.xTap, 4*p.xGroup
	t.wRow, t.wTap, t.wPart, t.taps, t.parts = 4*p.wRow, 4*p.wTap, 4*p.wPart, p.taps, p.parts
	t.rest, t.restRow = p.rest, 4*p.restRow
	t.outRow, t.outGroup, t.yRow, t.yGroup = 4*Block, 4*p.outGroup, 4*Block, 4*p.yGroup
	t.ahead, t.aheadTile = 4*p.ahead, 4*p.aheadTile
	t.flags = 0
	if p.acc {
		t.flags |= tileAcc
	}
	if p.mask {
		t.flags |= tileMask
		t.sums, t.sumsGroup = float(p.sums, 0), 4*p.sumsGroup
	}
	// The first tiles have o rows, the others one less.
	tiles := ceilDiv(p.rows, laneProductRows)
	o := ceilDiv(p.rows, tiles)
	first := p.rows - tiles*(o-1)
	at := 0
	for _, n := range [2]int{first, tiles - first} {
		if n > 0 {
			t.tiles, t.out = n, float(p.out, at*Block)
			if p.parts > 0 {
				t.w = float(p.w, at*p.wRow)
			}
			if p.rest > 0 {
				t.restW = float(p.restW, at*p.restRow)
			}
			if p.mask {
				t.y = float(p.y, at*Block)
			}
			laneProductFunc(w.ISA, o, p.groups)((*byte)(unsafe.Pointer(t)))
			t.ahead += n * t.aheadTile
		}
		at, o = at+n*o, o-1
	}
}

// portable computes one row and group after another.
func (p *laneProduct) portable() {
	for g := range p.groups {
		for i := range p.rows {
			dst := (*[Block]float32)(p.out[g*p.outGroup+i*Block:])
			acc := [Block]float32{}
			if p.acc {
				acc = *dst
			}
			at := g * p.xGroup
			add := func(w []float32, taps int) {
				for t := range taps {
					k := w[t*p.wTap]
					for l, v := range (*[Block]float32)(p.x[at:]) {
						acc[l] += float32(v * k)
					}
					at += p.xTap
				}
			}
			for part := range p.parts {
				add(p.w[part*p.wPart+i*p.wRow:], p.taps)
			}
			if p.rest > 0 {
				add(p.restW[i*p.restRow:], p.rest)
			}
			if p.mask {
				sums := (*[Block]float32)(p.sums[g*p.sumsGroup:])
				for l, y := range (*[Block]float32)(p.y[g*p.yGroup+i*Block:]) {
					if y <= 0 {
						acc[l] = 0
					}
					sums[l] += acc[l]
				}
			}
			*dst = acc
		}
	}
}
