package kernel

// Copy copies an activation: into a concat or into a buffer with a border, where the
// kernel before cannot write it there itself.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Copy struct {
	C, H, W int
	In, Out View
}

func (k Copy) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 4*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k Copy) Tasks(images int) int { return k.maps().tasks(images) }

// Run copies some rows of a channel block.
func (k Copy) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	rows, width := fuseRows(y0, y1, k.W, k.In, k.Out)
	for y := y0; y < y0+rows; y++ {
		copy(k.Out.row(&a.Out[0], image, block, y, width), k.In.row(&a.In[0], image, block, y, width))
	}
}

// CopyChannels copies the channels From..From+C-1 of its input to the channels
// To..To+C-1 of its output, at any offset: concat, split and slice where the
// widths are not multiples of a block. It writes nothing else, but for the lanes
// past the last channel of the last block with Last, which the part that ends
// the output says.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type CopyChannels struct {
	C, H, W  int
	From, To int
	Last     bool
	In, Out  View
}

func (k CopyChannels) first() int { return k.To / Block }

// maps counts the output blocks that are written.
func (k CopyChannels) maps() maps {
	return maps{(Blocks(k.To+k.C) - k.first()) * Block, k.H, rowsPerTask(k.H, 16*k.W)}
}

// Tasks is images x output blocks x ranges of rows.
func (k CopyChannels) Tasks(images int) int { return k.maps().tasks(images) }

// Run copies some rows of an output block.
func (k CopyChannels) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	block += k.first()
	lo, hi := max(k.To, block*Block), min(k.To+k.C, (block+1)*Block)
	for y := y0; y < y1; y++ {
		dst := k.Out.row(&a.Out[0], image, block, y, k.W)
		for c := lo; c < hi; {
			from := c - k.To + k.From
			n := min(hi-c, Block-from%Block) // channels that share a block on both sides
			src := k.In.row(&a.In[0], image, from/Block, y, k.W)
			moveLanes(dst, src, c%Block, from%Block, n)
			c += n
		}
		if k.Last {
			clearLanes(dst, k.To+k.C, block)
		}
	}
}

// FromNCHW makes NCHW16c of a planar activation, padded lanes zero: a network's
// input, or a vector that is reshaped to a map.
//
// Operands: In[0] planar input, Out[0] output, which may not share memory.
type FromNCHW struct {
	C, H, W int
	In, Out View
}

func (k FromNCHW) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 16*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k FromNCHW) Tasks(images int) int { return k.maps().tasks(images) }

// Run reorders some rows of a channel block.
func (k FromNCHW) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	lanes := min(Block, k.C-block*Block)
	for y := y0; y < y1; y++ {
		dst := k.Out.row(&a.Out[0], image, block, y, k.W)
		if k.W == 1 && k.In.C == 1 { // a vector: its channels lie side by side
			copy(dst, k.In.planar(&a.In[0], image, block*Block, y, lanes))
			clearLanes(dst, k.C, block)
			continue
		}
		for l := range lanes {
			src := k.In.planar(&a.In[0], image, block*Block+l, y, k.W)
			for x, v := range src {
				dst[x*Block+l] = v
			}
		}
		clearLanes(dst, k.C, block)
	}
}

// ToNCHW makes a planar activation of NCHW16c: a network's output, or the vector
// that a dense layer reads (with the output's C of H*W and H of W, the vector of
// image n begins at n*N and its elements are in the order C, H, W). Tail is a
// number of zeros to write after each image, which a vector needs whose length is
// not a multiple of a block.
//
// Operands: In[0] input, Out[0] planar output, which may not share memory.
type ToNCHW struct {
	C, H, W int
	Tail    int
	In, Out View
}

func (k ToNCHW) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 16*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k ToNCHW) Tasks(images int) int { return k.maps().tasks(images) }

