package kernel

// Winograd1D is a 1x7 or 7x1 convolution by the one-dimensional F(4, 7): 10
// multiplications for 28 (points 0, 1, -1, 2, -2, 1/2, -1/2, 3/4, -3/4 and
// infinity, which of the choices tried had the smallest error). Inception v3, v4
// and Inception-ResNet v2 have a quarter of their work there. What is said of
// Winograd holds for it too; a tile is four outputs of a row (1x7) or of a column
// (7x1), and the weights become 10/7 as many.
type Winograd1D struct {
	Conv  Conv // Rows is not used
	Tiles int  // output tiles a task, counted through all images
}

// BiasLen is the length of the packed bias.
func (c Winograd1D) BiasLen() int { return c.Conv.BiasLen() }

// PackBias packs the bias.
func (c Winograd1D) PackBias(dst, bias []float32) { c.Conv.PackBias(dst, bias) }

// Sums is what adds up the sums in Out[1].
func (c Winograd1D) Sums() ChannelSums { return c.Conv.Sums() }

// PaddedMACs is those of the direct convolution.
func (c Winograd1D) PaddedMACs() int { return c.Conv.PaddedMACs() }

// Winograd1DFits reports whether Winograd1D computes such a convolution.
func Winograd1DFits(c Conv) bool {
	return (c.KH == 1 && c.KW == wino1dTaps || c.KH == wino1dTaps && c.KW == 1) && one(c.SH) == 1 && one(c.SW) == 1 &&
		one(c.DH) == 1 && one(c.DW) == 1 && one(c.Groups) == 1 && !c.Planar && !c.masked() // its epilogue knows no mask
}

const (
	wino1dTaps = 7
	wino1dTile = 4                           // outputs
	wino1dIn   = wino1dTile + wino1dTaps - 1 // inputs, products
)

// wino1dPoints are the points of the pairs; 0 and infinity come to them.
var wino1dPoints = [4]float64{1, 2, 0.5, 0.75}

// Grid is the number of rows and columns of tiles in an image.
func (c Winograd1D) Grid() (h, w int) {
	if c.Conv.KW == wino1dTaps {
		return c.Conv.H, ceilDiv(c.Conv.W, wino1dTile)
	}
	return ceilDiv(c.Conv.H, wino1dTile), c.Conv.W
}

func (c Winograd1D) tiles() int {
	if c.Tiles > 0 {
		return c.Tiles
	}
	h, w := c.Grid()
	return h * w
}

// Tasks is chunks of tiles x chunks of pairs of output blocks.
func (c Winograd1D) Tasks(images int) int {
	h, w := c.Grid()
	return ceilDiv(images*h*w, c.tiles()) * ceilDiv(c.Conv.npairs(), c.Conv.pairs())
}

// PackedLen is the length of the transformed weights, in float32s.
func (c Winograd1D) PackedLen() int {
	n := 0
	for g := range c.Conv.blockPairs {
		n += g.blocks
	}
	return n * Block * Blocks(c.Conv.IC) * c.Conv.depth() * wino1dIn
}

// wino1dMatrix is the weight transform, wino1dIn rows of wino1dTaps.
var wino1dMatrix = func() (m []float64) {
	points := []float64{0}
	for _, p := range wino1dPoints {
		points = append(points, p, -p)
	}
	for i, p := range points {
		v := 1.0
		for j, q := range points {
			if j != i {
				v /= p - q
			}
		}
		for range wino1dTaps {
			m = append(m, v)
			v *= p
		}
	}
	return append(m, 0, 0, 0, 0, 0, 0, 1) // infinity
}()

// Pack transforms weights in OIHW order, in float64, and rounds once. The order is
// [pair][position][input channel][16 or 32 output channels].
func (c Winograd1D) Pack(dst, weight []float32) { packAll(dst, weight, c.packParts()) }

func (c Winograd1D) layout() (l winoLayout) {
	l.area = wino1dIn
	l.block = c.tiles() * Block
	l.vpos = Blocks(c.Conv.IC)*l.block | Block
	l.mpos = 2*l.block | Block
	l.prod = wino1dIn * l.vpos
	l.patch = l.prod + wino1dIn*l.mpos
	l.res = l.patch + wino1dIn*l.block
	l.size = l.res + wino1dTile*l.block
	return l
}

// Scratch is V, M and the patches of a chunk.
func (c Winograd1D) Scratch() int { return c.layout().size }

// Table returns the offsets of the input blocks in V, in bytes.
func (c Winograd1D) Table(ISA) []int {
	t := make([]int, Blocks(c.Conv.IC))
	for b := range t {
		t[b] = 4 * b * c.layout().block
	}
	return t
}

