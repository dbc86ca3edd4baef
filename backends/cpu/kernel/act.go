package kernel

// Activation is an activation function on its own. ActClip limits to A..B; ActHardSigmoid has
// alpha A and beta B, ActLeakyReLU alpha A.
//
// Operands: In[0] input, Out[0] output, which may be the input's place.
type Activation struct {
	Act     Act
	A, B    float32
	C, H, W int
	In, Out View
}

func (e Activation) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 4*e.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (e Activation) Tasks(images int) int { return e.maps().tasks(images) }

// Run computes some rows of a channel block.
func (e Activation) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := e.maps().task(task)
	rows, width := fuseRows(y0, y1, e.W, e.In, e.Out)
	for y := y0; y < y0+rows; y++ {
		dst, src := e.Out.row(&a.Out[0], image, block, y, width), e.In.row(&a.In[0], image, block, y, width)
		w.activate(e.Act, e.A, e.B, dst, src)
		if e.Act.atZero() {
			clearLanes(dst, e.C, block)
		}
	}
}

// Affine is out = act(in*scale + shift) with a scale and a shift for every
// channel: batch normalization in inference that could not be folded into a
// convolution (Ioffe 2015, algorithm 2), with scale = gamma/sqrt(variance+eps)
// and shift = beta - mean*scale.
//
// Operands: In[0] input, Out[0] output, which may be the input's place; W[0]
// scale and W[1] shift, both padded to whole blocks (Pack and PackBias).
type Affine struct {
	C, H, W int
	Act     Act
	In, Out View
}

func (e Affine) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 2*e.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (e Affine) Tasks(images int) int { return e.maps().tasks(images) }

// PackedLen is the length of the packed scales, in float32s.
func (e Affine) PackedLen() int { return Blocks(e.C) * Block }

// Pack pads the scales to whole blocks.
func (e Affine) Pack(dst, scale []float32) { clear(dst[copy(dst, scale[:e.C]):e.PackedLen()]) }

// BiasLen is the length of the packed shifts, in float32s.
func (e Affine) BiasLen() int { return e.PackedLen() }

// PackBias pads the shifts to whole blocks.
func (e Affine) PackBias(dst, shift []float32) { e.Pack(dst, shift) }

// Run computes some rows of a channel block.
func (e Affine) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, y0, y1 := e.maps().task(task)
	rows, width := fuseRows(y0, y1, e.W, e.In, e.Out)
	scale, shift := a.W[0][block*Block:][:Block], a.W[1][block*Block:][:Block]
	for y := y0; y < y0+rows; y++ {
		dst := e.Out.row(&a.Out[0], image, block, y, width)
		v.affine(dst, e.In.row(&a.In[0], image, block, y, width), scale, shift)
		w.apply(e.Act, dst)
		if e.Act.atZero() {
			clearLanes(dst, e.C, block)
		}
	}
}

// BinaryOp is an operation on two elements.
type BinaryOp uint8

// The operations. OpMax is the first operand on ties, and NaN where either is.
// OpDiv has no Swap, and its divisor's padded lanes do not matter.
const (
	OpAdd BinaryOp = iota
	OpSub
	OpMul
	OpMax
	OpDiv
)

// GoString prints the name as a generated program writes it.
func (o BinaryOp) GoString() string {
	return [...]string{"kernel.OpAdd", "kernel.OpSub", "kernel.OpMul", "kernel.OpMax", "kernel.OpDiv"}[o]
}

// Broadcast says how the second operand of a Binary is stretched.
type Broadcast uint8

// The ways. Strides of the second operand's view that a way does not need are
// not looked at; a stride N of 0 stretches it over the images as well.
const (
	BySame    Broadcast = iota // not at all: same shape
	ByChannel                  // C x 1 x 1
	ByPixel                    // 1 x H x W: lane 0 of block 0
	ByScalar                   // 1 x 1 x 1
)

// GoString prints the name as a generated program writes it.
func (b Broadcast) GoString() string {
	return [...]string{"kernel.BySame", "kernel.ByChannel", "kernel.ByPixel", "kernel.ByScalar"}[b]
}

