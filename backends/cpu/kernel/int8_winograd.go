package kernel

import "unsafe"

// Winograd's convolution F(2x2, 3x3) of bytes (Lavin 2015, Fast Algorithms for Convolutional Neural
// Networks): an algorithm of ConvInt8 on tiers whose products of 16 bits are as fast as those of
// bytes. It multiplies 16 numbers for four outputs, where direct convolution does 36, and computes
// the same sums: all is exact.
//
//   - Transformed bytes are sums of four with signs (BT d B) and lie in -1020..1020.
//   - Weights are transformed by 2G, which is whole, not by G: they lie in -1152..1152.
//   - The sums of products may overflow 32 bits. They are right modulo 2^32, as is the output
//     transform of them, which is four times the sum that is wanted. That fits (winogradDepth).
//
// Plans and packed weights are those of direct convolution: weights are transformed while running,
// for all tiles of a task at once.

// int8Winograd is the argument block of the microkernels. The assembly knows its fields by go_asm.h.
type int8Winograd struct {
	rows      [4]unsafe.Pointer // of the input, at the first tile
	col3      int               // bytes from a tile's first column to its fourth
	n         int               // how often
	v, u, m   unsafe.Pointer    // transformed input and weights, and their products
	vf, uf    int               // bytes from a frequency to the next
	vt        int               // bytes from a tile to the next
	mf        int
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

// int8WinogradTier has the microkernels.
type int8WinogradTier struct {
	in, weights, out func(*byte)
	product          [7]func(*byte) // by the number of tiles
}

// winogradDepth is the most input channels: 4 * 255 * 128 * 9 * winogradDepth < 1<<31.
const winogradDepth = 1827

const (
	winogradGroup = 24        // tiles whose products are summed up before they are transformed
	winogradHeld  = 256 << 10 // about how many bytes of transformed input are held at once
	winogradLeast = 12        // tiles of a task, for which transforming the weights pays
)

// winograd reports whether the convolution is one that Winograd's algorithm computes.
func (c ConvInt8) winograd() bool {
	return !c.Quads && c.KH == 3 && c.KW == 3 && one(c.SH) == 1 && one(c.SW) == 1 && one(c.DH) == 1 && one(c.DW) == 1 &&
		c.IC <= winogradDepth && ceilDiv(c.rows(), 2)*ceilDiv(c.W, 2) >= winogradLeast
}

// Lengths in bytes: of the transformed input of a tile, of the transformed weights of an output block
// and of the products of a group of tiles.
func (c ConvInt8) winogradTile() int    { return 16 * Blocks(c.IC) * 2 * Block }
func (c ConvInt8) winogradWeights() int { return 16 * Blocks(c.IC) * Block * 2 * Block }

const winogradProducts = 16 * winogradGroup * 4 * Block

// winogradRows is how many rows of tiles are transformed at once.
func (c ConvInt8) winogradRows() int {
	row := ceilDiv(c.W, 2) * c.winogradTile()
	return min(ceilDiv(c.rows(), 2), max(1, winogradHeld/row))
}

// Scratch is what Winograd's algorithm needs.
func (c ConvInt8) Scratch() int {
	if !c.winograd() {
		return 0
	}
	tiles := c.winogradRows() * ceilDiv(c.W, 2)
	return (tiles*c.winogradTile()+c.winogradWeights()+winogradProducts)/4 + 4*Block
}

// winogradRun is a task by Winograd's algorithm.
type winogradRun struct {
	c        ConvInt8
	tier     *int8WinogradTier
	t        *int8Winograd
	src      []float32
	out      *Buf
	in, to   int // of the first pixel: in the input, and in the output of block 0
	rows     int // of the output
	v, u, m  []float32
	edge     []float32 // the outputs of a tile that is not whole
	tilesRow int
}

// runWinograd computes the pairs g0..g1-1 of output blocks.
func (c ConvInt8) runWinograd(w *Worker, a *Args, image, y0, in, g0, g1 int) {
	r := winogradRun{c: c, tier: int8Tiers[w.ISA].winograd, t: &w.int8Winograd, src: a.In[0].Mem, out: &a.Out[0], in: in,
		to: a.Out[0].Off + image*c.Out.N + y0*c.Out.H, rows: min(c.rows(), c.H-y0), tilesRow: ceilDiv(c.W, 2)}
	all := c.winogradRows()
	tiles := all * r.tilesRow
	r.v = w.Scratch[:tiles*c.winogradTile()/4]
	rest := w.Scratch[len(r.v):]
	r.u, rest = rest[:c.winogradWeights()/4], rest[c.winogradWeights()/4:]
	r.m, r.edge = rest[:winogradProducts/4], rest[winogradProducts/4:][:4*Block]
	t := r.t
	t.vt, t.vf = 2*Block*Blocks(c.IC), tiles*2*Block*Blocks(c.IC)
	t.uf, t.mf = c.winogradWeights()/16, winogradProducts/16
	t.low, t.high = c.limits()
	t.zero, t.real = c.Zero, 0
	if c.Real {
		t.real = 1
	}
	height := ceilDiv(r.rows, 2)
	for ty := 0; ty < height; ty += all {
		n := min(all, height-ty)
		r.transform(ty, n)
		for b := 2 * g0; b < min(2*g1, Blocks(c.C)); b++ {
			r.weights(a, b)
			for first := 0; first < n*r.tilesRow; first += winogradGroup {
				count := min(winogradGroup, n*r.tilesRow-first)
				r.products(first, count)
				r.outputs(b, ty, first, count)
			}
		}
	}
}

// transform makes V of n rows of tiles.
func (r *winogradRun) transform(ty, n int) {
	c, t := r.c, r.t
	whole := c.W / 2
	for y := range n {
		for b := range Blocks(c.IC) {
			base := r.in + b*c.In.C
			for i := range t.rows {
				// The fourth row of a tile of which one row is wanted does not matter.
				row := base + min(2*(ty+y)+i, r.rows+1)*c.In.H
				_ = r.src[row+(c.W+2)*byteWords-1]
				t.rows[i] = float(r.src, row)
			}
			t.v = float(r.v, (y*r.tilesRow*t.vt+2*Block*b)/4)
			if whole > 0 {
				t.col3, t.n = 3*Block, whole
				r.tier.in((*byte)(unsafe.Pointer(t)))
			}
			if c.W%2 == 0 {
				continue
			}
			for i := range t.rows { // nor does the fourth column of the last tile
				t.rows[i] = unsafe.Add(t.rows[i], whole*2*Block)
			}
			t.v = unsafe.Add(t.v, whole*t.vt)
			t.col3, t.n = 2*Block, 1
			r.tier.in((*byte)(unsafe.Pointer(t)))
		}
	}
}

// weights makes U of an output block.
func (r *winogradRun) weights(a *Args, b int) {
	c, t := r.c, r.t
	pair := min(2, Blocks(c.C)-b/2*2)
	t.ws = pair * Block * 4
	at := b/2*2*c.weightLen() + b%2*Block
	_ = a.W[0][at+(9*Blocks(c.IC)*4-1)*pair*Block+Block-1]
	for ib := range Blocks(c.IC) {
		t.w = float(a.W[0], at+ib*9*4*pair*Block)
		t.u, t.n = float(r.u, ib*2*Block*Block/4), 4
		r.tier.weights((*byte)(unsafe.Pointer(t)))
	}
	t.bias, t.scale = float(a.W[1], b*Block), float(a.W[2], b*Block)
}

// products multiplies some tiles with the weights, frequency by frequency.
func (r *winogradRun) products(first, count int) {
	t := r.t
	most := len(r.tier.product) - 1
	calls := ceilDiv(count, most)
	for f := range 16 {
		at := 0
		for i := range calls {
			p := (count - at + calls - i - 1) / (calls - i)
			t.v = float(r.v, (f*t.vf+(first+at)*t.vt)/4)
			t.u = float(r.u, f*t.uf/4)
			t.m = float(r.m, (f*t.mf+at*4*Block)/4)
			t.n = 2 * Blocks(r.c.IC)
			r.tier.product[p]((*byte)(unsafe.Pointer(t)))
			at += p
		}
	}
}

// outputs makes the outputs of some tiles of block b. Row 0 of tiles is row ty of the task.
func (r *winogradRun) outputs(b, ty, first, count int) {
	c, t := r.c, r.t
	step := c.step()
	for at := 0; at < count; {
		y, x := 2*(ty+(first+at)/r.tilesRow), (first+at)%r.tilesRow
		n := min(count-at, r.tilesRow-x, c.W/2-x)
		t.m = float(r.m, at*Block)
		to := r.to + b*c.Out.C + y*c.Out.H + 2*x*step
		if n > 0 && y+1 < r.rows {
			_ = r.out.Mem[to+c.Out.H+2*n*step-1]
			t.out, t.right, t.down, t.n = float(r.out.Mem, to), 4*step, 4*c.Out.H, n
			r.tier.out((*byte)(unsafe.Pointer(t)))
			at += n
			continue
		}
		t.out, t.right, t.down, t.n = float(r.edge, 0), 4*step, 8*step, 1
		r.tier.out((*byte)(unsafe.Pointer(t)))
		wide := min(2, c.W-2*x) * step
		for i := range min(2, r.rows-y) {
			copy(r.out.Mem[to+i*c.Out.H:][:wide], r.edge[2*i*step:])
		}
		at++
	}
}
