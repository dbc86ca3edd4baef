package kernel

import "unsafe"

// n16ProductRows is the most rows of a tile of an n16Gemm, and n16GemmBlocks the most
// blocks of 16 images.
const n16ProductRows = 6

// n16GemmMost is the most of n16GemmBlocks on any tier: plans are made for it.
const n16GemmMost = 4

func n16GemmBlocks(isa ISA) int { return max(1, n16GemmTiers[isa].blocks) }

// n16GemmTier is what a tier has for products of dense layers: microkernels by rows and by
// blocks of 16 images.
type n16GemmTier struct {
	blocks int // of images, at most
	tile   [n16ProductRows + 1][5]func(*byte)
}

// n16GemmTiers are the tiers. Files of a processor set those that have microkernels.
var n16GemmTiers [isas]n16GemmTier

// n16ProductNear is how many bytes of x an n16Gemm goes over at most: they stay in the
// first cache for all rows.
const n16ProductNear = 24 << 10

// n16Gemm is a product of dense layers whose vectors are images: of some groups of 16
// images
//
//	out[row][group] = sum over taps of x[tap][group] * w[row][tap]
//
// as one chain of fused multiply-adds each. The taps come in parts of as many each, and a
// rest. Distances are in float32s.
type n16Gemm struct {
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

// n16GemmTile is the argument block of the microkernel; the assembly knows its layout.
// It lives in the Worker. Distances are in bytes.
type n16GemmTile struct {
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

func (p *n16Gemm) run(w *Worker) {
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
	tier := &n16GemmTiers[w.ISA]
	if tier.blocks == 0 {
		p.portable()
		return
	}
	t := &w.n16Gemm
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
	tiles := ceilDiv(p.rows, n16ProductRows)
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
			tier.tile[o][p.groups]((*byte)(unsafe.Pointer(t)))
			t.ahead += n * t.aheadTile
		}
		at, o = at+n*o, o-1
	}
}

// portable computes two rows and four images at a time, whose sums stay in registers.
func (p *n16Gemm) portable() {
	for g := range p.groups {
		for i := 0; i < p.rows; i += 2 {
			j := min(i+1, p.rows-1)
			for l := 0; l < Block; l += 4 {
				a, b := (*[4]float32)(p.out[g*p.outGroup+i*Block+l:]), (*[4]float32)(p.out[g*p.outGroup+j*Block+l:])
				var acc [2][4]float32
				if p.acc {
					acc = [2][4]float32{*a, *b}
				}
				at := g*p.xGroup + l
				for part := range p.parts {
					w := part * p.wPart
					acc = p.add(acc, at, p.w, w+i*p.wRow, w+j*p.wRow, p.taps)
					at += p.taps * p.xTap
				}
				if p.rest > 0 {
					acc = p.add(acc, at, p.restW, i*p.restRow, j*p.restRow, p.rest)
				}
				if p.mask {
					p.masked(&acc[0], g, i, l)
				}
				*a = acc[0]
				if j > i {
					if p.mask {
						p.masked(&acc[1], g, j, l)
					}
					*b = acc[1]
				}
			}
		}
	}
}

// add adds what some taps give to four images of two rows, whose weights are at a and b.
func (p *n16Gemm) add(acc [2][4]float32, at int, w []float32, a, b, taps int) [2][4]float32 {
	a0, a1, a2, a3 := acc[0][0], acc[0][1], acc[0][2], acc[0][3]
	b0, b1, b2, b3 := acc[1][0], acc[1][1], acc[1][2], acc[1][3]
	for range taps {
		x, k := (*[4]float32)(p.x[at:]), w[a]
		a0 += float32(x[0] * k)
		a1 += float32(x[1] * k)
		a2 += float32(x[2] * k)
		a3 += float32(x[3] * k)
		k = w[b]
		b0 += float32(x[0] * k)
		b1 += float32(x[1] * k)
		b2 += float32(x[2] * k)
		b3 += float32(x[3] * k)
		at, a, b = at+p.xTap, a+p.wTap, b+p.wTap
	}
	return [2][4]float32{{a0, a1, a2, a3}, {b0, b1, b2, b3}}
}

// masked zeroes four images of a row where y has it, and adds them to the sums.
func (p *n16Gemm) masked(acc *[4]float32, g, row, l int) {
	sums := (*[4]float32)(p.sums[g*p.sumsGroup+l:])
	for i, y := range (*[4]float32)(p.y[g*p.yGroup+row*Block+l:]) {
		if y <= 0 {
			acc[i] = 0
		}
		sums[i] += acc[i]
	}
}
