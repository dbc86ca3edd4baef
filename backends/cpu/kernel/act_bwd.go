package kernel

// ActBackward is the gradient of an activation function, from that behind it and the
// function's output y or, for ActSiLU, ActHardSwish, ActGELU and ActGELUTanh, its input:
//
//	ActReLU         dy where y > 0 or NaN, otherwise 0
//	ActSigmoid      dy * y * (1 - y)
//	ActTanh         dy * (1 - y*y)
//	ActClip         dy where A < y < B or NaN, otherwise 0; ActReLU6 has 0 and 6
//	ActHardSigmoid  A * dy where 0 < y < 1 or NaN, otherwise 0
//	ActLeakyReLU    dy where y > 0 or NaN, otherwise A * dy
//
// The others are dy times the derivative (package ops).
//
// Operands: In[0] dy (view DY), In[1] y or the input (view Y); Out[0] dx (view DX), which may
// be the place of dy; with Sums (of ActReLU) Out[1]: Partials sums of dx over some rows
// for every channel block of an image, for a ChannelSums.
type ActBackward struct {
	Act       Act
	A, B      float32
	Sums      bool
	C, H, W   int
	DY, Y, DX View
}

func (e ActBackward) maps() maps {
	rows := rowsPerTask(e.H, 2*e.W)
	if e.Sums {
		rows = ceilDiv(rows, sumRows(e.W)) * sumRows(e.W)
	}
	return maps{e.C, e.H, rows}
}

// Partials is the number of sums that a channel block of an image has.
func (e ActBackward) Partials() int { return ceilDiv(e.H, sumRows(e.W)) }

// row returns the same work as one map, for vectors that lie side by side: each block of
// channels is a row, whose pixels are the images.
func (e ActBackward) row(images int) (ActBackward, bool) {
	if e.Sums || e.H*e.W != 1 || e.DY.N != Block || e.Y.N != Block || e.DX.N != Block {
		return e, false
	}
	e.W = images
	return e, true
}

// Tasks is images x ranges of rows x channel blocks, or blocks of vectors.
func (e ActBackward) Tasks(images int) int {
	if e, ok := e.row(images); ok {
		return e.maps().tasks(1)
	}
	return e.maps().tasks(images)
}

// Run computes some rows of a channel block.
func (e ActBackward) Run(w *Worker, task int, a *Args) {
	e, _ = e.row(a.Images)
	image, block, y0, y1 := e.maps().task(task)
	if e.Sums {
		e.sums(vecFor(w.ISA), image, block, y0, y1, a)
		return
	}
	rows, width := fuseRows(y0, y1, e.W, e.DY, e.Y, e.DX)
	for r := y0; r < y0+rows; r++ {
		dx, dy, y := e.DX.row(&a.Out[0], image, block, r, width), e.DY.row(&a.In[0], image, block, r, width), e.Y.row(&a.In[1], image, block, r, width)
		w.actBackward(e.Act, e.A, e.B, dx, dy, y)
	}
}

// sums is Run with Sums.
func (e ActBackward) sums(v *vecOps, image, block, y0, y1 int, a *Args) {
	step := sumRows(e.W)
	for ; y0 < y1; y0 += step {
		sums := a.Out[1].vector((image*Blocks(e.C)+block)*e.Partials() + y0/step)
		clear(sums)
		rows, width := fuseRows(y0, min(y0+step, y1), e.W, e.DY, e.Y, e.DX)
		for r := y0; r < y0+rows; r++ {
			v.reluBackwardSum(e.DX.row(&a.Out[0], image, block, r, width), e.DY.row(&a.In[0], image, block, r, width), e.Y.row(&a.In[1], image, block, r, width), sums)
		}
	}
}
