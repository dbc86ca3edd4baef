package kernel

// ActGrad is the gradient of an activation function, from that behind it and the
// function's output:
//
//	ActReLU     dy where y > 0 or NaN, otherwise 0
//	ActSigmoid  dy * y * (1 - y)
//	ActTanh     dy * (1 - y*y)
//
// Operands: In[0] dy (view DY), In[1] y (view Y); Out[0] dx (view DX), which may
// be the place of dy.
type ActGrad struct {
	Act       Act
	C, H, W   int
	DY, Y, DX View
}

func (e ActGrad) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 2*e.W)} }

// Tasks is images x channel blocks x ranges of rows.
func (e ActGrad) Tasks(images int) int { return e.maps().tasks(images) }

// Run computes some rows of a channel block.
func (e ActGrad) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, y0, y1 := e.maps().task(task)
	rows, width := fuseRows(y0, y1, e.W, e.DY, e.Y, e.DX)
	for r := y0; r < y0+rows; r++ {
		dx, dy, y := e.DX.row(&a.Out[0], image, block, r, width), e.DY.row(&a.In[0], image, block, r, width), e.Y.row(&a.In[1], image, block, r, width)
		switch e.Act {
		case ActReLU:
			v.reluGrad(dx, dy, y)
		case ActSigmoid:
			v.sigmoidGrad(dx, dy, y)
		case ActTanh:
			v.tanhGrad(dx, dy, y)
		default:
			copy(dx, dy)
		}
	}
}
