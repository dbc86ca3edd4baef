package kernel

import "unsafe"

// Winograd's convolutions F(2x2, 3x3) and F(4x4, 3x3) of bytes (Lavin 2015, Fast Algorithms for
// Convolutional Neural Networks): algorithms of ConvInt8 on tiers whose products of 16 bits are as fast
// as those of bytes. The first multiplies 16 numbers for four outputs, where direct convolution does
// 36, the second 36 for 16 outputs, where it does 144. Both compute the same sums: all is exact.
//
//   - Transformed bytes are sums BT d B of bytes: they lie in -1020..1020 and -12750..12750.
//   - Weights are transformed by multiples of G that are whole: they lie in -1152..1152 and -6272..6272.
//   - The sums of products may overflow 32 bits. They are right modulo 2^32, as is the output
//     transform of them, which is 4 or 576 times the sum that is wanted. Four times the sum fits 32
//     bits (winogradDepth). 576 is 64 times 9, and 9 has an inverse modulo 2^32: a product with it
//     leaves 64 times the sum, which fits for filters that fitsWide.
//
// Plans and packed weights are those of direct convolution: weights are transformed while running,
// for all tiles of a task at once.

// int8Winograd is the argument block of the microkernels. The assembly knows its fields by go_asm.h.
type int8Winograd struct {
	rows      [6]unsafe.Pointer // of the input, at the first tile
	n         int               // how often
	v, u, m   unsafe.Pointer    // transformed input and weights, and their products
	vf, uf    int               // bytes from a frequency to the next
	vt        int               // bytes from a tile to the next
	mf        int
	more      int            // not 0: products are added to those at m
	temp      unsafe.Pointer // 1536 bytes
	w         unsafe.Pointer // packed weights
	ws        int            // bytes from those of four input channels to the next
	bias      unsafe.Pointer
	scale     unsafe.Pointer
	out       unsafe.Pointer // the first pixel of a tile
	right     int            // bytes to the pixel beside it
	down      int            // bytes to the pixel below
	real      int
	zero      int
	low, high float32
}

// int8WinogradTier has the microkernels of a tier. Those of [1] are of tiles of 4x4 outputs, the
// others of 2x2.
type int8WinogradTier struct {
	in, weights, out [2]func(*byte)
	product          [7]func(*byte) // by the number of tiles
	only             int            // the size of the tiles, for tests; 0: the best
}

// winogradDepth is the most input channels: 4 * 255 * 128 * 9 * winogradDepth < 1<<31.
const winogradDepth = 1827

// winogradWide is what the weights of a filter of one sign may add up to for F(4x4, 3x3):
// 64 * 255 * winogradWide < 1<<31.
const winogradWide = 131585

const (
	winogradGroup    = 24        // tiles whose products are summed up before they are transformed
	winogradHeld     = 256 << 10 // about how many bytes of transformed input are held at once
	winogradLeast    = 12        // tiles of 2x2 of a task, for which an algorithm of Winograd may pay
	winogradChannels = 8         // blocks of input channels whose weights are transformed at once
	winogradTemp     = 1536 / 4
)

// winograd reports whether the convolution is one that Winograd's algorithms compute.
func (c ConvInt8) winograd() bool {
	return !c.Quads && c.KH == 3 && c.KW == 3 && one(c.SH) == 1 && one(c.SW) == 1 && one(c.DH) == 1 && one(c.DW) == 1 &&
		c.IC <= winogradDepth && ceilDiv(c.rows(), 2)*ceilDiv(c.W, 2) >= winogradLeast
}

// winogradShape is how one of the algorithms cuts a convolution.
type winogradShape struct {
	size     int // rows and columns of the outputs of a tile
	area     int // frequencies
	blocks   int // of input channels
	chunk    int // of these, whose weights are transformed at once
	tilesRow int
	held     int // rows of tiles whose transformed input is held
	group    int // tiles whose products are held
}

func (c ConvInt8) winogradShape(size int) winogradShape {
	s := winogradShape{size: size, area: (size + 2) * (size + 2), blocks: Blocks(c.IC), tilesRow: ceilDiv(c.W, size)}
	s.chunk = min(s.blocks, winogradChannels)
	height := ceilDiv(c.rows(), size)
	parts := ceilDiv(height, max(1, size/2*winogradHeld/(s.area*s.tilesRow*s.blocks*2*Block)))
	s.held = ceilDiv(height, parts)
	s.group = winogradGroup
	if s.chunk < s.blocks {
		s.group = s.held * s.tilesRow
	}
	return s
}