// Run computes one task.
func (c Winograd1D) Run(w *Worker, task int, a *Args) {
	gchunks := ceilDiv(c.Conv.npairs(), c.Conv.pairs())
	g0 := task % gchunks * c.Conv.pairs()
	g1 := min(g0+c.Conv.pairs(), c.Conv.npairs())
	gh, gw := c.Grid()
	r := &w.wino
	*r = winoRun{c: Winograd{Conv: c.Conv}, w: w, a: a, scratch: w.Scratch, winoLayout: c.layout(), gh: gh, gw: gw, first: task / gchunks * c.tiles()}
	r.n = min(c.tiles(), a.Images*gh*gw-r.first)
	r.wino1dTransformIn()
	i := 0
	for g := range c.Conv.blockPairs {
		if i >= g0 && i < g1 {
			r.multiply(g)
			r.wino1dTransformOut(g)
		}
		i++
	}
}

// wino1dRun returns where tile i lies, how many tiles from it on one call transforms (run),
// and how many of a tile's n elements (10 inputs or 4 outputs) exist (valid): fewer at the
// end of the image.
func (r *winoRun) wino1dRun(i, n int) (image, y, x, run, valid int) {
	image, a, b := r.at(i)
	if r.c.Conv.KW == wino1dTaps {
		size := r.c.Conv.W + n - wino1dTile
		valid, run = min(n, size-b*wino1dTile), 1
		if valid == n {
			run = min((size-n)/wino1dTile+1-b, r.n-i)
		}
		return image, a, b * wino1dTile, run, valid
	}
	return image, a * wino1dTile, b, min(r.gw-b, r.n-i), min(n, r.c.Conv.H+n-wino1dTile-a*wino1dTile)
}

// wino1dTransformIn fills V.
func (r *winoRun) wino1dTransformIn() {
	in, view := r.a.In[0], r.c.Conv.In
	for i := 0; i < r.n; {
		image, y, x, run, valid := r.wino1dRun(i, wino1dIn)
		src := in.Off + image*view.N + (y-r.c.Conv.PH)*view.H + (x-r.c.Conv.PW)*Block
		step, next := view.H, Block
		if r.c.Conv.KW == wino1dTaps {
			step, next = Block, wino1dTile*Block
		}
		for b := range Blocks(r.c.Conv.IC) {
			dst := b*r.block + i*Block
			if valid == wino1dIn {
				r.wino1dTilesIn(in.Mem, src+b*view.C, step, dst, run, next)
				continue
			}
			row := run * Block // run is 1 along rows
			patch := r.scratch[r.patch : r.patch+wino1dIn*row]
			for e := range valid {
				at := src + b*view.C + e*step
				copy(patch[e*row:], in.Mem[at:at+row])
			}
			clear(patch[valid*row:])
			r.wino1dTilesIn(r.scratch, r.patch, row, dst, run, Block)
		}
		i += run
	}
}

func (r *winoRun) wino1dTilesIn(src []float32, at, step, dst, n, next int) {
	f := wino1dTiers[r.w.ISA].in
	if f == nil {
		wino1dInGo(src[at:], step, r.scratch[dst:], r.vpos, n, next)
		return
	}
	f(&src[at], 4*step, &r.scratch[dst], 4*r.vpos, n, 4*next)
}

// wino1dTransformOut writes a pair of output blocks.
func (r *winoRun) wino1dTransformOut(g blockPair) {
	part, out, res := &r.c.Conv.Outputs[g.part], r.a.Out[g.part], r.a.In[1]
	flags := r.c.Conv.flags(part)
	for b := range g.blocks {
		bias := r.bias(g, b)
		for i := 0; i < r.n; {
			image, y, x, run, valid := r.wino1dRun(i, wino1dTile)
			src := r.prod + b*r.block + i*Block
			to := wino1dOutArgs{dst: out.Mem, at: out.Off + image*part.View.N + (g.block+b)*part.View.C + y*part.View.H + x*Block, step: part.View.H, next: Block,
				res: res.Mem, rat: res.Off + image*r.c.Conv.Res.N + (g.block+b)*r.c.Conv.Res.C + y*r.c.Conv.Res.H + x*Block, rstep: r.c.Conv.Res.H, rnext: Block}
			if r.c.Conv.KW == wino1dTaps {
				to.step, to.next, to.rstep, to.rnext = Block, wino1dTile*Block, Block, wino1dTile*Block
			}
			if !r.c.Conv.Residual {
				to.res, to.rat = bias, 0 // not read
			}
			final := to
			row := run * Block
			if valid < wino1dTile {
				to.dst, to.at, to.step, to.next = r.scratch, r.patch, row, Block
				if r.c.Conv.Residual {
					for e := range valid {
						at := final.rat + e*final.rstep
						copy(r.scratch[r.res+e*row:], res.Mem[at:at+row])
					}
					to.res, to.rat, to.rstep, to.rnext = r.scratch, r.res, row, Block
				}
			}
			if f := wino1dTiers[r.w.ISA].out; f == nil {
				wino1dOutGo(r.scratch[src:], r.mpos, &to, bias, r.c.Conv.Scale, flags, run)
			} else {
				f(&r.scratch[src], 4*r.mpos, &to.dst[to.at], 4*to.step, 4*to.next, &bias[0], &to.res[to.rat], 4*to.rstep, 4*to.rnext, r.c.Conv.Scale, flags, run)
			}
			for e := range valid {
				if valid < wino1dTile {
					copy(out.Mem[final.at+e*final.step:][:row], r.scratch[r.patch+e*row:])
				}
				if part.vectorAct() && r.c.Conv.KW != wino1dTaps {
					part.activate(r.w, out.Mem[final.at+e*final.step:][:row], g.block+b)
				}
			}
			if part.vectorAct() && r.c.Conv.KW == wino1dTaps {
				n := valid * Block
				if valid == wino1dTile {
					n *= run
				}
				part.activate(r.w, out.Mem[final.at:][:n], g.block+b)
			}
			i += run
		}
	}
}

