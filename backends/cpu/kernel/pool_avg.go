package kernel

// AvgPool is average pooling over the same windows as MaxPool's. The divisor is
// the number of taps inside of the image, or, with IncludePad, inside of the
// image with its declared padding (PH, PB, PW, PR rows and columns above, below,
// left, right), so never what ceil adds. An empty window gives 0. The sum is
// taken column by column and multiplied by the rounded reciprocal of the divisor.
//
// Global average pooling is a window of the image's size: KH: IH, KW: IW, H: 1,
// W: 1.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type AvgPool struct {
	C              int // channels
	H, W           int // output rows and columns
	IH, IW         int // input rows and columns
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	PB, PR         int
	IncludePad     bool
	In, Out        View
}

func (p AvgPool) window() window {
	return window{p.H, p.W, p.IH, p.IW, p.KH, p.KW, one(p.SH), one(p.SW), one(p.DH), one(p.DW), p.PH, p.PW}
}

func (p AvgPool) maps() maps { return maps{p.C, p.H, rowsPerTask(p.H, p.W*p.KH*p.KW)} }

// Tasks is images x ranges of rows x channel blocks.
func (p AvgPool) Tasks(images int) int { return p.maps().tasks(images) }

// counted is the number of taps of one axis that count as padding or image: all
// but those past the padding behind. first is the position of tap 0.
func counted(first, k, d, in, after int) int {
	if over := first + (k-1)*d - (in + after - 1); over > 0 {
		k -= ceilDiv(over, d)
	}
	return max(k, 0)
}

// divisor is the number that output y and the stretch are divided by.
func (p AvgPool) divisor(g *window, y int, r run) int {
	if !p.IncludePad {
		return r.kh * r.kw
	}
	return counted(y*g.sh-g.ph, g.kh, g.dh, g.ih, p.PB) * counted(r.x*g.sw-g.pw, g.kw, g.dw, g.iw, p.PR)
}

// Run computes some rows of a channel block.
func (p AvgPool) Run(w *Worker, task int, a *Args) {
	v, g := vecFor(w.ISA), p.window()
	image, block, y0, y1 := p.maps().task(task)
	for y := y0; y < y1; y++ {
		out := p.Out.row(&a.Out[0], image, block, y, p.W)
		g.row(y, func(r run) {
			dst := out[r.x*Block : (r.x+r.n)*Block]
			if r.kh <= 0 || r.kw <= 0 {
				clear(dst)
				return
			}
			src, row, col, pix := g.source(p.In, &a.In[0], image, block, r)
			scale := 1 / float32(p.divisor(&g, y, r))
			if v.sumPool3 != nil && r.kh == 3 && r.kw == 3 && col == Block && g.sw <= 2 {
				v.sumPool3(dst, src, 1, 0, 0, r.n, row, 2*row, g.sw, scale)
				return
			}
			v.sumPool(dst, src, r.kh, r.kw, row, col, pix, scale)
		})
	}
}
