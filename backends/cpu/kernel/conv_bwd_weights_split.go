package kernel

// ConvBackwardWeightsSplit is ConvBackwardWeights with more tasks: the images are cut into parts of
// Images each, and each part has tasks of its own. It is for layers where ConvBackwardWeights
// would have few tasks, or tasks that read much and compute little.
//
// Operands are those of ConvBackwardWeights, except that Out[0] holds PackedLen numbers for each
// part, one part after another, and that there is no Out[1] or Out[2]. SumPartials adds the
// parts.
type ConvBackwardWeightsSplit struct {
	Whole  ConvBackwardWeights // the gradient over all images
	Images int                 // of a part
}

// PackedLen is the length of the gradient of a part, in float32s.
func (c ConvBackwardWeightsSplit) PackedLen() int { return c.Whole.PackedLen() }

// Scratch is that of ConvBackwardWeights.
func (c ConvBackwardWeightsSplit) Scratch() int { return c.Whole.Scratch() }

// Table is that of ConvBackwardWeights.
func (c ConvBackwardWeightsSplit) Table(isa ISA) []int { return c.Whole.Table(isa) }

// Count is the number of parts of that many images.
func (c ConvBackwardWeightsSplit) Count(images int) int { return ceilDiv(images, c.Images) }

// Tasks is those of ConvBackwardWeights for every part.
func (c ConvBackwardWeightsSplit) Tasks(images int) int {
	return c.Count(images) * c.Whole.Tasks(images)
}

// Run computes a task of a part.
func (c ConvBackwardWeightsSplit) Run(w *Worker, task int, a *Args) {
	task, b := c.part(task, a)
	c.Whole.Run(w, task, &b)
}

// part returns the task of ConvBackwardWeights that task is, and the operands of its part.
func (c *ConvBackwardWeightsSplit) part(task int, a *Args) (int, Args) {
	n := c.Whole.Tasks(a.Images)
	part := task / n
	first := part * c.Images
	b := *a
	b.Images = min(c.Images, a.Images-first)
	b.In[0].Off += first * c.Whole.Conv.In.N
	b.In[1].Off += first * c.Whole.Conv.Outputs[0].View.N
	b.Out[0].Off += part * c.Whole.PackedLen()
	b.Out[1], b.Out[2] = Buf{}, Buf{}
	return task % n, b
}

// SumPartials adds the partial sums of a packed array of N numbers (whole blocks), one for
// every Images images, in their order.
//
// Operands: In[0] the partial sums, one behind another; Out[0] their sum, Out[1] the sums of its
// squares, a number a task as SquareSums has them, or no memory.
type SumPartials struct {
	N      int
	Images int
}

// Tasks is chunks of numbers.
func (k SumPartials) Tasks(int) int { return flat{k.N}.tasks() }

// Run adds a chunk.
func (k SumPartials) Run(w *Worker, task int, a *Args) {
	f := flat{k.N}
	out, in := f.part(&a.Out[0], task), a.In[0]
	copy(out, f.part(&in, task))
	v := vecFor(w.ISA)
	for range ceilDiv(a.Images, k.Images) - 1 {
		in.Off += k.N
		v.add(out, out, f.part(&in, task), Block)
	}
	if a.Out[1].Mem != nil {
		a.Out[1].putSquares(task, squareSum(w.ISA, out))
	}
}
