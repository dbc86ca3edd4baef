package kernel

// maskBlocks clears what does not pass the ReLU in the rows of a task from y0 on, while they are in
// the cache.
func (c *Conv) maskBlocks(w *Worker, a *Args, image, y0, first, end int) {
	v, to := vecFor(w.ISA), c.Outputs[0].View
	rows, width := fuseRows(0, min(c.rows(), c.H-y0), c.W, to, c.Mask)
	for b := first; b < end; b++ {
		for y := range rows {
			dst := to.row(&a.Out[0], image, b, y0+y, width)
			v.reluBackward(dst, dst, c.Mask.row(&a.In[2], image, b, y0+y, width))
		}
	}
}
