package kernel

// Cost is that of interpolations between two elements of each axis, whatever the weights are.
func (k Resample) Cost(images int) Cost {
	n := k.C * k.H * k.W * images
	c := perElement(n, 6, 1, 4*moveNS)
	c.Bytes += 4 * k.C * k.IH * k.IW * images
	return c
}
