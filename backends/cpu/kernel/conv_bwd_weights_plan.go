package kernel

import "math"

const (
	gradientOverhead = 100 // a call of the microkernel: sums in and out
	gradientL3PerOp  = 3   // bytes from L3 or memory
	gradientParts    = 16  // of images, at most
)

// callCost is the cost of adding a number of pixels, cut into strips, to a unit of a number
// of blocks of output channels.
func (c *ConvBackwardWeights) callCost(blocks, pixels, strips int) float64 {
	rows := c.unitRows()
	calls := rows / 8 // rows at a time
	if c.Conv.depth() < 8 && !c.Conv.Planar {
		calls = c.Conv.KH * c.Conv.KW
	}
	return float64(pixels*rows)*max(float64(blocks), 11./8) + float64(calls*strips)*gradientOverhead
}

// taskCost is the cost of a task, given how many pairs of output blocks, units and images
// it takes.
func (c *ConvBackwardWeights) taskCost(pairs, units, images int) float64 {
	si, sr := c.strip()
	pixels, strips := images*c.Conv.H*c.Conv.W, ceilDiv(images, si)*ceilDiv(c.Conv.H, sr)
	cost, n, blocks := float64(taskOverhead), 0, 0
	for g := range c.Conv.blockPairs {
		cost += float64(units) * c.callCost(g.blocks, pixels, strips)
		blocks += g.blocks
		if n++; n == pairs {
			break
		}
	}
	in := 4 * Block * pixels * one(c.Conv.SH) * one(c.Conv.SW) * units
	if c.Conv.Planar { // all channels whatever the units
		in = in * c.Conv.IC / Block / units
	}
	dw := 4 * Block * units * c.unitRows() * blocks
	bytes := in + 4*Block*pixels*blocks + 3*dw // which is cleared, and then comes and goes
	if dw > l2Bytes {
		bytes += 2 * dw * strips
	}
	return cost + float64(bytes)/gradientL3PerOp
}

// cost returns the cost of all images on one thread, and that of the largest task, in the
// unit of the model. task is the cost of a task.
func (c ConvBackwardWeightsSplit) cost(images int, task func(pairs, units, images int) float64) (sum, largest float64) {
	most := c.Whole.mostUnits()
	units, pairs := c.Whole.Units, c.Whole.Conv.pairs()
	if units <= 0 {
		units = most
	}
	largest = task(pairs, units, min(images, c.Images))
	sum = float64(c.Tasks(images)) * largest
	// Most are smaller.
	sum *= float64(most) / float64(c.Whole.chunks()*units)
	sum *= float64(c.Whole.Conv.npairs()) / float64(ceilDiv(c.Whole.Conv.npairs(), pairs)*pairs)
	sum *= float64(images) / float64(c.Count(images)*min(images, c.Images))
	if n := c.Count(images); n > 1 {
		sum += taskOverhead + 4*float64((n+1)*c.Whole.PackedLen())/gradientL3PerOp
	}
	return sum, largest
}

// nanoseconds predicts the time for a number of images on one thread.
func (c ConvBackwardWeightsSplit) nanoseconds(images int) float64 {
	sum, _ := c.cost(images, c.Whole.taskCost)
	return sum / costNS
}

// nanoseconds predicts the time for a number of images on one thread.
func (c ConvBackwardWeights) nanoseconds(images int) float64 {
	return ConvBackwardWeightsSplit{c, images}.nanoseconds(images)
}

// Split returns c with Pairs and Units chosen, and the images cut into parts, so that 1 to 16
// threads have about equal work when that many images run at once. If there is one part
// (Count is 1), the ConvBackwardWeights in it computes the same without a SumPartials.
func (c ConvBackwardWeights) Split(images int) ConvBackwardWeightsSplit {
	return c.split(images, c.taskCost)
}

// split is Split for a given cost of a task.
func (c ConvBackwardWeights) split(images int, task func(pairs, units, images int) float64) ConvBackwardWeightsSplit {
	var at ConvBackwardWeightsSplit
	best, most := 0.0, c.mostUnits()
	for parts := 1; parts <= min(images, gradientParts); parts++ {
		k := ConvBackwardWeightsSplit{Whole: c, Images: ceilDiv(images, parts)}
		if k.Count(images) != parts {
			continue
		}
		for pchunks := 1; pchunks <= c.Conv.npairs(); pchunks++ {
			k.Whole.Conv.Pairs = ceilDiv(c.Conv.npairs(), pchunks)
			if ceilDiv(c.Conv.npairs(), k.Whole.Conv.Pairs) != pchunks {
				continue
			}
			for chunks := 1; chunks <= min(most, 16); chunks++ {
				k.Whole.Units = ceilDiv(most, chunks)
				if ceilDiv(most, k.Whole.Units) != chunks {
					continue
				}
				tasks, score := float64(k.Tasks(images)), 0.0
				sum, largest := k.cost(images, task)
				for _, t := range splitThreads {
					// In the last round some threads are idle, and others at a large task.
					n := float64(t.threads)
					score += t.weight * (sum*math.Ceil(tasks/n)*n/tasks + (largest-sum/tasks)*(n-1))
				}
				if best == 0 || score < best {
					best, at = score, k
				}
			}
		}
	}
	return at
}

