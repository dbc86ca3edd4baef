package kernel

import "github.com/incc-lang/incc/backends/cpu/scalar"

// BatchNormTrain normalizes each channel by the mean m and the biased variance v
// of the batch (Ioffe 2015, algorithm 1): out = (in - m) / sqrt(v + Eps) * gamma +
// beta. Stretches of pixels are summed in float32, 16 channels side by side, and
// their sums in float64, so the statistics are good for any number of pixels.
//
// With Residual out is the sum of that and In[1], and out = Act(it); ActClip limits to A..B.
//
// Operands: In[0] input (view In), In[1] residual (view Res); W[0] gamma and W[1] beta, padded
// to whole blocks; Out[0] output (view Out), which may be the input's place or the residual's;
// Out[1] m and Out[2] v, a vector of whole blocks each. A missing gamma (nil) is 1, a missing
// beta 0.
type BatchNormTrain struct {
	C, H, W  int
	Eps      float32
	In, Out  View
	Residual bool
	Res      View
	Act      Act
	A, B     float32
}

// Tasks is channel blocks, for a channel's statistics need all images.
func (k BatchNormTrain) Tasks(images int) int { return Blocks(k.C) }

// Scratch holds some blocks of coefficients and sums, and with Residual a stretch of pixels.
func (k BatchNormTrain) Scratch() int {
	if k.Residual {
		return (4 + stretchPixels) * Block
	}
	return 4 * Block
}

// Run normalizes a channel block of all images.
func (k BatchNormTrain) Run(w *Worker, block int, a *Args) {
	v := vecFor(w.ISA)
	mean, variance := a.Out[1].vector(block), a.Out[2].vector(block)
	scale, shift, acc := w.Scratch[:Block], w.Scratch[Block:2*Block], w.Scratch[2*Block:3*Block]
	count := float64(a.Images * k.H * k.W)
	var sum, dev [Block]float64
	s := newStretches(k.H, k.W, k.In)
	for n := range a.Images {
		for i := range s.n {
			y, x, width := s.at(i)
			v.sumRow(acc, k.In.stretch(&a.In[0], n, block, y, x, width))
			addTo(&sum, acc)
		}
	}
	for i := range mean {
		mean[i] = float32(sum[i] / count)
	}
	for n := range a.Images {
		for i := range s.n {
			y, x, width := s.at(i)
			v.devRow(acc, k.In.stretch(&a.In[0], n, block, y, x, width), mean)
			addTo(&dev, acc)
		}
	}
	for i := range variance {
		variance[i] = float32(dev[i] / count)
	}
	normLine(scale, shift, mean, variance, a, k.Eps, block, k.C)
	k.normalize(w, block, a, scale, shift)
}

// normLine computes the scale and the shift that normalize a block of c channels: a line for
// each channel, with gamma W[0] and beta W[1]. Channels past the last one become 0.
func normLine(scale, shift, mean, variance []float32, a *Args, eps float32, block, c int) {
	for i := range scale {
		scale[i] = 1 / scalar.Sqrt(variance[i]+eps)
		if a.W[0] != nil {
			scale[i] *= a.W[0][block*Block+i]
		}
		shift[i] = -float32(mean[i] * scale[i])
		if a.W[1] != nil {
			shift[i] += a.W[1][block*Block+i]
		}
	}
	for i := min(Block, c-block*Block); i < Block; i++ {
		scale[i], shift[i] = 0, 0
	}
}

// normalize writes a channel block of all images, stretch by stretch, so that what follows the
// line finds it in the cache.
func (k *BatchNormTrain) normalize(w *Worker, block int, a *Args, scale, shift []float32) {
	v, views := vecFor(w.ISA), []View{k.In, k.Out, k.Res}
	if !k.Residual {
		views = views[:2]
	}
	s := newStretches(k.H, k.W, views...)
	for n := range a.Images {
		for i := range s.n {
			y, x, width := s.at(i)
			dst, src := k.Out.stretch(&a.Out[0], n, block, y, x, width), k.In.stretch(&a.In[0], n, block, y, x, width)
			if k.Residual {
				t := w.Scratch[4*Block:][:width*Block]
				v.affine(t, src, scale, shift)
				v.add(dst, t, k.Res.stretch(&a.In[1], n, block, y, x, width), Block)
			} else {
				v.affine(dst, src, scale, shift)
			}
			if k.Act != ActNone {
				w.activate(k.Act, k.A, k.B, dst, dst)
			}
			if k.Act.atZero() {
				clearLanes(dst, k.C, block)
			}
		}
	}
}

// vector is a block of a vector of whole blocks.
func (b *Buf) vector(block int) []float32 {
	i := b.Off + block*Block
	return b.Mem[i : i+Block : i+Block]
}

// stretchPixels is how many pixels a float32 sums up without much loss.
const stretchPixels = 128

// stretches cut a map into n pieces of at most stretchPixels.
type stretches struct{ n, rows, width, each int }

func newStretches(h, w int, views ...View) stretches {
	rows, width := fuseRows(0, h, w, views...)
	per := ceilDiv(width, stretchPixels)
	return stretches{rows * per, rows, width, stretchPixels}
}

// at is the row, first pixel and length of piece i.
func (s stretches) at(i int) (y, x, width int) {
	per := s.n / s.rows
	x = i % per * s.each
	return i / per, x, min(s.each, s.width-x)
}

