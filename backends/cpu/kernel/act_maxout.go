package kernel

// Maxout is the maximum over groups of adjacent channels (Goodfellow 2013, 2):
// output channel o is the maximum of the input channels o*Pieces to
// o*Pieces+Pieces-1. Ties go to the first, NaN propagates. Where the producer of
// the input can put the pieces into views of their own, Binary's OpMax does the
// same at the speed of memory.
//
// Operands: In[0] input of C*Pieces channels, Out[0] output of C channels, which
// may not share memory.
type Maxout struct {
	C       int // output channels
	Pieces  int
	H, W    int
	In, Out View
}

func (e Maxout) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 4*e.W*e.Pieces)} }

// Tasks is images x output blocks x ranges of rows.
func (e Maxout) Tasks(images int) int { return e.maps().tasks(images) }

// Scratch holds the places of the pieces.
func (e Maxout) Scratch() int { return e.Pieces * Block }

// piecePlaces writes for every piece where it lies, for each lane of an output
// block, in float32s from the pixel's first input block on. Lanes past the end get
// a place that exists.
func piecePlaces(at []float32, v View, c, pieces, block int) {
	last := (Blocks(c*pieces) - block*pieces) * Block
	for l := range Block {
		for p := range pieces {
			g := min(l*pieces+p, last-1)
			PutInt(at, p*Block+l, int32(g/Block*v.C+g%Block))
		}
	}
}

// inputs is a row of the input blocks of an output block: from the first lane to
// the last.
func inputs(v View, b *Buf, c, pieces, image, block, y, w int) []float32 {
	n := min(pieces, Blocks(c*pieces)-block*pieces)
	i := v.at(b, image, block*pieces, y, 0)
	j := i + (n-1)*v.C + w*Block
	return b.Mem[i:j:j]
}

// Run computes some rows of an output block.
func (e Maxout) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, y0, y1 := e.maps().task(task)
	at := w.Scratch[:e.Pieces*Block]
	piecePlaces(at, e.In, e.C, e.Pieces, block)
	rows, width := fuseRows(y0, y1, e.W, e.In, e.Out)
	for y := y0; y < y0+rows; y++ {
		dst := e.Out.row(&a.Out[0], image, block, y, width)
		v.maxout(dst, inputs(e.In, &a.In[0], e.C, e.Pieces, image, block, y, width), at)
		clearLanes(dst, e.C, block)
	}
}

// MaxoutBackward gives dy to the piece that was the maximum, the first where several
// were, and 0 to the others.
//
// Operands: In[0] dy of C channels (view DY), In[1] Maxout's input of C*Pieces
// channels (view X); Out[0] dx (view DX), which may be the place of x.
type MaxoutBackward struct {
	C      int // output channels
	Pieces int
	H, W   int
	DY     View
	X, DX  View
}

func (e MaxoutBackward) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 8*e.W*e.Pieces)} }

// Tasks is images x output blocks x ranges of rows.
func (e MaxoutBackward) Tasks(images int) int { return e.maps().tasks(images) }

// Scratch holds the places of the pieces, which output lane and piece an input lane
// is, and a block.
func (e MaxoutBackward) Scratch() int { return (3*e.Pieces + 1) * Block }

// Run computes some rows of the input blocks of an output block.
func (e MaxoutBackward) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, y0, y1 := e.maps().task(task)
	n := e.Pieces * Block
	at, lane, piece, best := w.Scratch[:n], w.Scratch[n:2*n], w.Scratch[2*n:3*n], w.Scratch[3*n:3*n+Block]
	piecePlaces(at, e.X, e.C, e.Pieces, block)
	for g := range n {
		PutInt(lane, g, int32(g/e.Pieces))
		piece[g] = float32(g % e.Pieces)
	}
	used := min(e.Pieces, Blocks(e.C*e.Pieces)-block*e.Pieces) // input blocks
	rows, width := fuseRows(y0, y1, e.W, e.DY, e.X, e.DX)
	for y := y0; y < y0+rows; y++ {
		dx, x := inputs(e.DX, &a.Out[0], e.C, e.Pieces, image, block, y, width), inputs(e.X, &a.In[1], e.C, e.Pieces, image, block, y, width)
		v.maxoutBackward(dx, x, e.DY.row(&a.In[0], image, block, y, width), at, lane[:used*Block], piece, best, e.DX.C)
	}
}

// above reports whether x takes the place of a maximum found before: ties do not,
// and nothing does after a NaN.
func above(x, best float32) bool { return best == best && !(x <= best) }
