package kernel

// MaxBackward is the gradient of Binary's OpMax over two to three operands of the same
// shape: dy goes to the operand that was the largest, the first where several were,
// 0 to the others.
//
// Operands: In[0] dy (view DY), In[1+i] operand i (view X[i]), i < Operands; Out[i]
// its gradient (view DX[i]).
type MaxBackward struct {
	Operands int
	C, H, W  int
	DY       View
	X, DX    [3]View
}

func (e MaxBackward) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 16*e.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (e MaxBackward) Tasks(images int) int { return e.maps().tasks(images) }

// Run computes some rows of a channel block.
func (e MaxBackward) Run(_ *Worker, task int, a *Args) {
	image, block, y0, y1 := e.maps().task(task)
	for y := y0; y < y1; y++ {
		dy := e.DY.row(&a.In[0], image, block, y, e.W)
		var x, dx [3][]float32
		for i := range e.Operands {
			x[i], dx[i] = e.X[i].row(&a.In[1+i], image, block, y, e.W), e.DX[i].row(&a.Out[i], image, block, y, e.W)
		}
		for j, d := range dy {
			best := 0
			for i := 1; i < e.Operands; i++ {
				if above(x[i][j], x[best][j]) {
					best = i
				}
			}
			for i := range e.Operands {
				dx[i][j] = 0
			}
			dx[best][j] = d
		}
	}
}
