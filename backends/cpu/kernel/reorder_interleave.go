package kernel

// Interleave copies the channels of up to four activations to their places in
// another, at any offset, as CopyChannels does with one: a concat of narrow branches
// in one step.
//
// Operands: In[i] the activation of Inputs[i], Out[0] output, which may not share
// memory with them.
type Interleave struct {
	H, W   int
	Inputs [4]InterleaveInput
	Last   bool // the last part ends the output: the lanes behind it are zeroed
	Out    View
}

// InterleaveInput is a range of channels and where it goes. They end at the first with C == 0
// and follow one another in the output.
type InterleaveInput struct {
	C        int
	From, To int // first channel, in its input and in the output
	In       View
}

// span is the output's channels that are written: lo..hi-1.
func (k *Interleave) span() (lo, hi int) {
	lo = k.Inputs[0].To
	for _, p := range k.Inputs {
		if p.C > 0 {
			hi = p.To + p.C
		}
	}
	return lo, hi
}

// maps counts the output blocks that are written.
func (k *Interleave) maps() (m maps, first int) {
	lo, hi := k.span()
	first = lo / Block
	return maps{(Blocks(hi) - first) * Block, k.H, rowsPerTask(k.H, 8*k.W)}, first
}

// Tasks is images x output blocks x ranges of rows.
func (k Interleave) Tasks(images int) int {
	m, _ := k.maps()
	return m.tasks(images)
}

// Run copies some rows of an output block.
func (k Interleave) Run(_ *Worker, task int, a *Args) {
	m, first := k.maps()
	image, block, y0, y1 := m.task(task)
	block += first
	_, end := k.span()
	for y := y0; y < y1; y++ {
		dst := k.Out.row(&a.Out[0], image, block, y, k.W)
		for i := range k.Inputs {
			p := &k.Inputs[i]
			lo, hi := max(p.To, block*Block), min(p.To+p.C, (block+1)*Block)
			for c := lo; c < hi; {
				from := c - p.To + p.From
				n := min(hi-c, Block-from%Block) // channels that share a block on both sides
				moveLanes(dst, p.In.row(&a.In[i], image, from/Block, y, k.W), c%Block, from%Block, n)
				c += n
			}
		}
		if k.Last {
			clearLanes(dst, end, block)
		}
	}
}

// moveLanes copies n lanes of every block, from lane from on to lane to.
func moveLanes(dst, src []float32, to, from, n int) {
	src = src[:len(dst)]
	for ; n >= 4; n, to, from = n-4, to+4, from+4 {
		for x := 0; x < len(dst); x += Block {
			*(*[4]float32)(dst[x+to:]) = *(*[4]float32)(src[x+from:])
		}
	}
	for ; n > 0; n, to, from = n-1, to+1, from+1 {
		for x := 0; x < len(dst); x += Block {
			dst[x+to] = src[x+from]
		}
	}
}
