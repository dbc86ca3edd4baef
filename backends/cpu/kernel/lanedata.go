package kernel

import "unsafe"

// LaneDenseBackwardData is DenseBackwardData whose vectors are images: dY and dX lie in
// lanes, dX as the map of C x H x W that the layer takes for a vector. With ReLU dX is
// the gradient in front of the ReLU that made that map, 0 where the map is neither above 0
// nor NaN.
//
// Operands: In[0] = dY in the view Out.View, In[1] with ReLU the map (view Y); Out[0] =
// dX in the view In; with ReLU Out[1], or no memory: sums of dX, for a ChannelSums
// (Sums). W[0] the weights as a Dense of C*H*W x 1 x 1 has them.
//
// The weights are broadcast one by one, so they are read in the order of the forward
// kernel, and nothing is transposed. Every result is one chain of fused multiply-adds
// over the output channels. Lanes without an image are computed as well, and hold what
// zeros give.
type LaneDenseBackwardData struct {
	Dense
	ReLU bool
	Y    View
}

const (
	// laneDataInputs is about how many inputs a task has: their weights stay in the second
	// cache for all groups of images.
	laneDataInputs = 66
	// laneDataNear is how many bytes of dY a call goes over at most: they stay in the first
	// cache for all inputs of a task.
	laneDataNear = 24 << 10
	// laneDataAtOnce is how many inputs a tile has at most.
	laneDataAtOnce = 6
)

// laneDataGroups is how many groups of 16 images a tile has at most.
func laneDataGroups(isa ISA) int {
	if isa == AVX512 {
		return 4
	}
	return 1
}

// cut is how many channels a task has, and into how many parts their maps are cut.
func (d LaneDenseBackwardData) cut() (channels, parts int) {
	pixels := d.H * d.W
	return max(1, laneDataInputs/pixels), ceilDiv(pixels, laneDataInputs)
}

// Sums is what adds up the sums in Out[1].
func (d LaneDenseBackwardData) Sums() ChannelSums {
	_, parts := d.cut()
	return ChannelSums{C: d.C, Parts: parts, Lanes: true}
}

// Tasks is chunks of channels x parts of their maps.
func (d LaneDenseBackwardData) Tasks(int) int {
	channels, parts := d.cut()
	return ceilDiv(d.C, channels) * parts
}

// Table is empty: dY is a vector, and the weights have no gaps.
func (d LaneDenseBackwardData) Table(ISA) []int { return nil }

// laneDataTask is a part of the maps of some channels.
type laneDataTask struct {
	LaneDenseBackwardData
	part, parts int
	from, to    int // inputs
	run         int // so many inputs, from a multiple of it on, lie side by side in dX and in the map
}

// Run computes one task.
func (d LaneDenseBackwardData) Run(w *Worker, task int, a *Args) {
	channels, parts := d.cut()
	t := laneDataTask{LaneDenseBackwardData: d, part: task % parts, parts: parts}
	pixels := d.H * d.W
	c0 := task / parts * channels
	c1 := min(c0+channels, d.C)
	t.from, t.to = c0*pixels+pixels*t.part/parts, (c1-1)*pixels+pixels*(t.part+1)/parts
	t.run = min(d.In.inRun(d.C, d.H, d.W), d.Y.inRun(d.C, d.H, d.W))
	if !d.ReLU {
		t.run = d.In.inRun(d.C, d.H, d.W)
	}
	groups := groupsOf(a.Images)
	if a.Out[1].Mem != nil {
		t.run = min(t.run, pixels)
		for g := range groups {
			for c := c0; c < c1; c++ {
				clear(a.Out[1].vector(t.sums(g, c)))
			}
		}
	}
	for g, calls := 0, ceilDiv(groups, laneDataGroups(w.ISA)); g < groups; calls-- {
		n := ceilDiv(groups-g, calls)
		t.groups(w, a, g, n)
		g += n
	}
}

// inRun is how many elements of a map of c x h x w that lies in lanes lie side by side.
func (v View) inRun(c, h, w int) int {
	switch {
	case h > 1 && v.H != w*Block:
		return w
	case c > 1 && v.C != h*w*Block:
		return h * w
	}
	return c * h * w
}

// sums is which vector of the sums is that of a channel.
func (t *laneDataTask) sums(group, channel int) int { return (group*t.C+channel)*t.parts + t.part }

// groups computes the inputs of n groups of images: all of them for some output channels
// before the next ones.
func (t *laneDataTask) groups(w *Worker, a *Args, g, n int) {
	inputs := t.C * t.H * t.W
	flat := Dense{C: inputs, H: 1, W: 1}
	const pair = 2 * Block
	r := laneDataRun{dy: t.Out.View, dx: t.In, mask: t.Y, groups: n, wPair: Blocks(inputs) * flat.conv().depth() * pair}
	whole := t.Out.C / pair
	near := max(1, laneDataNear/(4*pair*Block*n))
	for p, calls := 0, max(1, ceilDiv(whole, near)); calls > 0; calls-- {
		r.pairs, r.acc = ceilDiv(whole-p, calls), p > 0
		if calls == 1 {
			r.relu, r.rest = t.ReLU, t.Out.C-whole*pair
			r.restWs = Blocks(r.rest) * Block
		}
		r.x = a.In[0].Mem[t.Out.View.at(&a.In[0], g, p*pair, 0, 0):]
		for i := t.from; i < t.to; i += r.inputs {
			r.inputs = min(t.to-i, t.run-i%t.run)
			if r.pairs > 0 {
				r.w = a.W[0][p*r.wPair+i*pair:]
			}
			if r.rest > 0 {
				r.restW = a.W[0][whole*r.wPair+i*r.restWs:]
			}
			c, y, x := i/(t.H*t.W), i/t.W%t.H, i%t.W
			r.out = a.Out[0].Mem[t.In.at(&a.Out[0], g, c, y, x):]
			if r.relu {
				r.y, r.sums = a.In[1].Mem[t.Y.at(&a.In[1], g, c, y, x):], w.sum[:]
				if a.Out[1].Mem != nil {
					r.sums, r.sumsPs = a.Out[1].Mem[a.Out[1].Off+t.sums(g, c)*Block:], t.C*t.parts*Block
				}
			}
			r.run(w)
		}
		p += r.pairs
	}
}

