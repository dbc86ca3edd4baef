package kernel

// MaxPoolBackward is the gradient of MaxPool, whose fields it shares: dy goes to the
// element that was the maximum of its window, the first in reading order where
// several were; windows that overlap add up, in reading order of the output.
//
// With ReLU x is what a ReLU made, and dx the gradient in front of that: dy counts
// where the maximum is > 0 or NaN.
//
// Operands: In[0] dy (view DY), In[1] the pool's input x (view X), or with Indexed the
// indices (view X) that the pool left, for windows of 2 x 2, one beside the other: with
// ReLU those of IndexReLU. Out[0] dx (view DX), which may not share memory; with Sums
// (and ReLU) Out[1]: Partials sums of dx over the windows of some rows for every channel
// block of an image, for a ChannelSums.
type MaxPoolBackward struct {
	ReLU, Sums     bool
	Indexed        bool
	C              int // channels
	H, W           int // rows and columns of dy
	IH, IW         int // of x and dx
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	DY, X, DX      View
}

func (p MaxPoolBackward) window() window {
	return window{p.H, p.W, p.IH, p.IW, p.KH, p.KW, one(p.SH), one(p.SW), one(p.DH), one(p.DW), p.PH, p.PW}
}

func (p MaxPoolBackward) maps() maps { return maps{p.C, 1, 1} }

// Tasks is images x channel blocks.
func (p MaxPoolBackward) Tasks(images int) int { return p.maps().tasks(images) }

// Partials is the number of sums that a channel block of an image has.
func (p MaxPoolBackward) Partials() int { return ceilDiv(p.H, sumRows(p.W)) }

// sums is where those of a row are added up.
func (p MaxPoolBackward) sums(w *Worker, a *Args, task, y int) []float32 {
	if !p.Sums {
		return w.Scratch[2*p.W*Block:][:Block]
	}
	step := sumRows(p.W)
	sums := a.Out[1].vector(task*p.Partials() + y/step)
	if y%step == 0 {
		clear(sums)
	}
	return sums
}

// Scratch holds the maxima of a row, what is left of dy there, and sums that nobody
// wants.
func (p MaxPoolBackward) Scratch() int { return (2*p.W + 1) * Block }

// Run computes a channel block of an image.
func (p MaxPoolBackward) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, _, _ := p.maps().task(task)
	g := p.window()
	if g.pairs() {
		p.runPairs(w, task, a)
		return
	}
	for y := range p.IH {
		clear(p.DX.row(&a.Out[0], image, block, y, p.IW))
	}
	most, left := w.Scratch[:p.W*Block], w.Scratch[p.W*Block:2*p.W*Block]
	for y := range p.H {
		dy := p.DY.row(&a.In[0], image, block, y, p.W)
		sums := p.sums(w, a, task, y)
		known := v.maxPool3 != nil && g.maxima(v, p.X, &a.In[1], image, block, y, y+1, most, 0) > 0
		g.row(y, func(r run) {
			if r.kh <= 0 || r.kw <= 0 {
				return
			}
			x, row, col, pix := g.source(p.X, &a.In[1], image, block, r)
			dx, dxRow, _, _ := g.source(p.DX, &a.Out[0], image, block, r)
			lo, hi := r.x*Block, (r.x+r.n)*Block
			d, most := dy[lo:hi], most[lo:hi]
			if p.ReLU {
				if !known {
					v.maxPool(most, x, r.kh, r.kw, row, col, pix)
				}
				d = left[lo:hi]
				v.reluBackwardSum(d, dy[lo:hi], most, sums)
			}
			switch {
			case known && r.kh == 3 && r.kw == 3 && col == Block:
				v.maxPoolSpread3(dx, x, most, d, row, dxRow, pix)
			case known:
				v.maxPoolSpread(dx, x, most, d, r.kh, r.kw, row, dxRow, col, pix)
			default:
				v.maxPoolBackward(dx, x, d, r.kh, r.kw, row, dxRow, col, pix)
			}
		})
	}
}

// runPairs is Run for such windows.
func (p MaxPoolBackward) runPairs(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, _, _ := p.maps().task(task)
	for y := range p.H {
		dx := p.DX.pairRows(&a.Out[0], image, block, y, p.W)
		dy := p.DY.row(&a.In[0], image, block, y, p.W)
		switch {
		case p.Indexed:
			v.maxPoolIndexedBackward2(dx, p.X.indices(&a.In[1], image, block, y, 0, p.W), dy, p.sums(w, a, task, y), p.DX.H)
		case p.ReLU:
			v.maxPoolReluBackward2(dx, p.X.pairRows(&a.In[1], image, block, y, p.W), dy, p.sums(w, a, task, y), p.X.H, p.DX.H)
		default:
			v.maxPoolBackward2(dx, p.X.pairRows(&a.In[1], image, block, y, p.W), dy, p.X.H, p.DX.H)
		}
		if 2*p.W < p.IW {
			for i := range 2 {
				clear(p.DX.row(&a.Out[0], image, block, 2*y+i, p.IW)[2*p.W*Block:])
			}
		}
	}
	for y := 2 * p.H; y < p.IH; y++ {
		clear(p.DX.row(&a.Out[0], image, block, y, p.IW))
	}
}

// AvgPoolBackward is the gradient of AvgPool, whose fields it shares: every element of
// a window gets dy over the window's divisor; windows that overlap add up, in
// reading order of the output.
//
// Operands: In[0] dy (view DY); Out[0] dx (view DX), which may not share memory.
type AvgPoolBackward struct {
	C              int // channels
	H, W           int // rows and columns of dy
	IH, IW         int // of dx
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	PB, PR         int
	IncludePad     bool
	DY, DX         View
}

func (p AvgPoolBackward) forward() AvgPool {
	return AvgPool{C: p.C, H: p.H, W: p.W, IH: p.IH, IW: p.IW, KH: p.KH, KW: p.KW, SH: p.SH, SW: p.SW, DH: p.DH, DW: p.DW,
		PH: p.PH, PW: p.PW, PB: p.PB, PR: p.PR, IncludePad: p.IncludePad}
}

func (p AvgPoolBackward) maps() maps { return maps{p.C, 1, 1} }

// Tasks is images x channel blocks.
func (p AvgPoolBackward) Tasks(images int) int { return p.maps().tasks(images) }

// Run computes a channel block of an image.
func (p AvgPoolBackward) Run(w *Worker, task int, a *Args) {
	f := p.forward()
	v, g := vecFor(w.ISA), f.window()
	image, block, _, _ := p.maps().task(task)
	for y := range p.IH {
		clear(p.DX.row(&a.Out[0], image, block, y, p.IW))
	}
	for y := range p.H {
		dy := p.DY.row(&a.In[0], image, block, y, p.W)
		g.row(y, func(r run) {
			if r.kh <= 0 || r.kw <= 0 {
				return
			}
			dx, row, col, pix := g.source(p.DX, &a.Out[0], image, block, r)
			v.spreadAdd(dx, dy[r.x*Block:(r.x+r.n)*Block], r.kh, r.kw, row, col, pix, 1/float32(f.divisor(&g, y, r)))
		})
	}
}
