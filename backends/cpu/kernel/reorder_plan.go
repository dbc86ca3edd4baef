package kernel

// Cost is that of a copy.
func (k Copy) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, moveNS) }

// Cost is that of a copy.
func (k Pad) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, moveNS) }

// Cost is that of a copy.
func (k CopyNCHW) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, moveNS) }

// Cost is that of a copy.
func (k CopyChannels) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, scatterNS) }

// Cost is that of the reorder.
func (k FromNCHW) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, scatterNS) }

// Cost is that of the reorder.
func (k ToNCHW) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, scatterNS) }

// Cost is that of a copy.
func (k PixelsToVector) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, moveNS) }

// Cost is that of the reorder.
func (k Permute) Cost(images int) Cost {
	return perElement(volume(k.Dims, k.Axes)*images, 0, 2, scatterNS)
}

// Cost is that of the reduction.
func (k Reduce) Cost(images int) Cost {
	return perElement(volume(k.Dims, k.Axes)*images, 1, 1, 4*scatterNS)
}

// Cost is that of a copy of all inputs.
func (k Interleave) Cost(images int) (c Cost) {
	for _, in := range k.Inputs {
		one := perElement(in.C*k.H*k.W*images, 0, 2, moveNS)
		c.Bytes, c.NS = c.Bytes+one.Bytes, c.NS+one.NS
	}
	return c
}

// volume is the number of elements of some axes.
func volume(dims [MaxAxes]int, axes int) int {
	n := 1
	for _, d := range dims[:axes] {
		n *= d
	}
	return n
}
