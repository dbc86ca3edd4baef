package kernel

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
	depths := Blocks(c.IC/one(c.Groups)) * c.depth()
	if groups := ceilDiv(pairs*one(c.Groups), c.npairs()) + 1; groups < one(c.Groups) {
		icb = icb / c.Groups * groups // of the groups that the pairs may be of
	}
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

// nanoseconds predicts the time for a number of images on one thread.
func (c Winograd) nanoseconds(images int) float64 {
	h, w := c.grid()
	cost := winoPlane.cost(&c.Conv, images*h*w, c.tiles(), c)
	if c.Pool {
		cost += winoPoolCost / costNS * float64(images*h*w*Blocks(c.Conv.OC()))
	}
	return cost
}

// Cost is that of the convolution; FLOPs are those of its definition, of which Winograd needs fewer.
func (c Winograd) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.PackedLen()), c.nanoseconds(images))
}

// Split returns c with Tiles and Pairs chosen so that 1 to 8 threads are busy alike when
// that many images run at once.
func (c Winograd) Split(images int) Winograd {
	h, w := c.grid()
	c.Tiles, c.Conv.Pairs = cutTiles(c.Conv, images*h*w, tilesInL2(c.Conv, winoArea), func(tiles, pairs int) float64 {
		c.Tiles, c.Conv.Pairs = tiles, pairs
		return c.nanoseconds(images)
	})
	return c
}

// streamedBytes is from how many bytes of weights on a step of training finds them in memory, not in
// a cache: it has just written them.
const streamedBytes = 8 << 20

// SplitStreamed is Split where every range of tiles gets the weights from memory. So it takes more
// tiles at once: as many as are better than that, though their transforms do not fit L2.
func (c Winograd) SplitStreamed(images int) Winograd {
	if 4*c.PackedLen() < streamedBytes {
		return c.Split(images)
	}
	h, w := c.grid()
	total, weights := images*h*w, float64(4*c.PackedLen())/ramPerOp
	c.Tiles, c.Conv.Pairs = cutTiles(c.Conv, total, 64, func(tiles, pairs int) float64 {
		c.Tiles, c.Conv.Pairs = tiles, pairs
		cost := c.nanoseconds(images) + float64(ceilDiv(total, tiles))*weights/costNS
		if v := 4 * winoArea * c.depths() * tiles; v > l2Bytes {
			cost += float64(v) * float64(ceilDiv(total, tiles)*c.Conv.npairs()) / l3PerOp / 2 / costNS
		}
		return cost
	})
	return c
}

// nanoseconds predicts the time for a number of images on one thread.
func (c Winograd1D) nanoseconds(images int) float64 {
	h, w := c.Grid()
	return winoLine.cost(&c.Conv, images*h*w, c.tiles(), c)
}

// Cost is that of the convolution.
func (c Winograd1D) Cost(images int) Cost {
	return perMAC(c.Conv.MACs()*images, c.Conv.bytes(images, c.PackedLen()), c.nanoseconds(images))
}

// Split returns c with Tiles and Pairs chosen so that 1 to 8 threads are busy alike when
// that many images run at once.
func (c Winograd1D) Split(images int) Winograd1D {
	h, w := c.Grid()
	c.Tiles, c.Conv.Pairs = cutTiles(c.Conv, images*h*w, tilesInL2(c.Conv, wino1dIn), func(tiles, pairs int) float64 {
		c.Tiles, c.Conv.Pairs = tiles, pairs
		return c.nanoseconds(images)
	})
	return c
}

// winoTaskBlocks is the most positions x tiles x input blocks of a task: 16
// float32s each leave room in the second-level cache for products and weights.
const winoTaskBlocks = 190 * 36

// tilesInL2 is the most tiles of a task of which that is so.
func tilesInL2(c Conv, positions int) int {
	return max(7, min(56, winoTaskBlocks/positions/Blocks(c.IC)))
}

// cutTiles chooses how many tiles, at most that many, and pairs a task of a Winograd convolution
// takes.
func cutTiles(c Conv, total, most int, cost func(tiles, pairs int) float64) (tiles, pairs int) {
	sizesOf := pairSizes(c)
	least, last := 0.0, 0
	for n := (total + most - 1) / most; n <= total; n++ {
		t := (total + n - 1) / n
		if t < 7 && least > 0 {
			break
		}
		if t == last {
			continue
		}
		last = t
		lastPairs := 0
		for m := 1; m <= len(sizesOf); m++ {
			p := (len(sizesOf) + m - 1) / m
			if p == lastPairs {
				continue
			}
			lastPairs = p
			var sizes []int
			for i := 0; i < total; i += t {
				for _, blocks := range chunks(sizesOf, p) {
					sizes = append(sizes, blocks*min(t, total-i))
				}
			}
			if s := tileScore(cost(t, p), sizes); least == 0 || s < least {
				tiles, pairs, least = t, p, s
			}
		}
	}
	return tiles, pairs
}

// Cost is that of the transform of the weights.
func (c WinogradRepack) Cost(int) Cost {
	k := c.Winograd
	return Cost{FLOPs: 2 * winoArea * k.Conv.KH * (k.Conv.OC() * k.Conv.IC), Bytes: 4 * (k.Conv.PackedLen() + k.PackedLen()), NS: moveNS * float64(k.PackedLen())}
}
