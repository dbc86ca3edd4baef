package kernel

import "unsafe"

// Dense is a fully connected layer with its bias and activation:
//
//	out[n][o] = act(bias[o] + sum over c, y, x of w[o][c][y][x] * in[n][c][y][x])
//
// The input may be an activation of C x H x W in NCHW16c (the weights are packed
// in its order, so that flattening costs nothing) or a vector, C x 1 x 1. The
// output is Out.C x 1 x 1.
//
// Operands: In[0], Out[0], W[0] as packed by Pack from [Out.C][C*H*W] (C, H, W in
// the order of NCHW), W[1] as packed by PackBias or nil, Table.
//
// With one image the weights are streamed once, at the speed of the memory they
// lie in; with more the images take the part that pixels have in a convolution.
// For a batch of vectors the layout N: 16, C: 16*images (blocks of 16 features of
// all images side by side) is the fastest to read and to write. An N that is a
// multiple of 1024 floats is slow: all images fall into the same sets of the
// cache.
type Dense struct {
	C, H, W int
	In      View
	Out     Output

	// How the work is cut into tasks: pairs of output blocks and images a task;
	// 0 takes all pairs and 56 images. Split chooses them. The result does not
	// depend on them.
	Pairs, Images int
}

// conv is the convolution with a kernel as large as the image that Dense is.
func (d Dense) conv() Conv {
	return Conv{IC: d.C, H: 1, W: 1, KH: d.H, KW: d.W, In: d.In, Outputs: [4]Output{d.Out}, Pairs: d.Pairs}
}

// MACs is the number of multiply-accumulates of an image, without those of padded
// channels; its gradients take as many.
func (d Dense) MACs() int { return d.conv().MACs() }

// PackedLen is the length of the packed weights, in float32s.
func (d Dense) PackedLen() int { return d.conv().PackedLen() }

// Pack writes weights in the order [Out.C][C][H][W] into dst.
func (d Dense) Pack(dst, weight []float32) { d.conv().Pack(dst, weight) }

// BiasLen is the length of the packed bias, in float32s.
func (d Dense) BiasLen() int { return d.conv().BiasLen() }

// PackBias pads the bias to whole blocks.
func (d Dense) PackBias(dst, bias []float32) { d.conv().PackBias(dst, bias) }

// Table returns the taps: where the 16 channels of every block and position are,
// in bytes.
func (d Dense) Table(ISA) []int { return d.conv().taps() }

func (d Dense) images() int {
	if d.Images > 0 {
		return d.Images
	}
	return 56
}

// Tasks is chunks of images x chunks of pairs of output blocks, in the order of task.
func (d Dense) Tasks(images int) int {
	c := d.conv()
	return ceilDiv(images, d.images()) * ceilDiv(c.npairs(), c.pairs())
}

// task is the first image and the first pair of a task. Of weights and input what is
// larger is read once, what is smaller again and again.
func (d Dense) task(task, images int) (image, pair int) {
	c := d.conv()
	ichunks, pchunks := ceilDiv(images, d.images()), ceilDiv(c.npairs(), c.pairs())
	i, p := task%ichunks, task/ichunks
	if Blocks(d.Out.C)*Block <= images {
		i, p = task/pchunks, task%pchunks
	}
	return i * d.images(), p * c.pairs()
}

// denseTaps is how many taps are done for all images of a task before the next
// ones: their weights (256 KiB a pair) stay in L2 meanwhile. The sums rest in the
// output.
const denseTaps = 128

// Run computes one task.
func (d Dense) Run(w *Worker, task int, a *Args) {
	c := d.conv()
	i0, g0 := d.task(task, a.Images)
	n := min(d.images(), a.Images-i0)
	g1 := min(g0+c.pairs(), c.npairs())
	per := denseTaps
	if n <= maxPixels(w.ISA) {
		per = len(a.Table)
	}
	d.sum(w, a, denseRange{i0, n, g0, g1, 0, len(a.Table), per})
	if !d.Out.vectorAct() {
		return
	}
	for b := 2 * g0; b < min(2*g1, Blocks(d.Out.C)); b++ {
		for i := range n {
			at := a.Out[0].Off + (i0+i)*d.Out.View.N + b*d.Out.View.C
			d.Out.activate(w, a.Out[0].Mem[at:at+Block], b)
		}
	}
}

// denseRange is n images from i0 on, pairs of output blocks and taps.
type denseRange struct {
	i0, n  int
	g0, g1 int
	t0, t1 int
	per    int // taps at a time
}

