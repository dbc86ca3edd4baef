package kernel

// n16TileCost is the cost of a tile of p pixels by n output channels over k taps. Its
// loads of the input come from the second-level cache for the most part.
func n16TileCost(p, n, k int) float64 {
	return float64(k)*max(float64(p*n), 4+float64(n)*0.5+float64(p)) + 30 + 2*float64(p*n)
}

// n16RunCost is the cost of a run of the microkernels over rows x pixels.
func n16RunCost(rows, pixels, n, k int) float64 {
	tiles := ceilDiv(pixels, 6)
	p := ceilDiv(pixels, tiles)
	first := pixels - tiles*(p-1)
	cost := float64(first) * n16TileCost(p, n, k)
	if first < tiles {
		cost += float64(tiles-first) * n16TileCost(p-1, n, k)
	}
	return cost * float64(rows)
}

// nanoseconds predicts the time for a number of images on one thread.
func (c N16Conv) nanoseconds(images int) float64 {
	k := c.ntaps()
	group := 0.0
	lastN, last := 0, 0.0
	for q := range c.quads {
		if q.n != lastN {
			lastN, last = q.n, n16RunCost(c.Conv.H, c.Conv.W, q.n, k)
		}
		group += last
	}
	chunks := ceilDiv(c.Conv.H, c.Conv.rows()) * ceilDiv(c.nquads(), c.quadsAtOnce())
	// What it writes goes to the third cache, and what it reads comes from there.
	bytes := 4 * Block * (c.Conv.OC()*c.Conv.H*c.Conv.W + c.Conv.IC*max(c.Conv.H*one(c.Conv.SH)*c.Conv.W*one(c.Conv.SW), c.Conv.KH*c.Conv.KW))
	group += float64(bytes)/l3PerOp + float64(chunks)*taskOverhead
	return max(group*float64(imageBlocks(images)), float64(4*c.PackedLen())/ramPerOp) / costNS
}

// Split returns c with Rows and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once: some 16 tasks, of whole rows.
func (c N16Conv) Split(images int) N16Conv {
	groups := imageBlocks(images)
	chunks := min(c.Conv.H, max(1, 16/groups))
	// The rows of a task should stay in the second cache while all output channels
	// go over them.
	for chunks < c.Conv.H && 4*Block*c.Conv.W*ceilDiv(c.Conv.H, chunks)*(c.Conv.IC*one(c.Conv.SH)*one(c.Conv.SW)+c.Conv.OC()) > l2Bytes {
		chunks++
	}
	c.Conv.Rows = ceilDiv(c.Conv.H, chunks)
	c.Conv.Pairs = 0
	return c
}

// taskCost is the cost of a task of a number of quads of output channels and of image blocks.
// All of its input is read once, a few taps at a time.
func (d N16Dense) taskCost(quads, groups int) float64 {
	k := d.C * d.H * d.W
	return taskOverhead + float64(quads)*n16RunCost(1, groups, n16Channels, k)*1.15 + reading(4*Block*k*groups)
}

// nanoseconds predicts the time for a number of images on one thread.
func (d N16Dense) nanoseconds(images int) float64 {
	k := d.C * d.H * d.W
	cost := 0.0
	for o := 0; o < d.Out.C; o += n16Channels {
		cost += n16RunCost(1, imageBlocks(images), min(n16Channels, d.Out.C-o), k) * 1.15
	}
	return max(cost, float64(4*d.PackedLen())/ramPerOp) / costNS
}

// n16GemmCost is the cost of the product of rows x taps weights with all image blocks.
func n16GemmCost(groups, rows, taps int) float64 {
	cost := 0.0
	for _, n := range balanced(groups, n16GemmMost) {
		cost += float64(rows) / n16ProductRows * n16TileCost(n, n16ProductRows, taps)
	}
	return cost
}

// nanoseconds predicts the time for a number of images on one thread.
func (d N16DenseBackwardData) nanoseconds(images int) float64 {
	groups, inputs, arrays := imageBlocks(images), d.Dense.C*d.Dense.H*d.Dense.W, 1
	if d.ReLU {
		arrays = 2
	}
	cost := n16GemmCost(groups, inputs, d.Dense.Out.C) + float64(arrays*4*Block*groups*inputs)/l3PerOp + float64(d.Tasks(images))*taskOverhead
	return max(cost, float64(4*d.Dense.Out.C*inputs)/ramPerOp) / costNS
}

// taskCost is the cost of a task: what it reads and writes, half of it hidden.
func (k N16DenseSplitK) taskCost(images int) float64 {
	l := k.part(images)
	groups, pairs := k.cut(l)
	rows, inputs := min(pairs*2*Block, k.Dense.Out.C), ceilDiv(k.Dense.C*k.Dense.H*k.Dense.W, k.Splits)
	bytes := 4 * (groups*Block*inputs + rows*inputs + groups*Block*rows)
	return taskOverhead + n16GemmCost(groups, rows, inputs) + float64(bytes)/l3PerOp/2
}