// Binary is an elementwise operation on two activations: out = act(a op b), or
// act(b op a) with Swap. A scale that is not 0 applies to b, for OpAdd of the same
// shape only: out = act(a + Scale*b), the residual sum (Szegedy 2016, 3.3).
//
// Operands: In[0] a (view A); In[1] b (view B), or W[0] from its first element
// on if In[1] has no memory; Out[0] output, which may be the place of a, or of b
// where that is not stretched.
type Binary struct {
	Op      BinaryOp
	Swap    bool
	Stretch Broadcast
	Scale   float32
	Act     Act
	C, H, W int
	A, B    View
	Out     View
	Masked  bool
	Y       View
}

func (e Binary) maps() maps { return maps{e.C, e.H, rowsPerTask(e.H, 3*e.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (e Binary) Tasks(images int) int { return e.maps().tasks(images) }

// Scratch holds a row of b where that must be spread over the lanes.
func (e Binary) Scratch() int {
	switch e.Stretch {
	case ByPixel:
		return e.W * Block
	case ByScalar:
		return Block
	}
	return 0
}

// Run computes some rows of a channel block.
func (e Binary) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	op := v.add
	switch {
	case e.Op == OpSub && e.Swap:
		op = v.subFrom
	case e.Op == OpSub:
		op = v.sub
	case e.Op == OpMul:
		op = v.mul
	case e.Op == OpMax:
		op = v.max
	case e.Op == OpDiv:
		op = v.div
	}
	bb := a.In[1]
	if bb.Mem == nil {
		bb = Buf{Mem: a.W[0]}
	}
	image, block, y0, y1 := e.maps().task(task)
	rows, width := y1-y0, e.W
	switch e.Stretch {
	case BySame:
		rows, width = fuseRows(y0, y1, e.W, e.A, e.B, e.Out)
	case ByChannel, ByScalar:
		rows, width = fuseRows(y0, y1, e.W, e.A, e.Out)
	}
	var b []float32 // of every row
	switch e.Stretch {
	case ByChannel:
		b = bb.Mem[e.B.at(&bb, image, block, 0, 0):][:Block]
	case ByScalar:
		b = w.Scratch[:Block]
		spread(b, bb.Mem[e.B.at(&bb, image, 0, 0, 0):][:1])
	}
	if e.Masked {
		e.maskedSum(v, image, block, y0, y1, a)
		return
	}
	for y := y0; y < y0+rows; y++ {
		dst, x := e.Out.row(&a.Out[0], image, block, y, width), e.A.row(&a.In[0], image, block, y, width)
		switch e.Stretch {
		case BySame:
			r := e.B.row(&bb, image, block, y, width)
			if e.Scale != 0 && e.Scale != 1 {
				v.addScaled(dst, x, r, e.Scale)
			} else {
				op(dst, x, r, Block)
			}
		case ByPixel:
			r := w.Scratch[:width*Block]
			spread(r, e.B.row(&bb, image, 0, y, width))
			op(dst, x, r, Block)
		default:
			op(dst, x, b, 0)
		}
		w.apply(e.Act, dst)
		if e.Act.atZero() || e.Stretch == ByPixel || e.Stretch == ByScalar || e.Op == OpDiv {
			clearLanes(dst, e.C, block)
		}
	}
}

// maskedSum is Run with Masked. The mask finds a stretch of the sum in the cache.
func (e *Binary) maskedSum(v *vecOps, image, block, y0, y1 int, a *Args) {
	s := newStretches(y1-y0, e.W, e.A, e.B, e.Y, e.Out)
	for i := range s.n {
		y, x, width := s.at(i)
		dst := e.Out.stretch(&a.Out[0], image, block, y0+y, x, width)
		v.add(dst, e.A.stretch(&a.In[0], image, block, y0+y, x, width), e.B.stretch(&a.In[1], image, block, y0+y, x, width), Block)
		v.reluBackward(dst, dst, e.Y.stretch(&a.In[2], image, block, y0+y, x, width))
	}
}

// spread fills every block of dst with lane 0 of the block of src.
func spread(dst, src []float32) {
	for i := 0; i < len(dst); i += Block {
		x, d := src[i], (*[Block]float32)(dst[i:])
		for j := range d {
			d[j] = x
		}
	}
}
