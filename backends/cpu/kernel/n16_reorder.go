package kernel

// These kernels convert activations to and from lanes (16 images side by side) by
// transposing.

// N16FromNCHW brings the images of a planar activation side by side: a network's
// input, or what a reshape left. Lanes without an image are zeros.
//
// Operands: In[0] planar input, Out[0] output, which may not share memory.
type N16FromNCHW struct {
	C, H, W int
	In, Out View
}

// N16ToNCHW makes a planar activation of one in N16.
//
// Operands: In[0] input, Out[0] planar output, which may not share memory.
type N16ToNCHW struct {
	C, H, W int
	In, Out View
}

// N16FromBlocked brings the images of an NCHW16c activation side by side.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type N16FromBlocked struct {
	C, H, W int
	In, Out View
}

// N16ToBlocked makes NCHW16c of an activation in N16, padded channels zero.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type N16ToBlocked struct {
	C, H, W int
	In, Out View
}

// n16Planes cuts the work into image blocks x channels x ranges of rows.
func n16Planes(c, h, w int) maps { return maps{c * Block, h, rowsPerTask(h, 2*w)} }

// n16Blocks cuts the work into image blocks x blocks of channels x ranges of rows.
func n16Blocks(c, h, w int) maps { return maps{c, h, rowsPerTask(h, 32*w)} }

// Tasks is image blocks x channels x ranges of rows.
func (k N16FromNCHW) Tasks(images int) int {
	return n16Planes(k.C, k.H, k.W).tasks(imageBlocks(images))
}

// Tasks is image blocks x channels x ranges of rows.
func (k N16ToNCHW) Tasks(images int) int {
	return n16Planes(k.C, k.H, k.W).tasks(imageBlocks(images))
}

// Tasks is image blocks x channel blocks x ranges of rows.
func (k N16FromBlocked) Tasks(images int) int {
	return n16Blocks(k.C, k.H, k.W).tasks(imageBlocks(images))
}

// Tasks is image blocks x channel blocks x ranges of rows.
func (k N16ToBlocked) Tasks(images int) int {
	return n16Blocks(k.C, k.H, k.W).tasks(imageBlocks(images))
}

// inImageBlock is how many images a group has.
func inImageBlock(images, group int) int { return min(Block, images-group*Block) }

// fromPlanes transposes n images of elements side by side to elements of 16 images
// side by side.
func (v *vecOps) fromPlanes(dst, src []float32, step, images, n int) {
	x := 0
	if images == Block {
		for ; n-x >= 8; x += (n - x) / 8 * 8 {
			v.transpose(dst[x*Block:], src[x:], Block, step, Block, (n-x)/8*8)
		}
		if x > 0 && x < n { // the last eight once more
			v.transpose(dst[(n-8)*Block:], src[n-8:], Block, step, Block, 8)
			return
		}
	}
	for ; x < n; x++ {
		for i := range images {
			dst[x*Block+i] = src[i*step+x]
		}
		clear(dst[x*Block+images : (x+1)*Block])
	}
}

// toPlanes is its opposite.
func (v *vecOps) toPlanes(dst, src []float32, step, images, n int) {
	x := 0
	if images == Block {
		for ; n-x >= 8; x += (n - x) / 8 * 8 {
			v.transpose(dst[x:], src[x*Block:], step, Block, (n-x)/8*8, Block)
		}
		if x > 0 && x < n {
			v.transpose(dst[n-8:], src[(n-8)*Block:], step, Block, 8, Block)
			return
		}
	}
	for ; x < n; x++ {
		for i := range images {
			dst[i*step+x] = src[x*Block+i]
		}
	}
}

// Run reorders some rows of a channel of 16 images.
func (k N16FromNCHW) Run(w *Worker, task int, a *Args) {
	group, c, y0, y1 := n16Planes(k.C, k.H, k.W).task(task)
	images := inImageBlock(a.Images, group)
	rows, width := y1-y0, k.W
	if k.In.H == k.W && k.Out.H == k.W*Block {
		rows, width = 1, rows*k.W
	}
	if k.H*k.W == 1 && k.In.C == 1 && k.Out.C == Block { // a vector: all its channels at once
		if c > 0 {
			return
		}
		width = k.C
	}
	for y := y0; y < y0+rows; y++ {
		vecFor(w.ISA).fromPlanes(k.Out.row(&a.Out[0], group, c, y, width), a.In[0].Mem[a.In[0].Off+group*Block*k.In.N+c*k.In.C+y*k.In.H:], k.In.N, images, width)
	}
}

// Run reorders some rows of a channel of 16 images.
func (k N16ToNCHW) Run(w *Worker, task int, a *Args) {
	group, c, y0, y1 := n16Planes(k.C, k.H, k.W).task(task)
	images := inImageBlock(a.Images, group)
	rows, width := y1-y0, k.W
	if k.Out.H == k.W && k.In.H == k.W*Block {
		rows, width = 1, rows*k.W
	}
	if k.H*k.W == 1 && k.Out.C == 1 && k.In.C == Block {
		if c > 0 {
			return
		}
		width = k.C
	}
	for y := y0; y < y0+rows; y++ {
		vecFor(w.ISA).toPlanes(a.Out[0].Mem[a.Out[0].Off+group*Block*k.Out.N+c*k.Out.C+y*k.Out.H:], k.In.row(&a.In[0], group, c, y, width), k.Out.N, images, width)
	}
}

// Run reorders some rows of a block of channels of 16 images.
func (k N16FromBlocked) Run(w *Worker, task int, a *Args) {
	group, block, y0, y1 := n16Blocks(k.C, k.H, k.W).task(task)
	images, channels := inImageBlock(a.Images, group), min(Block, k.C-block*Block)
	v := vecFor(w.ISA)
	for y := y0; y < y1; y++ {
		for x := range k.W {
			in, out := k.In.at(&a.In[0], group*Block, block, y, x), k.Out.at(&a.Out[0], group, block*Block, y, x)
			src, dst := a.In[0].Mem[in:], a.Out[0].Mem[out:]
			if images == Block && channels == Block {
				v.transpose(dst, src, k.Out.C, k.In.N, Block, Block)
				continue
			}
			for c := range channels {
				for i := range images {
					dst[c*k.Out.C+i] = src[i*k.In.N+c]
				}
				clear(dst[c*k.Out.C+images : c*k.Out.C+Block])
			}
		}
	}
}

// Run reorders some rows of a block of channels of 16 images.
func (k N16ToBlocked) Run(w *Worker, task int, a *Args) {
	group, block, y0, y1 := n16Blocks(k.C, k.H, k.W).task(task)
	images, channels := inImageBlock(a.Images, group), min(Block, k.C-block*Block)
	v := vecFor(w.ISA)
	for y := y0; y < y1; y++ {
		for x := range k.W {
			in, out := k.In.at(&a.In[0], group, block*Block, y, x), k.Out.at(&a.Out[0], group*Block, block, y, x)
			src, dst := a.In[0].Mem[in:], a.Out[0].Mem[out:]
			if images == Block && channels == Block {
				v.transpose(dst, src, k.Out.N, k.In.C, Block, Block)
				continue
			}
			for i := range images {
				for c := range channels {
					dst[i*k.Out.N+c] = src[c*k.In.C+i]
				}
				clear(dst[i*k.Out.N+channels : i*k.Out.N+Block])
			}
		}
	}
}
