package kernel

import (
	"math"
	"runtime"
	"slices"
	"unsafe"
)

// ConvInt8 is a direct convolution of bytes with weights of eight bits:
//
//	sum = bias + the sum of (b - InZero) * w over the window, exact in 32 bits
//	out = round(sum * scale[o]) + Zero, limited to Low..High
//
// where sum becomes a float32 and the product is one. With Real the output is float32s in blocks:
// sum * scale[o], or with ReLU the larger of that and 0; then Zero, Low and High do not matter.
//
// Output pixel (y, x) reads the input at (y*SH - PH + kh*DH, x*SW - PW + kw*DW); what lies outside
// of the image is read from the physical border, whose bytes are 0, so InZero must be 0 where there
// is padding. Stride and dilation of 0 mean 1. The sum of 32-bit integers does not overflow for up to
// MaxInt8Depth weights a filter.
//
// With Quads the input is one of QuantizeQuads, whose pixels are four bytes, so IC is at most 4, DW 1,
// and the padding part of the image: PH and PW are 0, and InZero may be any. A row of it has room for
// filters whose width is a multiple of 4.
//
// Operands: In[0] input in blocks of bytes, Out[0] output, W[0] weights, W[1] bias in steps of the
// scales of input and weights, as int32s, W[2] scale, Table.
type ConvInt8 struct {
	IC, C  int // input and output channels
	H, W   int // output rows and columns
	KH, KW int
	SH, SW int
	DH, DW int
	PH, PW int
	In     View
	Out    View

	InScale, OutScale float32
	InZero, Zero      int
	Low, High         int
	Real, ReLU        bool
	Quads             bool

	// How the work is cut into tasks: output rows, and pairs of output blocks, a task.
	Rows, Pairs int
}

// MaxInt8Depth is the most weights of a filter: 255 * 128 * MaxInt8Depth and a bias of as much are
// below 2^31.
const MaxInt8Depth = 1 << 15

// int8Packer is a kernel with weights of eight bits.
type int8Packer interface {
	packInt8(dst, weight, scale []float32)
	packInt8Bias(dst, bias, weight, scale []float32)
	packInt8Scale(dst, scale []float32)
}

func (c ConvInt8) npairs() int { return ceilDiv(Blocks(c.C), 2) }

// ntaps is how many times 16 bytes of the input a sum takes: a pixel of a block, or four pixels in a
// row.
func (c ConvInt8) ntaps() int {
	if c.Quads {
		return c.KH * quadGroups(c.KW)
	}
	return Blocks(c.IC) * c.KH * c.KW
}

// pixel is how many float32s an input pixel takes.
func (c ConvInt8) pixel() int {
	if c.Quads {
		return 1
	}
	return byteWords
}

// step is how many float32s an output pixel takes.
func (c ConvInt8) step() int {
	if c.Real {
		return Block
	}
	return byteWords
}

// weightLen is the length of the weights of an output block, in float32s.
func (c ConvInt8) weightLen() int { return c.ntaps() * Block * Block / 4 }

// PackedLen is the length of the packed weights and of what follows them, in float32s.
func (c ConvInt8) PackedLen() int { return c.shiftsAt() + Blocks(c.C)*Block }

// shiftsAt is where the shifts of packed weights begin, in float32s: behind the weights and what says
// which pairs fit.
func (c ConvInt8) shiftsAt() int {
	return Blocks(c.C)*c.weightLen() + ceilDiv(Blocks(c.C), Block)*Block
}

// BiasLen is the length of the packed bias, and of the packed scales.
func (c ConvInt8) BiasLen() int { return Blocks(c.C) * Block }

// packInt8 writes weights in OIHW order and their scales as bytes, in the order [pair of output
// blocks][input block][tap][4 x][16 or 32 output channels][4 input channels]. Behind them stands for
// each output block an int32: what fits (markFits). Then follow the shifts: for each
// output channel an int32, 128 times the sum of its weights, which arm64 alone needs.
func (c ConvInt8) packInt8(dst, weight, scale []float32) {
	clear(dst)
	if c.Quads {
		c.packQuads(bytesOf(dst), weight, scale)
	} else {
		c.packBlocks(bytesOf(dst), weight, scale)
	}
	c.markFits(dst)
	if runtime.GOARCH == "arm64" { // no other tier subtracts 128
		c.sumShifts(dst)
	}
}