// nanoseconds predicts the time for a number of images on one thread.
func (k N16DenseSplitK) nanoseconds(images int) float64 {
	return max(float64(k.Tasks(images))*k.taskCost(images), float64(4*k.Dense.Out.C*k.Dense.C*k.Dense.H*k.Dense.W)/ramPerOp) / costNS
}

// Split returns k with Splits, ImageBlocks and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once. Chunks of groups read the weights again and
// again, chunks of pairs the inputs, and parts are written and read.
func (k N16DenseSplitK) Split(images int) N16DenseSplitK {
	best, at := 0.0, k
	l := k.part(images)
	for _, chunks := range chunksOf(l.groups) {
		for _, pchunks := range chunksOf(l.pairs()) {
			k.ImageBlocks, k.Dense.Pairs = ceilDiv(l.groups, chunks), ceilDiv(l.pairs(), pchunks)
			if k.ImageBlocks > n16GemmMost && k.ImageBlocks%n16GemmMost != 0 {
				continue
			}
			for k.Splits = 1; k.Splits <= 16 && (k.Splits == 1 || k.Dense.C*k.Dense.H*k.Dense.W/k.Splits >= 2*Block); k.Splits++ {
				tasks := k.Tasks(images)
				sum, cost := k.Sum().nanoseconds(images)*costNS, k.taskCost(images)
				score := 0.0
				for _, t := range splitThreads {
					score += t.weight * (cost*float64(ceilDiv(tasks, t.threads)*t.threads) + sum)
				}
				if best == 0 || score < best {
					best, at = score, k
				}
			}
		}
	}
	return at
}

// nanoseconds predicts the time for a number of images on one thread: the parts
// come from another core's caches, one after another.
func (k N16DenseSplitKSum) nanoseconds(images int) float64 {
	return float64(4*(k.Splits+1)*k.Out.C*Block*imageBlocks(images)) / (l3PerOp / 2) / costNS
}

// nanoseconds predicts the time for a number of images on one thread.
func (d N16DenseBackwardWeights) nanoseconds(images int) float64 {
	return d.flat().Dense.nanoseconds(images)
}

// Cost is that of the layer.
func (d N16Dense) Cost(images int) Cost {
	return perMAC(d.MACs()*images, 4*(n16Floats(images, d.C*d.H*d.W+d.Out.C)+d.PackedLen()), d.nanoseconds(images))
}

// Split returns d with Quads and ImageBlocks chosen so that 1 to 8 threads are busy
// evenly when that many images run at once. Every chunk of output channels reads
// the input anew, so chunks are as large as that allows.
func (d N16Dense) Split(images int) N16Dense {
	all, best, at := imageBlocks(images), 0.0, d
	for gchunks := 1; gchunks <= all; gchunks++ {
		d.ImageBlocks = ceilDiv(all, gchunks)
		if ceilDiv(all, d.ImageBlocks) != gchunks || d.ImageBlocks > n16DenseMost || gchunks > 1 && d.ImageBlocks < min(all, n16DenseLeast) {
			continue
		}
		for qchunks := 1; qchunks <= min(d.quads(), 16); qchunks++ {
			d.Quads = ceilDiv(d.quads(), qchunks)
			if ceilDiv(d.quads(), d.Quads) != qchunks {
				continue
			}
			tasks, cost := gchunks*qchunks, d.taskCost(d.Quads, d.ImageBlocks)
			score := 0.0
			for _, t := range splitThreads {
				score += t.weight * cost * float64(ceilDiv(tasks, t.threads)*t.threads)
			}
			score *= float64(d.quads()) / float64(qchunks*d.Quads)
			score *= float64(all) / float64(gchunks*d.ImageBlocks)
			if best == 0 || score < best {
				best, at = score, d
			}
		}
	}
	return at
}

// n16Floats is the length of that many elements of each image, in float32s.
func n16Floats(images, each int) int { return imageBlocks(images) * Block * each }

