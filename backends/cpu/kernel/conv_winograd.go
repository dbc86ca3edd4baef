package kernel

import "unsafe"

// Winograd is a 3x3 convolution by F(4x4, 3x3) or a 5x5 one by F(2x2, 5x5)
// (Lavin and Gray 2016; points 0, 1, -1, 2, -2, infinity): 36 multiplications a tile,
// where Conv takes 144 or 100. Stride and dilation must be 1, the input not planar, and
// Output.Step 0; a group must be whole blocks of input and of output channels. Operands, outputs, epilogue and the input's border are those of
// Conv; tiles that reach past the border read zeros.
//
// A task transforms Tiles tiles of all input channels that its pairs read, then for each of its pairs
// of output blocks multiplies the 36 matrices by the direct convolution's
// microkernels and transforms back, while all of it stays in L2. Tasks that share
// tiles and differ in pairs each transform the input again.
//
// The bits depend on none of Tiles, Pairs and the number of images, and are the
// same on AVX2 and AVX-512.
//
// With Pool it is a MaxPool of windows of 2 x 2 behind the convolution as well
// (conv_winograd_pool.go): Out[0] and the view of the only output are those of the pool's output, of
// H/2 x W/2 pixels, and Out[1] has its indices (view Indices), if it has memory: with
// ActReLU those of IndexReLU.
type Winograd struct {
	Conv    Conv // Rows is not used
	Tiles   int  // output tiles a task, counted through all images
	Pool    bool // not with Residual, ActReLUBackward, or an activation of its own call
	Indices View
}

// BiasLen is the length of the packed bias.
func (c Winograd) BiasLen() int { return c.Conv.BiasLen() }

// PackBias packs the bias.
func (c Winograd) PackBias(dst, bias []float32) { c.Conv.PackBias(dst, bias) }

// PaddedMACs is those of the direct convolution.
func (c Winograd) PaddedMACs() int { return c.Conv.PaddedMACs() }

// WinogradFits reports whether Winograd computes such a convolution.
func WinogradFits(c Conv) bool {
	return (c.KH == 3 && c.KW == 3 || c.KH == 5 && c.KW == 5) && one(c.SH) == 1 && one(c.SW) == 1 &&
		one(c.DH) == 1 && one(c.DW) == 1 && one(c.Groups) == 1 && !c.Planar
}

// WinogradGroupsFit is WinogradFits for convolutions with groups of whole blocks, for which there
// are no gradients by Winograd.
func WinogradGroupsFit(c Conv) bool {
	whole := c.groupBlocks() > 0 && c.IC/c.Groups%Block == 0
	c.Groups = 1
	return whole && WinogradFits(c)
}

const (
	winoIn   = 6 // the side of an input tile
	winoArea = winoIn * winoIn
)

// m is the side of an output tile.
func (c Winograd) m() int { return winoIn + 1 - c.Conv.KH }

func (c Winograd) grid() (h, w int) { return ceilDiv(c.Conv.H, c.m()), ceilDiv(c.Conv.W, c.m()) }

// tiles is the number of tiles a task.
func (c Winograd) tiles() int {
	if c.Tiles > 0 {
		return c.Tiles
	}
	h, w := c.grid()
	return h * w
}

// Tasks is chunks of tiles x chunks of pairs of output blocks.
func (c Winograd) Tasks(images int) int {
	h, w := c.grid()
	return ceilDiv(images*h*w, c.tiles()) * ceilDiv(c.Conv.npairs(), c.Conv.pairs())
}

// Sums is what adds up the sums in Out[1]: one of the tiles of a task.
func (c Winograd) Sums() ChannelSums {
	h, w := c.grid()
	return ChannelSums{C: c.Conv.Outputs[0].C, Partials: 1, Tiles: h * w, Task: c.tiles()}
}

// PackedLen is the length of the transformed weights, in float32s.
func (c Winograd) PackedLen() int {
	n := 0
	for g := range c.Conv.blockPairs {
		n += g.blocks
	}
	return n * Block * c.depths() * winoArea
}

