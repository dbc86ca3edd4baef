package kernel

// Cost is that of the normalization: a window of squares, a power and a product for each element.
func (k LRN) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 2*k.Size+4, 2, lrnNS) }

// Cost is that of the gradient.
func (k LRNBackward) Cost(images int) Cost {
	return perElement(k.C*k.H*k.W*images, 4*k.Size+8, 4, lrnBackwardNS)
}

// Cost is that of the normalization, which reads its input three times.
func (k BatchNormTrain) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 6, 4, normNS) }

// Cost is that of the gradient, which reads its operands twice.
func (k BatchNormBackward) Cost(images int) Cost {
	return perElement(k.C*k.H*k.W*images, 9, 5, 1.5*normNS)
}

// Cost is that of the update.
func (k BatchNormRunning) Cost(int) Cost { return perElement(2*k.C, 3, 3, normNS) }

// Cost is that of the sum.
func (k SumPixels) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 1, 1, moveNS) }

// Cost is that of the sum.
func (k ChannelSums) Cost(images int) Cost { return perElement(k.Len(images), 1, 1, sumNS) }

// Cost is that of the fold: a square root and a quotient for each channel.
func (k BatchNormFold) Cost(int) Cost { return perElement(k.C, 6, 6, expNS) }

// Cost is that of the normalization, which reads its input three times.
func (k ChannelNorm) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 8, 4, normNS) }
