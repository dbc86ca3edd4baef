package kernel

// N16 runs a kernel for NCHW16c on activations in N16. The kernel must treat every
// block alike and must not read Args.Images: pools, activations, elementwise ops, copies.
// To it, 16 images are one image and each of their channels is a block, so its C is 16
// times the number of channels.
type N16 struct{ Do Runner }

// Tasks is Do's for the blocks of 16 images.
func (l N16) Tasks(images int) int { return l.Do.Tasks(imageBlocks(images)) }

// Run is Do's.
func (l N16) Run(w *Worker, task int, a *Args) { l.Do.Run(w, task, a) }

// Scratch is Do's.
func (l N16) Scratch() int {
	if s, ok := l.Do.(Scratcher); ok {
		return s.Scratch()
	}
	return 0
}

// PackedLen is Do's.
func (l N16) PackedLen() int { return l.Do.(Packer).PackedLen() }

// Pack gives every channel's weight to its 16 lanes.
func (l N16) Pack(dst, weight []float32) {
	for i := range dst {
		dst[i] = weight[i/Block]
	}
}

// BiasLen is PackedLen.
func (l N16) BiasLen() int { return l.PackedLen() }

// PackBias is Pack.
func (l N16) PackBias(dst, bias []float32) { l.Pack(dst, bias) }