// packBlocks writes the weights for an input in blocks of bytes.
func (c ConvInt8) packBlocks(b []byte, weight, scale []float32) {
	kk := c.KH * c.KW
	perBlock := kk * Block / 4 // quads of input channels in a block of them
	for oc := range c.C {
		first := oc / (2 * Block) * 2 // output block of the pair
		width := min(2, Blocks(c.C)-first) * Block
		pair := b[first*Block*Blocks(c.IC)*kk*Block+4*(oc-first*Block):]
		row, unit := weight[oc*c.IC*kk:(oc+1)*c.IC*kk], scale[oc]
		for ic := 0; ic < c.IC; ic += 4 {
			quad := row[ic*kk : min(ic+4, c.IC)*kk]
			at := 4 * width * (ic/Block*perBlock + ic%Block/4)
			for k := range kk {
				d := pair[at : at+4]
				if len(quad) == 4*kk {
					d[0], d[1] = byte(wholeWeight(quad[k], unit)), byte(wholeWeight(quad[k+kk], unit))
					d[2], d[3] = byte(wholeWeight(quad[k+2*kk], unit)), byte(wholeWeight(quad[k+3*kk], unit))
				} else {
					for j := k; j < len(quad); j += kk {
						d[j/kk] = byte(wholeWeight(quad[j], unit))
					}
				}
				at += width * Block
			}
		}
	}
}

// sumShifts writes what the sums of products lack where 128 is subtracted from each byte of the input.
func (c ConvInt8) sumShifts(dst []float32) {
	weights, shifts := bytesOf(dst), int32sOf(dst[c.shiftsAt():])
	for g := range c.npairs() {
		width := min(2, Blocks(c.C)-2*g) * Block
		for range c.ntaps() * byteWords {
			for i := range width {
				w := weights[4*i : 4*i+4 : 4*i+4]
				shifts[2*g*Block+i] += 128 * (int32(int8(w[0])) + int32(int8(w[1])) + int32(int8(w[2])) + int32(int8(w[3])))
			}
			weights = weights[4*width:]
		}
	}
}

// What the packer proves of the weights of an output block.
const (
	fitsPairs = 1 << iota // pairsFit
	fitsWide              // those of one sign of each filter add up to winogradWide at most
)

// markFits writes behind the packed weights what fits.
func (c ConvInt8) markFits(dst []float32) {
	weights, fit := bytesOf(dst), int32sOf(dst[Blocks(c.C)*c.weightLen():])
	for g := range c.npairs() {
		width := min(2, Blocks(c.C)-2*g) * Block
		for b := range width / Block {
			fits := int32(fitsPairs | fitsWide)
			var up, down [Block]int
			for at := 4 * b * Block; at < width*c.ntaps()*Block; at += 4 * width {
				w := weights[at : at+4*Block]
				if fits&fitsPairs != 0 && !pairsFit(w) {
					fits &^= fitsPairs
				}
				if c.winograd() {
					addSigned(&up, &down, w)
				}
			}
			if max(slices.Max(up[:]), slices.Max(down[:])) > winogradWide {
				fits &^= fitsWide
			}
			fit[2*g+b] = fits
		}
		weights = weights[width*c.ntaps()*Block:]
	}
}

// addSigned adds weights, four of each output channel, to the sums of those above 0 and, without their
// signs, of those below.
func addSigned(up, down *[Block]int, w []byte) {
	for i, b := range w {
		v := int(int8(b))
		up[i/4] += max(v, 0)
		down[i/4] -= min(v, 0)
	}
}

// maxPair is the most that two neighbouring weights of one sign may add up to, so that their products
// with any bytes have a sum of 16 bits: 255 * 128 < 1<<15.
const maxPair = 128

// pairsFit reports whether the products of each two neighbouring weights with any two bytes add up to
// 16 bits.
func pairsFit(w []byte) bool {
	for i := 0; i < len(w); i += 2 {
		a, b := int(int8(w[i])), int(int8(w[i+1]))
		if max(a, 0)+max(b, 0) > maxPair || min(a, 0)+min(b, 0) < -maxPair {
			return false
		}
	}
	return true
}