// wino1dTier is what a tier has for the transforms.
type wino1dTier struct {
	in  func(src *float32, step int, dst *float32, pos, n, next int)
	out func(src *float32, pos int, dst *float32, step, next int, bias, res *float32, resStep, resNext int, scale float32, flags, n int)
}

// wino1dTiers are the tiers. Files of a processor set those that have microkernels.
var wino1dTiers [isas]wino1dTier

// wino1dOutArgs says where results go and where their residual is, in float32s.
type wino1dOutArgs struct {
	dst               []float32
	at, step, next    int
	res               []float32
	rat, rstep, rnext int
}

// wino1dR and wino1dQ are the coefficients of the polynomials of the input transform
// (_asm/conv_winograd_1d.go): of R, and of Q for every pair.
var wino1dR, wino1dQ = func() (r [4]float32, q [4][3]float32) {
	polynomial := func(skip int) []float64 {
		c := []float64{1}
		for i, p := range wino1dPoints {
			if i == skip {
				continue
			}
			n := make([]float64, len(c)+1)
			for k, v := range c {
				n[k+1] += v
				n[k] -= float64(p * p * v)
			}
			c = n
		}
		return c
	}
	for k := range r {
		r[k] = float32(polynomial(-1)[k])
	}
	for i := range q {
		for k := range q[i] {
			q[i][k] = float32(polynomial(i)[k])
		}
	}
	return r, q
}()

func wino1dInGo(src []float32, step int, dst []float32, pos, n, next int) {
	for t := range n {
		for l := range Block {
			var x [wino1dIn]float32
			for i := range x {
				x[i] = src[t*next+i*step+l]
			}
			d := dst[t*Block+l:]
			sum := func(coefficients []float32, first int) float32 {
				s := x[first+2*len(coefficients)]
				for k := len(coefficients) - 1; k >= 0; k-- {
					s += float32(coefficients[k] * x[first+2*k])
				}
				return s
			}
			d[0], d[9*pos] = sum(wino1dR[:], 0), sum(wino1dR[:], 1)
			for i, p := range wino1dPoints {
				e, o := sum(wino1dQ[i][:], 2), sum(wino1dQ[i][:], 1)
				d[(1+2*i)*pos] = e + float32(float32(p)*o)
				d[(2+2*i)*pos] = e - float32(float32(p)*o)
			}
		}
	}
}

func wino1dOutGo(src []float32, pos int, to *wino1dOutArgs, bias []float32, scale float32, flags, n int) {
	for t := range n {
		for l := range Block {
			m := func(i int) float32 { return src[i*pos+t*Block+l] }
			var y [wino1dTile]float32
			y[0] = m(0)
			for i, p := range wino1dPoints {
				s, d := m(1+2*i)+m(2+2*i), m(1+2*i)-m(2+2*i)
				y[0] += s
				if i == 0 {
					y[1], y[2], y[3] = d, s, d+m(9)
					continue
				}
				y[1] += float32(float32(p) * d)
				y[2] += float32(float32(p*p) * s)
				y[3] += float32(float32(p*p*p) * d)
			}
			for i, v := range y {
				v += bias[l]
				if flags&tileRes != 0 {
					v = float32(scale*v) + to.res[to.rat+t*to.rnext+i*to.rstep+l]
				}
				if flags&tileReLU != 0 && v < 0 {
					v = 0
				}
				to.dst[to.at+t*to.next+i*to.step+l] = v
			}
		}
	}
}
