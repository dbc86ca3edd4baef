package kernel

// N16DenseBackwardWeights is DenseBackwardWeights that reads the forward input in N16, as the
// map of C x H x W that the layer takes for a vector. Its vectors are output channels all
// the same: it broadcasts the inputs one by one, which may lie anywhere.
//
// Operands are those of a DenseBackwardWeights: In[0] the map, In[1] = dY in blocks, Out[0] dW
// in the order of a Dense of C*H*W x 1 x 1.
type N16DenseBackwardWeights struct{ DenseBackwardWeights }

// flat is the kernel over the map as a vector.
func (d N16DenseBackwardWeights) flat() DenseBackwardWeights {
	d.C, d.H, d.W = d.C*d.H*d.W, 1, 1
	return d.DenseBackwardWeights
}

// Table returns where the inputs are, and the images of a strip.
func (d N16DenseBackwardWeights) Table(ISA) []int {
	t := d.In.n16Taps(d.C, d.H, d.W, 1, 1)
	for i := range denseStrip {
		t = append(t, 4*(i/Block*d.In.N+i%Block), 4*i*d.Out.View.N)
	}
	return t
}

// Run computes one task.
func (d N16DenseBackwardWeights) Run(w *Worker, task int, a *Args) {
	flat, inputs := d.flat(), d.C*d.H*d.W
	depth := flat.conv().depth()
	w.grad.channels(depth)
	flat.run(w, task, a, denseInputs{taps: a.Table[:inputs], each: depth, step: d.In.N / Block}, a.Table[inputs:])
}
