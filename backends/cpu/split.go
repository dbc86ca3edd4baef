package cpu

import "github.com/incc-lang/incc/backends/cpu/kernel"

// How a convolution is cut into tasks decides how well threads share it: a worker
// runs a fixed range of the list, so the parts must be alike in size, not only in
// number. The result of a convolution does not depend on the cut, but the plan
// must not depend on the machine, so one cut is chosen for all numbers of threads.

// splitThreads are the numbers of threads that count, the usual ones more.
var splitThreads = [...]struct {
	threads int
	weight  float64
}{{1, 2}, {2, 4}, {4, 2}, {8, 1}}

// score is the predicted time of a list of tasks on 1 to 8 threads, weighted, in
// processor time: total is that of one thread, sizes the tasks' shares of it.
func score(total float64, sizes []int) float64 {
	sum := 0
	for _, s := range sizes {
		sum += s
	}
	r := 0.0
	for _, t := range splitThreads {
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
func pairSizes(c kernel.Conv) []int {
	var l []int
	for _, p := range c.Outputs {
		for b := kernel.Blocks(p.C); b > 0; b -= 2 {
			l = append(l, min(2, b))
		}
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

func makeDirect(c kernel.Conv, batch int) worker {
	pairs := pairSizes(c)
	images := min(batch, 8) // more only repeat the pattern
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
			for range images {
				for y := 0; y < c.H; y += c.Rows {
					for _, blocks := range chunks(pairs, c.Pairs) {
						sizes = append(sizes, blocks*min(c.Rows, c.H-y))
					}
				}
			}
			if s := score(c.Cost(batch), sizes); least == 0 || s < least {
				best, least = c, s
			}
		}
	}
	return best
}

func makeWinograd(c kernel.Conv, batch int) worker {
	k := kernel.Winograd{Conv: c}
	m := 7 - c.KH
	tiles := batch * ((c.H + m - 1) / m) * ((c.W + m - 1) / m)
	k.Tiles, k.Pairs = cutTiles(c, tiles, 36, func(t, p int) float64 {
		k.Tiles, k.Pairs = t, p
		return k.Cost(batch)
	})
	return k
}

func makeWinogradLine(c kernel.Conv, batch int) worker {
	k := kernel.Winograd1D{Conv: c}
	h, w := k.Grid()
	k.Tiles, k.Pairs = cutTiles(c, batch*h*w, 10, func(t, p int) float64 {
		k.Tiles, k.Pairs = t, p
		return k.Cost(batch)
	})
	return k
}

func makeDepthwise(c kernel.Conv, batch int) worker { return kernel.Depthwise{Conv: c}.Split(batch) }

func makeN16Conv(c kernel.Conv, batch int) worker { return kernel.N16Conv{Conv: c}.Split(batch) }

func makeN16Dense(c kernel.Conv, batch int) worker {
	return kernel.N16Dense{C: c.IC, H: c.KH, W: c.KW, In: c.In, Out: c.Outputs[0]}.Split(batch)
}

// winogradBlocks is the most positions x tiles x input blocks of a task: 16
// float32s each leave room in the second-level cache for products and weights.
const winogradBlocks = 190 * 36

// cutTiles chooses how many tiles and pairs a task of a Winograd convolution takes.
func cutTiles(c kernel.Conv, total, positions int, cost func(tiles, pairs int) float64) (tiles, pairs int) {
	sizesOf := pairSizes(c)
	most := max(7, min(56, winogradBlocks/positions/kernel.Blocks(c.IC)))
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
			if s := score(cost(t, p), sizes); least == 0 || s < least {
				tiles, pairs, least = t, p, s
			}
		}
	}
	return tiles, pairs
}
