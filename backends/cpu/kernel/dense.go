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
	Out     Part

	// How the work is cut into tasks: pairs of output blocks and images a task;
	// 0 takes all pairs and 56 images. Split chooses them. The result does not
	// depend on them.
	Pairs, Images int
}

// conv is the convolution with a kernel as large as the image that Dense is.
func (d Dense) conv() Conv {
	return Conv{IC: d.C, H: 1, W: 1, KH: d.H, KW: d.W, In: d.In, Parts: [4]Part{d.Out}, Pairs: d.Pairs}
}

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
	return ceilDiv(images, d.images()) * ceilDiv(c.ngroups(), c.pairs())
}

// task is the first image and the first pair of a task. Of weights and input what is
// larger is read once, what is smaller again and again.
func (d Dense) task(task, images int) (image, pair int) {
	c := d.conv()
	ichunks, pchunks := ceilDiv(images, d.images()), ceilDiv(c.ngroups(), c.pairs())
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
	depth := c.depth()
	k := len(a.Table) * depth
	in := a.In[0].Off + i0*d.In.N
	for g := g0; g < min(g0+c.pairs(), c.ngroups()); g++ {
		blocks := min(2, Blocks(d.Out.C)-2*g)
		width := blocks * Block
		weights := a.W[0][g*k*2*Block:][:k*width]
		bias := zeroBias[:width]
		if a.W[1] != nil {
			bias = a.W[1][g*2*Block:][:width]
		}
		to := a.Out[0].Off + i0*d.Out.View.N + 2*g*d.Out.View.C
		per := denseTaps
		if n <= maxPixels(w.ISA) {
			per = len(a.Table)
		}
		for t0 := 0; t0 < len(a.Table); t0 += per {
			t1 := min(t0+per, len(a.Table))
			p := densePart{depth: depth, taps: a.Table[t0:t1], w: weights[t0*depth*width : t1*depth*width], width: width, bias: bias,
				in: a.In[0].Mem, at: in, ps: d.In.N, n: n, out: a.Out[0].Mem, to: to, block: d.Out.View.C, step: d.Out.View.N,
				resume: t0 > 0, relu: t1 == len(a.Table) && d.Out.Act == ActReLU}
			p.run(w)
		}
		if !d.Out.vectorAct() {
			continue
		}
		for b := range blocks {
			for i := range n {
				at := to + i*d.Out.View.N + b*d.Out.View.C
				d.Out.activate(w.ISA, a.Out[0].Mem[at:at+Block], 2*g+b)
			}
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
}

func (p *densePart) run(w *Worker) {
	most := maxPixels(w.ISA)
	if w.ISA == Portable {
		p.runGo(most)
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
	blocks := p.width / Block
	if w.ISA == AVX2 {
		blocks = 1
	}
	far, near := farTileFuncs(w.ISA, blocks, false), tileFuncs(w.ISA, blocks, false)
	for b := 0; b < p.width/Block; b += blocks {
		t.w, t.bias = float(p.w, b*Block), float(p.bias, b*Block)
		calls, kernels := ceilDiv(p.n, most), far
		for i := 0; i < p.n; calls-- {
			n := ceilDiv(p.n-i, calls)
			half := (n + 1) / 2
			if n == 1 {
				half = 0
			}
			t.a, t.b = float(p.in, p.at+i*p.ps), float(p.in, p.at+(i+half)*p.ps)
			t.outA = float(p.out, p.to+b*p.block+i*p.step)
			t.outB = float(p.out, p.to+b*p.block+(i+half)*p.step)
			kernels[n]((*byte)(unsafe.Pointer(t)))
			kernels = near
			i += n
		}
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