// Run reorders some rows of a channel block.
func (k ToNCHW) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	lanes := min(Block, k.C-block*Block)
	for y := y0; y < y1; y++ {
		src := k.In.row(&a.In[0], image, block, y, k.W)
		if k.W == 1 && k.Out.C == 1 { // a vector: its channels lie side by side
			copy(k.Out.planar(&a.Out[0], image, block*Block, y, lanes), src)
			continue
		}
		for l := range lanes {
			dst := k.Out.planar(&a.Out[0], image, block*Block+l, y, k.W)
			for x := range dst {
				dst[x] = src[x*Block+l]
			}
		}
	}
	if k.Tail > 0 && block == Blocks(k.C)-1 && y1 == k.H {
		end := a.Out[0].Off + image*k.Out.N + (k.C-1)*k.Out.C + (k.H-1)*k.Out.H + k.W
		clear(a.Out[0].Mem[end : end+k.Tail])
	}
}

// CopyNCHW copies a planar activation: a network's input into a buffer with a
// border.
//
// Operands: In[0] planar input, Out[0] planar output, which may not share memory.
type CopyNCHW struct {
	C, H, W int
	In, Out View
}

// planes counts channels as if each were a block of its own.
func (k CopyNCHW) planes() maps { return maps{k.C * Block, k.H, rowsPerTask(k.H, k.W/4)} }

// Tasks is images x channels x ranges of rows.
func (k CopyNCHW) Tasks(images int) int { return k.planes().tasks(images) }

// Run copies some rows of a channel.
func (k CopyNCHW) Run(w *Worker, task int, a *Args) {
	image, c, y0, y1 := k.planes().task(task)
	for y := y0; y < y1; y++ {
		copy(k.Out.planar(&a.Out[0], image, c, y, k.W), k.In.planar(&a.In[0], image, c, y, k.W))
	}
}

// planar is w pixels of a row of a planar activation's channel.
func (v View) planar(b *Buf, image, c, y, w int) []float32 {
	i := b.Off + image*v.N + c*v.C + y*v.H
	return b.Mem[i : i+w : i+w]
}

// Pad puts an activation into a larger one, at row PH and column PW, and fills
// what is around with a value. It serves an explicit pad; the padding of a
// convolution is the border of its input's buffer and costs nothing.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Pad struct {
	C, H, W int // channels, output rows and columns
	IH, IW  int // input rows and columns
	PH, PW  int
	Value   float32
	In, Out View
}

func (k Pad) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 4*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k Pad) Tasks(images int) int { return k.maps().tasks(images) }

// Run fills some rows of a channel block.
func (k Pad) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	for y := y0; y < y1; y++ {
		dst := k.Out.row(&a.Out[0], image, block, y, k.W)
		fill(dst, k.Value)
		clearLanes(dst, k.C, block)
		if y >= k.PH && y < k.PH+k.IH {
			copy(dst[k.PW*Block:], k.In.row(&a.In[0], image, block, y-k.PH, k.IW))
		}
	}
}

// PixelsToVector makes vectors of maps of whole blocks, in an order of their own: its
// block (b*H + y)*W + x is pixel (y, x) of channel block b. A dense layer reads it
// whose weights are packed for maps (Dense with their C, H, W). Back makes maps of
// such vectors.
//
// Operands: In[0] maps (view Map), Out[0] vectors of C*H*W (view Vector), which may
// not share memory; with Back the other way round.
type PixelsToVector struct {
	C, H, W     int
	Back        bool
	Map, Vector View
}

// Tasks is channel blocks x pixels.
func (k PixelsToVector) Tasks(int) int { return Blocks(k.C) * k.H * k.W }

// Run copies a pixel of all images.
func (k PixelsToVector) Run(_ *Worker, task int, a *Args) {
	m, v := &a.In[0], &a.Out[0]
	if k.Back {
		m, v = v, m
	}
	x, y, b := task%k.W, task/k.W%k.H, task/k.W/k.H
	for n := range a.Images {
		p := (*[Block]float32)(m.Mem[k.Map.at(m, n, b, y, x):])
		q := (*[Block]float32)(v.Mem[k.Vector.at(v, n, task, 0, 0):])
		if k.Back {
			*p = *q
		} else {
			*q = *p
		}
	}
}
