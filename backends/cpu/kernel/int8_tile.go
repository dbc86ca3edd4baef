package kernel

import "unsafe"

// int8Tile is the argument block of the microkernels of ConvInt8: some pixels times one or two
// blocks of 16 output channels, summed over a table of taps of 16 input channels each. It lives in
// the Worker. The assembly knows its fields by go_asm.h.
type int8Tile struct {
	a, b       unsafe.Pointer // first pixel of the first half and of the second
	w          unsafe.Pointer // packed weights: [tap][4 x][16 or 32 output channels][4 input channels]
	taps       unsafe.Pointer // *int: offsets in bytes, added to a and b
	ntaps      int
	ps         int            // bytes from an input pixel to the next
	ws         int            // bytes from the weights of four input channels to the next
	bias       unsafe.Pointer // 16 or 32 int32s
	scale      unsafe.Pointer // 16 or 32 float32s
	outA, outB unsafe.Pointer
	obs        int // bytes from an output block to the next
	ops        int // bytes from an output pixel to the next
	real       int // 1 if the output is float32s
	zero       int
	low, high  float32 // limits of what is rounded
	tiles      int     // how many; each lies inStep and outStep bytes behind the one before
	inStep     int
	outStep    int
}

// run computes some tiles of n pixels by one of the kernels, or a tile by two where none has that many.
func (t *int8Tile) run(kernels *int8Kernels, n int) {
	if f := kernels[n]; f != nil {
		f((*byte)(unsafe.Pointer(t)))
		return
	}
	t.tiles = 1
	b, outB := t.b, t.outB
	t.runHalf(kernels, (n+1)/2)
	t.a, t.outA = b, outB
	t.runHalf(kernels, n/2)
}

// runHalf computes the n pixels from a on.
func (t *int8Tile) runHalf(kernels *int8Kernels, n int) {
	t.b, t.outB = t.a, t.outA
	if n > 1 {
		t.b, t.outB = unsafe.Add(t.a, (n+1)/2*t.ps), unsafe.Add(t.outA, (n+1)/2*t.ops)
	}
	kernels[n]((*byte)(unsafe.Pointer(t)))
}

// addStrip is the argument block of the microkernel of AddInt8.
type addStrip struct {
	a, b, dst                 unsafe.Pointer
	n                         int // pixels
	zeroA, zeroB, zero        int
	scaleA, scaleB, low, high float32
}

// int8Kernels are microkernels by their number of pixels.
type int8Kernels [15]func(*byte)

// int8Tier is what a tier has for convolutions of bytes; none: plain Go.
type int8Tier struct {
	pixels int  // of a tile, at most
	blocks int  // of 16 output channels in a tile, at most
	signed bool // the tile subtracts 128 from the bytes of the input and takes a bias that makes up for it
	tile   [2]int8Kernels
	pairs  int8Kernels // of one block, for weights whose pairs fit; none: tile is as fast

	winograd *int8WinogradTier // none: tile is faster
}

// The tables of microkernels, one for each kernel: a generated package has those of the kernels that
// it runs.
var (
	quantizeTiers   [isas]func(dst *byte, src *float32, n int, scale, low, high, zero float32)
	dequantizeTiers [isas]func(dst *float32, src *byte, n int, scale, zero float32)
	addInt8Tiers    [isas]func(*byte)
	maxBytesTiers   [isas]func(dst, a, b, c *byte, n, step int)
	maxRowsTiers    [isas]func(dst, a, b, c *byte, n int)
)

var int8Tiers [isas]int8Tier

// int8Pixels is the largest tile of a tier.
func int8Pixels(isa ISA) int { return max(3, int8Tiers[isa].pixels) }
