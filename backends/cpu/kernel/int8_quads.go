package kernel

// quadGroups is how many times four pixels of a row a filter of a width takes.
func quadGroups(width int) int { return ceilDiv(width, byteWords) }

// packQuads writes weights of up to four input channels for an input of QuantizeQuads, in the order
// [pair of output blocks][row of the filter][4 of its columns][column][16 or 32 output channels][4
// input channels]. What is past the last column and the last channel is 0, and stays as it is.
func (c ConvInt8) packQuads(b []byte, weight, scale []float32) {
	kk := c.KH * c.KW
	at := 0
	for first := 0; first < Blocks(c.C); first += 2 {
		width := min(2, Blocks(c.C)-first) * Block
		for kh := range c.KH {
			for kw := range quadGroups(c.KW) * byteWords {
				for o := range width {
					oc := first*Block + o
					for ic := 0; ic < c.IC && kw < c.KW && oc < c.C; ic++ {
						b[at+ic] = byte(wholeWeight(weight[(oc*c.IC+ic)*kk+kh*c.KW+kw], scale[oc]))
					}
					at += 4
				}
			}
		}
	}
}

// QuantizeQuads makes bytes of an image of up to four channels for the first layer of a network, as
// Quantize does, and pads it by Zero, which is the number 0. The bytes of a pixel are neighbours, so
// its output is a plane of float32s, of which each is a pixel: pixel (y, x) of image n is float32
//
//	n*H*W + y*W + x
//
// The bytes past the last channel may be any.
//
// Operands: In[0] input in planes, Out[0] output.
type QuantizeQuads struct {
	C, IH, IW int // the image
	H, W      int // rows and columns of the output; what of the image lies outside is left out
	PH, PW    int // the row and the column of the output where the image begins
	Scale     float32
	Zero      int
	In        View
}

// FromPlanes returns the conversion of an image of ih x iw for a convolution, and the convolution of what
// it makes. The filter has at most four input channels and no dilation along its rows.
func (c ConvInt8) FromPlanes(ih, iw int, in View) (QuantizeQuads, ConvInt8) {
	q := QuantizeQuads{C: c.IC, IH: ih, IW: iw, PH: c.PH, PW: c.PW, Scale: c.InScale, Zero: c.InZero, In: in}
	q.H = (c.H-1)*one(c.SH) + (c.KH-1)*one(c.DH) + 1
	q.W = (c.W-1)*one(c.SW) + quadGroups(c.KW)*byteWords
	c.PH, c.PW, c.Quads = 0, 0, true
	c.In = View{N: q.H * q.W, H: q.W}
	return q, c
}

// Len is the length of the output of some images, in float32s.
func (k QuantizeQuads) Len(images int) int { return images * k.H * k.W }

func (k QuantizeQuads) rows() int { return rowsPerTask(k.H, 8*k.W) }

// Tasks is images x ranges of rows.
func (k QuantizeQuads) Tasks(images int) int { return images * ceilDiv(k.H, k.rows()) }

// Run converts some rows of an image.
func (k QuantizeQuads) Run(w *Worker, task int, a *Args) {
	chunks := ceilDiv(k.H, k.rows())
	image, y0 := task/chunks, task%chunks*k.rows()
	wide := max(0, min(k.IW, k.W-k.PW))
	var planes [4][]float32
	for y := y0; y < min(y0+k.rows(), k.H); y++ {
		dst := bytesOf(a.Out[0].Mem[a.Out[0].Off+(image*k.H+y)*k.W:][:k.W])
		if y < k.PH || y >= k.PH+k.IH {
			fillBytes(dst, byte(k.Zero))
			continue
		}
		fillBytes(dst[:min(4*k.PW, len(dst))], byte(k.Zero))
		fillBytes(dst[min(4*(k.PW+wide), len(dst)):], byte(k.Zero))
		if wide == 0 {
			continue
		}
		for c := range k.C {
			planes[c] = a.In[0].Mem[a.In[0].Off+image*k.In.N+c*k.In.C+(y-k.PH)*k.In.H:][:wide]
		}
		k.row(w.ISA, dst[4*k.PW:][:4*wide], planes[:k.C])
	}
}

// row converts the pixels of a row: 16 a turn by a microkernel, the last 16 once more if some of them
// were done.
func (k QuantizeQuads) row(isa ISA, dst []byte, planes [][]float32) {
	n := len(planes[0])
	fast := quantizeQuadsTiers[isa]
	if fast == nil || n < Block || len(planes) > 3 {
		for c, src := range planes {
			for x, v := range src {
				dst[4*x+c] = roundByte(v/k.Scale, k.Zero, 0, 255)
			}
		}
		return
	}
	first, second, third := planes[0], planes[len(planes)/2], planes[len(planes)-1]
	low, high, zero := float32(-k.Zero), float32(255-k.Zero), float32(k.Zero)
	fast(&dst[0], &first[0], &second[0], &third[0], n/Block, k.Scale, low, high, zero)
	if end := n - Block; n%Block != 0 {
		fast(&dst[4*end], &first[end], &second[end], &third[end], 1, k.Scale, low, high, zero)
	}
}

// fillBytes sets all bytes.
func fillBytes(b []byte, to byte) {
	for i := range b {
		b[i] = to
	}
}

// quantizeQuadsTiers make pixels of n times 16 elements of three planes, which may be the same.
var quantizeQuadsTiers [isas]func(dst *byte, a, b, c *float32, n int, scale, low, high, zero float32)
