package kernel

// BackwardWeightsParts is BackwardWeights with more tasks: the images are cut into parts of
// Images each, and each part has tasks of its own. It is for layers where BackwardWeights
// would have few tasks, or tasks that read much and compute little.
//
// Operands are those of BackwardWeights, except that Out[0] holds PackedLen numbers for each
// part, one part after another, and that there is no Out[1] or Out[2]. SumParts adds the
// parts.
type BackwardWeightsParts struct {
	BackwardWeights
	Images int
}

// Count is the number of parts of that many images.
func (c BackwardWeightsParts) Count(images int) int { return ceilDiv(images, c.Images) }

// Tasks is those of BackwardWeights for every part.
func (c BackwardWeightsParts) Tasks(images int) int {
	return c.Count(images) * c.BackwardWeights.Tasks(images)
}

// Run computes a task of a part.
func (c BackwardWeightsParts) Run(w *Worker, task int, a *Args) {
	task, b := c.part(task, a)
	c.BackwardWeights.Run(w, task, &b)
}

// part is the task of BackwardWeights that a task is, and the operands of its part.
func (c *BackwardWeightsParts) part(task int, a *Args) (int, Args) {
	n := c.BackwardWeights.Tasks(a.Images)
	part := task / n
	first := part * c.Images
	b := *a
	b.Images = min(c.Images, a.Images-first)
	b.In[0].Off += first * c.In.N
	b.In[1].Off += first * c.Parts[0].View.N
	b.Out[0].Off += part * c.PackedLen()
	b.Out[1], b.Out[2] = Buf{}, Buf{}
	return task % n, b
}

// SumParts adds the parts of a packed array of N numbers (whole blocks), one for so
// many images each, in their order.
//
// Operands: In[0] the parts, one behind another; Out[0] their sum, Out[1] the sums of its
// squares, a number a task as SquareSums has them, or no memory.
type SumParts struct {
	N      int
	Images int
}

// Tasks is chunks of numbers.
func (k SumParts) Tasks(int) int { return flat{k.N}.tasks() }

// Run adds a chunk.
func (k SumParts) Run(w *Worker, task int, a *Args) {
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