// wholeWeight is a weight in steps of its scale.
func wholeWeight(w, scale float32) int8 {
	const noFraction = 3 << 22 // a float32 of this size has no fraction: adding it rounds to even
	return int8(min(max(w/scale, -128), 127) + noFraction - noFraction)
}

// packInt8Bias writes the bias, if there is one, in steps of the scales of input and weights, less
// what InZero contributes.
func (c ConvInt8) packInt8Bias(dst, bias, weight, scale []float32) {
	d := int32sOf(dst)
	clear(d)
	depth := c.IC * c.KH * c.KW
	for o := range c.C {
		v := 0.0
		if bias != nil {
			v = math.RoundToEven(float64(bias[o]) / float64(c.InScale*scale[o]))
		}
		if c.InZero != 0 {
			sum := 0
			for _, x := range weight[o*depth : (o+1)*depth] {
				sum += int(wholeWeight(x, scale[o]))
			}
			v -= float64(sum * c.InZero)
		}
		d[o] = int32(min(max(v, -1<<30), 1<<30))
	}
}

// packInt8Scale writes what sums are multiplied with.
func (c ConvInt8) packInt8Scale(dst, scale []float32) {
	clear(dst)
	out := 1.0
	if !c.Real {
		out = float64(c.OutScale)
	}
	for o := range c.C {
		dst[o] = float32(float64(c.InScale) * float64(scale[o]) / out)
	}
}

// Tasks is images x chunks of rows x chunks of pairs of output blocks.
func (c ConvInt8) Tasks(images int) int {
	return images * ceilDiv(c.H, c.rows()) * ceilDiv(c.npairs(), c.pairs())
}

func (c ConvInt8) rows() int {
	if c.Rows <= 0 {
		return c.H
	}
	return min(c.Rows, c.H)
}

func (c ConvInt8) pairs() int {
	if c.Pairs <= 0 {
		return c.npairs()
	}
	return min(c.Pairs, c.npairs())
}

// flat reports whether rows of input and output lie without gaps, so that tiles need not end with
// them.
func (c ConvInt8) flat() bool {
	return !c.Quads && one(c.SH) == 1 && one(c.SW) == 1 && c.In.H == c.W*byteWords && c.Out.H == c.W*c.step()
}

// Table returns the taps (offsets in bytes from a pixel's first operand) and the tiles of a full
// task and of the last one.
func (c ConvInt8) Table(isa ISA) []int {
	return appendTiles(c.taps(), tileGrid{h: c.H, rows: c.rows(), w: c.W, flat: c.flat(), most: int8Pixels(isa),
		down: one(c.SH) * c.In.H, right: one(c.SW) * c.pixel()})
}

// taps are the offsets of the taps in bytes.
func (c ConvInt8) taps() (t []int) {
	if c.Quads {
		for kh := range c.KH {
			for g := range quadGroups(c.KW) {
				t = append(t, 4*(kh*one(c.DH)*c.In.H+g*byteWords))
			}
		}
		return t
	}
	for b := range Blocks(c.IC) {
		for kh := range c.KH {
			for kw := range c.KW {
				t = append(t, 4*(b*c.In.C+kh*one(c.DH)*c.In.H+kw*one(c.DW)*byteWords))
			}
		}
	}
	return t
}