// sum computes a range of the sums that are a layer's output, beginning with the bias.
func (d Dense) sum(w *Worker, a *Args, r denseRange) {
	c := d.conv()
	depth := c.depth()
	k := len(a.Table) * depth
	width := func(g int) int { return min(2, Blocks(d.Out.C)-2*g) * Block }
	weights := func(g, t int) int { return g*k*2*Block + t*depth*width(g) }
	for t0 := r.t0; t0 < r.t1; t0 += r.per {
		t1 := min(t0+r.per, r.t1)
		for g := r.g0; g < r.g1; g++ {
			bias := zeroBias[:width(g)]
			if a.W[1] != nil {
				bias = a.W[1][g*2*Block:][:width(g)]
			}
			p := densePart{depth: depth, taps: a.Table[t0:t1], w: a.W[0][weights(g, t0):weights(g, t1)], width: width(g), bias: bias,
				in: a.In[0].Mem, at: a.In[0].Off + r.i0*d.In.N, ps: d.In.N, n: r.n, out: a.Out[0].Mem,
				to: a.Out[0].Off + r.i0*d.Out.View.N + 2*g*d.Out.View.C, block: d.Out.View.C, step: d.Out.View.N,
				resume: t0 > r.t0, relu: t1 == len(a.Table) && d.Out.Act.rectifies()}
			if g+1 < r.g1 {
				p.next = &a.W[0][weights(g+1, t0)]
			} else if t1 < r.t1 {
				p.next = &a.W[0][weights(r.g0, t1)]
			}
			p.run(w)
		}
	}
}

// densePart is a range of taps for one pair of output blocks and n images.
type densePart struct {
	depth        int // channels a tap
	taps         []int
	w            []float32
	width        int
	bias         []float32
	in           []float32
	at, n, ps    int
	out          []float32
	to           int
	block, step  int // from an output block to the next, from an image to the next
	resume, relu bool
	near         bool     // the weights are in the second cache
	next         *float32 // the weights that are wanted next, or nil
}

func (p *densePart) run(w *Worker) {
	tier := &tileTiers[w.ISA]
	if tier.portable() {
		p.runGo(tier.pixels)
		return
	}
	t := &w.tile
	t.taps, t.ntaps = unsafe.Pointer(&p.taps[0]), len(p.taps)
	t.ps, t.ws, t.obs = 4*p.ps, 4*p.width, 4*p.block
	t.ops, t.kc = 4*p.step, p.depth
	t.flags = 0
	if p.resume {
		t.flags |= tileAcc
	}
	if p.relu {
		t.flags |= tileReLU
	}
	blocks := min(p.width/Block, tier.blocks)
	for b := 0; b < p.width/Block; b += blocks {
		t.w, t.bias = float(p.w, b*Block), float(p.bias, b*Block)
		calls, ask := ceilDiv(p.n, tier.pixels), 1
		switch {
		case p.near:
		case p.next != nil:
			ask = t.first(calls, uintptr(unsafe.Pointer(p.next))+uintptr(4*b*Block))
		default:
			t.flags |= tileFar
		}
		for i := 0; i < p.n; calls-- {
			n := ceilDiv(p.n-i, calls)
			half := (n + 1) / 2
			if n == 1 {
				half = 0
			}
			t.a, t.b = float(p.in, p.at+i*p.ps), float(p.in, p.at+(i+half)*p.ps)
			t.outA = float(p.out, p.to+b*p.block+i*p.step)
			t.outB = float(p.out, p.to+b*p.block+(i+half)*p.step)
			t.run(tier, blocks, n)
			if ask--; ask == 0 {
				t.near()
			}
			i += n
		}
		t.near()
	}
}

func (p *densePart) runGo(most int) {
	for i := 0; i < p.n; i += most {
		var px [3]int
		for q := range px {
			px[q] = p.at + min(i+q, p.n-1)*p.ps
		}
		for j := 0; j < p.width; j += 2 {
			to := p.to + j/Block*p.block + i*p.step + j%Block
			var acc [3][2]float32
			for q := range acc {
				acc[q] = [2]float32(p.bias[j:])
				if p.resume && i+q < p.n {
					acc[q] = [2]float32(p.out[to+q*p.step:])
				}
			}
			acc = dot3x2(p.in, px, p.taps, p.depth, p.w[j:], p.width, acc)
			for q := range min(most, p.n-i) {
				for l, v := range acc[q] {
					if p.relu && v < 0 {
						v = 0
					}
					p.out[to+q*p.step+l] = v
				}
			}
		}
	}
}
