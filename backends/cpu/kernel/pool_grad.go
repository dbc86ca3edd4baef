package kernel

// MaxPoolGrad is the gradient of MaxPool, whose fields it shares: dy goes to the
// element that was the maximum of its window, the first in reading order where
// several were; windows that overlap add up, in reading order of the output.
//
// Operands: In[0] dy (view DY), In[1] the pool's input x (view X); Out[0] dx (view
// DX), which may not share memory.
type MaxPoolGrad struct {
	C              int // channels
	H, W           int // rows and columns of dy
	IH, IW         int // of x and dx
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	DY, X, DX      View
}

func (p MaxPoolGrad) window() window {
	return window{p.H, p.W, p.IH, p.IW, p.KH, p.KW, one(p.SH), one(p.SW), one(p.DH), one(p.DW), p.PH, p.PW}
}

func (p MaxPoolGrad) maps() maps { return maps{p.C, 1, 1} }

// Tasks is images x channel blocks.
func (p MaxPoolGrad) Tasks(images int) int { return p.maps().tasks(images) }

// Scratch holds the maxima of a row.
func (p MaxPoolGrad) Scratch() int { return p.W * Block }

// Run computes a channel block of an image.
func (p MaxPoolGrad) Run(w *Worker, task int, a *Args) {
	v, g := vecFor(w.ISA), p.window()
	image, block, _, _ := p.maps().task(task)
	for y := range p.IH {
		clear(p.DX.row(&a.Out[0], image, block, y, p.IW))
	}
	most := w.Scratch[:p.W*Block]
	for y := range p.H {
		dy := p.DY.row(&a.In[0], image, block, y, p.W)
		known := v.maxPool3 != nil && g.maxima(v, p.X, &a.In[1], image, block, y, y+1, most, 0) > 0
		g.row(y, func(r run) {
			if r.kh <= 0 || r.kw <= 0 {
				return
			}
			x, row, col, pix := g.source(p.X, &a.In[1], image, block, r)
			dx, dxRow, _, _ := g.source(p.DX, &a.Out[0], image, block, r)
			lo, hi := r.x*Block, (r.x+r.n)*Block
			switch {
			case known && r.kh == 3 && r.kw == 3 && col == Block:
				v.maxPoolSpread3(dx, x, most[lo:hi], dy[lo:hi], row, dxRow, pix)
			case known:
				v.maxPoolSpread(dx, x, most[lo:hi], dy[lo:hi], r.kh, r.kw, row, dxRow, col, pix)
			default:
				v.maxPoolGrad(dx, x, dy[lo:hi], r.kh, r.kw, row, dxRow, col, pix)
			}
		})
	}
}

// AvgPoolGrad is the gradient of AvgPool, whose fields it shares: every element of
// a window gets dy over the window's divisor; windows that overlap add up, in
// reading order of the output.
//
// Operands: In[0] dy (view DY); Out[0] dx (view DX), which may not share memory.
type AvgPoolGrad struct {
	C              int // channels
	H, W           int // rows and columns of dy
	IH, IW         int // of dx
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	PB, PR         int
	IncludePad     bool
	DY, DX         View
}

func (p AvgPoolGrad) forward() AvgPool {
	return AvgPool{C: p.C, H: p.H, W: p.W, IH: p.IH, IW: p.IW, KH: p.KH, KW: p.KW, SH: p.SH, SW: p.SW, DH: p.DH, DW: p.DW,
		PH: p.PH, PW: p.PW, PB: p.PB, PR: p.PR, IncludePad: p.IncludePad}
}

func (p AvgPoolGrad) maps() maps { return maps{p.C, 1, 1} }

// Tasks is images x channel blocks.
func (p AvgPoolGrad) Tasks(images int) int { return p.maps().tasks(images) }

// Run computes a channel block of an image.
func (p AvgPoolGrad) Run(w *Worker, task int, a *Args) {
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
