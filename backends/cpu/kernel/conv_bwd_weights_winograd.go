package kernel

import "unsafe"

// ConvBackwardWeightsWinograd is the gradient with respect to its weights of a convolution
// that WinogradFits: the adjoint of Winograd, with the same matrices (Lavin and Gray
// 2016, section 4),
//
//	dW = G^T [sum over tiles of (A dY A^T) .* (B^T X B)] G
//
// It takes 36 multiplications a tile, where the definition takes 144 (3x3) or 100 (5x5).
// Operands, parts and tasks are those of ConvBackwardWeightsSplit. If there is only one part, its
// sum is the gradient, and Out[2] holds what it holds for ConvBackwardWeights.
//
// A task owns some input blocks and some blocks of dY. It goes through the tiles strip by
// strip, and through each strip three times, for a third of the 36 positions each. It
// transforms Tiles tiles of its blocks, then multiplies each input block by each block of
// dY. The sums stay in scratch memory until the last tile is done.
//
// A sum is a chain of fused multiply-adds over the tiles of a part in order. So the bits do
// not depend on Tiles, Units, Pairs or threads, and are the same on AVX2 and AVX-512. With
// random operands the error is about 1e-5 of the largest gradient, five times that of
// ConvBackwardWeights.
type ConvBackwardWeightsWinograd struct {
	Parts ConvBackwardWeightsSplit // the gradient, the size of its parts and of its tasks
	// Padded says that the input and dY are followed by as many zeros as Border asks for.
	// Without it, tiles that reach past the image are copied to scratch memory and padded.
	Padded bool
	Tiles  int // that are transformed before they are multiplied; 0 leaves it to the kernel
}

// Count is the number of parts of that many images.
func (c ConvBackwardWeightsWinograd) Count(images int) int { return c.Parts.Count(images) }

// Tasks is those of ConvBackwardWeightsSplit.
func (c ConvBackwardWeightsWinograd) Tasks(images int) int { return c.Parts.Tasks(images) }

// PackedLen is the length of the gradient of a part, in float32s.
func (c ConvBackwardWeightsWinograd) PackedLen() int { return c.Parts.PackedLen() }

// Fits reports whether the kernel can compute the gradient. It cannot if there are few
// input channels, because their weights are packed in another order.
func (c ConvBackwardWeightsWinograd) Fits() bool {
	return WinogradFits(c.Parts.Whole.Conv) && c.Parts.Whole.Conv.depth() == Block && c.Parts.Whole.Conv.npairs() <= winoBwdPairs
}

// Table is empty: what the kernel reads lies in rows.
func (c ConvBackwardWeightsWinograd) Table(ISA) []int { return nil }

// Border returns how many rows and columns of zeros are read below and to the right of the
// input and of dY. The input needs at least the forward kernel's border.
func (c ConvBackwardWeightsWinograd) Border(ih, iw int) (in, dy [2]int) {
	m := c.m()
	h, w := ceilDiv(c.Parts.Whole.Conv.H, m)*m, ceilDiv(c.Parts.Whole.Conv.W, m)*m
	return [2]int{max(0, h-1+c.Parts.Whole.Conv.KH-1-c.Parts.Whole.Conv.PH-(ih-1)), max(0, w-1+c.Parts.Whole.Conv.KW-1-c.Parts.Whole.Conv.PW-(iw-1))}, [2]int{h - c.Parts.Whole.Conv.H, w - c.Parts.Whole.Conv.W}
}

// patched reports whether tiles that reach past the image are copied.
func (c *ConvBackwardWeightsWinograd) patched() bool {
	return !c.Padded && (c.Parts.Whole.Conv.H%c.m() != 0 || c.Parts.Whole.Conv.W%c.m() != 0)
}

// m is the side of a tile of dY.
func (c *ConvBackwardWeightsWinograd) m() int { return winoIn + 1 - c.Parts.Whole.Conv.KH }

// mostBlocks is the number of output blocks that a task owns at most.
func (c *ConvBackwardWeightsWinograd) mostBlocks() int {
	pairs := ceilDiv(c.Parts.Whole.Conv.npairs(), ceilDiv(c.Parts.Whole.Conv.npairs(), c.Parts.Whole.Conv.pairs()))
	return min(2*pairs, c.Parts.Whole.Conv.BiasLen()/Block)
}

// unitsAtOnce is the number of input blocks that a task owns at most.
func (c *ConvBackwardWeightsWinograd) unitsAtOnce() int {
	return ceilDiv(c.Parts.Whole.mostUnits(), c.Parts.Whole.chunks())
}

