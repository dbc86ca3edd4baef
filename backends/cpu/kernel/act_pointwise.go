package kernel

import "github.com/incc-lang/incc/ir/nodes"

// Pointwise is a function of one number that package nodes knows, computed in float64.
//
// Operands: In[0] input, Out[0] output, which may be the input's place.
type Pointwise struct {
	Op, Attrs string
	C, H, W   int
	In, Out   View
}

func (e Pointwise) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 16*e.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (e Pointwise) Tasks(images int) int { return e.maps().tasks(images) }

// Run finds the function for one task. Prepare is for many.
func (e Pointwise) Run(w *Worker, task int, a *Args) { e.Prepare().Run(w, task, a) }

// Prepare finds the function. The planner has done it before, so that there is one.
func (e Pointwise) Prepare() Runner {
	f, err := nodes.NodeFunc(e.Op, e.Attrs)
	if err != nil {
		panic("kernel: " + e.Op + ": " + err.Error())
	}
	return &PreparedPointwise{e, f}
}

// PreparedPointwise is a Pointwise with its function.
type PreparedPointwise struct {
	kernel Pointwise
	f      func(float64) float64
}

// Tasks is that of the Pointwise.
func (p *PreparedPointwise) Tasks(images int) int { return p.kernel.Tasks(images) }

// Run computes some rows of a channel block.
func (p *PreparedPointwise) Run(_ *Worker, task int, a *Args) {
	e := &p.kernel
	image, block, y0, y1 := e.maps().task(task)
	rows, width := fuseRows(y0, y1, e.W, e.In, e.Out)
	lanes := min(Block, e.C-block*Block) // the others hold zeros, as the input's do
	for y := y0; y < y0+rows; y++ {
		dst, src := e.Out.row(&a.Out[0], image, block, y, width), e.In.row(&a.In[0], image, block, y, width)
		for i := 0; i < len(dst); i += Block {
			for l := i; l < i+lanes; l++ {
				dst[l] = float32(p.f(float64(src[l])))
			}
			clear(dst[i+lanes : i+Block])
		}
	}
}
