package kernel

// Cost is that of the loss.
func (k CrossEntropy) Cost(images int) Cost { return perElement(k.C*images, 4, 1, expNS) }

// Cost is that of the gradient.
func (k CrossEntropyBackward) Cost(images int) Cost { return perElement(k.C*images, 5, 2, expNS) }

// Cost is that of the product.
func (Product) Cost(int) Cost { return perElement(1, 2, 1, sumNS) }

// Cost is that of the sum.
func (k WeightedSum) Cost(int) Cost { return perElement(len(k.Weights), 2, 1, sumNS) }

// Cost is that of the loss.
func (k WeightedCrossEntropy) Cost(images int) Cost { return perElement(k.C*images, 5, 1, 2*expNS) }

// Cost is that of the gradient.
func (k WeightedCrossEntropyBackward) Cost(images int) Cost {
	return perElement(k.C*images, 6, 2, 2*expNS)
}
