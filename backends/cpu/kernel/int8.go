package kernel

import (
	"math"
	"unsafe"
)

// Kernels whose names end in Int8, and Quantize and Dequantize, compute with activations of one
// byte. The number of a byte b is (b - zero) * scale. Their layout is that of blocks, with
// bytes in place of float32s: element (n, c, y, x) is byte
//
//	4 * (n*N + (c/16)*C + y*H + x*4) + c%16
//
// after the first, so the strides of a View count float32s here too, and a pixel of a block takes
// four. The lanes past the last channel may hold any byte. Borders hold the byte 0.
//
// All of these kernels give the same bytes on every tier: sums are exact in 32 bits, and what
// follows is a fixed sequence of float32 operations, each rounded to the nearest, ties to even.

// byteWords is how many float32s a pixel of a block of bytes takes.
const byteWords = Block / 4

// bytesOf is the memory of float32s as bytes.
func bytesOf(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}

// int32sOf is the memory of float32s as int32s.
func int32sOf(x []float32) []int32 {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*int32)(unsafe.Pointer(&x[0])), len(x))
}

// bytesAt is where pixel (y, x) of a block of bytes begins, in float32s.
func (v View) bytesAt(b *Buf, image, block, y, x int) int {
	return b.Off + image*v.N + block*v.C + y*v.H + x*byteWords
}

// bytes is w pixels of a row of a block of bytes.
func (v View) bytes(b *Buf, image, block, y, w int) []byte {
	i := v.bytesAt(b, image, block, y, 0)
	return bytesOf(b.Mem[i : i+w*byteWords : i+w*byteWords])
}

// roundByte is x rounded to the nearest whole number, ties to even, plus zero, limited to the bytes
// low..high; NaN becomes low.
func roundByte(x float32, zero, low, high int) byte {
	if !(x > float32(low-zero)) {
		return byte(low)
	}
	if x >= float32(high-zero) {
		return byte(high)
	}
	return byte(int(math.RoundToEven(float64(x))) + zero)
}

// Quantize makes bytes of float32s: x / Scale, rounded to the nearest, ties to even, plus Zero,
// limited to 0..255.
//
// Operands: In[0] input in blocks, Out[0] output in blocks of bytes.
type Quantize struct {
	C, H, W int
	Scale   float32
	Zero    int
	In, Out View
}

func (k Quantize) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 8*k.W)} }

// Tasks is images x channel blocks x ranges of rows.
func (k Quantize) Tasks(images int) int { return k.maps().tasks(images) }

// Run converts some rows of a channel block.
func (k Quantize) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	fast := quantizeTiers[w.ISA]
	for y := y0; y < y1; y++ {
		src, dst := k.In.row(&a.In[0], image, block, y, k.W), k.Out.bytes(&a.Out[0], image, block, y, k.W)
		if fast != nil {
			fast(&dst[0], &src[0], k.W, k.Scale, float32(-k.Zero), float32(255-k.Zero), float32(k.Zero))
			continue
		}
		for i, x := range src {
			dst[i] = roundByte(x/k.Scale, k.Zero, 0, 255)
		}
	}
}

// Dequantize makes float32s of bytes: (b - Zero) * Scale. Lanes past the last channel are 0.
//
// Operands: In[0] input in blocks of bytes, Out[0] output in blocks.
type Dequantize struct {
	C, H, W int
	Scale   float32
	Zero    int
	In, Out View
}

func (k Dequantize) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 8*k.W)} }

// Tasks is images x channel blocks x ranges of rows.
func (k Dequantize) Tasks(images int) int { return k.maps().tasks(images) }

// Run converts some rows of a channel block.
func (k Dequantize) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	fast := dequantizeTiers[w.ISA]
	for y := y0; y < y1; y++ {
		src, dst := k.In.bytes(&a.In[0], image, block, y, k.W), k.Out.row(&a.Out[0], image, block, y, k.W)
		if fast != nil {
			fast(&dst[0], &src[0], k.W, k.Scale, float32(k.Zero))
		} else {
			for i, b := range src {
				dst[i] = float32(int(b)-k.Zero) * k.Scale
			}
		}
		clearLanes(dst, k.C, block)
	}
}