// apart is how many bytes a frequency is longer than what it holds: without them, the same place of all
// frequencies could be in the same set of a cache.
const apart = 64

// Bytes from a frequency to the next: of the transformed input of the rows of tiles that are held, of
// the transformed weights of a chunk, and of products.
func (s winogradShape) inputs() int  { return s.held*s.tilesRow*s.blocks*2*Block + apart }
func (s winogradShape) filters() int { return s.chunk*Block*2*Block + apart }
func (s winogradShape) sums() int    { return s.group*4*Block + apart }

// edge is the length of a tile's input or outputs, in float32s.
func (s winogradShape) edge() int { return s.area * Block }

func (s winogradShape) scratch() int {
	return s.area*(s.inputs()+s.filters()+s.sums())/4 + winogradTemp + s.edge()
}

// Scratch is what Winograd's algorithms need.
func (c ConvInt8) Scratch() int {
	if !c.winograd() {
		return 0
	}
	return max(c.winogradShape(2).scratch(), c.winogradShape(4).scratch())
}

// winogradSize is the size of the tiles with which a task of some rows and output blocks takes the
// least time; 0 for direct convolution. The numbers are clock cycles for 16 channels, fitted to kernels
// and networks on an AMD EPYC (Zen 3). The weights of tiles of 4x4 count for more than their
// transform takes alone: in a network what they are written to is not in a cache.
func (c ConvInt8) winogradSize(rows, blocks int, direct, wide bool) int {
	pixels, in := float64(rows*c.W), float64(Blocks(c.IC))
	cost := func(size int, tile, weights, product, out float64) float64 {
		n := float64(ceilDiv(rows, size) * ceilDiv(c.W, size))
		return n*in*tile + float64(blocks)*(in*(weights+n*product)+n*out)
	}
	best, least := 2, cost(2, 40, 480, 205, 70)
	if t := cost(4, 150, 5000, 440, 200); wide && t < least {
		best, least = 4, t
	}
	if direct && float64(blocks)*pixels*(in*76+15) < least {
		best = 0
	}
	return best
}

// winogradRun is a task by Winograd's algorithm.
type winogradRun struct {
	winogradShape
	c       ConvInt8
	tier    *int8WinogradTier
	form    int // of the tier
	t       *int8Winograd
	src     []float32
	out     *Buf
	in, to  int // of the first pixel: in the input, and in the output of block 0
	rows    int // of the output
	v, u, m []float32
	border  []float32 // the input or the outputs of a tile that is not whole
}

// runWinograd computes the pairs g0..g1-1 of output blocks with tiles of some size.
func (c ConvInt8) runWinograd(w *Worker, a *Args, image, y0, in, g0, g1, size int) {
	r := winogradRun{winogradShape: c.winogradShape(size), c: c, tier: int8Tiers[w.ISA].winograd, form: size/2 - 1, t: &w.int8Winograd, src: a.In[0].Mem, out: &a.Out[0], in: in,
		to: a.Out[0].Off + image*c.Out.N + y0*c.Out.H, rows: min(c.rows(), c.H-y0)}
	rest := w.Scratch
	take := func(n int) (l []float32) {
		l, rest = rest[:n], rest[n:]
		return l
	}
	t := r.t
	t.vt, t.vf, t.uf, t.mf = 2*Block*r.blocks, r.inputs(), r.filters(), r.sums()
	r.v, r.u, r.m = take(r.area*t.vf/4), take(r.area*t.uf/4), take(r.area*t.mf/4)
	t.temp, r.border = float(take(winogradTemp), 0), take(r.edge())
	t.low, t.high = c.limits()
	t.zero, t.real = c.Zero, 0
	if c.Real {
		t.real = 1
	}
	height := ceilDiv(r.rows, size)
	for ty := 0; ty < height; ty += r.held {
		n := min(r.held, height-ty)
		r.transform(ty, n)
		for b := 2 * g0; b < min(2*g1, Blocks(c.C)); b++ {
			r.block(a, b, ty, n*r.tilesRow)
		}
	}
}

// block computes some tiles of an output block, from row ty of tiles on.
func (r *winogradRun) block(a *Args, b, ty, tiles int) {
	t := r.t
	t.bias, t.scale = float(a.W[1], b*Block), float(a.W[2], b*Block)
	if r.chunk == r.blocks {
		r.weights(a, b, 0)
	}
	for first := 0; first < tiles; first += r.group {
		count := min(r.group, tiles-first)
		for ib := 0; ib < r.blocks; ib += r.chunk {
			if r.chunk < r.blocks {
				r.weights(a, b, ib)
			}
			r.products(first, count, ib)
		}
		r.outputs(b, ty, first, count)
	}
}