// Run computes one task: for every pair of output blocks, all tiles of the rows.
func (c ConvInt8) Run(w *Worker, task int, a *Args) {
	gchunks, chunks := ceilDiv(c.npairs(), c.pairs()), ceilDiv(c.H, c.rows())
	g0 := task % gchunks * c.pairs()
	g1 := min(g0+c.pairs(), c.npairs())
	y0 := task / gchunks % chunks * c.rows()
	image := task / gchunks / chunks
	head := c.ntaps()
	tiles := a.Table[head+2 : a.Table[head]]
	if c.H-y0 < c.rows() {
		tiles = a.Table[a.Table[head]:a.Table[head+1]]
	}
	in := a.In[0].Off + image*c.In.N + (y0*one(c.SH)-c.PH)*c.In.H - c.PW*c.pixel()
	size := c.algorithm(w, a, min(c.rows(), c.H-y0), g0, g1)
	for g := g0; g < g1; g++ {
		switch {
		case size > 0 && g > g0:
		case size > 0:
			c.runWinograd(w, a, image, y0, in, g0, g1, size)
		case int8Tiers[w.ISA].pixels == 0:
			c.runPortable(a, image, y0, in, g, tiles)
		default:
			c.runTiles(w, a, image, y0, in, g, tiles)
		}
		if b := min(2*g+1, Blocks(c.C)-1); c.Real && b == Blocks(c.C)-1 {
			for y := y0; y < min(y0+c.rows(), c.H); y++ {
				clearLanes(c.Out.row(&a.Out[0], image, b, y, c.W), c.C, b)
			}
		}
	}
}

// algorithm is the size of the tiles of a Winograd convolution that is best for a task, or 0.
func (c ConvInt8) algorithm(w *Worker, a *Args, rows, g0, g1 int) int {
	tier := &int8Tiers[w.ISA]
	if tier.winograd == nil || !c.winograd() {
		return 0
	}
	last := min(2*g1, Blocks(c.C))
	all := int32(fitsPairs | fitsWide)
	for _, fits := range int32sOf(a.W[0][Blocks(c.C)*c.weightLen():])[2*g0 : last] {
		all &= fits
	}
	if size := tier.winograd.only; size == 2 || size == 4 && all&fitsWide != 0 {
		return size
	}
	return c.winogradSize(rows, last-2*g0, all&fitsPairs != 0 && tier.pairs[1] != nil, all&fitsWide != 0)
}

// limits are those of what is rounded.
func (c ConvInt8) limits() (low, high float32) {
	switch {
	case !c.Real:
		return float32(c.Low - c.Zero), float32(c.High - c.Zero)
	case c.ReLU:
		return 0, math.MaxFloat32
	}
	return -math.MaxFloat32, math.MaxFloat32
}

// runTiles runs one pair of output blocks by assembly.
func (c ConvInt8) runTiles(w *Worker, a *Args, image, y0, in, g int, tiles []int) {
	tier := &int8Tiers[w.ISA]
	pair := min(2, Blocks(c.C)-2*g)
	t := &w.int8Tile
	t.taps, t.ntaps = unsafe.Pointer(&a.Table[0]), c.ntaps()
	t.ps, t.ws = 4*one(c.SW)*c.pixel(), pair*Block*4
	t.obs, t.ops = 4*c.Out.C, 4*c.step()
	t.low, t.high = c.limits()
	t.zero, t.real = c.Zero, 0
	if c.Real {
		t.real = 1
	}
	blocks := min(pair, tier.blocks)
	fit := int32sOf(a.W[0][Blocks(c.C)*c.weightLen():])
	src, out := a.In[0].Mem, &a.Out[0]
	pixel := one(c.SW) * c.pixel()
	reach := a.Table[c.ntaps()-1]/4 + byteWords - 1
	outReach := (blocks-1)*c.Out.C + c.step() - 1
	for b := 0; b < pair; b += blocks {
		t.w = float(a.W[0], 2*g*c.weightLen()+b*Block)
		t.bias, t.scale = float(a.W[1], (2*g+b)*Block), float(a.W[2], (2*g+b)*Block)
		if tier.signed {
			t.bias = unsafe.Pointer(c.shiftedBias(w, a, 2*g+b))
		}
		ob := out.Off + image*c.Out.N + (2*g+b)*c.Out.C + y0*c.Out.H
		kernels := &tier.tile[blocks-1]
		if blocks == 1 && fit[2*g+b]&fitsPairs != 0 && tier.pairs[1] != nil {
			kernels = &tier.pairs
		}
		for l := tiles; len(l) >= tileInts; {
			n, inStep, outStep := 1, 0, 0
			if kernels[l[0]] != nil {
				n, inStep, outStep = c.alike(l)
			}
			// The assembly checks no bounds: the farthest elements are looked at here.
			last := l[(n-1)*tileInts:]
			end := max(l[0]/2-1, 0)
			_ = src[in+last[4]+end*pixel+reach]
			_ = out.Mem[ob+last[5]*c.Out.H+(last[6]+end)*c.step()+outReach]
			t.a, t.b = float(src, in+l[1]), float(src, in+l[4])
			t.outA = float(out.Mem, ob+l[2]*c.Out.H+l[3]*c.step())
			t.outB = float(out.Mem, ob+l[5]*c.Out.H+l[6]*c.step())
			t.tiles, t.inStep, t.outStep = n, 4*inStep, 4*outStep
			t.run(kernels, l[0])
			l = l[n*tileInts:]
		}
	}
}

