package kernel

import "unsafe"

// DepthwiseInt8 is a convolution of bytes in which every channel has a filter of its own. Sums, output
// and border are as ConvInt8 describes them, whose IC is 1 here and C the number of channels; Real,
// Quads and Pairs do not matter. DepthwiseInt8Fits says which filters there are.
//
// Operands: In[0] input in blocks of bytes, Out[0] output, W[0] weights, W[1] bias in steps of the
// scales of input and weights, as int32s, W[2] scale, Table.
type DepthwiseInt8 struct{ Conv ConvInt8 }

// DepthwiseInt8Fits reports whether DepthwiseInt8 computes a convolution: the microkernels have three
// or five columns, without dilation, and strides of 1 and 2.
func DepthwiseInt8Fits(c ConvInt8) bool {
	return (c.KW == 3 || c.KW == 5) && one(c.DW) == 1 && one(c.SW) <= 2 && !c.Real && c.KH*c.KW <= MaxInt8Depth
}

// groups is how many times a number of rows, of bytes or of 16 bits, a filter takes.
func (c DepthwiseInt8) groups(rows int) int { return ceilDiv(c.Conv.KH, rows) }

// A filter is packed twice, for four rows of bytes and for two of 16 bits: [group of rows][column][16
// channels][row of the group].
const byteRows, wordRows = 4, 2

// weightLen is the length of both forms for a block of channels, in float32s, and where the second
// begins.
func (c DepthwiseInt8) weightLen() (all, words int) {
	words = c.groups(byteRows) * c.Conv.KW * Block
	return words + c.groups(wordRows)*c.Conv.KW*Block, words
}

// PackedLen is the length of the packed weights, in float32s.
func (c DepthwiseInt8) PackedLen() int {
	all, _ := c.weightLen()
	return Blocks(c.Conv.C) * all
}

// BiasLen is the length of the packed bias, and of the packed scales.
func (c DepthwiseInt8) BiasLen() int { return c.Conv.BiasLen() }

// packInt8 writes weights in the order [channel][1][KH][KW].
func (c DepthwiseInt8) packInt8(dst, weight, scale []float32) {
	clear(dst)
	k := c.Conv
	all, words := c.weightLen()
	for ch := range k.C {
		block := bytesOf(dst[ch/Block*all:][:all])
		for kh := range k.KH {
			for kw := range k.KW {
				w := wholeWeight(weight[(ch*k.KH+kh)*k.KW+kw], scale[ch])
				block[((kh/byteRows*k.KW+kw)*Block+ch%Block)*byteRows+kh%byteRows] = byte(w)
				at := 4*words + 2*(((kh/wordRows*k.KW+kw)*Block+ch%Block)*wordRows+kh%wordRows)
				block[at], block[at+1] = byte(w), byte(w>>7)
			}
		}
	}
}

func (c DepthwiseInt8) packInt8Bias(dst, bias, weight, scale []float32) {
	c.Conv.packInt8Bias(dst, bias, weight, scale)
}
func (c DepthwiseInt8) packInt8Scale(dst, scale []float32) { c.Conv.packInt8Scale(dst, scale) }

// Table returns where the rows of a filter begin, in bytes from a pixel's first operand: those of the
// groups of four, then those of the groups of two. A row past the last one, whose weights are 0, is the
// first row.
func (c DepthwiseInt8) Table(ISA) (t []int) {
	for _, rows := range []int{byteRows, wordRows} {
		for kh := range c.groups(rows) * rows {
			if kh >= c.Conv.KH {
				kh = 0
			}
			t = append(t, 4*kh*one(c.Conv.DH)*c.Conv.In.H)
		}
	}
	return t
}

// Split cuts the work into tasks: enough for eight threads if there is enough to do.
func (c DepthwiseInt8) Split() DepthwiseInt8 {
	k := &c.Conv
	k.Rows = rowsPerTask(k.H, k.KH*k.KW*k.W)
	return c
}

// Tasks is images x ranges of rows x channel blocks.
func (c DepthwiseInt8) Tasks(images int) int {
	return images * Blocks(c.Conv.C) * ceilDiv(c.Conv.H, c.Conv.rows())
}