const (
	winoPairs         = 3          // of rows of positions: 0 and 5, 1 and 2, 3 and 4
	winoPairPositions = 2 * winoIn // of a pair
	winoBwdStrip      = 96 << 10   // float32s of input and dY that stay in the second cache beside the sums
)

// tiles is how many tiles are multiplied at once. If the sums of a third of the positions
// fit the first-level cache, it is few enough for the tiles to fit beside them. If not, it
// is enough to make up for fetching the sums.
func (c *ConvBackwardWeightsWinograd) tiles() int {
	if c.Tiles > 0 {
		return c.Tiles
	}
	if c.unitsAtOnce()+c.mostBlocks() > 2 {
		return 16
	}
	for _, n := range []int{8, 7, 6} { // rows of tiles are cut as little as can be
		if gw := ceilDiv(c.Parts.Whole.Conv.W, c.m()); gw%n == 0 || n%gw == 0 {
			return n
		}
	}
	return 8
}

// stripTiles is how many tiles are done at all positions before the next ones.
func (c *ConvBackwardWeightsWinograd) stripTiles() int {
	n := c.tiles()
	return n * max(1, min(winoBwdRows/n, winoBwdStrip/(n*c.m()*c.m()*Block*(c.unitsAtOnce()+c.mostBlocks()))))
}

// winoBwdLayout says where things are in a worker's scratch, in float32s: the input
// [position][unit][tile][16] and dY [position][output block][tile][16] of a third of the
// positions, room for a transform between its two dimensions, the tiles that reach past
// the image, and the sums [unit][output block], each [pair][position][input channel][16 or, of
// a pair of blocks, 32]. Strides between positions are odd numbers of cache lines.
type winoBwdLayout struct {
	block              int // from a block's tiles to the next block's
	xpos, dypos        int // from a position to the next
	dy, tmp, patches   int // where they begin; the input is at 0
	patch              int // from a patch to the next: of all blocks of the input, and then of dY
	sums, unit, sumpos int // where the sums begin, from a unit's to the next's, and from a position's to the next's for each block
	size               int
}

func (c *ConvBackwardWeightsWinograd) layout() (l winoBwdLayout) {
	units, blocks, m, patches := c.unitsAtOnce(), c.mostBlocks(), c.m(), 0
	if c.patched() {
		patches = c.stripTiles()
	}
	l.block = c.tiles() * Block
	l.xpos, l.dypos = units*l.block|Block, blocks*l.block|Block
	l.dy = winoPairPositions * l.xpos
	l.tmp = l.dy + winoPairPositions*l.dypos
	l.patches = l.tmp + winoIn*5*Block
	l.patch = (units*winoArea + blocks*m*m) * Block
	l.sums = l.patches + patches*l.patch
	l.sumpos = Block*Block + Block
	l.unit = blocks * winoArea * l.sumpos
	l.size = l.sums + units*l.unit
	return l
}

// Scratch is the transformed tiles and the sums.
func (c ConvBackwardWeightsWinograd) Scratch() int { return c.layout().size }

// winoSums is the argument block of the microkernel that adds products of tiles. It
// lives in the Worker, and the assembly knows its layout.
type winoSums struct {
	x, dy, sum          unsafe.Pointer // the first tile of the input and of dY, and the sum
	n                   int            // sums, one after another
	xnext, dynext, next int            // bytes from what is of a sum to the next's
	tiles               int
	block               int            // bytes from an output block's tiles to the next's, in dY
	row                 int            // bytes from an input channel's sums to the next's
	begin               int            // 1 to begin with zeros
	ask                 unsafe.Pointer // what to ask for: n*tiles cache lines
}

// What a task has at most: pairs of output blocks that it owns, and rows of tiles of a strip.
const (
	winoBwdPairs = 32
	winoBwdRows  = 256
)

// winoBwdLists is memory for a task's lists. It lives in the Worker, so that a run allocates
// nothing.
type winoBwdLists struct {
	owned [winoBwdPairs]bwdWeightsPiece
	rows  [winoBwdRows]winoRow
}

// winoBwdRun is a task under way.
type winoBwdRun struct {
	winoBwdLayout
	c      ConvBackwardWeightsWinograd
	w      *Worker
	a      Args // of the part
	images int  // of the part and those behind it
	owned  []bwdWeightsPiece
	lo, hi int // units
	blocks int // of dY
	rows   []winoRow
	asks   winoAsk
	done   int // tiles of the strip before those being multiplied
	tiles  int // that are being multiplied
}