// alike is how many tiles, from the first of a list on, are of one size and the same distance apart,
// and what that is in the input and in the output.
func (c ConvInt8) alike(l []int) (n, inStep, outStep int) {
	n = 1
	for at := tileInts; at+tileInts <= len(l) && l[at] == l[0]; at += tileInts {
		p, q := (*[tileInts]int)(l[at-tileInts:at]), (*[tileInts]int)(l[at:])
		in, out := q[1]-p[1], (q[2]-p[2])*c.Out.H+(q[3]-p[3])*c.step()
		if n == 1 {
			inStep, outStep = in, out
		}
		if in != inStep || q[4]-p[4] != inStep || out != outStep || (q[5]-p[5])*c.Out.H+(q[6]-p[6])*c.step() != outStep {
			break
		}
		n++
	}
	return n, inStep, outStep
}

// shiftedBias is the bias of an output block for sums over the bytes of the input less 128.
func (c ConvInt8) shiftedBias(w *Worker, a *Args, block int) *[Block]int32 {
	bias, shifts := int32sOf(a.W[1][block*Block:][:Block]), int32sOf(a.W[0][c.shiftsAt()+block*Block:][:Block])
	for i := range w.int8Bias {
		w.int8Bias[i] = bias[i] + shifts[i]
	}
	return &w.int8Bias
}

// runPortable runs one pair of output blocks in plain Go.
func (c ConvInt8) runPortable(a *Args, image, y0, in, g int, tiles []int) {
	pair := min(2, Blocks(c.C)-2*g)
	width := pair * Block
	at := 2 * g * c.weightLen()
	weights := bytesOf(a.W[0][at : at+pair*c.weightLen()])
	bias, scale := int32sOf(a.W[1][2*g*Block:][:width]), a.W[2][2*g*Block:][:width]
	low, high := c.limits()
	taps := a.Table[:c.ntaps()]
	var acc [2 * Block]int32
	for ; len(tiles) >= tileInts; tiles = tiles[tileInts:] {
		half := (tiles[0] + 1) / 2
		for q := range tiles[0] {
			j, i := q, 1
			if q >= half {
				j, i = q-half, 4
			}
			px := in + tiles[i] + j*one(c.SW)*c.pixel()
			copy(acc[:width], bias)
			wt := weights
			for _, tap := range taps {
				x := bytesOf(a.In[0].Mem[px+tap/4 : px+tap/4+byteWords])
				for quad := range byteWords {
					dotBytes(acc[:width], x[4*quad:4*quad+4], wt[:4*width])
					wt = wt[4*width:]
				}
			}
			o := a.Out[0].Off + image*c.Out.N + 2*g*c.Out.C + (y0+tiles[i+1])*c.Out.H + (tiles[i+2]+j)*c.step()
			for b := range pair {
				out := a.Out[0].Mem[o+b*c.Out.C:][:c.step()]
				raw := bytesOf(out)
				for k := range Block {
					v := float32(acc[b*Block+k]) * scale[b*Block+k]
					if c.Real {
						out[k] = min(max(v, low), high)
						continue
					}
					raw[k] = roundByte(v, c.Zero, c.Low, c.High)
				}
			}
		}
	}
}

// dotBytes adds the products of four bytes with four weights for each sum.
func dotBytes(acc []int32, x, w []byte) {
	x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
	for o := range acc {
		v := w[4*o : 4*o+4 : 4*o+4]
		acc[o] += x0*int32(int8(v[0])) + x1*int32(int8(v[1])) + x2*int32(int8(v[2])) + x3*int32(int8(v[3]))
	}
}
