package kernel

// N16DenseBackwardWeights is DenseBackwardWeights that reads the forward input in N16, as the
// map of C x H x W that the layer takes for a vector. Its vectors are output channels all
// the same: it broadcasts the inputs one by one, which may lie anywhere.
//
// Operands are those of a DenseBackwardWeights: In[0] the map, In[1] = dY in blocks, Out[0] dW
// in the order of a Dense of C*H*W x 1 x 1.
type N16DenseBackwardWeights struct{ Blocked DenseBackwardWeights }

// Tasks is those of DenseBackwardWeights.
func (d N16DenseBackwardWeights) Tasks(images int) int { return d.Blocked.Tasks(images) }

// flat is the kernel over the map as a vector.
func (d N16DenseBackwardWeights) flat() DenseBackwardWeights {
	d.Blocked.Dense.C, d.Blocked.Dense.H, d.Blocked.Dense.W = d.Blocked.Dense.C*d.Blocked.Dense.H*d.Blocked.Dense.W, 1, 1
	return d.Blocked
}

// Table returns where the inputs are, and the images of a strip.
func (d N16DenseBackwardWeights) Table(ISA) []int {
	t := d.Blocked.Dense.In.n16Taps(d.Blocked.Dense.C, d.Blocked.Dense.H, d.Blocked.Dense.W, 1, 1)
	for i := range denseStrip {
		t = append(t, 4*(i/Block*d.Blocked.Dense.In.N+i%Block), 4*i*d.Blocked.Dense.Out.View.N)
	}
	return t
}

// Run computes one task.
func (d N16DenseBackwardWeights) Run(w *Worker, task int, a *Args) {
	flat, inputs := d.flat(), d.Blocked.Dense.C*d.Blocked.Dense.H*d.Blocked.Dense.W
	depth := flat.Dense.conv().depth()
	w.grad.channels(depth)
	flat.run(w, task, a, denseInputs{taps: a.Table[:inputs], each: depth, step: d.Blocked.Dense.In.N / Block}, a.Table[inputs:])
}