// depths is the number of input channels of a group, padded as they are multiplied.
func (c *Winograd) depths() int { return Blocks(c.Conv.IC/one(c.Conv.Groups)) * c.Conv.depth() }

// winoG is the weight transform's row for point i: f * (1, p, p^2, ...), and for
// infinity the last coefficient alone.
func winoG(i, r int) (row [5]float64) {
	point := [...]struct{ p, f float64 }{{0, 1. / 4}, {1, -1. / 6}, {-1, -1. / 6}, {2, 1. / 24}, {-2, 1. / 24}}
	if i == winoIn-1 {
		row[r-1] = 1
		return row
	}
	v := point[i].f
	for j := range r {
		row[j] = v
		v *= point[i].p
	}
	return row
}

// winoMatrix is the weight transform for r taps, of winoIn rows.
func winoMatrix(r int) []float64 { return winoMatrices[r] }

var winoMatrices = func() (m [6][]float64) {
	for _, r := range []int{3, 5} {
		for i := range winoIn {
			row := winoG(i, r)
			m[r] = append(m[r], row[:r]...)
		}
	}
	return m
}()

// Pack transforms weights in OIHW order, in float64, and rounds once. The order
// is [pair][position][input channel][16 or 32 output channels].
func (c Winograd) Pack(dst, weight []float32) { packAll(dst, weight, c.packParts()) }

// winoLayout says where things are in a worker's scratch, in float32s:
// V[position][input block][tile][16], M[position][1 or 2][tile][16] (or in the same
// memory: inPlace), room for a transform between its two dimensions, and patches for
// tiles at the image's edge. Strides between positions are odd numbers of cache lines,
// so that the 36 of them fall into different sets.
type winoLayout struct {
	area             int // positions: 36, or 10 of Winograd1D
	block            int // from a block's tiles to the next block's, in V and M
	vpos, mpos       int // from a position to the next
	prod, tmp        int // where M and tmp begin; V is at 0
	patch, res, size int
	rows             int // where the rows lie that are pooled
}

func (c Winograd) layout() (l winoLayout) {
	l.area = winoArea
	l.block = c.tiles() * Block
	l.vpos = Blocks(c.Conv.IC)*l.block | Block
	l.mpos = 2*l.block | Block
	l.prod = winoArea * l.vpos
	l.tmp = l.prod + winoArea*l.mpos
	if c.inPlace() {
		l.prod, l.mpos, l.tmp = 0, l.vpos, l.prod
	}
	l.patch = l.tmp + winoArea*Block
	l.res = l.patch + winoArea*Block
	l.size = l.res + winoArea*Block
	if c.Pool {
		l.rows = l.size
		l.size += poolTiles * c.m() * c.m() * Block
	}
	return l
}

// inPlace reports whether M takes V's place: with one block of output channels no
// other product reads V after it, and half as much memory goes through the first
// cache.
func (c Winograd) inPlace() bool { return c.Conv.npairs() == 1 && Blocks(c.Conv.OC()) == 1 }

// Scratch is V, M and the patches of a chunk.
func (c Winograd) Scratch() int { return c.layout().size }

// Table returns the offsets of the input blocks in V, in bytes.
func (c Winograd) Table(ISA) []int {
	t := make([]int, Blocks(c.Conv.IC))
	for b := range t {
		t[b] = 4 * b * c.layout().block
	}
	return t
}

// Run computes one task.
func (c Winograd) Run(w *Worker, task int, a *Args) {
	gchunks := ceilDiv(c.Conv.npairs(), c.Conv.pairs())
	g0 := task % gchunks * c.Conv.pairs()
	g1 := min(g0+c.Conv.pairs(), c.Conv.npairs())
	gh, gw := c.grid()
	r := &w.wino
	*r = winoRun{c: c, w: w, a: a, scratch: w.Scratch, winoLayout: c.layout(), gh: gh, gw: gw, first: task / gchunks * c.tiles()}
	r.n = min(c.tiles(), a.Images*gh*gw-r.first)
	lo, hi, i := Blocks(c.Conv.IC), 0, 0
	for g := range c.Conv.blockPairs {
		if i >= g0 && i < g1 {
			lo, hi = min(lo, g.lo), max(hi, g.hi)
		}
		i++
	}
	r.transformIn(lo, hi)
	i = 0
	for g := range c.Conv.blockPairs {
		if i >= g0 && i < g1 {
			r.multiply(g)
			if c.Pool {
				r.poolOut(g)
			} else {
				r.transformOut(g)
			}
		}
		i++
	}
}