// stretch is w pixels of a row from pixel x on.
func (v View) stretch(b *Buf, image, block, y, x, w int) []float32 {
	i := v.at(b, image, block, y, x)
	return b.Mem[i : i+w*Block : i+w*Block]
}

func addTo(sum *[Block]float64, row []float32) {
	for i, x := range row[:Block] {
		sum[i] += float64(x)
	}
}

// BatchNormRunning moves the running statistics towards those of a batch:
//
//	mean     = Momentum*mean + (1-Momentum)*m
//	variance = Momentum*variance + (1-Momentum)*v*count/max(count-1, 1)
//
// with count = images x Pixels: inference uses the unbiased estimate (Ioffe 2015,
// 3.1).
//
// Operands: In[0] m, In[1] v; Out[0] running mean, Out[1] running variance,
// updated in place; all of C elements.
type BatchNormRunning struct {
	C        int
	Pixels   int
	Momentum float32
}

// Tasks is 1.
func (k BatchNormRunning) Tasks(int) int { return 1 }

// Run updates all channels.
func (k BatchNormRunning) Run(_ *Worker, _ int, a *Args) {
	count := a.Images * k.Pixels
	unbias := float32(float64(count) / float64(max(count-1, 1)))
	rest := 1 - k.Momentum
	for c := range k.C {
		m, v := &a.Out[0].Mem[a.Out[0].Off+c], &a.Out[1].Mem[a.Out[1].Off+c]
		*m = float32(k.Momentum**m) + float32(rest*a.In[0].Mem[a.In[0].Off+c])
		*v = float32(k.Momentum**v) + float32(float32(rest*a.In[1].Mem[a.In[1].Off+c])*unbias)
	}
}

// SumPixels sums over images and pixels: the gradient of a bias.
//
// Operands: In[0] dy (view In); Out[0] a vector of whole blocks.
type SumPixels struct {
	C, H, W int
	In      View
}

// Tasks is channel blocks.
func (k SumPixels) Tasks(images int) int { return Blocks(k.C) }

// Scratch holds a row's sum.
func (k SumPixels) Scratch() int { return Block }

// Run sums a channel block.
func (k SumPixels) Run(w *Worker, block int, a *Args) {
	v, acc := vecFor(w.ISA), w.Scratch[:Block]
	var sum [Block]float64
	images := a.Images
	if k.H*k.W == 1 && k.In.N == Block { // vectors side by side are as good as pixels
		images, k.W = 1, images
	}
	s := newStretches(k.H, k.W, k.In)
	for n := range images {
		for i := range s.n {
			y, x, width := s.at(i)
			v.sumRow(acc, k.In.stretch(&a.In[0], n, block, y, x, width))
			addTo(&sum, acc)
		}
	}
	out := a.Out[0].vector(block)
	for i := range out {
		out[i] = float32(sum[i])
	}
}

// ChannelSums adds up the partial sums that a kernel with the method Sums has written:
// Partials blocks for every channel block of an image. The result is the gradient of a bias.
// With N16 the layout of that kernel is N16, and a block of 16 sums is of one channel.
//
// With Task the kernel has not written sums for each image but for each of its tasks, which
// are Task tiles; an image has Tiles of them.
//
// Operands: In[0] the blocks, in the order of image, channel block and part; Out[0] a
// vector of whole blocks. Sums run in float64 but for those of few parts, over images and
// parts in order and then, with N16, over the lanes.
type ChannelSums struct {
	C, Partials int
	N16         bool
	Tiles, Task int
}

// Len is the length of the sums of a number of images, in float32s.
func (k ChannelSums) Len(images int) int {
	blocks := Blocks(k.C)
	if k.N16 {
		blocks = k.C
	}
	return k.groups(images) * blocks * k.Partials * Block
}

// groups is the number of images, groups of 16 or tasks of tiles that have sums of their
// own.
func (k ChannelSums) groups(images int) int {
	switch {
	case k.N16:
		return imageBlocks(images)
	case k.Task > 0:
		return ceilDiv(images*k.Tiles, k.Task)
	}
	return images
}

// Tasks is channel blocks.
func (k ChannelSums) Tasks(int) int { return Blocks(k.C) }

// Run adds up a channel block.
func (k ChannelSums) Run(w *Worker, block int, a *Args) {
	out := a.Out[0].vector(block)
	if !k.N16 {
		sum := k.sum(w, a, k.groups(a.Images), block, Blocks(k.C))
		for i := range out {
			out[i] = float32(sum[i])
		}
		return
	}
	clear(out)
	for i := range min(Block, k.C-block*Block) {
		all := 0.0
		for _, x := range k.sum(w, a, k.groups(a.Images), block*Block+i, k.C) {
			all += x
		}
		out[i] = float32(all)
	}
}

// fewParts is how many parts are added in float32.
const fewParts = 16

// sum adds up the parts of block i of n.
func (k ChannelSums) sum(w *Worker, a *Args, groups, i, n int) (sum [Block]float64) {
	for group := range groups {
		at := a.In[0].Off + (group*n+i)*k.Partials*Block
		for p := 0; p < k.Partials; p += fewParts {
			row := a.In[0].Mem[at+p*Block:][:min(fewParts, k.Partials-p)*Block]
			if len(row) > Block {
				vecFor(w.ISA).sumRow(w.sum[:], row)
				row = w.sum[:]
			}
			addTo(&sum, row)
		}
	}
	return sum
}
