package kernel

// rowsCost is the cost of rows output rows for one pair of blocks.
func (c Conv) rowsCost(rows, blocks, k int) float64 {
	sum := 0.0
	if c.flat() {
		for _, p := range balanced(rows*c.W, 14) {
			sum += tileCost(p, blocks, k)
		}
		return sum
	}
	// The pattern repeats after at most two rows, nearly.
	for _, p := range cover(min(rows, 2), c.W, 14) {
		sum += tileCost(p, blocks, k)
	}
	return sum * float64(rows) / float64(min(rows, 2))
}

// taskCost is the cost of a task of rows rows by pairs pairs of output blocks.
func (c Conv) taskCost(rows, pairs int) float64 {
	cost := float64(taskOverhead)
	slab := 4 * ceilDiv(c.IC, c.tapChannels()) * ((rows-1)*one(c.SH) + (c.KH-1)*one(c.DH) + 1) * max(c.In.H, c.W*c.tapChannels())
	n, weights := 0, 0
	lastK, lastBlocks, last := 0, 0, 0.0 // mostly all pairs are alike
	for g := range c.blockPairs {
		k := c.products(g)
		if k != lastK || g.blocks != lastBlocks {
			lastK, lastBlocks, last = k, g.blocks, c.rowsCost(rows, g.blocks, k)
		}
		cost += last
		weights += 4 * k * g.blocks * Block
		if n++; n == pairs {
			break
		}
	}
	if slab > l2Bytes {
		slab *= n
	}
	return cost + reading(slab) + reading(weights)
}

// nanoseconds predicts the time for a number of images on one thread.
func (c Conv) nanoseconds(images int) float64 {
	full := c.H / c.rows()
	sum := float64(full) * c.taskCost(c.rows(), c.pairs())
	if last := c.H % c.rows(); last > 0 {
		sum += c.taskCost(last, c.pairs())
	}
	return max(sum*float64(images)*float64(c.npairs())/float64(c.pairs()), streaming(c)) / costNS
}

// bytes are those of the input with its border, the output, the residual and the weights.
func (c Conv) bytes(images, packedLen int) int {
	ih, iw := (c.H-1)*one(c.SH)+(c.KH-1)*one(c.DH)+1, (c.W-1)*one(c.SW)+(c.KW-1)*one(c.DW)+1
	out := Blocks(c.OC()) * Block * c.H * c.W
	n := ceilDiv(c.IC, c.tapChannels())*c.tapChannels()*ih*iw + out
	if c.Masked {
		n += out
	}
	if c.second() {
		n += out
	}
	return 4 * (images*n + packedLen)
}

// Cost is that of the convolution, whatever the tiles.
func (c Conv) Cost(images int) Cost {
	return perMAC(c.MACs()*images, c.bytes(images, c.PackedLen()), c.nanoseconds(images))
}

// Cost is that of the convolution.
func (d ConvBackwardData) Cost(images int) Cost { return d.Conv.Cost(images) }

// How a convolution is cut into tasks decides how well threads share it: a worker
// runs a fixed range of the list, so the parts must be alike in size, not only in
// number. The result of a convolution does not depend on the cut, but the plan
// must not depend on the machine, so one cut is chosen for all numbers of threads.

// tileThreads are the numbers of threads that count, the usual ones more.
var tileThreads = [...]struct {
	threads int
	weight  float64
}{{1, 2}, {2, 4}, {4, 2}, {8, 1}}

// tileScore is the predicted time of a list of tasks on 1 to 8 threads, weighted, in
// processor time: total is that of one thread, sizes the tasks' shares of it.
func tileScore(total float64, sizes []int) float64 {
	sum := 0
	for _, s := range sizes {
		sum += s
	}
	r := 0.0
	for _, t := range tileThreads {
		longest := 0
		for w := range t.threads {
			own := 0
			for _, s := range sizes[len(sizes)*w/t.threads : len(sizes)*(w+1)/t.threads] {
				own += s
			}
			longest = max(longest, own)
		}
		r += t.weight * total * float64(longest*t.threads) / float64(sum)
	}
	return r
}

// pairSizes are the blocks of every pair of output blocks.
func pairSizes(c Conv) []int {
	var l []int
	for g := range c.blockPairs {
		l = append(l, g.blocks)
	}
	return l
}

