package kernel

// Cost is that of a division and rounding for each element, in plain Go.
func (k FakeQuantize) Cost(images int) Cost {
	return perElement(images*Blocks(k.C)*Block*k.H*k.W, 4, 2, fakeQuantizeNS)
}

// Cost is that of a division, rounding and a sum for each element, in plain Go.
func (k FakeQuantizeBackward) Cost(images int) Cost {
	return perElement(images*Blocks(k.C)*Block*k.H*k.W, 6, 3, 1.5*fakeQuantizeNS)
}

// Cost is that of the sum.
func (k FakeQuantizeStep) Cost(images int) Cost { return perElement(k.Of.Tasks(images), 1, 1, expNS) }

// fakeQuantizeNS is the time of a FakeQuantize for an element.
const fakeQuantizeNS = 2
