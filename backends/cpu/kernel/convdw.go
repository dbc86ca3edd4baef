package kernel

// BackwardWeights is the gradient of a convolution (its Conv, of one part) with
// respect to its weights and bias, in the packed order of the forward kernel, with
// zeros wherever the packed weights are zeros for good: so an optimizer works on
// packed weights, gradients and state element by element.
//
// Operands: In[0] the forward input (with its border, as the forward kernel reads
// it), In[1] dY in the view of Parts[0], Out[0] dW, of PackedLen floats, Out[1] dB,
// of BiasLen floats, or no memory where there is no bias. Both are overwritten.
//
// A task owns a pair of output blocks by a range of input blocks and runs over all
// pixels of all images in order, so no sum crosses threads, and the bits depend on
// nothing but the operands; they are the same on AVX2 and AVX-512.
type BackwardWeights struct {
	Conv
	Units int // input blocks (planar: groups of 8 taps) a task; 0 takes all
}

// gradientRows is how many rows of dW (input channels, or taps of planar input) a
// call of the microkernel computes.
const gradientRows = 8

// units is the number of input blocks of a group, or of groups of 8 taps.
func (c *BackwardWeights) units(g group) int {
	if c.Planar {
		return ceilDiv((g.hi-g.lo)*c.KH*c.KW, gradientRows)
	}
	return g.hi - g.lo
}

// chunks is the number of tasks of a pair of output blocks.
func (c *BackwardWeights) chunks() int {
	if c.Units <= 0 {
		return 1
	}
	most := 0
	for g := range c.groups {
		most = max(most, c.units(g))
	}
	return ceilDiv(most, c.Units)
}

// Tasks is pairs of output blocks x chunks of input blocks, whatever the number of
// images.
func (c BackwardWeights) Tasks(int) int { return c.ngroups() * c.chunks() }

// Scratch holds the last taps of planar input, if they are no whole group.
func (c BackwardWeights) Scratch() int { return gradientRows * 2 * Block }

// Table returns the taps.
func (c BackwardWeights) Table(ISA) []int { return c.taps() }

// PackedLen is the length of the gradient, in float32s.
func (c BackwardWeights) PackedLen() int { return c.Conv.PackedLen() }

// gradientCall is the argument block of a call of the microkernel; offsets and
// steps in bytes. It lives in the Worker.
type gradientCall struct {
	x, dy, dw        []float32
	xat, dyat, dwat  int
	off              [gradientRows]int
	xstep, xrow      int
	dystep           int // from a pixel to the next
	dyrow            int // from the end of a row to the next
	dyblock, dwrow   int
	rows, cols, left int // left is the number of rows of dW that are wanted (portable)
}

// Run computes one task.
func (c BackwardWeights) Run(w *Worker, task int, a *Args) {
	chunks := c.chunks()
	i := 0
	for g := range c.groups {
		if i == task/chunks {
			c.gradient(w, g, task%chunks, a)
		}
		i++
	}
}

// rowsAtOnce is how many rows of pixels are done for all rows of dW before the
// next ones: as many as let two blocks of dY and one of the input stay close.
func (c *BackwardWeights) rowsAtOnce() int {
	return max(1, (96<<10)/(4*Block*c.W*(2+one(c.SH)*one(c.SW))))
}

func (c *BackwardWeights) gradient(w *Worker, g group, chunk int, a *Args) {
	units := c.units(g)
	u0, u1 := 0, units
	if c.Units > 0 {
		u0, u1 = min(units, chunk*c.Units), min(units, (chunk+1)*c.Units)
	}
	kk := c.KH * c.KW
	width := g.blocks * Block
	taps := a.Table[g.lo*kk : g.hi*kk]
	dw := a.Out[0].Mem[a.Out[0].Off+g.w:][:len(taps)*c.depth()*width]
	tail := w.Scratch[:gradientRows*width]
	clear(tail)
	depth := c.depth()
	per := kk * depth // rows of dW of a unit
	if c.Planar {
		per = gradientRows
	}
	clear(dw[min(len(dw), u0*per*width):min(len(dw), u1*per*width)])

	view, l := c.Parts[0].View, c.lanes()
	sh, sw := one(c.SH), one(c.SW)
	rows := c.rowsAtOnce()
	call := &w.grad
	*call = gradientCall{
		x: a.In[0].Mem, dy: a.In[1].Mem, xstep: 4 * sw * l, xrow: 4 * sh * c.In.H, dystep: 4 * Block, dyrow: 4 * (view.H - c.W*Block),
		dyblock: 4 * view.C, dwrow: 4 * width, cols: c.W,
	}
	for image := range a.Images {
		for y := 0; y < c.H; y += rows {
			call.rows = min(rows, c.H-y)
			call.dyat = a.In[1].Off + image*view.N + g.block*view.C + y*view.H
			x := a.In[0].Off + image*c.In.N + (y*sh-c.PH)*c.In.H - c.PW*l
			for u := u0; u < u1; u++ {
				if c.Planar {
					call.xat, call.left = x, min(gradientRows, len(taps)-u*gradientRows)
					call.off = [gradientRows]int{}
					copy(call.off[:], taps[u*gradientRows:])
					call.dw, call.dwat = dw, u*gradientRows*width
					if call.left < gradientRows { // the microkernel writes all of them
						call.dw, call.dwat = tail, 0
					}
					call.add(w.ISA, g.blocks)
					continue
				}
				call.left = gradientRows
				for k := range kk {
					for h := 0; h < depth; h += gradientRows {
						for i := range call.off {
							call.off[i] = 4 * (h + i)
						}
						call.xat = x + taps[u*kk+k]/4
						call.addRows(w, dw, ((u*kk+k)*depth+h)*width, min(depth, gradientRows)*width, g.blocks)
					}
				}
			}
		}
	}
	if c.Planar && u1 == units && len(taps)%gradientRows != 0 {
		last := len(taps) / gradientRows * gradientRows
		copy(dw[last*width:], tail)
	}
	if one(c.Groups) > 1 {
		c.mask(g, dw)
	}
	if chunk == 0 && a.Out[1].Mem != nil {
		c.bias(w, g, a)
	}
}

