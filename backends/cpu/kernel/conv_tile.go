package kernel

import "unsafe"

// tile is the argument block of the GEMM-like microkernels: up to 14 pixels
// (AVX-512; 6 for AVX2 and NEON) times one or two blocks of 16 output channels, summed over
// a table of taps, 16 input channels (or one, for planar input) each. It lives
// in the Worker, so that calls through function tables allocate nothing. The
// assembly knows its fields by go_asm.h.
type tile struct {
	a, b       unsafe.Pointer // first pixel of the first half (pixels 0..ceil(P/2)-1) and of the second
	w          unsafe.Pointer // packed weights: [tap][input channel][16 or 32 output channels]
	taps       unsafe.Pointer // *int: offsets in bytes, added to a and b
	ntaps      int
	ps         int            // bytes from an input pixel to the next
	bias       unsafe.Pointer // 16 or 32 float32s
	outA, outB unsafe.Pointer
	obs        int // bytes from an output block to the next
	resA, resB unsafe.Pointer
	rbs        int // bytes from a residual block to the next
	ws         int // bytes from an input channel's weights to the next (AVX2, NEON: 64 or 128)
	flags      int // tileReLU, tileRes, tileAcc, tileMask, tileFar, tileAhead, tilePlanar
	scale      float32
	ops        int     // bytes from an output pixel to the next, and from one of the residual
	kc         int     // input channels a tap: 4, 8 or 16
	ahead      uintptr // what tileAhead asks for next
}

const (
	tileReLU   = 1 << iota // max(0, x), NaN passes
	tileRes                // out = act(res + scale*x)
	tileAcc                // begin with what out holds, not with the bias
	tileMask               // out = x where res is above 0 or NaN, otherwise 0
	tileNear               // Winograd's: what is written is in the first cache already
	tileFar                // ask early for the weights, which come from far away
	tileAhead              // ask for weights that other tiles will read, from ahead on
	tilePlanar             // a tap is one input channel
	tileReLU6              // with tileReLU: min(6, x), NaN passes
)

// tileTier is what a tier has for direct convolutions and dense layers.
type tileTier struct {
	pixels   int                // of a tile, at most
	blocks   int                // of 16 output channels in a tile, at most
	products int                // that tiles add to an output at once, about; 0: all
	tile     [2][15]func(*byte) // the microkernels, by blocks - 1 and by pixels; none: plain Go
}

// tileTiers are the tiers. Files of a processor set those that have microkernels.
var tileTiers = [isas]tileTier{Portable: {pixels: 3, blocks: 2}}

// portable reports whether the tier computes tiles in plain Go.
func (t *tileTier) portable() bool { return t.tile[0][1] == nil }

// tapParts is into how many parts a convolution cuts the sums of its outputs, of that many products
// each, where it has that many tiles. Each part goes over all tiles: their weights then come from the
// first cache instead of the second or third, which counts more than storing the sums in between. An
// AVX2 tile of one block reads every second line of the weights of a pair, so that they fill half of
// a cache only.
func (t *tileTier) tapParts(products, tiles int) int {
	if t.products == 0 || tiles < 4 || products < 2*t.products {
		return 1
	}
	return ceilDiv(products, t.products)
}

// maxPixels is the largest tile of a tier.
func maxPixels(isa ISA) int { return tileTiers[isa].pixels }

// aheadTiles is how many tiles over the same weights ask for some that follow, which
// other tiles will read: each for a quarter as many as it reads itself.
//
// A core has few buffers for outstanding reads, so prefetches bring some 15 GB/s from a
// distant third-level cache, half the rate at which a tile reads weights. The first tile
// over such weights would therefore wait. It does not if earlier tiles prefetch them, a
// few at a time: GoogLeNet's convolutions of 7x7 maps take a sixth less time.
const aheadTiles = 4

// first sets the flag of the first n of the tiles over weights that may have to come
// from far away: they ask for those at next, if there are several. There need not be
// any: a prefetch of what does not exist does nothing. near takes the flag away again.
func (t *tile) first(tiles int, next uintptr) (n int) {
	if tiles < 2 {
		t.flags |= tileFar
		return 1
	}
	t.ahead = next
	t.flags |= tileAhead
	return aheadTiles
}

// near says that the weights are near for the tiles that follow.
func (t *tile) near() { t.flags &^= tileFar | tileAhead }

// run calls the microkernel for p pixels and as many blocks of output channels.
func (t *tile) run(tier *tileTier, blocks, p int) {
	tier.tile[blocks-1][p]((*byte)(unsafe.Pointer(t)))
}