// winoRow is tiles of a strip that lie side by side, or one that has a patch.
type winoRow struct {
	first, n int
	patch    int // where it is, or -1
	x, dy    int // where the first one's first blocks are
}

// Run computes a task of a part.
func (c ConvBackwardWeightsWinograd) Run(w *Worker, task int, a *Args) {
	r, whole := &w.winoBwd, task
	task, part := c.Parts.part(task, a)
	images := a.Images - whole/c.Parts.Whole.Tasks(a.Images)*c.Parts.Images
	*r = winoBwdRun{c: c, w: w, a: part, images: images, owned: w.winoBwdLists.owned[:0], rows: w.winoBwdLists.rows[:0], winoBwdLayout: c.layout()}
	c.Parts.Whole.owned(task, &r.a, func(p bwdWeightsPiece) {
		r.owned = append(r.owned, p)
		r.lo, r.hi = p.u0, p.u1
		r.blocks += p.blocks
	})
	m := c.m()
	total, chunk, strip := part.Images*ceilDiv(c.Parts.Whole.Conv.H, m)*ceilDiv(c.Parts.Whole.Conv.W, m), c.tiles(), c.stripTiles()
	for first := 0; first < total; first += strip {
		n := min(strip, total-first)
		r.cut(first, n, chunk)
		r.askFor(first+n, strip)
		for pair := range winoPairs {
			for rest := r.rows; len(rest) > 0; {
				rest = r.transform(pair, rest, chunk)
				r.multiply(pair, first == 0 && r.done == 0)
			}
		}
	}
	sum := r.transformBack(a.Out[2].Mem != nil)
	a.Out[2].putSquares(whole, sum)
}

// cut lists the rows that hold n tiles from tile first on, counting through all images, and
// fills the patches. A row is split where a new group of Tiles tiles begins.
func (r *winoBwdRun) cut(first, n, chunk int) {
	c, m := &r.c, r.c.m()
	gh, gw, patched, patches := ceilDiv(c.Parts.Whole.Conv.H, m), ceilDiv(c.Parts.Whole.Conv.W, m), c.patched(), 0
	inside := gw
	if patched {
		inside = c.Parts.Whole.Conv.W / m
	}
	image, ty, tx := first/(gh*gw), first/gw%gh, first%gw
	r.rows = r.rows[:0]
	for i := 0; i < n; {
		t := winoRow{first: i, n: 1, patch: -1,
			x:  c.Parts.Whole.Conv.In.at(&r.a.In[0], image, r.lo, ty*m-c.Parts.Whole.Conv.PH, tx*m-c.Parts.Whole.Conv.PW),
			dy: c.Parts.Whole.Conv.Outputs[0].View.at(&r.a.In[1], image, r.owned[0].block, ty*m, tx*m)}
		if rows, cols := min(m, c.Parts.Whole.Conv.H-ty*m), min(m, c.Parts.Whole.Conv.W-tx*m); patched && (rows < m || cols < m) {
			t.patch = r.patches + patches*r.patch
			patches++
			r.fill(&t, rows, cols)
		} else {
			t.n = min(inside-tx, n-i, chunk-i%chunk)
		}
		r.rows = append(r.rows, t)
		i += t.n
		if tx += t.n; tx == gw {
			tx = 0
			if ty++; ty == gh {
				ty = 0
				image++
			}
		}
	}
}

// winoAsk is what of the input and of dY has not been asked for yet, from the tiles of the
// row from of an image to those before the row to of the last one.
type winoAsk struct {
	image, last int
	from, to    int
	operand     int // units, and then blocks of dY, of the image that have been asked for
	mem         []float32
	at, left    int // where the lines are that are next, and how many there are
}

// askFor says that a strip of n tiles from next on is to be asked for. It may be of the images
// behind those of the part, which the next task is probably of.
func (r *winoBwdRun) askFor(next, n int) {
	c, m := &r.c, r.c.m()
	gh, gw, images := ceilDiv(c.Parts.Whole.Conv.H, m), ceilDiv(c.Parts.Whole.Conv.W, m), r.images
	if c.Parts.Whole.Tasks(images) > 1 {
		images = r.a.Images
	}
	last := min(next+n, images*gh*gw) - 1
	r.asks = winoAsk{image: next / (gh * gw), last: last / (gh * gw), from: next / gw % gh, to: last/gw%gh + 1}
	if last < next {
		r.asks.last = r.asks.image - 1
	}
}