// CopyInt8 copies the channels From..From+C-1 of its input to the channels To..To+C-1 of its
// output, at any offset, and writes nothing else.
//
// Operands: In[0] input, Out[0] output, both in blocks of bytes, which may not share memory.
type CopyInt8 struct {
	C, H, W  int
	From, To int
	In, Out  View
}

func (k CopyInt8) maps() maps {
	return maps{(Blocks(k.To%Block + k.C)) * Block, k.H, rowsPerTask(k.H, 8*k.W)}
}

// Tasks is images x output blocks x ranges of rows.
func (k CopyInt8) Tasks(images int) int { return k.maps().tasks(images) }

// Run copies some rows of an output block.
func (k CopyInt8) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	block += k.To / Block
	lo, hi := max(k.To, block*Block), min(k.To+k.C, (block+1)*Block)
	for y := y0; y < y1; y++ {
		dst := k.Out.bytes(&a.Out[0], image, block, y, k.W)
		for c := lo; c < hi; {
			from := c - k.To + k.From
			n := min(hi-c, Block-from%Block)
			src := k.In.bytes(&a.In[0], image, from/Block, y, k.W)
			if n == Block {
				copy(dst, src)
			} else {
				for x := 0; x < k.W; x++ {
					copy(dst[x*Block+c%Block:][:n], src[x*Block+from%Block:][:n])
				}
			}
			c += n
		}
	}
}

// AddInt8 is the sum of two activations of bytes: (a - ZeroA) * ScaleA + (b - ZeroB) * ScaleB, both
// products and the sum rounded to float32, then rounded to a byte with Zero and limited to
// Low..High. ScaleA and ScaleB are already divided by the scale of the output.
//
// Operands: In[0] and In[1], Out[0], all in blocks of bytes.
type AddInt8 struct {
	C, H, W            int
	ScaleA, ScaleB     float32
	ZeroA, ZeroB, Zero int
	Low, High          int
	A, B, Out          View
}

func (k AddInt8) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 8*k.W)} }

// blocks is how many channel blocks a task has: several where maps are small.
func (k AddInt8) blocks() int {
	const pixels = 512
	return min(Blocks(k.C), max(1, pixels/(k.maps().rows*k.W)))
}

// Tasks is images x groups of channel blocks x ranges of rows.
func (k AddInt8) Tasks(images int) int {
	return images * ceilDiv(Blocks(k.C), k.blocks()) * k.maps().chunks()
}

// Run adds some rows of some channel blocks.
func (k AddInt8) Run(w *Worker, task int, a *Args) {
	groups, n := ceilDiv(Blocks(k.C), k.blocks()), k.maps().chunks()
	rows := k.maps().rows
	y0 := task % n * rows
	image, first := task/n/groups, task/n%groups*k.blocks()
	for block := first; block < min(first+k.blocks(), Blocks(k.C)); block++ {
		k.rows(w, a, image, block, y0, min(y0+rows, k.H))
	}
}

// rows adds some rows of a channel block, as one row where there are no gaps between them.
func (k AddInt8) rows(w *Worker, a *Args, image, block, y0, y1 int) {
	width := k.W
	if row := k.W * byteWords; k.A.H == row && k.B.H == row && k.Out.H == row {
		width, y1 = (y1-y0)*k.W, y0+1
	}
	fast := addInt8Tiers[w.ISA]
	for y := y0; y < y1; y++ {
		p, q := k.A.bytes(&a.In[0], image, block, y, width), k.B.bytes(&a.In[1], image, block, y, width)
		dst := k.Out.bytes(&a.Out[0], image, block, y, width)
		if fast != nil {
			s := addStrip{low: float32(k.Low - k.Zero), high: float32(k.High - k.Zero), zero: k.Zero, scaleA: k.ScaleA, scaleB: k.ScaleB, zeroA: k.ZeroA, zeroB: k.ZeroB}
			s.a, s.b, s.dst, s.n = unsafe.Pointer(&p[0]), unsafe.Pointer(&q[0]), unsafe.Pointer(&dst[0]), width
			w.addStrip = s
			fast((*byte)(unsafe.Pointer(&w.addStrip)))
			continue
		}
		for i := range dst {
			x := float32(float32(int(p[i])-k.ZeroA) * k.ScaleA)
			x += float32(float32(int(q[i])-k.ZeroB) * k.ScaleB)
			dst[i] = roundByte(x, k.Zero, k.Low, k.High)
		}
	}
}

