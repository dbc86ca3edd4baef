package kernel

import "math"

// ChannelNorm is layer normalization over the channels of every pixel (Ba 2016; ConvNeXt, Liu
// 2022): out = (x - mean)/sqrt(variance + Eps) * scale + shift, with a scale and a shift for every
// channel.
//
// Operands: In[0] x, Out[0] output, which may be the input's place; W[0] scale and W[1] shift,
// both padded to whole blocks, or both nil.
type ChannelNorm struct {
	C, H, W int
	Eps     float32
	In, Out View
}

// normPixels is how many pixels are normalized at a time; a few rows of them stay in the first
// cache.
const normPixels = 32

func (k ChannelNorm) bands() bands {
	return bands{k.H, rowsPerTask(k.H, 7*k.W*Blocks(k.C))}
}

// Tasks is images x ranges of rows.
func (k ChannelNorm) Tasks(images int) int { return k.bands().tasks(images) }

// Scratch holds, for the pixels of a turn, their sums, their means, and deviations.
func (k ChannelNorm) Scratch() int { return 3 * normPixels * Block }

// Run normalizes some rows.
func (k ChannelNorm) Run(w *Worker, task int, a *Args) {
	image, y0, y1 := k.bands().task(task)
	for y := y0; y < y1; y++ {
		for x := 0; x < k.W; x += normPixels {
			k.pixels(w, a, image, y, x, min(normPixels, k.W-x))
		}
	}
}

// pixels normalizes n pixels of a row.
func (k ChannelNorm) pixels(w *Worker, a *Args, image, y, x, n int) {
	v, size := vecFor(w.ISA), n*Block
	sum, mean, dev := w.Scratch[:size], w.Scratch[size:2*size], w.Scratch[2*size:3*size]
	in := func(block int) []float32 {
		return a.In[0].Mem[k.In.at(&a.In[0], image, block, y, x):][:size:size]
	}
	last := Blocks(k.C) - 1
	copy(sum, in(0))
	for b := 1; b <= last; b++ {
		v.add(sum, sum, in(b), Block)
	}
	over := 1 / float64(k.C)
	for i := 0; i < size; i += Block {
		*(*[Block]float32)(mean[i:]) = lanesOf(float32(float64(v.sum(sum[i:][:Block])) * over))
	}
	for b := 0; b <= last; b++ {
		v.sub(dev, in(b), mean, Block)
		clearLanes(dev, k.C, b)
		if b == 0 {
			v.mul(sum, dev, dev, Block)
			continue
		}
		v.mul(dev, dev, dev, Block)
		v.add(sum, sum, dev, Block)
	}
	for i := 0; i < size; i += Block {
		variance := float32(float64(v.sum(sum[i:][:Block])) * over)
		*(*[Block]float32)(dev[i:]) = lanesOf(float32(1 / math.Sqrt(float64(variance)+float64(k.Eps))))
	}
	for b := 0; b <= last; b++ {
		dst := a.Out[0].Mem[k.Out.at(&a.Out[0], image, b, y, x):][:size:size]
		v.sub(dst, in(b), mean, Block)
		v.mul(dst, dst, dev, Block)
		if a.W[0] != nil {
			v.affine(dst, dst, a.W[0][b*Block:][:Block], a.W[1][b*Block:][:Block])
		}
		clearLanes(dst, k.C, b)
	}
}