// transform makes V of n rows of tiles.
func (r *winogradRun) transform(ty, n int) {
	c, t := r.c, r.t
	whole, lines := c.W/r.size, r.size+2
	for y := range n {
		for b := range r.blocks {
			base := r.in + b*c.In.C
			for i := range lines {
				// Rows that only unwanted outputs need do not matter.
				row := base + min(r.size*(ty+y)+i, r.rows+1)*c.In.H
				_ = r.src[row+(c.W+2)*byteWords-1]
				t.rows[i] = float(r.src, row)
				if rest := c.W%r.size + 2; rest > 2 {
					copy(r.border[i*lines*byteWords:][:rest*byteWords], r.src[row+whole*r.size*byteWords:])
				}
			}
			t.v = float(r.v, (y*r.tilesRow*t.vt+2*Block*b)/4)
			if whole > 0 {
				t.n = whole
				r.tier.in[r.form]((*byte)(unsafe.Pointer(t)))
			}
			if c.W%r.size == 0 {
				continue
			}
			for i := range lines { // nor do the columns of the last tile that are not there
				t.rows[i] = float(r.border, i*lines*byteWords)
			}
			t.v, t.n = unsafe.Add(float(r.v, (y*r.tilesRow*t.vt+2*Block*b)/4), whole*t.vt), 1
			r.tier.in[r.form]((*byte)(unsafe.Pointer(t)))
		}
	}
}

// weights makes U of an output block and of the chunk of input blocks from ib on.
func (r *winogradRun) weights(a *Args, b, ib int) {
	c, t := r.c, r.t
	pair := min(2, Blocks(c.C)-b/2*2)
	t.ws = pair * Block * 4
	at := b/2*2*c.weightLen() + b%2*Block
	_ = a.W[0][at+(9*r.blocks*4-1)*pair*Block+Block-1]
	for i := range min(r.chunk, r.blocks-ib) {
		t.w = float(a.W[0], at+(ib+i)*9*4*pair*Block)
		t.u, t.n = float(r.u, i*2*Block*Block/4), 4
		r.tier.weights[r.form]((*byte)(unsafe.Pointer(t)))
	}
}

// products multiplies some tiles with the weights of the chunk from ib on, frequency by frequency.
func (r *winogradRun) products(first, count, ib int) {
	t := r.t
	most := len(r.tier.product) - 1
	calls := ceilDiv(count, most)
	n := 2 * min(r.chunk, r.blocks-ib)
	t.more = ib
	for f := range r.area {
		at := 0
		for i := range calls {
			p := (count - at + calls - i - 1) / (calls - i)
			t.v = float(r.v, (f*t.vf+(first+at)*t.vt+2*Block*ib)/4)
			t.u = float(r.u, f*t.uf/4)
			t.m = float(r.m, (f*t.mf+at*4*Block)/4)
			t.n = n
			r.tier.product[p]((*byte)(unsafe.Pointer(t)))
			at += p
		}
	}
}

// outputs makes the outputs of some tiles of block b. Row 0 of tiles is row ty of the task.
func (r *winogradRun) outputs(b, ty, first, count int) {
	c, t, size := r.c, r.t, r.size
	step := c.step()
	for at := 0; at < count; {
		y, x := size*(ty+(first+at)/r.tilesRow), (first+at)%r.tilesRow
		n := min(count-at, r.tilesRow-x, c.W/size-x)
		t.m = float(r.m, at*Block)
		to := r.to + b*c.Out.C + y*c.Out.H + size*x*step
		if n > 0 && y+size <= r.rows {
			_ = r.out.Mem[to+(size-1)*c.Out.H+size*n*step-1]
			t.out, t.right, t.down, t.n = float(r.out.Mem, to), 4*step, 4*c.Out.H, n
			r.tier.out[r.form]((*byte)(unsafe.Pointer(t)))
			at += n
			continue
		}
		t.out, t.right, t.down, t.n = float(r.border, 0), 4*step, 4*size*step, 1
		r.tier.out[r.form]((*byte)(unsafe.Pointer(t)))
		wide := min(size, c.W-size*x) * step
		for i := range min(size, r.rows-y) {
			copy(r.out.Mem[to+i*c.Out.H:][:wide], r.border[size*i*step:])
		}
		at++
	}
}
