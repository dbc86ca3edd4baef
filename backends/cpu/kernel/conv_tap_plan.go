package kernel

// Cost is that of the 1x1 convolution.
func (c ConvTap) Cost(images int) Cost { return c.Conv.Cost(images) }

// Split is c with its work cut into tasks.
func (c ConvTap) Split(images int) ConvTap {
	c.Conv = c.Conv.Split(images)
	return c
}