// MaxPoolInt8 is max pooling of bytes, as MaxPool describes it.
//
// Operands: In[0] input, Out[0] output, both in blocks of bytes, which may not share memory.
type MaxPoolInt8 struct {
	C              int
	H, W           int // output rows and columns
	IH, IW         int // input rows and columns
	KH, KW, SH, SW int
	PH, PW         int
	In, Out        View
}

func (p MaxPoolInt8) maps() maps { return maps{p.C, p.H, rowsPerTask(p.H, 2*p.W*p.KH*p.KW)} }

// Tasks is images x channel blocks x ranges of rows.
func (p MaxPoolInt8) Tasks(images int) int { return p.maps().tasks(images) }

// flat reports whether this is a pool of 3x3 with stride 1 that keeps the size of its map, whose rows
// lie without gaps: then many rows are one.
func (p MaxPoolInt8) flat() bool {
	return p.KH == 3 && p.KW == 3 && p.SH == 1 && p.SW == 1 && p.PH == 1 && p.PW == 1 && p.H == p.IH && p.W == p.IW && p.H > 1 && p.W > 1 &&
		p.In.H == p.W*byteWords && p.Out.H == p.W*byteWords
}

// Scratch is a row of the input, or those of a task and a pixel on both sides.
func (p MaxPoolInt8) Scratch() int {
	if p.flat() {
		return (p.maps().rows*p.W + 2) * byteWords
	}
	return p.IW * byteWords
}

// runFlat computes some rows of a channel block: first the maxima of columns, then those of rows as if
// all were one row, then the ends of rows again.
func (p MaxPoolInt8) runFlat(w *Worker, a *Args, image, block, y0, y1 int) {
	n := (y1 - y0) * p.W * Block
	line := bytesOf(w.Scratch[:n/4+2*byteWords])
	row := func(y, rows int) []byte { return p.In.bytes(&a.In[0], image, block, y, rows*p.W) }
	middle := line[Block:]
	for y, end := y0, 0; y < y1; y = end {
		if end = y + 1; y == 0 || end == p.H { // a row of the padding does not count
			other := row(1, 1)
			if end == p.H {
				other = row(y-1, 1)
			}
			max3Rows(w.ISA, middle[(y-y0)*p.W*Block:], row(y, 1), row(y, 1), other, p.W)
			continue
		}
		end = min(y1, p.H-1)
		max3Rows(w.ISA, middle[(y-y0)*p.W*Block:], row(y-1, end-y), row(y, end-y), row(y+1, end-y), (end-y)*p.W)
	}
	dst := p.Out.bytes(&a.Out[0], image, block, y0, (y1-y0)*p.W)
	max3Rows(w.ISA, dst, line, middle, line[2*Block:], (y1-y0)*p.W)
	for at := 0; at < n; at += p.W * Block {
		last := at + (p.W-1)*Block
		p.window(dst[at:], middle[at:at+2*Block])
		p.window(dst[last:], middle[last-Block:last+Block])
	}
}

// max3Rows writes the largest bytes of three arrays of n blocks, each side by side.
func max3Rows(isa ISA, dst, a, b, c []byte, n int) {
	_, _, _, _ = dst[n*Block-1], a[n*Block-1], b[n*Block-1], c[n*Block-1]
	if f := maxRowsTiers[isa]; f != nil {
		f(&dst[0], &a[0], &b[0], &c[0], n)
		return
	}
	max3(isa, dst, a, b, c, n, Block)
}

