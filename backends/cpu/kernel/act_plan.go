package kernel

// Cost is that of the op.
func (k Affine) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 2, 2, moveNS) }

// Cost is that of the op.
func (k Binary) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 1, 3, moveNS) }

// Cost is that of the op.
func (k Maxout) Cost(images int) Cost {
	return perElement(k.C*k.Pieces*k.H*k.W*images, 1, 1, scatterNS)
}

// Cost is that of the gradient.
func (k ActBackward) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 1, 3, 1.5*moveNS) }

// Cost is that of the gradient, of two or three operands.
func (k MaxBackward) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 3, 6, 4*moveNS) }

// Cost is that of the gradient.
func (k MaxoutBackward) Cost(images int) Cost {
	return perElement(k.C*k.Pieces*k.H*k.W*images, 1, 2, 2*moveNS)
}

// Cost is that of the gradient.
func (k SoftmaxBackward) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 4, 3, expNS) }

// Cost is that of the op: a random number and a product for each element.
func (k Dropout) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 2, 2, expNS) }

// Cost is that of the op.
func (k Softmax) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 4, 2, expNS) }

// Cost is that of the activation.
func (k Activation) Cost(images int) Cost {
	ns := expNS
	switch k.Act {
	case ActReLU:
		ns = moveNS
	case ActReLU6, ActClip, ActHardSigmoid, ActHardSwish, ActLeakyReLU:
		ns = 2 * moveNS
	}
	return perElement(k.C*k.H*k.W*images, 1, 2, ns)
}
