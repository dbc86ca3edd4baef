package kernel

// The cost model of the convolutions: predicted time as a pure function of the
// shape, with compiled-in constants, so that a plan is the same on every
// machine. The unit is the time of one AVX-512 fused multiply-add instruction on
// a core that issues one a cycle; at 3.65 GHz, costNS of them make a
// nanosecond. Only ratios between algorithms decide anything.
const (
	costNS = 3.65

	tileOverhead = 60        // a call: accumulators in and out, pipeline refill
	taskOverhead = 400       // fetching a task, its divisions, its first cache misses
	l3PerOp      = 12        // bytes, sustained from L3 to one core
	l2PerOp      = 40        // bytes from L2, mostly hidden
	ramPerOp     = 4.5       // from memory to one of two cores that both read
	l2Bytes      = 512 << 10 // what may be expected to stay there from one task to the next
)

// tileCost is the cost of a tile of p pixels and blocks output blocks over k input
// channels x taps: below 5 pixels latency and the stream of weights are the
// limit.
func tileCost(p, blocks, k int) float64 {
	return float64(k*max(p*blocks, 5+blocks)) + tileOverhead
}

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
		k := (g.hi - g.lo) * c.depth() * c.KH * c.KW
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

// reading is the cost of reading bytes that the task before has probably read.
func reading(bytes int) float64 {
	if bytes > l2Bytes/2 {
		return float64(bytes) / l3PerOp
	}
	return float64(bytes) / l2PerOp
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (c Conv) Cost(images int) float64 {
	full := c.H / c.rows()
	sum := float64(full) * c.taskCost(c.rows(), c.pairs())
	if last := c.H % c.rows(); last > 0 {
		sum += c.taskCost(last, c.pairs())
	}
	return max(sum*float64(images)*float64(c.npairs())/float64(c.pairs()), streaming(c)) / costNS
}

// splitThreads are the numbers of threads that Split cares for, and how much.
var splitThreads = [...]struct {
	threads int
	weight  float64
}{{1, 4}, {2, 4}, {4, 2}, {8, 1}, {16, 1}}

// Split returns c with Rows and Pairs chosen so that 1 to 16 threads are
// busy evenly when that many images run at once. The result of the
// convolution does not depend on it.
func (c Conv) Split(images int) Conv {
	best, at := 0.0, c
	for _, chunks := range [...]int{1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64} {
		if chunks > c.H {
			break
		}
		c.Rows = ceilDiv(c.H, chunks)
		for pchunks := 1; pchunks <= c.npairs(); pchunks++ {
			c.Pairs = ceilDiv(c.npairs(), pchunks)
			if ceilDiv(c.npairs(), c.Pairs) != pchunks {
				continue
			}
			tasks, cost := c.Tasks(images), c.taskCost(c.rows(), c.pairs())
			if tasks > 96*images && best > 0 {
				continue
			}
			score := 0.0
			for _, t := range splitThreads {
				// The last round runs with some threads idle.
				score += t.weight * cost * float64(ceilDiv(tasks, t.threads)*t.threads)
			}
			// A short last chunk costs less than the formula above says.
			score *= float64(c.H) / float64(ceilDiv(c.H, c.Rows)*c.Rows)
			score *= float64(c.npairs()) / float64(pchunks*c.Pairs)
			if best == 0 || score < best {
				best, at = score, c
			}
		}
	}
	return at
}

const (
	winoInCost   = 230       // a tile of 16 channels to its 36 positions
	winoOutCost  = 150       // and back, with the epilogue
	winoPoolCost = 25        // the same tile pooled: its pixels written and read once more, in the first cache
	winoV        = 110 << 10 // float32s of V that leave room in L2 for M and the weights
)

// winoShape is what the costs of the two Winograds depend on beside the Conv.
type winoShape struct {
	positions int
	in, out   float64 // the transforms of a tile of 16 channels
	floats    int     // of V that leave room in L2 for M and the weights
}

var (
	winoPlane = winoShape{winoArea, winoInCost, winoOutCost, winoV}
	winoLine  = winoShape{wino1dIn, 80, 55, winoV}
)

// taskCost is the cost of a task of n tiles by pairs pairs of output blocks.
func (s *winoShape) taskCost(c *Conv, n, pairs int) float64 {
	icb := Blocks(c.IC)
	depths := icb * c.depth()
	cost := taskOverhead + float64(n*icb)*s.in
	count := 0
	tiles := balanced(n, 14)
	for g := range c.blockPairs {
		for _, p := range tiles {
			cost += float64(s.positions) * tileCost(p, g.blocks, depths)
		}
		cost += float64(n*g.blocks) * s.out
		cost += float64(4*s.positions*depths*g.blocks*Block) / l3PerOp / 2 // half of it hidden
		if count++; count == pairs {
			break
		}
	}
	return cost
}

// cost is that of total tiles on one thread, in nanoseconds.
func (s *winoShape) cost(c *Conv, total, tiles int, p Packer) float64 {
	sum := float64(total/tiles) * s.taskCost(c, tiles, c.pairs())
	if last := total % tiles; last > 0 {
		sum += s.taskCost(c, last, c.pairs())
	}
	return max(sum*float64(c.npairs())/float64(c.pairs()), streaming(p)) / costNS
}

// split chooses tiles and pairs a task for total tiles.
func (s *winoShape) split(c *Conv, total int) (tiles, pairs int) {
	best := 0.0
	most := min(total, max(7, min(56, s.floats/(s.positions*Blocks(c.IC)*Block))))
	for n := min(7, total); n <= most; n++ {
		for pchunks := 1; pchunks <= c.npairs(); pchunks++ {
			p := ceilDiv(c.npairs(), pchunks)
			if ceilDiv(c.npairs(), p) != pchunks {
				continue
			}
			tasks, cost := ceilDiv(total, n)*pchunks, s.taskCost(c, n, p)
			score := 0.0
			for _, t := range splitThreads {
				score += t.weight * cost * float64(ceilDiv(tasks, t.threads)*t.threads)
			}
			score *= float64(total) / float64(ceilDiv(total, n)*n)
			score *= float64(c.npairs()) / float64(pchunks*p)
			if best == 0 || score < best {
				best, tiles, pairs = score, n, p
			}
		}
	}
	return tiles, pairs
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (c Winograd) Cost(images int) float64 {
	h, w := c.grid()
	cost := winoPlane.cost(&c.Conv, images*h*w, c.tiles(), c)
	if c.Pool {
		cost += winoPoolCost / costNS * float64(images*h*w*Blocks(c.OC()))
	}
	return cost
}

// Split returns c with Tiles and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once.
func (c Winograd) Split(images int) Winograd {
	h, w := c.grid()
	c.Tiles, c.Pairs = winoPlane.split(&c.Conv, images*h*w)
	return c
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (c Winograd1D) Cost(images int) float64 {
	h, w := c.Grid()
	return winoLine.cost(&c.Conv, images*h*w, c.tiles(), c)
}

// Split returns c with Tiles and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once.
func (c Winograd1D) Split(images int) Winograd1D {
	h, w := c.Grid()
	c.Tiles, c.Pairs = winoLine.split(&c.Conv, images*h*w)
	return c
}

// balanced cuts n into the fewest pieces of at most most, as equal as may be.
func balanced(n, most int) []int {
	var l []int
	for calls := ceilDiv(n, most); calls > 0; calls-- {
		l = append(l, ceilDiv(n, calls))
		n -= l[len(l)-1]
	}
	return l
}

// streaming is the cost of getting the weights from memory, where a network's
// layers in sequence leave them: the least that a layer costs however few
// multiplications it does. It is what Winograd's larger weights cost.
func streaming(p Packer) float64 { return float64(4*p.PackedLen()) / ramPerOp }

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (d Dense) Cost(images int) float64 {
	k := Blocks(d.C) * d.conv().depth() * d.H * d.W
	sum := 0.0
	for range ceilDiv(Blocks(d.Out.C), 2) {
		for _, p := range balanced(images, 14) {
			sum += tileCost(p, 2, k)
		}
	}
	return max(sum, streaming(d)) / costNS
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (m MatVec) Cost(images int) float64 {
	ops := float64(m.depth()*Blocks(m.Out.C)) + tileOverhead
	return max(ops*float64(images), streaming(m)) / costNS
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

// PaddedMACs is MACs with the channels padded to blocks.
func (c Depthwise) PaddedMACs() int { return Blocks(c.IC) * Block * c.KH * c.KW * c.H * c.W }

// rowCost is the cost of a row of one block: a load and a multiply-add a tap, two
// loads where AVX-512 loads once a cycle.
func (c Depthwise) rowCost() float64 {
	return float64(c.W)*(1.3*float64(c.KH*c.KW)+3) + tileOverhead
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (c Depthwise) Cost(images int) float64 {
	return float64(images*c.H*Blocks(c.IC)) * c.rowCost() / costNS
}

// Split returns c with Rows and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once: some 16 tasks of whole pairs, and
// of all rows where there are pairs enough.
func (c Depthwise) Split(images int) Depthwise {
	pchunks := min(c.npairs(), max(1, 16/images))
	c.Pairs = ceilDiv(c.npairs(), pchunks)
	tasks := images * ceilDiv(c.npairs(), c.Pairs)
	c.Rows = ceilDiv(c.H, min(c.H, max(1, ceilDiv(16, tasks))))
	return c
}

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

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (c N16Conv) Cost(images int) float64 {
	k := c.ntaps()
	group := 0.0
	lastN, last := 0, 0.0
	for q := range c.quads {
		if q.n != lastN {
			lastN, last = q.n, n16RunCost(c.H, c.W, q.n, k)
		}
		group += last
	}
	chunks := ceilDiv(c.H, c.rows()) * ceilDiv(c.nquads(), c.quadsAtOnce())
	// What it writes goes to the third cache, and what it reads comes from there.
	bytes := 4 * Block * (c.OC()*c.H*c.W + c.IC*max(c.H*one(c.SH)*c.W*one(c.SW), c.KH*c.KW))
	group += float64(bytes)/l3PerOp + float64(chunks)*taskOverhead
	return max(group*float64(imageBlocks(images)), float64(4*c.PackedLen())/ramPerOp) / costNS
}

// Split returns c with Rows and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once: some 16 tasks, of whole rows.
func (c N16Conv) Split(images int) N16Conv {
	groups := imageBlocks(images)
	chunks := min(c.H, max(1, 16/groups))
	// The rows of a task should stay in the second cache while all output channels
	// go over them.
	for chunks < c.H && 4*Block*c.W*ceilDiv(c.H, chunks)*(c.IC*one(c.SH)*one(c.SW)+c.OC()) > l2Bytes {
		chunks++
	}
	c.Rows = ceilDiv(c.H, chunks)
	c.Pairs = 0
	return c
}

// taskCost is the cost of a task of so many quads of output channels and groups of
// images: all of its input is read once, a few taps after another.
func (d N16Dense) taskCost(quads, groups int) float64 {
	k := d.C * d.H * d.W
	return taskOverhead + float64(quads)*n16RunCost(1, groups, n16Channels, k)*1.15 + reading(4*Block*k*groups)
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (d N16Dense) Cost(images int) float64 {
	k := d.C * d.H * d.W
	cost := 0.0
	for o := 0; o < d.Out.C; o += n16Channels {
		cost += n16RunCost(1, imageBlocks(images), min(n16Channels, d.Out.C-o), k) * 1.15
	}
	return max(cost, float64(4*d.PackedLen())/ramPerOp) / costNS
}

// n16GemmCost is the cost of a product of so many rows and taps for all groups.
func n16GemmCost(groups, rows, taps int) float64 {
	cost := 0.0
	for _, n := range balanced(groups, n16GemmBlocks(AVX512)) {
		cost += float64(rows) / n16ProductRows * n16TileCost(n, n16ProductRows, taps)
	}
	return cost
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (d N16DenseBackwardData) Cost(images int) float64 {
	groups, inputs, arrays := imageBlocks(images), d.C*d.H*d.W, 1
	if d.ReLU {
		arrays = 2
	}
	cost := n16GemmCost(groups, inputs, d.Out.C) + float64(arrays*4*Block*groups*inputs)/l3PerOp + float64(d.Tasks(images))*taskOverhead
	return max(cost, float64(4*d.Out.C*inputs)/ramPerOp) / costNS
}

// taskCost is the cost of a task: what it reads and writes, half of it hidden.
func (k N16DenseSplitK) taskCost(images int) float64 {
	l := k.part(images)
	groups, pairs := k.cut(l)
	rows, inputs := min(pairs*2*Block, k.Out.C), ceilDiv(k.C*k.H*k.W, k.Splits)
	bytes := 4 * (groups*Block*inputs + rows*inputs + groups*Block*rows)
	return taskOverhead + n16GemmCost(groups, rows, inputs) + float64(bytes)/l3PerOp/2
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (k N16DenseSplitK) Cost(images int) float64 {
	return max(float64(k.Tasks(images))*k.taskCost(images), float64(4*k.Out.C*k.C*k.H*k.W)/ramPerOp) / costNS
}

// Split returns k with Splits, ImageBlocks and Pairs chosen so that 1 to 16 threads are busy
// evenly when that many images run at once. Chunks of groups read the weights again and
// again, chunks of pairs the inputs, and parts are written and read.
func (k N16DenseSplitK) Split(images int) N16DenseSplitK {
	best, at := 0.0, k
	l := k.part(images)
	for _, chunks := range chunksOf(l.groups) {
		for _, pchunks := range chunksOf(l.pairs()) {
			k.ImageBlocks, k.Pairs = ceilDiv(l.groups, chunks), ceilDiv(l.pairs(), pchunks)
			if k.ImageBlocks > n16GemmBlocks(AVX512) && k.ImageBlocks%n16GemmBlocks(AVX512) != 0 {
				continue
			}
			for k.Splits = 1; k.Splits <= 16 && (k.Splits == 1 || k.C*k.H*k.W/k.Splits >= 2*Block); k.Splits++ {
				tasks := k.Tasks(images)
				sum, cost := k.Sum().Cost(images)*costNS, k.taskCost(images)
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

// chunksOf is into how many chunks n may be cut that differ from one another.
func chunksOf(n int) (l []int) {
	for c := 1; c <= min(n, 16); c++ {
		if ceilDiv(n, ceilDiv(n, c)) == c {
			l = append(l, c)
		}
	}
	return l
}

// Cost predicts the time for a number of images on one thread, in nanoseconds: the parts
// come from another core's caches, one after another.
func (k N16DenseSplitKSum) Cost(images int) float64 {
	return float64(4*(k.Splits+1)*k.Out.C*Block*imageBlocks(images)) / (l3PerOp / 2) / costNS
}

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (d N16DenseBackwardWeights) Cost(images int) float64 { return d.flat().Cost(images) }

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
	k.Pairs, k.Images = 0, 0
	taps, part := Blocks(d.C)*d.H*d.W, 4*k.partLen(images)
	if part > l2Bytes/2 {
		return k, false
	}
	best, parts := 0.0, 0
	for k.Splits = 2; k.Splits <= min(16, taps/densePartTaps*2); k.Splits++ {
		cost := d.Cost(images)*costNS/float64(k.Splits) + taskOverhead + float64(2*part)/l3PerOp
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

// Cost predicts the time for a number of images on one thread, in nanoseconds.
func (k DenseSplitKSum) Cost(images int) float64 {
	return float64(4*(k.Splits+1)*Blocks(k.Out.C)*Block*images) / l3PerOp / costNS
}