// winoRun is a task under way. It lives in the Worker, so that a run allocates
// nothing.
type winoRun struct {
	winoLayout
	c        Winograd
	w        *Worker
	a        *Args
	scratch  []float32
	gh, gw   int
	first, n int // tiles
}

// at returns the image, the row and the column of tile i of the task.
func (r *winoRun) at(i int) (image, ty, tx int) {
	i += r.first
	return i / (r.gh * r.gw), i / r.gw % r.gh, i % r.gw
}

// transformIn fills V for input blocks lo to hi-1. Tiles of a row that lie within the image and its border go
// in one call; one that reaches past it goes by way of a patch.
func (r *winoRun) transformIn(lo, hi int) {
	m, in := r.c.m(), r.a.In[0]
	ih, iw := r.c.Conv.H+r.c.Conv.KH-1, r.c.Conv.W+r.c.Conv.KW-1 // rows and columns there are
	inside := 0                                                  // tiles of a row that do not reach past its end
	if iw >= winoIn {
		inside = (iw-winoIn)/m + 1
	}
	for i := 0; i < r.n; {
		image, ty, tx := r.at(i)
		src := in.Off + image*r.c.Conv.In.N + (ty*m-r.c.Conv.PH)*r.c.Conv.In.H + (tx*m-r.c.Conv.PW)*Block
		rows, cols := min(winoIn, ih-ty*m), min(winoIn, iw-tx*m)
		if rows == winoIn && cols == winoIn {
			run := min(inside-tx, r.n-i)
			for b := lo; b < hi; b++ {
				r.inTiles(in.Mem, src+b*r.c.Conv.In.C, r.c.Conv.In.H, b*r.block+i*Block, run)
			}
			i += run
			continue
		}
		for b := lo; b < hi; b++ {
			fillPatch(r.scratch[r.patch:], in.Mem[src+b*r.c.Conv.In.C:], r.c.Conv.In.H, winoIn, rows, cols)
			r.inTiles(r.scratch, r.patch, winoIn*Block, b*r.block+i*Block, 1)
		}
		i++
	}
}

// fillPatch writes side x side pixels: the first rows and columns from src, zeros beyond.
func fillPatch(dst, src []float32, row, side, rows, cols int) {
	for y := range side {
		for x := range side {
			d := (*[Block]float32)(dst[(y*side+x)*Block:])
			if y < rows && x < cols {
				*d = [Block]float32(src[y*row+x*Block:])
			} else {
				*d = [Block]float32{}
			}
		}
	}
}

func (r *winoRun) inTiles(src []float32, at, row, dst, n int) {
	f := winoTiers[r.w.ISA].in
	if f == nil {
		winoInGo(src[at:], row, r.scratch[dst:], r.vpos, n, r.c.m())
		return
	}
	f(&src[at], 4*row, &r.scratch[dst], 4*r.vpos, n, 4*r.c.m()*Block, &r.scratch[r.tmp])
}

type winoOutFunc = func(src *float32, pos int, dst *float32, row int, bias, res *float32, resRow int, scale float32, flags, n int, tmp *float32)

// winoTier is what a tier has for Winograd: the transform of the input, that of the output by
// the size of its tiles (2 and 4), and the products at all positions by output blocks - 1 and
// by tiles, of as many as tileTier says.
type winoTier struct {
	in      func(src *float32, row int, dst *float32, pos, n, step int, tmp *float32)
	out     [2]winoOutFunc
	product [2][15]func(*byte)
}

// winoTiers are the tiers. Files of a processor set those that have microkernels.
var winoTiers [isas]winoTier