// laneDataTile is the argument block of the microkernel; the assembly knows its layout.
// It lives in the Worker.
type laneDataTile struct {
	x         unsafe.Pointer // dY: the first output channel of the first group of images
	xs, ps    int            // bytes from an output channel, a group, to the next
	w         unsafe.Pointer // of the first input: 32 output channels
	ws, wPair int            // bytes from an input, a pair of output blocks, to the next
	pairs     int
	rest      int            // output channels behind the pairs
	restW     unsafe.Pointer // their weights
	restWs    int
	out       unsafe.Pointer
	outC      int // bytes from an input to the next
	outPs     int // bytes from a group to the next
	y         unsafe.Pointer
	yC, yPs   int
	sums      unsafe.Pointer // with tileMask: what is written is added to it, a vector a group
	sumsPs    int
	tiles     int // times as many inputs
	flags     int // tileAcc, tileMask

	// The assembly's own: where the tile under way begins.
	wAt, restAt, outAt, yAt uintptr
}

// laneDataRun is the work of one call: inputs side by side of some groups of images.
type laneDataRun struct {
	x, w, out, y []float32 // from the first element on
	dy, dx, mask View
	groups       int
	inputs       int
	wPair        int // float32s from the weights of a pair of output blocks to the next
	pairs        int
	rest         int       // output channels behind them
	restW        []float32 // their weights
	restWs       int       // float32s from an input to the next
	acc, relu    bool
	sums         []float32 // with relu
	sumsPs       int       // float32s from a group to the next
}

func (r *laneDataRun) run(w *Worker) {
	const pair = 2 * Block
	// The assembly checks no bounds: the farthest elements are looked at here, so that a
	// wrong plan panics and corrupts nothing.
	_ = r.x[(r.groups-1)*r.dy.N+(r.pairs*pair+r.rest-1)*r.dy.C+Block-1]
	_ = r.out[(r.groups-1)*r.dx.N+r.inputs*Block-1]
	if r.pairs > 0 {
		_ = r.w[(r.pairs-1)*r.wPair+r.inputs*pair-1]
	}
	if r.rest > 0 {
		_ = r.restW[r.inputs*r.restWs-1]
	}
	if r.relu {
		_ = r.y[(r.groups-1)*r.mask.N+r.inputs*Block-1]
		_ = r.sums[(r.groups-1)*r.sumsPs+Block-1]
	}
	if w.ISA == Portable {
		r.portable()
		return
	}
	t := &w.laneData
	t.x, t.xs, t.ps = float(r.x, 0), 4*r.dy.C, 4*r.dy.N
	t.ws, t.wPair, t.pairs = 4*pair, 4*r.wPair, r.pairs
	t.rest, t.restWs = r.rest, 4*r.restWs
	t.outC, t.outPs, t.yC, t.yPs = 4*Block, 4*r.dx.N, 4*Block, 4*r.mask.N
	t.flags = 0
	if r.acc {
		t.flags |= tileAcc
	}
	if r.relu {
		t.flags |= tileMask
		t.sums, t.sumsPs = float(r.sums, 0), 4*r.sumsPs
	}
	// The first tiles have o inputs, the others one less.
	tiles := ceilDiv(r.inputs, laneDataAtOnce)
	o := ceilDiv(r.inputs, tiles)
	first := r.inputs - tiles*(o-1)
	at := 0
	for _, n := range [2]int{first, tiles - first} {
		if n > 0 {
			t.tiles, t.out = n, float(r.out, at*Block)
			if r.pairs > 0 {
				t.w = float(r.w, at*pair)
			}
			if r.rest > 0 {
				t.restW = float(r.restW, at*r.restWs)
			}
			if r.relu {
				t.y = float(r.y, at*Block)
			}
			laneDataFunc(w.ISA, o, r.groups)((*byte)(unsafe.Pointer(t)))
		}
		at, o = at+n*o, o-1
	}
}

// portable computes one input and group after another.
func (r *laneDataRun) portable() {
	const pair = 2 * Block
	for g := range r.groups {
		for i := range r.inputs {
			dst := (*[Block]float32)(r.out[g*r.dx.N+i*Block:])
			acc := [Block]float32{}
			if r.acc {
				acc = *dst
			}
			at := g * r.dy.N
			for p := range r.pairs + 1 {
				var weights []float32
				if p < r.pairs {
					weights = r.w[p*r.wPair+i*pair:][:pair]
				} else if r.rest > 0 {
					weights = r.restW[i*r.restWs:][:r.rest]
				}
				for _, k := range weights {
					for l, v := range (*[Block]float32)(r.x[at:]) {
						acc[l] += float32(v * k)
					}
					at += r.dy.C
				}
			}
			if r.relu {
				sums := (*[Block]float32)(r.sums[g*r.sumsPs:])
				for l, y := range (*[Block]float32)(r.y[g*r.mask.N+i*Block:]) {
					if y <= 0 {
						acc[l] = 0
					}
					sums[l] += acc[l]
				}
			}
			*dst = acc
		}
	}
}
