package kernel

import "math"

// MaxPool is max pooling. Output (y, x) is the maximum of the input at
// (y*SH - PH + i*DH, x*SW - PW + j*DW), i < KH, j < KW, as far as that lies in the
// image: the border is not read, so the input needs none. NaN propagates; an empty
// window gives -Inf. Stride and dilation of 0 mean 1. Rounding up (ceil) only shows in a
// larger H and W.
//
// Operands: In[0] input, Out[0] output, which may not share memory; Out[1] indices (view
// Indices), if it has memory: for windows of 2 x 2, one beside the other, which element
// of each is the maximum. With IndexReLU, for a gradient in front of the ReLU that made
// the input, none where the maximum is <= 0.
type MaxPool struct {
	C              int // channels
	H, W           int // output rows and columns
	IH, IW         int // input rows and columns
	KH, KW, SH, SW int
	DH, DW, PH, PW int
	In, Out        View
	Indices        View
	IndexReLU      bool
}

func (p MaxPool) window() window {
	return window{p.H, p.W, p.IH, p.IW, p.KH, p.KW, one(p.SH), one(p.SW), one(p.DH), one(p.DW), p.PH, p.PW}
}

func (p MaxPool) maps() maps { return maps{p.C, p.H, rowsPerTask(p.H, p.W*p.KH*p.KW)} }

// Tasks is images x ranges of rows x channel blocks.
func (p MaxPool) Tasks(images int) int { return p.maps().tasks(images) }

// Run computes some rows of a channel block.
func (p MaxPool) Run(w *Worker, task int, a *Args) {
	v, g := vecFor(w.ISA), p.window()
	image, block, y0, y1 := p.maps().task(task)
	if g.pairs() {
		for y := y0; y < y1; y++ {
			v.pool2(p.Out.row(&a.Out[0], image, block, y, p.W), p.Indices.indices(&a.Out[1], image, block, y, 0, p.W),
				p.In.pairRows(&a.In[0], image, block, y, p.W), p.In.H, p.IndexReLU)
		}
		return
	}
	for y := y0; y < y1; y++ {
		if v.maxPool3 != nil {
			o := p.Out.at(&a.Out[0], image, block, y, 0)
			if n := g.maxima(v, p.In, &a.In[0], image, block, y, y1, a.Out[0].Mem[o:], p.Out.H); n > 0 {
				y += n - 1
				continue
			}
		}
		p.row(v, &g, a, image, block, y)
	}
}

// maxima computes rows of three-column windows from y on, as many as have the same
// taps and come before y1, into dst, dstRow apart, and returns how many; 0 if they
// are not of that kind or a NaN came by.
func (g *window) maxima(v *vecOps, in View, b *Buf, image, block, y, y1 int, dst []float32, dstRow int) int {
	r, row1, row2, left, right, ok := g.three(in, y)
	if !ok {
		return 0
	}
	n := 1
	if r.kh == g.kh { // and so all rows that lie inside
		last := g.ih - 1 - (g.kh-1)*g.dh + g.ph // position of the last such row's first tap
		n = min(last/g.sh, y1-1) - y + 1
	}
	i := in.at(b, image, block, r.y0, 0)
	j := i + (n-1)*g.sh*in.H + row2 + ((g.w-1)*g.sw+3-left-right)*Block
	if v.maxPool3(dst[:(n-1)*dstRow+g.w*Block], b.Mem[i:j:j], n, dstRow, g.sh*in.H, g.w, row1, row2, g.sw, left, right) != 0 {
		return 0
	}
	return n
}

// row computes a row of windows of any kind.
func (p MaxPool) row(v *vecOps, g *window, a *Args, image, block, y int) {
	out := p.Out.row(&a.Out[0], image, block, y, p.W)
	g.row(y, func(r run) {
		dst := out[r.x*Block : (r.x+r.n)*Block]
		if r.kh <= 0 || r.kw <= 0 {
			fill(dst, float32(math.Inf(-1)))
			clearLanes(dst, p.C, block)
			return
		}
		src, row, col, pix := g.source(p.In, &a.In[0], image, block, r)
		v.maxPool(dst, src, r.kh, r.kw, row, col, pix)
	})
}