// multiply computes M for a pair of output blocks: 36 or 10 products, each a 1x1
// convolution whose pixels are the tiles.
func (r *winoRun) multiply(g blockPair) {
	k := r.c.depths()
	width := g.blocks * Block
	weights := r.a.W[0][r.area*k*g.bias:][:r.area*k*width]
	if len(weights) <= winoFewWeights && winoTiers[r.w.ISA].product[0][1] != nil {
		r.products(weights, width, g)
		return
	}
	t := &r.w.tile
	taps := r.a.Table[g.lo:g.hi]
	t.taps, t.ntaps = unsafe.Pointer(&taps[0]), len(taps)
	t.ps, t.ws, t.obs, t.flags = 4*Block, 4*width, 4*r.block, 0
	t.ops, t.kc = 4*Block, r.c.Conv.depth()
	t.bias = unsafe.Pointer(&zeroBias)
	tier := &tileTiers[r.w.ISA]
	blocks := min(g.blocks, tier.blocks)
	for pos := range r.area {
		u := weights[pos*k*width:][:k*width]
		v, out := pos*r.vpos, r.prod+pos*r.mpos
		if tier.portable() {
			r.multiplyGo(taps, u, width, v, out)
			continue
		}
		for b := 0; b < g.blocks; b += blocks {
			t.w = float(u, b*Block)
			calls := ceilDiv(r.n, tier.pixels)
			t.flags |= tileFar
			for i := 0; i < r.n; calls-- {
				p := ceilDiv(r.n-i, calls)
				half := (p + 1) / 2
				if p == 1 {
					half = 0
				}
				t.a = float(r.scratch, v+i*Block)
				t.b = float(r.scratch, v+(i+half)*Block)
				t.outA = float(r.scratch, out+b*r.block+i*Block)
				t.outB = float(r.scratch, out+b*r.block+(i+half)*Block)
				t.run(tier, blocks, p)
				t.near()
				i += p
			}
		}
	}
}

// winoFewWeights is up to how many weights of a pair of output blocks, 36 KiB, the
// positions are looped over by assembly: then a product takes so short a time that its
// call counts. More weights come from farther away, and prefetching them counts.
const winoFewWeights = winoArea * Block * Block

// winoProduct is the argument block of the microkernels that multiply at all
// positions, one after another. It lives in the Worker, as tile does, and the assembly
// knows its layout.
type winoProduct struct {
	v, w, out          unsafe.Pointer // the first tile, the weights and the products at the first position
	positions          int
	vpos, wpos, outPos int // bytes from a position to the next
	blocks, block      int // input blocks, and bytes from one to the next in V
	kc                 int // input channels a block: 4, 8 or 16
	ws                 int // bytes from an input channel's weights to the next
	obs                int // bytes from an output block's products to the next
}

// products is multiply by these.
func (r *winoRun) products(weights []float32, width int, g blockPair) {
	k := r.c.depths()
	p := &r.w.product
	p.positions, p.vpos, p.wpos, p.outPos = r.area, 4*r.vpos, 4*k*width, 4*r.mpos
	p.blocks, p.block, p.kc = g.hi-g.lo, 4*r.block, r.c.Conv.depth()
	p.ws, p.obs = 4*width, 4*r.block
	most := maxPixels(r.w.ISA)
	at := min(g.blocks, tileTiers[r.w.ISA].blocks) // at once
	kernels := &winoTiers[r.w.ISA].product[at-1]
	for b := 0; b < g.blocks; b += at {
		calls := ceilDiv(r.n, most)
		for i := 0; i < r.n; calls-- {
			n := ceilDiv(r.n-i, calls)
			p.v, p.w = float(r.scratch, g.lo*r.block+i*Block), float(weights, b*Block)
			p.out = float(r.scratch, r.prod+b*r.block+i*Block)
			kernels[n]((*byte)(unsafe.Pointer(p)))
			i += n
		}
	}
}

// bias is that of a block of a pair.
func (r *winoRun) bias(g blockPair, b int) []float32 {
	if r.a.W[1] == nil {
		return zeroBias[:Block]
	}
	return r.a.W[1][g.bias+b*Block:][:Block]
}

