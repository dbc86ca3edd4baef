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

// MaxoutGrad gives dy to the piece that was the maximum, the first where several
// were, and 0 to the others.
//
// Operands: In[0] dy of C channels (view DY), In[1] Maxout's input of C*Pieces
// channels (view X); Out[0] dx (view DX), which may be the place of x.
type MaxoutGrad struct {
	C      int // output channels
	Pieces int
	H, W   int
	DY     View
	X, DX  View
}

// groups are runs of channels that begin and end with blocks on both sides: 16
// output channels and Pieces input blocks.
func (e MaxoutGrad) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 16*e.W*e.Pieces)} }

// Tasks is images x output blocks x ranges of rows.
func (e MaxoutGrad) Tasks(images int) int { return e.maps().tasks(images) }

// Run computes some rows of the input blocks of an output block.
func (e MaxoutGrad) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := e.maps().task(task)
	last := Blocks(e.C * e.Pieces)
	for y := y0; y < y1; y++ {
		dy := e.DY.row(&a.In[0], image, block, y, e.W)
		for x := range e.W {
			place := func(v View, b *Buf, c int) *float32 {
				return &b.Mem[v.at(b, image, c/Block, y, x)+c%Block]
			}
			for l := range Block {
				first := (block*Block + l) * e.Pieces
				if first >= last*Block {
					break
				}
				best, at := *place(e.X, &a.In[1], first), 0
				for p := 1; p < e.Pieces && first+p < last*Block; p++ {
					if v := *place(e.X, &a.In[1], first+p); above(v, best) {
						best, at = v, p
					}
				}
				for p := 0; p < e.Pieces && first+p < last*Block; p++ {
					d := place(e.DX, &a.Out[0], first+p)
					*d = 0
					if p == at && block*Block+l < e.C {
						*d = dy[x*Block+l]
					}
				}
			}
		}
	}
}

// above reports whether x takes the place of a maximum found before: ties do not,
// and nothing does after a NaN.
func above(x, best float32) bool { return best == best && !(x <= best) }
