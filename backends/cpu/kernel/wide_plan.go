package kernel

// Cost is that of a copy.
func (k Widen) Cost(images int) Cost {
	return perElement(k.N*k.Tasks(images), 0, 3, scatterNS)
}

// Cost is that of a copy.
func (k Narrow) Cost(images int) Cost {
	return perElement(k.N*k.Tasks(images), 0, 3, scatterNS)
}

// nodeNS is what an operation of package nodes costs, about, in nanoseconds.
const nodeNS = 1

// Cost is an estimate of the operator's operations.
func (k Node) Cost(images int) Cost {
	p := k.plan(images)
	c := Cost{FLOPs: p.Ops(), NS: nodeNS * float64(p.Ops())}
	for _, t := range p.In {
		c.Bytes += 8 * t.Len()
	}
	for _, t := range p.Out {
		c.Bytes += 8 * t.Len()
	}
	return c
}

// Cost is an estimate of one call of a function for each element.
func (k Pointwise) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 1, 2, 8*nodeNS) }