const (
	winoBwdInCost  = 150  // a tile of 16 channels of dY to its 36 positions
	winoBwdOutCost = 150  // a register of sums at 36 positions to taps
	winoPatchCost  = 800  // a block of a tile that reaches past the image: its patch, and transforms of single tiles
	winoSumCost    = 50   // a block of 16 x 16 sums in and out, and its share of a call
	winoSumFactor  = 1.15 // of the products, whose operands come from the second cache
)

// taskCost is the cost of a task, given how many pairs of output blocks, units and images
// it takes.
func (c *ConvBackwardWeightsWinograd) taskCost(pairs, units, images int) float64 {
	m := c.m()
	gh, gw := ceilDiv(c.Parts.Whole.Conv.H, m), ceilDiv(c.Parts.Whole.Conv.W, m)
	total := images * gh * gw
	blocks, sums := 0, 0.0
	n := 0
	for g := range c.Parts.Whole.Conv.blockPairs {
		blocks += g.blocks
		sums += max(float64(g.blocks), 17./16)
		if n++; n == pairs {
			break
		}
	}
	k := *c
	k.Parts.Whole.Conv.Pairs, k.Parts.Whole.Units = pairs, units
	chunks := ceilDiv(total, k.tiles())
	cost := taskOverhead + float64(total)*float64(units*winoInCost+blocks*winoBwdInCost)
	if c.patched() {
		cost += float64(images*(gh*gw-c.Parts.Whole.Conv.H/m*(c.Parts.Whole.Conv.W/m))) * float64(units+blocks) * winoPatchCost
	}
	cost += float64(winoArea*units) * (float64(total)*Block*sums*winoSumFactor + float64(chunks*blocks)*winoSumCost)
	cost += float64(units*blocks*Block) * winoBwdOutCost
	dw := 4 * Block * units * c.Parts.Whole.unitRows() * blocks
	bytes := 2 * dw
	if l := k.layout(); 4*l.size > 2*l2Bytes {
		bytes += 2 * 4 * units * l.unit * chunks
	}
	// The operands are asked for in time.
	return cost + float64(bytes)/gradientL3PerOp + float64(4*Block*images*c.Parts.Whole.Conv.H*c.Parts.Whole.Conv.W*(units+blocks))/l3PerOp
}

// nanoseconds predicts the time for a number of images on one thread.
func (c ConvBackwardWeightsWinograd) nanoseconds(images int) float64 {
	sum, _ := c.Parts.cost(images, c.taskCost)
	return sum / costNS
}

// Split returns c with Pairs, Units and Images chosen as ConvBackwardWeights chooses them.
func (c ConvBackwardWeightsWinograd) Split(images int) ConvBackwardWeightsWinograd {
	c.Parts = c.Parts.Whole.split(images, c.taskCost)
	return c
}

// Split returns c with Images chosen for that many images: some 16 parts.
func (c ConvBackwardWeightsRows) Split(images int) ConvBackwardWeightsRows {
	c.Images = ceilDiv(images, 16)
	return c
}

// nanoseconds predicts the time for a number of images on one thread.
func (c ConvBackwardWeightsRows) nanoseconds(images int) float64 {
	calls := float64(2 * c.Conv.KH * ceilDiv(c.Conv.H, c.rowsAtOnce()))
	if c.Conv.Planar {
		calls = 1
	}
	sum := float64(c.Conv.KH*c.Conv.depth()*3*c.Conv.H)*float64(c.Conv.W+1) + calls*tileOverhead
	bytes := 4 * (Block*c.Conv.H*c.Conv.W + c.Conv.tapChannels()*c.Conv.H*one(c.Conv.SH)*c.Conv.W)
	return (float64(c.units()) * (sum + float64(bytes)/l3PerOp)) * float64(images) / costNS
}

// Cost is that of the gradient.
func (c ConvBackwardWeights) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the gradient.
func (c ConvBackwardWeightsSplit) Cost(images int) Cost {
	return perMAC(c.Whole.Conv.MACs()*images, c.Whole.Conv.bytes(images, c.Count(images)*c.Whole.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the gradient.
func (c ConvBackwardWeightsWinograd) Cost(images int) Cost {
	return perMAC(c.Parts.Whole.Conv.MACs()*images, c.Parts.Whole.Conv.bytes(images, c.Parts.Count(images)*c.Parts.Whole.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the gradient.
func (c ConvBackwardWeightsRows) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.Count(images)*c.Conv.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the sum.
func (k SumPartials) Cost(images int) Cost {
	n := ceilDiv(images, k.Images)
	return Cost{FLOPs: k.N * n, Bytes: 4 * k.N * (n + 1), NS: moveNS * float64(k.N*n)}
}

// Cost is that of the reorder.
func (r Repack) Cost(int) Cost { return perElement(r.To.PackedLen(), 0, 2, scatterNS) }
