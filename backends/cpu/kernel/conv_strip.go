package kernel

import (
	"math"
	"unsafe"
)

// strip is the argument block of the microkernels for narrow groups (conv_strip): strips of pixels
// beside each other, in some rows, of one block of channels. A group has 1, 4 or 8 channels in and
// out, and the kernel is three wide. The assembly knows its fields by go_asm.h.
type strip struct {
	in                       unsafe.Pointer // what the first pixel's first tap reads
	w                        unsafe.Pointer // [kernel row][channel of the group][3][16]
	bias                     unsafe.Pointer // 16 float32s
	out, res                 unsafe.Pointer
	inStep, outStep, resStep int // bytes from a row of outputs (what it reads) to the next
	kernelRow                int // bytes from what a row of the kernel reads to what the next one does
	kh                       int // rows of the kernel
	width                    int // channels of a group
	rows                     int // to compute: it is 0 afterwards
	strips                   int // beside each other, in each row
	flags                    int // tileReLU, tileReLU6, tileRes
	scale                    float32
	indices                  unsafe.Pointer // spreadIndices of the width
	left                     int            // the assembly's own, like the following
	rowIn, rowOut, rowRes    uintptr
}

// spreadIndices say, for groups of 4 and 8 channels, channel by channel, where in a block a lane's
// group has that channel.
var spreadIndices = func() (l [2][8][Block]int32) {
	for i, width := range [2]int{4, 8} {
		for c := range width {
			for lane := range Block {
				l[i][c][lane] = int32(lane/width*width + c)
			}
		}
	}
	return l
}()

// stripMost is the largest strip of all tiers.
const stripMost = 14

// stripTier are the microkernels of a tier: by width of a group (1, 4, 8), by stride - 1 and by
// pixels. A size without a microkernel is none of the tier's strips; all widths and strides have the
// same sizes.
type stripTier [3][2][stripMost + 1]func(*byte)

// stripTiers are the tiers: files of a processor set them. None: plain Go.
var stripTiers [isas]stripTier

// portable reports whether the tier has no microkernel.
func (t *stripTier) portable() bool { return t[0][0][1] == nil }

// stripFits reports whether strips compute a convolution with groups that are so wide.
func stripFits(c Conv) bool { return c.KW == 3 && one(c.DW) == 1 && one(c.SW) <= 2 }

// strips cuts rows of w pixels into strips: pairs of a size and how many such lie beside each
// other.
func (t *stripTier) strips(w int) []int {
	if t.portable() {
		return nil
	}
	best, size := make([]int, w+1), make([]int, w+1)
	for n := 1; n <= w; n++ {
		best[n] = math.MaxInt
		for p, f := range t[0][0] {
			if f == nil || p > n {
				continue
			}
			// Below seven pixels, the time is that of the chains of sums.
			if cost := best[n-p] + max(p, 7) + 2; cost <= best[n] {
				best[n], size[n] = cost, p
			}
		}
	}
	var l []int
	for n := w; n > 0; n -= size[n] {
		if p := size[n]; len(l) > 0 && l[len(l)-2] == p {
			l[len(l)-1]++
		} else {
			l = append(l, p, 1)
		}
	}
	return l
}

// stripTask is some rows of one block of channels.
type stripTask struct {
	image, block, y0, y1 int
	width                int // channels of a group
	weights, bias        []float32
	strips               []int
}

// runStrips computes the rows.
func (c *Conv) runStrips(w *Worker, a *Args, k *stripTask) {
	part := &c.Outputs[0]
	t := &w.strip
	t.w, t.bias, t.width = float(k.weights, 0), float(k.bias, 0), k.width
	t.kh, t.kernelRow = c.KH, 4*one(c.DH)*c.In.H
	t.inStep, t.outStep, t.resStep = 4*one(c.SH)*c.In.H, 4*part.View.H, 4*c.Res.H
	t.scale, t.flags = c.Scale, c.rectifier()
	if c.Residual {
		t.flags |= tileRes
	}
	width := k.width / 4 // 0, 1, 2
	if width > 0 {
		t.indices = unsafe.Pointer(&spreadIndices[width-1])
	}
	rows := k.y1 - k.y0
	in := a.In[0].Off + k.image*c.In.N + k.block*c.In.C + (k.y0*one(c.SH)-c.PH)*c.In.H - c.PW*Block
	out := a.Out[0].Off + k.image*part.View.N + k.block*part.View.C + k.y0*part.View.H
	res := a.In[1].Off + k.image*c.Res.N + k.block*c.Res.C + k.y0*c.Res.H
	// The assembly checks no bounds: the farthest elements are looked at here, so that a wrong plan
	// panics and corrupts nothing.
	_ = k.weights[c.KH*k.width*3*Block-1]
	_ = k.bias[Block-1]
	_ = a.In[0].Mem[in+((rows-1)*one(c.SH)+(c.KH-1)*one(c.DH))*c.In.H+((c.W-1)*one(c.SW)+2)*Block+Block-1]
	_ = a.Out[0].Mem[out+(rows-1)*part.View.H+c.W*Block-1]
	for l := k.strips; len(l) > 0; l = l[2:] {
		p, n := l[0], l[1]
		t.in, t.out = float(a.In[0].Mem, in), float(a.Out[0].Mem, out)
		if c.Residual {
			_ = a.In[1].Mem[res+(rows-1)*c.Res.H+p*n*Block-1]
			t.res = float(a.In[1].Mem, res)
		}
		t.rows, t.strips = rows, n
		stripTiers[w.ISA][width][one(c.SW)-1][p]((*byte)(unsafe.Pointer(t)))
		in, out, res = in+p*n*one(c.SW)*Block, out+p*n*Block, res+p*n*Block
	}
}

// rectifier is the flags of the activation.
func (c *Conv) rectifier() int {
	switch c.Outputs[0].Act {
	case ActReLU:
		return tileReLU
	case ActReLU6:
		return tileReLU | tileReLU6
	}
	return 0
}