// Cost is that of the convolution.
func (c N16Conv) Cost(images int) Cost {
	ih, iw := (c.Conv.H-1)*one(c.Conv.SH)+(c.Conv.KH-1)*one(c.Conv.DH)+1, (c.Conv.W-1)*one(c.Conv.SW)+(c.Conv.KW-1)*one(c.Conv.DW)+1
	return perMAC(c.Conv.MACs()*images, 4*(n16Floats(images, c.Conv.IC*ih*iw+c.Conv.OC()*c.Conv.H*c.Conv.W)+c.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the gradient.
func (d N16DenseBackwardData) Cost(images int) Cost {
	each := d.Dense.C*d.Dense.H*d.Dense.W + d.Dense.Out.C
	if d.ReLU {
		each += d.Dense.C * d.Dense.H * d.Dense.W
	}
	return perMAC(d.Dense.MACs()*images, 4*(n16Floats(images, each)+d.Dense.Out.C*d.Dense.C*d.Dense.H*d.Dense.W), d.nanoseconds(images))
}

// Cost is that of the layer; its partial sums are written.
func (k N16DenseSplitK) Cost(images int) Cost {
	return perMAC(k.Dense.MACs()*images, 4*(n16Floats(images, k.Dense.C*k.Dense.H*k.Dense.W)+k.Dense.Out.C*k.Dense.C*k.Dense.H*k.Dense.W+k.PartialsLen(images)), k.nanoseconds(images))
}

// Cost is that of the sum.
func (k N16DenseSplitKSum) Cost(images int) Cost {
	n := n16Floats(images, k.Out.C)
	return Cost{FLOPs: k.Splits * n, Bytes: 4 * (k.Splits + 1) * n, NS: k.nanoseconds(images)}
}

// Cost is that of the gradient.
func (d N16DenseBackwardWeights) Cost(images int) Cost {
	return perMAC(d.Blocked.Dense.MACs()*images, d.Blocked.Dense.bytes(images), d.nanoseconds(images))
}

// Cost is that of the kernel over blocks of 16 images.
func (l N16) Cost(images int) Cost { return l.Do.(Kernel).Cost(imageBlocks(images)) }

// Cost is that of a copy.
func (k N16FromNCHW) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, transposeNS) }

// Cost is that of a copy.
func (k N16ToNCHW) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, transposeNS) }

// Cost is that of a copy.
func (k N16FromBlocked) Cost(images int) Cost {
	return perElement(k.C*k.H*k.W*images, 0, 2, transposeNS)
}

// Cost is that of a copy.
func (k N16ToBlocked) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 0, 2, transposeNS) }

// Cost is that of the reorder.
func (r N16Repack) Cost(int) Cost { return perElement(r.To.PackedLen(), 0, 2, scatterNS) }

// Cost is that of the sum.
func (k N16SumPixels) Cost(images int) Cost { return perElement(k.C*k.H*k.W*images, 1, 1, moveNS) }

// Split returns c with ImageBlocks and Pairs chosen for that many images: some 16 parts,
// and output channels such that the sums of a task stay in the second cache.
func (c N16ConvBackwardWeights) Split(images int) N16ConvBackwardWeights {
	groups := imageBlocks(images)
	c.ImageBlocks = ceilDiv(groups, 16)
	const most = 64 << 10 // float32s
	c.Conv.Conv.Pairs = max(1, min(c.Conv.nquads(), most/(n16Channels*c.Conv.ntaps()*Block)))
	if parts := c.Count(images); parts < 8 {
		c.Conv.Conv.Pairs = min(c.Conv.Conv.Pairs, ceilDiv(c.Conv.nquads(), ceilDiv(8, parts)))
	}
	return c
}

// nanoseconds predicts the time for a number of images on one thread.
func (c N16ConvBackwardWeights) nanoseconds(images int) float64 {
	k := c.Conv.ntaps()
	cost := 0.0
	for t := 0; t < k; t += n16BackwardTaps {
		p := min(n16BackwardTaps, k-t)
		for q := range c.Conv.quads {
			cost += float64(c.Conv.Conv.H*c.Conv.Conv.W)*max(float64(p*q.n), float64(p+q.n)) + float64(ceilDiv(c.Conv.Conv.H, c.rowsAtOnce()))*tileOverhead
		}
	}
	bytes := 4 * Block * (c.Conv.Conv.OC()*c.Conv.Conv.H*c.Conv.Conv.W + c.Conv.Conv.IC*c.Conv.Conv.H*one(c.Conv.Conv.SH)*c.Conv.Conv.W*one(c.Conv.Conv.SW))
	cost += float64(bytes)/l3PerOp + 8*float64(c.Conv.Conv.OC()*k)/float64(one(c.ImageBlocks)) + taskOverhead
	return cost * float64(imageBlocks(images)) / costNS
}

// Cost is that of the gradient.
func (c N16ConvBackwardWeights) Cost(images int) Cost {
	return perMAC(c.Conv.Conv.MACs()*images, 4*(n16Floats(images, c.Conv.Conv.IC*c.Conv.Conv.H*one(c.Conv.Conv.SH)*c.Conv.Conv.W*one(c.Conv.Conv.SW)+c.Conv.Conv.OC()*c.Conv.Conv.H*c.Conv.Conv.W)+c.Conv.PackedLen()), c.nanoseconds(images))
}

// Split returns d with its ranges chosen for that many images.
func (d N16DenseBackwardWeights) Split(images int) N16DenseBackwardWeights {
	f := d.flat().Split(images)
	d.Blocked.PairRanges, d.Blocked.TapRanges = f.PairRanges, f.TapRanges
	return d
}