// addRows adds to n numbers of dw. The microkernel writes gradientRows rows: where
// fewer are wanted, it is given memory of its own.
func (g *gradientCall) addRows(w *Worker, dw []float32, at, n, blocks int) {
	all := gradientRows * blocks * Block
	if n == all {
		g.dw, g.dwat = dw, at
		g.add(w.ISA, blocks)
		return
	}
	rows := w.Scratch[:all]
	copy(rows, dw[at:at+n])
	clear(rows[n:])
	g.dw, g.dwat = rows, 0
	g.add(w.ISA, blocks)
	copy(dw[at:at+n], rows)
}

// add runs the microkernel of the tier.
func (g *gradientCall) add(isa ISA, blocks int) {
	if isa == Portable {
		g.runGo(blocks * Block)
		return
	}
	g.run(isa, blocks)
}

// mask zeroes what lies in a packed block but belongs to no group's filter.
func (c *BackwardWeights) mask(g group, dw []float32) {
	icg, ocg := c.IC/c.Groups, c.OC()/c.Groups
	width := g.blocks * Block
	for i := range len(dw) / width {
		ic := (g.lo+i/(c.depth()*c.KH*c.KW))*Block + i%c.depth()
		if c.Planar {
			ic = g.lo + i/(c.KH*c.KW)
		}
		for j := range g.n {
			if (g.oc+j)/ocg != ic/icg {
				dw[i*width+j] = 0
			}
		}
	}
}

// bias sums dY over the pixels, image by image.
func (c *BackwardWeights) bias(w *Worker, g group, a *Args) {
	view := c.Parts[0].View
	sum := vecFor(w.ISA)
	for b := range g.blocks {
		d := a.Out[1].Mem[a.Out[1].Off+g.bias+b*Block:][:Block]
		clear(d)
		part := w.Scratch[:Block]
		for image := range a.Images {
			at := a.In[1].Off + image*view.N + (g.block+b)*view.C
			sum.sumPool(part, a.In[1].Mem[at:], c.H, c.W, view.H, Block, Block, 1)
			sum.add(d, d, part, Block)
		}
	}
}

// runGo is the microkernel in plain Go: four rows by two output channels at a
// time, products rounded.
func (g *gradientCall) runGo(width int) {
	for r := 0; r < g.left; r += 4 {
		var xs [4]int
		for q := range xs {
			xs[q] = g.xat + g.off[min(r+q, g.left-1)]/4
		}
		for j := 0; j < width; j += 2 {
			dy := g.dyat + j/Block*g.dyblock/4 + j%Block
			var s [4][2]float32
			for q := range s {
				s[q] = [2]float32(g.dw[g.dwat+min(r+q, g.left-1)*g.dwrow/4+j:])
			}
			a0, a1, b0, b1 := s[0][0], s[0][1], s[1][0], s[1][1]
			c0, c1, d0, d1 := s[2][0], s[2][1], s[3][0], s[3][1]
			for y := range g.rows {
				at := y * g.xrow / 4
				for range g.cols {
					v := g.dy[dy : dy+2 : dy+2]
					v0, v1 := v[0], v[1]
					x := g.x[xs[0]+at]
					a0 += float32(x * v0)
					a1 += float32(x * v1)
					x = g.x[xs[1]+at]
					b0 += float32(x * v0)
					b1 += float32(x * v1)
					x = g.x[xs[2]+at]
					c0 += float32(x * v0)
					c1 += float32(x * v1)
					x = g.x[xs[3]+at]
					d0 += float32(x * v0)
					d1 += float32(x * v1)
					at += g.xstep / 4
					dy += g.dystep / 4
				}
				dy += g.dyrow / 4
			}
			s = [4][2]float32{{a0, a1}, {b0, b1}, {c0, c1}, {d0, d1}}
			for q := range min(4, g.left-r) {
				copy(g.dw[g.dwat+(r+q)*g.dwrow/4+j:], s[q][:])
			}
		}
	}
}
