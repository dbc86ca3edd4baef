package kernel

// Cost is that of the pool.
func (k MaxPool) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images*k.KH*k.KW, 1, 1, tapNS) }

// Cost is that of the pool.
func (k AvgPool) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images*k.KH*k.KW, 1, 1, tapNS) }

// Cost is that of the gradient.
func (k AvgPoolBackward) Cost(images int) Cost {
	return perElement(k.C*k.H*k.W*images*k.KH*k.KW, 1, 1, tapBackwardNS)
}

// Cost is that of the gradient.
func (k MaxPoolBackward) Cost(images int) Cost {
	ns := tapBackwardNS
	if k.Indexed {
		ns = indexedNS
	}
	return perElement(k.C*k.H*k.W*k.KH*k.KW*images, 1, 1, ns)
}