// transformOut writes a pair of output blocks.
func (r *winoRun) transformOut(g blockPair) {
	m, part, out := r.c.m(), &r.c.Conv.Outputs[g.part], r.a.Out[g.part]
	inside := r.c.Conv.W / m
	for b := range g.blocks {
		bias := r.bias(g, b)
		var sums []float32
		if part.Act == ActReLUBackward && r.a.Out[1].Mem != nil {
			sums = r.a.Out[1].vector(r.first/r.c.tiles()*Blocks(part.C) + g.block + b)
			clear(sums)
		}
		for i := 0; i < r.n; {
			image, ty, tx := r.at(i)
			src := r.prod + b*r.block + i*Block
			dst := out.Off + image*part.View.N + (g.block+b)*part.View.C + ty*m*part.View.H + tx*m*Block
			res := r.a.In[1].Off + image*r.c.Conv.Res.N + (g.block+b)*r.c.Conv.Res.C + ty*m*r.c.Conv.Res.H + tx*m*Block
			rows, cols := min(m, r.c.Conv.H-ty*m), min(m, r.c.Conv.W-tx*m)
			if rows == m && cols == m {
				run := min(inside-tx, r.n-i)
				r.outTiles(part, src, out.Mem, dst, part.View.H, bias, r.a.In[1].Mem, res, r.c.Conv.Res.H, run)
				if part.vectorAct() {
					for y := range m {
						at := dst + y*part.View.H
						part.activate(r.w, out.Mem[at:at+run*m*Block], g.block+b)
					}
				}
				if sums != nil {
					r.c.Conv.sum(r.w, sums, &out, dst, m, run*m)
				}
				i += run
				continue
			}
			if r.c.Conv.second() {
				for y := range rows {
					at := res + y*r.c.Conv.Res.H
					copy(r.scratch[r.res+y*m*Block:], r.a.In[1].Mem[at:at+cols*Block])
				}
			}
			r.outTiles(part, src, r.scratch, r.patch, m*Block, bias, r.scratch, r.res, m*Block, 1)
			for y := range rows {
				at := r.patch + y*m*Block
				row := out.Mem[dst+y*part.View.H:][:cols*Block]
				copy(row, r.scratch[at:])
				if part.vectorAct() {
					part.activate(r.w, row, g.block+b)
				}
			}
			if sums != nil {
				r.c.Conv.sum(r.w, sums, &out, dst, rows, cols)
			}
			i++
		}
	}
}

// winoOutCall is a call of the output transform: n tiles that lie side by side, with the
// epilogue. Strides are in float32s.
type winoOutCall struct {
	src    []float32 // the products of the tiles at the first position
	pos    int       // from a position to the next
	dst    []float32
	row    int // from a row of dst to the next
	bias   []float32
	res    []float32 // the residual or mask; not read without flags for it
	resRow int
	scale  float32
	flags  int
	n      int
	tmp    []float32 // room for a transform between its two dimensions
}

func (r *winoRun) outTiles(part *Output, src int, dst []float32, at, row int, bias, res []float32, rat, rrow, n int) {
	flags := r.c.Conv.flags(part)
	if r.c.Pool {
		flags |= tileNear
	}
	if !r.c.Conv.second() {
		res, rat = bias, 0 // not read
	}
	call := winoOutCall{src: r.scratch[src:], pos: r.mpos, dst: dst[at:], row: row, bias: bias, res: res[rat:], resRow: rrow,
		scale: r.c.Conv.Scale, flags: flags, n: n, tmp: r.scratch[r.tmp:]}
	call.run(winoTiers[r.w.ISA].out[r.c.m()/4], r.c.m())
}

// run transforms tiles of m x m pixels by a microkernel, or in plain Go.
func (c *winoOutCall) run(f winoOutFunc, m int) {
	if f == nil {
		c.runGo(m)
		return
	}
	f(&c.src[0], 4*c.pos, &c.dst[0], 4*c.row, &c.bias[0], &c.res[0], 4*c.resRow, c.scale, c.flags, c.n, &c.tmp[0])
}
