package kernel

import "unsafe"

// MatVec is a fully connected layer of plans for single images, with Dense's
// meaning and operands: the product of a matrix and a vector. It takes as long as
// its weights take to come, of which each is used once, so they lie in the order in
// which they are read and without gaps: strips of 16 output channels, one after
// another, and the last 4 or 8 where no more are left. A strip is a task, and every
// other run takes the strips from the last one on (Turner).
//
// Of the sum over the input channels four parts are added up side by side, every
// fourth channel each, which hides that an addition takes its time:
//
//	out[o] = act(((p0+p1) + (p2+p3)) + bias[o])
type MatVec struct {
	C, H, W int
	In      View
	Out     Output
}

func (m MatVec) conv() Conv {
	return Conv{IC: m.C, H: 1, W: 1, KH: m.H, KW: m.W, In: m.In, Outputs: [4]Output{m.Out}}
}

// strip is the width of a block's strip: how many output channels its weights are
// for, 4, 8 or 16.
func (m MatVec) strip(block int) int {
	switch n := m.Out.C - block*Block; {
	case n <= 4:
		return 4
	case n <= 8:
		return 8
	}
	return Block
}

// depth is how many weights an output channel has, with those of padded lanes.
func (m MatVec) depth() int { return Blocks(m.C) * m.conv().depth() * m.H * m.W }

// PackedLen is the length of the packed weights, in float32s.
func (m MatVec) PackedLen() int {
	last := Blocks(m.Out.C) - 1
	return m.depth() * (last*Block + m.strip(last))
}

// Pack writes weights in the order [Out.C][C][H][W] into dst.
func (m MatVec) Pack(dst, weight []float32) { packAll(dst, weight, m.packParts()) }

// BiasLen is the length of the packed bias, in float32s.
func (m MatVec) BiasLen() int { return m.conv().BiasLen() }

// PackBias pads the bias to whole blocks.
func (m MatVec) PackBias(dst, bias []float32) { m.conv().PackBias(dst, bias) }

// MACs is the number of multiply-accumulates of an image.
func (m MatVec) MACs() int { return m.C * m.H * m.W * m.Out.C }

// Table returns the taps: where the channels of every block and position are, in
// bytes.
func (m MatVec) Table(ISA) []int { return m.conv().taps() }

// Tasks is images x blocks of output channels.
func (m MatVec) Tasks(images int) int { return images * Blocks(m.Out.C) }

// Turns makes MatVec a Turner.
func (m MatVec) Turns() {}

// matVecStrip is the argument block of the microkernels. It lives in the Worker, as
// tile does, and the assembly knows its layout.
type matVecStrip struct {
	x     unsafe.Pointer // the vector
	taps  unsafe.Pointer // *int: offsets in bytes, added to x
	ntaps int
	kc    int            // channels a tap: 4, 8 or 16
	w     unsafe.Pointer // [tap][channel][4, 8 or 16 output channels]
	bias  unsafe.Pointer // 16 float32s
	out   unsafe.Pointer // 16 float32s, zero past the strip
	flags int            // tileReLU
	lanes unsafe.Pointer // which of four channels a lane of a strip of 4 or 8 multiplies
}

// The channels, of each four, that the lanes of a strip of 4 and of 8 multiply.
var (
	matVecLanes4 = [Block]uint32{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}
	matVecLanes8 = [2 * Block]uint32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}
)

// Run computes a block of output channels. A narrow strip comes first of an image's:
// so the shares of two threads are more alike, the first of which has the more strips
// if their number is odd.
func (m MatVec) Run(w *Worker, task int, a *Args) {
	n := Blocks(m.Out.C)
	image, b := task/n, task%n
	if m.strip(n-1) < Block {
		b = (b + n - 1) % n
	}
	width, k := m.strip(b), m.depth()
	weights := a.W[0][b*Block*k:][:width*k]
	bias := zeroBias[:Block]
	if a.W[1] != nil {
		bias = a.W[1][b*Block:][:Block]
	}
	in := a.In[0].Off + image*m.In.N
	at := a.Out[0].Off + image*m.Out.View.N + b*m.Out.View.C
	out := a.Out[0].Mem[at:][:Block]
	kc := m.conv().depth()
	f := matVecTiers[w.ISA][width/8]
	if f == nil {
		m.runGo(out, bias, a.In[0].Mem[in:], a.Table, kc, weights, width)
	} else {
		_ = a.In[0].Mem[in+a.Table[len(a.Table)-1]/4+kc-1] // the assembly checks no bounds
		s := &w.vector
		s.x, s.taps, s.ntaps, s.kc = float(a.In[0].Mem, in), unsafe.Pointer(&a.Table[0]), len(a.Table), kc
		s.w, s.bias, s.out = float(weights, 0), float(bias, 0), float(out, 0)
		s.flags, s.lanes = 0, unsafe.Pointer(&matVecLanes4)
		if width == 8 {
			s.lanes = unsafe.Pointer(&matVecLanes8)
		}
		if m.Out.Act.rectifies() {
			s.flags = tileReLU
		}
		f((*byte)(unsafe.Pointer(s)))
	}
	if m.Out.vectorAct() {
		m.Out.activate(w, out, b)
	}
}

// matVecTiers are the microkernels for strips of 4, 8 and 16 output channels, where a tier has
// them: files of a processor set them.
var matVecTiers [isas][3]func(*byte)

func (m MatVec) runGo(out, bias, x []float32, taps []int, kc int, w []float32, width int) {
	var sums [4][Block]float32
	for _, t := range taps {
		for i, v := range x[t/4:][:kc] {
			s := &sums[i%4]
			for j, k := range w[:width] {
				s[j] += float32(v * k)
			}
			w = w[width:]
		}
	}
	for j := range Block {
		v := float32(float32(sums[0][j]+sums[1][j])+float32(sums[2][j]+sums[3][j])) + bias[j]
		if m.Out.Act.rectifies() {
			v = relu(v)
		}
		out[j] = v
	}
}

// packParts cuts the packing into strips.
func (m MatVec) packParts() []packPart {
	c := m.conv()
	row, k := m.C*m.H*m.W, m.depth()
	var parts []packPart
	for b := range Blocks(m.Out.C) {
		g := blockPair{oc: b * Block, n: min(Block, m.Out.C-b*Block), blocks: 1, hi: Blocks(m.C), w: b * Block * k}
		width := m.strip(b)
		parts = append(parts, packPart{src: g.oc * row, filters: g.n * row, dst: g.w, packed: k * width,
			pack: func(dst, src []float32, s *packScratch) {
				if width == Block {
					c.packGroup(dst, src, g, s)
					return
				}
				// As a whole block, of which the first lanes stay. A buffer of its own: the
				// scratch is packGroup's.
				wide := make([]float32, k*Block)
				c.packGroup(wide, src, g, s)
				for i := range k {
					copy(dst[i*width:][:width], wide[i*Block:])
				}
			}})
	}
	return parts
}