// chunks sums a list by pieces of at most n.
func chunks(l []int, n int) []int {
	var r []int
	for i, x := range l {
		if i%n == 0 {
			r = append(r, 0)
		}
		r[len(r)-1] += x
	}
	return r
}

// maxTasks bounds the tasks of one image: beyond, their own cost tells.
const maxTasks = 96

// Split returns c with Rows and Pairs chosen so that 1 to 8 threads are busy alike when
// that many images run at once. The result of the convolution does not depend on it.
func (c Conv) Split(images int) Conv {
	pairs := pairSizes(c)
	repeated := min(images, 8) // more only repeat the pattern
	best, least := c, 0.0
	last := 0
	for n := 1; n <= min(c.H, 64); n++ {
		c.Rows = (c.H + n - 1) / n
		if c.Rows == last {
			continue
		}
		last = c.Rows
		lastPairs := 0
		for m := 1; m <= len(pairs) && n*m <= maxTasks; m++ {
			c.Pairs = (len(pairs) + m - 1) / m
			if c.Pairs == lastPairs {
				continue
			}
			lastPairs = c.Pairs
			var sizes []int
			for range repeated {
				for y := 0; y < c.H; y += c.Rows {
					for _, blocks := range chunks(pairs, c.Pairs) {
						sizes = append(sizes, blocks*min(c.Rows, c.H-y))
					}
				}
			}
			if s := tileScore(c.nanoseconds(images), sizes); least == 0 || s < least {
				best, least = c, s
			}
		}
	}
	return best
}

// PaddedMACs is MACs with the channels padded to blocks.
func (c Depthwise) PaddedMACs() int {
	return Blocks(c.Conv.IC) * Block * c.Conv.KH * c.Conv.KW * c.Conv.H * c.Conv.W
}

// stripNanoseconds predicts the time of a convolution with groups of width channels by strips for
// a number of images on one thread: a load and a multiply-add a tap, two loads where AVX-512 loads
// once a cycle.
func (c Conv) stripNanoseconds(images, width int) float64 {
	row := float64(c.W)*(1.3*float64(c.KH*c.KW*width)+3) + tileOverhead
	return float64(images*c.H*Blocks(c.IC)) * row / costNS
}

// Cost is that of the convolution.
func (c Depthwise) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.PackedLen()), c.Conv.stripNanoseconds(images, 1))
}

// Split returns c with Images chosen for that many images: some 16 tasks, since a block is one.
func (c DepthwiseBackwardWeights) Split(images int) DepthwiseBackwardWeights {
	c.Images = ceilDiv(images, min(images, max(1, 16/Blocks(c.Conv.IC))))
	return c
}

// Cost is that of the gradient.
func (c DepthwiseBackwardWeights) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.Count(images)*c.PackedLen()), c.Conv.stripNanoseconds(images, 1))
}

// Cost is that of the reorder.
func (r DepthwiseRepack) Cost(int) Cost {
	return perElement(Depthwise{r.Repack.To}.PackedLen(), 0, 2, moveNS)
}

// PaddedMACs is MACs with the channels padded to blocks.
func (c Grouped) PaddedMACs() int {
	return Blocks(c.Conv.IC) * Block * c.width() * c.Conv.KH * c.Conv.KW * c.Conv.H * c.Conv.W
}

// Cost is that of the convolution.
func (c Grouped) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.PackedLen()), c.Conv.stripNanoseconds(images, c.width()))
}

// Split returns c with Rows and Pairs chosen.
func (c Depthwise) Split(images int) Depthwise { return Depthwise{c.Conv.splitBlocks(images)} }

// Split returns c with Rows and Pairs chosen.
func (c Grouped) Split(images int) Grouped { return Grouped{c.Conv.splitBlocks(images)} }

// splitBlocks returns c, whose blocks are independent of each other, with the Rows and Pairs of a
// 1x1 convolution of as many channels. Most networks have such a convolution before and after it. A
// thread then finds in its own cache what it has written a step before: where one step is cut by rows
// and the other by channels, half of the map comes from the other thread's cache, and a depthwise
// convolution takes up to three times as long.
func (c Conv) splitBlocks(images int) Conv {
	like := Conv{IC: c.IC, H: c.H, W: c.W, KH: 1, KW: 1, In: View{H: c.W * Block}, Outputs: c.Outputs}
	like.Outputs[0] = Output{C: c.Outputs[0].C, View: like.In}
	like = like.Split(images)
	c.Rows, c.Pairs = like.Rows, like.Pairs
	return c
}