// ask returns the address of the next cache lines to prefetch, at most lines of them.
func (r *winoBwdRun) ask(lines int) unsafe.Pointer {
	q, c, m := &r.asks, &r.c, r.c.m()
	for q.left <= 0 {
		if q.image > q.last {
			return r.w.sums.x // nothing that is not near
		}
		to := ceilDiv(c.Parts.Whole.Conv.H, m)
		if q.image == q.last {
			to = q.to
		}
		if u := q.operand; u < r.hi-r.lo {
			first := q.from * m // the rows of the input that the tiles before do not have
			if first > 0 {
				first += c.Parts.Whole.Conv.KH - 1
			}
			q.mem, q.at = r.a.In[0].Mem, c.Parts.Whole.Conv.In.at(&r.a.In[0], q.image, r.lo+u, first-c.Parts.Whole.Conv.PH, -c.Parts.Whole.Conv.PW)
			q.left = (min(to*m, c.Parts.Whole.Conv.H) + c.Parts.Whole.Conv.KH - 1 - first) * c.Parts.Whole.Conv.In.H / Block
		} else {
			view := c.Parts.Whole.Conv.Outputs[0].View
			q.mem, q.at = r.a.In[1].Mem, view.at(&r.a.In[1], q.image, r.owned[0].block+u-(r.hi-r.lo), q.from*m, 0)
			q.left = (min(to*m, c.Parts.Whole.Conv.H) - q.from*m) * view.H / Block
		}
		if q.operand++; q.operand == r.hi-r.lo+r.blocks {
			q.operand, q.from = 0, 0
			q.image++
		}
	}
	p := float(q.mem, q.at)
	q.at += lines * Block
	q.left -= lines
	return p
}

// fill writes the patch of a tile of rows x cols pixels of dY, with zeros past the image.
func (r *winoBwdRun) fill(t *winoRow, rows, cols int) {
	c, m, to := &r.c, r.c.m(), r.w.Scratch[t.patch:][:r.patch]
	for u := range r.hi - r.lo {
		fillPatch(to[u*winoArea*Block:], r.a.In[0].Mem[t.x+u*c.Parts.Whole.Conv.In.C:], c.Parts.Whole.Conv.In.H, winoIn, rows+c.Parts.Whole.Conv.KH-1, cols+c.Parts.Whole.Conv.KW-1)
	}
	to = to[(r.hi-r.lo)*winoArea*Block:]
	view := c.Parts.Whole.Conv.Outputs[0].View
	for b := range r.blocks {
		fillPatch(to[b*m*m*Block:], r.a.In[1].Mem[t.dy+b*view.C:], view.H, m, rows, cols)
	}
}

// transform makes a pair of rows of positions of the next tiles to be multiplied, and
// returns the rows of those that follow.
func (r *winoBwdRun) transform(pair int, rows []winoRow, chunk int) []winoRow {
	c, m, view, scratch := &r.c, r.c.m(), r.c.Parts.Whole.Conv.Outputs[0].View, r.w.Scratch
	units := r.hi - r.lo
	r.done, r.tiles = rows[0].first, 0
	tier := &winoBwdTiers[r.w.ISA]
	for len(rows) > 0 && r.tiles < chunk {
		s := &rows[0]
		rows = rows[1:]
		x, dy, xmem, dymem := s.x, s.dy, r.a.In[0].Mem, r.a.In[1].Mem
		xrow, xblock, dyrow, dyblock := c.Parts.Whole.Conv.In.H, c.Parts.Whole.Conv.In.C, view.H, view.C
		if s.patch >= 0 {
			xmem, dymem = scratch, scratch
			x = s.patch
			xrow, xblock, dyrow, dyblock = winoIn*Block, winoArea*Block, m*Block, m*m*Block
			dy = x + units*xblock
		}
		for u := range units {
			from, to := x+u*xblock, u*r.block+r.tiles*Block
			if tier.x[pair] == nil {
				winoBwdXGo(pair, xmem[from:], xrow, scratch[to:], r.xpos, s.n, m)
				continue
			}
			_ = xmem[from+(winoIn-1)*xrow+(winoIn+(s.n-1)*m)*Block-1] // the assembly checks no bounds
			tier.x[pair](&xmem[from], 4*xrow, &scratch[to], 4*r.xpos, s.n, 4*m*Block)
		}
		for b := range r.blocks {
			from, to := dy+b*dyblock, r.dy+b*r.block+r.tiles*Block
			if tier.dy[m/4][pair] == nil {
				winoBwdDYGo(m, pair, dymem[from:], dyrow, scratch[to:], r.dypos, s.n)
				continue
			}
			_ = dymem[from+(m-1)*dyrow+s.n*m*Block-1]
			tier.dy[m/4][pair](&dymem[from], 4*dyrow, &scratch[to], 4*r.dypos, s.n)
		}
		r.tiles += s.n
	}
	return rows
}

