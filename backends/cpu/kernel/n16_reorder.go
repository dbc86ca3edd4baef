package kernel

// These kernels convert activations to and from lanes (16 images side by side) by
// transposing.

// LanesFromNCHW brings the images of a planar activation side by side: a network's
// input, or what a reshape left. Lanes without an image are zeros.
//
// Operands: In[0] planar input, Out[0] output, which may not share memory.
type LanesFromNCHW struct {
	C, H, W int
	In, Out View
}

// LanesToNCHW makes a planar activation of one in lanes.
//
// Operands: In[0] input, Out[0] planar output, which may not share memory.
type LanesToNCHW struct {
	C, H, W int
	In, Out View
}

// LanesFromBlocked brings the images of an NCHW16c activation side by side.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type LanesFromBlocked struct {
	C, H, W int
	In, Out View
}

// LanesToBlocked makes NCHW16c of an activation in lanes, padded channels zero.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type LanesToBlocked struct {
	C, H, W int
	In, Out View
}

// lanePlanes cuts the work into groups of images x channels x ranges of rows.
func lanePlanes(c, h, w int) maps { return maps{c * Block, h, rowsPerTask(h, 2*w)} }

// laneBlocks cuts the work into groups of images x blocks of channels x ranges of rows.
func laneBlocks(c, h, w int) maps { return maps{c, h, rowsPerTask(h, 32*w)} }

// Tasks is groups of images x channels x ranges of rows.
func (k LanesFromNCHW) Tasks(images int) int {
	return lanePlanes(k.C, k.H, k.W).tasks(groupsOf(images))
}

// Tasks is groups of images x channels x ranges of rows.
func (k LanesToNCHW) Tasks(images int) int {
	return lanePlanes(k.C, k.H, k.W).tasks(groupsOf(images))
}

// Tasks is groups of images x channel blocks x ranges of rows.
func (k LanesFromBlocked) Tasks(images int) int {
	return laneBlocks(k.C, k.H, k.W).tasks(groupsOf(images))
}

// Tasks is groups of images x channel blocks x ranges of rows.
func (k LanesToBlocked) Tasks(images int) int {
	return laneBlocks(k.C, k.H, k.W).tasks(groupsOf(images))
}

// inGroup is how many images a group has.
func inGroup(images, group int) int { return min(Block, images-group*Block) }

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
func (k LanesFromNCHW) Run(w *Worker, task int, a *Args) {
	group, c, y0, y1 := lanePlanes(k.C, k.H, k.W).task(task)
	images := inGroup(a.Images, group)
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
func (k LanesToNCHW) Run(w *Worker, task int, a *Args) {
	group, c, y0, y1 := lanePlanes(k.C, k.H, k.W).task(task)
	images := inGroup(a.Images, group)
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
func (k LanesFromBlocked) Run(w *Worker, task int, a *Args) {
	group, block, y0, y1 := laneBlocks(k.C, k.H, k.W).task(task)
	images, channels := inGroup(a.Images, group), min(Block, k.C-block*Block)
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
func (k LanesToBlocked) Run(w *Worker, task int, a *Args) {
	group, block, y0, y1 := laneBlocks(k.C, k.H, k.W).task(task)
	images, channels := inGroup(a.Images, group), min(Block, k.C-block*Block)
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