// Run computes some rows of a channel block.
func (c DepthwiseInt8) Run(w *Worker, task int, a *Args) {
	k := &c.Conv
	chunks := ceilDiv(k.H, k.rows())
	y0, block, image := task%chunks*k.rows(), task/chunks%Blocks(k.C), task/chunks/Blocks(k.C)
	all, words := c.weightLen()
	weights := a.W[0][block*all:][:all]
	tier := &int8DepthwiseTiers[w.ISA]
	run := tier.kernel(k)
	r := &w.int8Row
	if run != nil {
		rows, first, from := byteRows, 0, 0
		if tier.words {
			rows, first, from = wordRows, c.groups(byteRows)*byteRows, words
		}
		r.groups = c.groups(rows)
		r.taps, r.w = unsafe.Pointer(&a.Table[first]), unsafe.Pointer(&weights[from])
		r.bias, r.scale = unsafe.Pointer(&a.W[1][block*Block]), unsafe.Pointer(&a.W[2][block*Block])
		r.low, r.high = k.limits()
		r.zero = k.Zero
	}
	for y := y0; y < min(y0+k.rows(), k.H); y++ {
		at := k.In.bytesAt(&a.In[0], image, block, y*one(k.SH)-k.PH, -k.PW)
		end := at + (k.KH-1)*one(k.DH)*k.In.H + ((k.W-1)*one(k.SW)+k.KW)*byteWords
		src, dst := a.In[0].Mem[at:end], k.Out.bytes(&a.Out[0], image, block, y, k.W)
		if run != nil {
			r.src, r.dst = unsafe.Pointer(&src[0]), unsafe.Pointer(&dst[0])
			r.run(run, k.W, one(k.SW))
			continue
		}
		c.row(dst, bytesOf(src), bytesOf(weights), int32sOf(a.W[1][block*Block:][:Block]), a.W[2][block*Block:][:Block])
	}
}

// row computes a row of outputs in plain Go.
func (c DepthwiseInt8) row(dst, src, weights []byte, bias []int32, scale []float32) {
	k := &c.Conv
	down := 4 * one(k.DH) * k.In.H
	for x := range k.W {
		sums := [Block]int32(bias)
		for kh := range k.KH {
			for kw := range k.KW {
				in := src[kh*down+(x*one(k.SW)+kw)*Block:][:Block]
				w := weights[(kh/byteRows*k.KW+kw)*Block*byteRows+kh%byteRows:]
				for ch, b := range in {
					sums[ch] += int32(b) * int32(int8(w[ch*byteRows]))
				}
			}
		}
		for ch, s := range sums {
			dst[x*Block+ch] = roundByte(float32(s)*scale[ch], k.Zero, k.Low, k.High)
		}
	}
}

// int8DepthwiseRow is the argument block of the microkernels of DepthwiseInt8: a row of n pixels of a
// block of 16 channels. The assembly knows its fields by go_asm.h.
type int8DepthwiseRow struct {
	src, dst    unsafe.Pointer
	n           int
	taps        unsafe.Pointer // *int: where the rows of each group begin, in bytes from src
	groups      int
	w           unsafe.Pointer
	bias, scale unsafe.Pointer // 16 int32s, 16 float32s
	zero        int
	low, high   float32 // limits of what is rounded
}

// run computes n pixels: whole fours, then the last four, of which some are computed again.
func (r *int8DepthwiseRow) run(kernel func(*byte), n, stride int) {
	const four = 4
	r.n = n
	if n > four {
		r.n -= n % four
	}
	kernel((*byte)(unsafe.Pointer(r)))
	if last := n - four; n > r.n {
		r.src, r.dst, r.n = unsafe.Add(r.src, last*stride*Block), unsafe.Add(r.dst, last*Block), four
		kernel((*byte)(unsafe.Pointer(r)))
	}
}

// int8DepthwiseTier are the microkernels of a tier, by columns of the filter (3, 5) and stride (1, 2):
// of four rows of bytes at once, or with words of two of 16 bits.
type int8DepthwiseTier struct {
	words bool
	row   [2][2]func(*byte)
}

func (t *int8DepthwiseTier) kernel(c *ConvInt8) func(*byte) { return t.row[(c.KW-3)/2][one(c.SW)-1] }

var int8DepthwiseTiers [isas]int8DepthwiseTier
