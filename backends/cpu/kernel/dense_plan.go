package kernel

// splitThreads are the numbers of threads that Split of dense layers and of gradients cares
// for, and how much: gradients of weights are added up from parts, whose number decides the bits
// of the sum, so that another weighting would change the results of a training.
var splitThreads = [...]struct {
	threads int
	weight  float64
}{{1, 4}, {2, 4}, {4, 2}, {8, 1}, {16, 1}}

// bytes are those of the inputs, the outputs and the weights.
func (d Dense) bytes(images int) int {
	return 4 * (images*(Blocks(d.C)*Block*d.H*d.W+Blocks(d.Out.C)*Block) + d.PackedLen())
}

// nanoseconds predicts the time for a number of images on one thread.
func (d Dense) nanoseconds(images int) float64 {
	k := Blocks(d.C) * d.conv().depth() * d.H * d.W
	sum := 0.0
	for range ceilDiv(Blocks(d.Out.C), 2) {
		for _, p := range balanced(images, 14) {
			sum += tileCost(p, 2, k)
		}
	}
	return max(sum, streaming(d)) / costNS
}

// Cost is that of the layer.
func (d Dense) Cost(images int) Cost {
	return perMAC(d.MACs()*images, d.bytes(images), d.nanoseconds(images))
}

// Split returns d with Pairs and Images chosen so that 1 to 16 threads are busy
// evenly when that many images run at once.
func (d Dense) Split(images int) Dense {
	c := d.conv()
	k := Blocks(d.C) * c.depth() * d.H * d.W
	best, at := 0.0, d
	for _, d.Images = range [...]int{14, 28, 42, 56} {
		if d.Images > 14 && d.Images-14 >= images {
			break
		}
		for pchunks := 1; pchunks <= c.npairs(); pchunks++ {
			d.Pairs = ceilDiv(c.npairs(), pchunks)
			if ceilDiv(c.npairs(), d.Pairs) != pchunks {
				continue
			}
			n := min(d.Images, images)
			cost := 0.0
			for _, p := range balanced(n, 14) {
				cost += tileCost(p, 2, k)
			}
			cost = taskOverhead + float64(d.Pairs)*max(cost, float64(4*k*2*Block)/ramPerOp)
			score := 0.0
			for _, t := range splitThreads {
				score += t.weight * cost * float64(ceilDiv(d.Tasks(images), t.threads)*t.threads)
			}
			if best == 0 || score < best {
				best, at = score, d
			}
		}
	}
	return at
}

// nanoseconds predicts the time for a number of images on one thread.
func (m MatVec) nanoseconds(images int) float64 {
	ops := float64(m.depth()*Blocks(m.Out.C)) + tileOverhead
	return max(ops*float64(images), streaming(m)) / costNS
}

// Cost is that of the layer.
func (m MatVec) Cost(images int) Cost {
	return perMAC(m.MACs()*images, 4*(images*(Blocks(m.C)*Block*m.H*m.W+Blocks(m.Out.C)*Block)+m.PackedLen()), m.nanoseconds(images))
}

// rereads is what a Dense reads beyond one time each of its weights and inputs, in
// bytes: the order of its tasks keeps some of one in the second cache while the other
// goes by, once for every pair of output blocks or chunk of images.
func (d Dense) rereads(images int) int {
	c := d.conv()
	in, weights := 4*Blocks(d.C)*c.depth()*d.H*d.W*images, 4*d.PackedLen()
	if Blocks(d.Out.C)*Block <= images {
		in, weights = weights, in
	}
	if in <= l2Bytes {
		return 0
	}
	times := ceilDiv(c.npairs(), c.pairs())
	if Blocks(d.Out.C)*Block <= images {
		times = ceilDiv(images, d.images())
	}
	return (times - 1) * in
}

// SplitK returns the kernel that computes the layer in parts of its sums, with as
// many of them as make 1 to 16 threads busy alike, if that costs less than what Split
// chose: it reads nothing twice but writes and reads the parts, which stay in the
// second cache while a task adds to one.
func (d Dense) SplitK(images int) (k DenseSplitK, ok bool) {
	k = DenseSplitK{Dense: d}
	k.Dense.Pairs, k.Dense.Images = 0, 0
	taps, part := Blocks(d.C)*d.H*d.W, 4*k.partLen(images)
	if part > l2Bytes/2 {
		return k, false
	}
	best, parts := 0.0, 0
	for k.Splits = 2; k.Splits <= min(16, taps/densePartTaps*2); k.Splits++ {
		cost := d.nanoseconds(images)*costNS/float64(k.Splits) + taskOverhead + float64(2*part)/l3PerOp
		score := 0.0
		for _, t := range splitThreads {
			score += t.weight * cost * float64(ceilDiv(k.Splits, t.threads)*t.threads)
		}
		if best == 0 || score < best {
			best, parts = score, k.Splits
		}
	}
	k.Splits = parts
	again, once := d.rereads(images), 4*(d.PackedLen()+taps*Block*images)
	return k, parts > 0 && again-2*parts*part > once/4
}

// Cost is that of the layer; its partial sums are written.
func (k DenseSplitK) Cost(images int) Cost {
	return perMAC(k.Dense.MACs()*images, k.Dense.bytes(images)+4*k.PartialsLen(images), k.Dense.nanoseconds(images))
}

// nanoseconds predicts the time for a number of images on one thread.
func (k DenseSplitKSum) nanoseconds(images int) float64 {
	return float64(4*(k.Splits+1)*Blocks(k.Out.C)*Block*images) / l3PerOp / costNS
}

// Cost is that of the sum.
func (k DenseSplitKSum) Cost(images int) Cost {
	n := Blocks(k.Out.C) * Block * images
	return Cost{FLOPs: k.Splits * n, Bytes: 4 * (k.Splits + 1) * n, NS: k.nanoseconds(images)}
}

// Cost is that of the gradient.
func (d DenseBackwardData) Cost(images int) Cost {
	return perMAC(d.Dense.MACs()*images, d.Dense.bytes(images), d.Dense.nanoseconds(images))
}

// Cost is that of the gradient.
func (d DenseBackwardWeights) Cost(images int) Cost {
	return perMAC(d.Dense.MACs()*images, d.Dense.bytes(images), d.Dense.nanoseconds(images))
}

// Split returns d with its ranges chosen for that many images. A task reads its taps of the
// input once and goes over its pairs with a few of them at a time: dY is what it reads again
// and again, so that has to stay in the second cache.
func (d DenseBackwardWeights) Split(images int) DenseBackwardWeights {
	n := d.Dense.conv().npairs()
	d.PairRanges = min(n, max(1, ceilDiv(4*images*n*2*Block, l2Bytes)))
	d.TapRanges = min(ceilDiv(d.ntaps(), denseTogether), ceilDiv(denseChunks, d.PairRanges))
	if d.TapRanges*d.PairRanges < denseChunks {
		d.PairRanges = min(n, ceilDiv(denseChunks, d.TapRanges))
	}
	return d
}