// winoBwdTier is what a tier has for them: the transforms of x and of dY by pair of rows of
// positions, dY's by the size of its tiles too (2 and 4), that of the sums by the side of the kernel
// (3 and 5), and the sums of products by output blocks - 1.
type winoBwdTier struct {
	lanes  int // of a vector
	blocks int // output blocks at once
	x      [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int)
	dy     [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int)
	out    [2]func(src *float32, pos int, dst *float32, tap, n int, tmp *float32)
	sum    [2]func(*byte)
}

// winoBwdTiers are the tiers. Files of a processor set those that have microkernels.
var winoBwdTiers [isas]winoBwdTier

// multiply adds the products at a pair of rows of positions, of all units and blocks.
func (r *winoBwdRun) multiply(pair int, begin bool) {
	s, units := &r.w.sums, r.hi-r.lo
	s.n, s.xnext, s.dynext, s.next = units, 4*r.block, 0, 4*r.unit
	if units == 1 { // several positions in one call
		s.n, s.xnext, s.dynext = winoIn, 4*r.xpos, 4*r.dypos
	}
	positions := winoPairPositions
	if units == 1 {
		positions = 2
	}
	s.tiles, s.block, s.begin = r.tiles, 4*r.block, 0
	if begin {
		s.begin = 1
	}
	for p := range positions {
		if units == 1 {
			p *= winoIn
		}
		block := 0
		for i := range r.owned {
			blocks := r.owned[i].blocks
			if units == 1 {
				s.next = 4 * blocks * r.sumpos
			}
			r.add(r.sums+(block*winoArea+(pair*winoPairPositions+p)*blocks)*r.sumpos, p*r.xpos, r.dy+p*r.dypos+block*r.block, blocks)
			block += blocks
		}
	}
}

// add adds products of a pair of blocks of dY.
func (r *winoBwdRun) add(sum, x, dy, blocks int) {
	s, scratch, width := &r.w.sums, r.w.Scratch, blocks*Block
	tier := &winoBwdTiers[r.w.ISA]
	if tier.blocks == 0 {
		for i := range s.n {
			at := scratch[sum+i*s.next/4:][:Block*width]
			if s.begin != 0 {
				clear(at)
			}
			for b := range blocks {
				winoBwdSumGo(scratch[x+i*s.xnext/4:], scratch[dy+i*s.dynext/4+b*r.block:], at[b*Block:], width, r.tiles)
			}
		}
		return
	}
	s.row = 4 * width
	once := min(blocks, tier.blocks)
	for b := 0; b < blocks; b += once {
		s.x, s.dy, s.sum = float(scratch, x), float(scratch, dy+b*r.block), float(scratch, sum+b*Block)
		s.ask = r.ask(s.n * s.tiles)
		tier.sum[once-1]((*byte)(unsafe.Pointer(s)))
	}
}

// transformBack makes the gradient of the sums, and the sum of its squares if that is wanted.
func (r *winoBwdRun) transformBack(wanted bool) (sum float64) {
	side, scratch, block := r.c.Parts.Whole.Conv.KH, r.w.Scratch, 0
	tier := &winoBwdTiers[r.w.ISA]
	for _, p := range r.owned {
		n := Block * p.blocks * Block // weights of a unit and a tap
		for u := range r.hi - r.lo {
			src := scratch[r.sums+u*r.unit+block*winoArea*r.sumpos:][:winoArea*p.blocks*r.sumpos]
			dst := p.dw[(r.lo+u)*side*side*n:][:side*side*n]
			if f := tier.out[side/5]; f == nil {
				winoBwdOutGo(side, src, p.blocks*r.sumpos, dst, n)
			} else {
				f(&src[0], 4*p.blocks*r.sumpos, &dst[0], 4*n, n/tier.lanes, &scratch[r.tmp])
			}
			if wanted {
				sum += squareSum(r.w.ISA, dst)
			}
		}
		block += p.blocks
	}
	return sum
}