// Run computes some rows of a channel block: first the maxima of columns, then those of rows.
func (p MaxPoolInt8) Run(w *Worker, task int, a *Args) {
	image, block, y0, y1 := p.maps().task(task)
	if p.flat() {
		p.runFlat(w, a, image, block, y0, y1)
		return
	}
	line := bytesOf(w.Scratch[:p.IW*byteWords])
	for y := y0; y < y1; y++ {
		top := y*p.SH - p.PH
		first, last := max(top, 0), min(top+p.KH, p.IH)-1
		row := func(r int) []byte { return p.In.bytes(&a.In[0], image, block, min(r, last), p.IW) }
		max3(w.ISA, line, row(first), row(first+1), row(first+2), p.IW, Block)
		for r := first + 3; r <= last; r += 2 {
			max3(w.ISA, line, line, row(r), row(r+1), p.IW, Block)
		}
		dst := p.Out.bytes(&a.Out[0], image, block, y, p.W)
		// Between lo and hi windows of up to three columns lie inside.
		lo := ceilDiv(p.PW, p.SW)
		hi := min(p.W, (p.IW-p.KW+p.PW)/p.SW+1)
		if p.KW > 3 || p.IW < p.KW || hi <= lo {
			lo, hi = p.W, p.W
		} else {
			from := line[(lo*p.SW-p.PW)*Block:]
			middle, right := min(1, p.KW-1)*Block, (p.KW-1)*Block
			max3(w.ISA, dst[lo*Block:hi*Block], from, from[middle:], from[right:], hi-lo, p.SW*Block)
		}
		for x := 0; x < p.W; x++ {
			if x == lo {
				if x = hi; x >= p.W {
					break
				}
			}
			left := x*p.SW - p.PW
			p.window(dst[x*Block:], line[max(left, 0)*Block:min(left+p.KW, p.IW)*Block])
		}
	}
}

// window writes the largest bytes of some pixels.
func (p MaxPoolInt8) window(dst, src []byte) {
	var m [2]uint64
	for ; len(src) > 0; src = src[Block:] {
		x := *(*[2]uint64)(unsafe.Pointer(&src[0]))
		m[0], m[1] = maxBytes(m[0], x[0]), maxBytes(m[1], x[1])
	}
	*(*[2]uint64)(unsafe.Pointer(&dst[0])) = m
}

// max3 writes the largest bytes of three arrays of n blocks, whose blocks are step bytes apart.
func max3(isa ISA, dst, a, b, c []byte, n, step int) {
	_, _, _, _ = dst[n*Block-1], a[(n-1)*step+Block-1], b[(n-1)*step+Block-1], c[(n-1)*step+Block-1]
	if f := maxBytesTiers[isa]; f != nil {
		f(&dst[0], &a[0], &b[0], &c[0], n, step)
		return
	}
	for i := 0; i < n; i++ {
		x, y, z := *(*[2]uint64)(unsafe.Pointer(&a[i*step])), *(*[2]uint64)(unsafe.Pointer(&b[i*step])), *(*[2]uint64)(unsafe.Pointer(&c[i*step]))
		*(*[2]uint64)(unsafe.Pointer(&dst[i*Block])) = [2]uint64{maxBytes(x[0], maxBytes(y[0], z[0])), maxBytes(x[1], maxBytes(y[1], z[1]))}
	}
}

// maxBytes is the larger of each of eight bytes.
func maxBytes(a, b uint64) uint64 {
	const high = 0x8080808080808080
	// The seven lower bits of a and b are compared by a subtraction that borrows from bit 7, the upper
	// bits by themselves.
	less := (a | high) - (b &^ high)
	atLeast := (a&^b | ^(a^b)&less) & high
	mask := (atLeast >> 7) * 0xff
	return a&mask | b&^mask
}

// DequantizeNCHW is Dequantize into planes: an output of a network.
//
// Operands: In[0] input in blocks of bytes, Out[0] planar output.
type DequantizeNCHW struct {
	C, H, W int
	Scale   float32
	Zero    int
	In, Out View
}

// Tasks is images x channels.
func (k DequantizeNCHW) Tasks(images int) int { return images * k.C }

// Run converts a channel.
func (k DequantizeNCHW) Run(_ *Worker, task int, a *Args) {
	image, c := task/k.C, task%k.C
	for y := 0; y < k.H; y++ {
		src := k.In.bytes(&a.In[0], image, c/Block, y, k.W)
		dst := a.Out[0].Mem[a.Out[0].Off+image*k.Out.N+c*k.Out.C+y*k.Out.H:][:k.W]
		for x := range dst {
			dst[x] = float32(int(src[x*Block+c%Block])-k.Zero) * k.Scale
		}
	}
}
