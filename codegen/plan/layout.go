package plan

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
)

// Layout is the order of a value's elements in memory.
type Layout uint8

const (
	// Blocked is NCHW16c: channels form blocks of 16, whose elements for a pixel are
	// neighbours. The last block is filled up with zeros. It is the layout of feature maps
	// and of vectors, whose height and width are 1. A blocked buffer may have a border.
	Blocked Layout = iota
	// Planar is row-major (NCHW) without gaps. It is the layout of inputs and outputs.
	Planar
	// Framed is planar with a border of zeros.
	Framed
	// Packed is an array without a batch axis, in the order of the kernel that reads it as
	// weights. It has C float32s.
	Packed
	// N16 stores 16 images together: for each channel and pixel, the elements of the 16
	// images are neighbours. Every channel is a block. It is for batches of networks with
	// few channels, which would not fill blocks of 16 channels. Vectors have height and
	// width 1. It may have a border. Elements after the last image have finite values.
	N16
	// Indices says which element of each 2 x 2 window (see pairs) was the maximum of a max
	// pool. The pool's gradient reads them instead of the pool's input. They are bits: two
	// float32s for each window and block of 16 channels. No kernel copies them.
	Indices
	// N16Indices holds the indices of a map in layout N16: two float32s for each window,
	// channel and group of 16 images.
	N16Indices
	// Wide is row-major, but its elements are float64s, each in the place of two float32s. It is
	// the layout of nodes (ops.Node), which compute with integers, too.
	Wide
	// Bytes is Blocked with a byte for each element: a block of 16 channels of a pixel takes four
	// float32s. It is for quantized values (ir/ops.Quantize), whose whole numbers it holds.
	Bytes
)

func (l Layout) String() string {
	return [...]string{"blocked", "planar", "framed", "packed", "n16", "indices", "n16 indices", "wide", "bytes"}[l]
}

// GoString returns the name of the Go constant.
func (l Layout) GoString() string {
	return [...]string{"plan.Blocked", "plan.Planar", "plan.Framed", "plan.Packed", "plan.N16", "plan.Indices", "plan.N16Indices", "plan.Wide", "plan.Bytes"}[l]
}

// Block is the number of channels in a block of layout Blocked, and the number of images in a
// block of layout N16.
const Block = 16

// indicesLen is the number of float32s of the indices for one window and one block.
const indicesLen = 2

// indices reports whether l is Indices or N16Indices.
func (l Layout) indices() bool { return l == Indices || l == N16Indices }

// n16 reports whether the elements of 16 images are neighbours.
func (l Layout) n16() bool { return l == N16 || l == N16Indices }

// blocky reports whether l has elements in blocks of 16, with or without a border.
func (l Layout) blocky() bool { return l == Blocked || l == N16 || l == Bytes }

// byChannels reports whether the 16 elements of a block are channels.
func (l Layout) byChannels() bool { return l == Blocked || l == Bytes }

// Pixel returns how many float32s a pixel takes in its block.
func (l Layout) Pixel() int {
	if l == Bytes {
		return Block / 4
	}
	return Block
}

// Border is the number of rows or columns of zeros around each map: top, left, bottom, right.
type Border [4]int

func (b Border) max(c Border) Border {
	for i := range b {
		b[i] = max(b[i], c[i])
	}
	return b
}

// View holds the strides of a value in memory, in float32s. Element (n, c, y, x) is this far
// after element (0, 0, 0, 0):
//
//	Blocked            n*N + (c/16)*C + y*H + x*16 + c%16
//	Bytes              n*N + (c/16)*C + y*H + x*4, and there byte c%16
//	Planar, Framed     n*N + c*C + y*H + x
//	N16              (n/16)*N + c*C + y*H + x*16 + n%16
//
// The indices of window (y, x) are y*H + x*2 after the begin of their block.
type View struct{ N, C, H int }

// Tensor is a value in one layout. When memory has been assigned, it has a place in a
// buffer.
type Tensor struct {
	Name    string
	Value   *ir.Value // nil for temporary memory of a unit
	Layout  Layout
	C, H, W int // channels, height and width of one image; vectors have height and width 1

	space Space
	index int // index of the input or output

	in      *Tensor // the tensor that it is a part of in memory, nil for a root
	channel int     // its first channel in that tensor (planar: its first element)
	shift   int     // float32s to add to that position
	inplace bool    // the step that computes it overwrites in
	joined  bool    // it is an operand of a join whose output is in

	// Fields of roots:
	batch    int // number of images that there is memory for
	border   Border
	buf      *buffer
	paramOff int  // offset in the memory of the params, for a param
	keep     bool // must remain until the end of the run
}

// newTensor returns a new root for a value, in the given layout. In a training step, values
// without a batch axis get the layout Packed. The error wraps ErrUnsupported.
func (p *planner) newTensor(v *ir.Value, l Layout) (*Tensor, error) {
	t := &Tensor{Name: v.Name, Value: v, Layout: l, C: 1, H: 1, W: 1, batch: p.opt.Batch}
	s := v.Type.Shape
	if p.opt.Train && !s.Symbolic() {
		t.batch = 1
		if len(s) == 0 {
			return t, nil
		}
		k := p.low.Packing(v)
		if k.Len == 0 {
			return nil, fmt.Errorf("%s (%v) has no batch axis and is not a weight, a gradient or an optimizer slot: %w", v.Name, s, ErrUnsupported)
		}
		t.Layout, t.C = Packed, k.Len
		return t, nil
	}
	if General(v, p.symbolic) {
		if first := slices.Index(s, ir.Batch); first >= 0 && slices.Contains(s[first+1:], ir.Batch) {
			return nil, fmt.Errorf("%s has shape %v: two axes are the batch: %w", v.Name, s, ErrUnsupported)
		}
		if t.C = s.Size(); Fixed(v, p.symbolic) {
			t.batch = 1
		}
		return t, nil
	}
	if len(s) > 0 {
		s = s[1:] // the batch, or 1 in a graph for a single image
	}
	switch len(s) {
	case 0:
	case 1:
		t.C = s[0]
	case 2:
		t.C, t.W = s[0], s[1]
	default:
		t.C, t.H, t.W = s[0], s[1], ir.Shape(s[2:]).Size()
	}
	return t, nil
}

// Fixed reports whether a value has the same elements for any number of images: it has no batch,
// and is not one image of a graph for single images, whose first axis is 1.
func Fixed(v *ir.Value, symbolic bool) bool {
	s := v.Type.Shape
	return !s.Symbolic() && (len(s) == 0 || s[0] != 1 || symbolic)
}

// General reports whether a value is none of images: it is fixed, or the batch is not its first
// axis. Only nodes (ops.Node) compute with such values.
func General(v *ir.Value, symbolic bool) bool {
	s := v.Type.Shape
	return Fixed(v, symbolic) || len(s) > 0 && s[1:].Symbolic()
}

// Symbolic reports whether a value of the graph has a batch.
func Symbolic(g *ir.Graph) bool {
	return slices.ContainsFunc(g.Inputs, func(v *ir.Value) bool { return v.Type.Shape.Symbolic() })
}

// Shift returns a part of t whose origin is moved by a number of float32s.
func (t *Tensor) Shift(float32s int) *Tensor {
	s := t.Part(0, t.C)
	s.shift = float32s
	return s
}

// root returns the root that contains t in memory, and the channel (planar: the element) of
// the root at which t begins.
func (t *Tensor) root() (r *Tensor, channel int) {
	for t.in != nil {
		channel += t.channel
		t = t.in
	}
	return t, channel
}

// Lane returns the position within a block of 16 channels at which a blocked tensor begins.
// It is 0 except for operands of a join that are copied into its output.
func (t *Tensor) Lane() int {
	_, c := t.root()
	if !t.Layout.byChannels() {
		return 0
	}
	return c % Block
}

// Ends reports whether t's last channel is the last channel of its root.
func (t *Tensor) Ends() bool {
	return t.in == nil || t.channel+t.C == t.in.C
}

// Part returns c channels of t, from the given one on, as an operand of a step.
func (t *Tensor) Part(channel, c int) *Tensor {
	if !t.Layout.blocky() {
		channel *= t.H * t.W
	}
	return &Tensor{Name: t.Name, Value: t.Value, Layout: t.Layout, C: c, H: t.H, W: t.W, in: t, channel: channel}
}

// Size returns the number of elements of one image, without padding.
func (t *Tensor) Size() int { return t.C * t.H * t.W }

// Border returns the border of the buffer that t is a part of.
func (t *Tensor) Border() Border {
	r, _ := t.root()
	return r.border
}

// View returns the strides of t in its buffer.
func (t *Tensor) View() View {
	r, _ := t.root()
	v, _ := r.geometry()
	if t.Layout == Planar {
		v.C, v.H = t.H*t.W, t.W // a reshape has other rows than its root
	}
	return v
}

// geometry returns the view of a root, and the distance, in float32s, from the begin of its
// memory to element (0, 0, 0, 0): the border above the first block.
//
// In vectors, each block of 16 features contains all images, one after another. So a dense
// layer can treat images as a convolution treats pixels.
func (t *Tensor) geometry() (v View, lead int) {
	b := t.border
	pitch := t.W + max(b[1], b[3])
	switch {
	case t.vector():
		px := t.Layout.Pixel()
		v = View{N: px, C: t.batch * px, H: px}
	case t.Layout.blocky():
		px := t.Layout.Pixel()
		v.H = pitch * px
		v.C = blockStride(t.H, t.W, px, b)
		v.N = t.blocks() * v.C
		if b == (Border{}) && t.batch > 1 {
			v.N = apart(v.N)
		}
		lead = (b[0]*pitch + b[1]) * px
	case t.Layout.indices():
		v.H = t.W / 2 * indicesLen
		v.C = t.H / 2 * v.H
		v.N = t.blocks() * v.C
	case t.Layout == Framed:
		v.H = pitch
		v.C = (t.H + max(b[0], b[2])) * pitch
		v.N = t.C * v.C
		lead = b[0]*pitch + b[1]
	default:
		v = View{N: t.C * t.H * t.W, C: t.H * t.W, H: t.W}
		if t.Layout == Wide {
			v = View{N: 2 * v.N, C: 2 * v.C, H: 2 * v.H}
		}
	}
	return v, lead
}

// vector reports whether a root is a vector in layout Blocked or Bytes, whose images are neighbours in
// each block.
func (t *Tensor) vector() bool {
	return t.Layout.byChannels() && t.H*t.W == 1 && t.border == (Border{})
}

// length returns the number of float32s that a root's images need, without the distance that
// geometry returns.
func (t *Tensor) length() int {
	v, _ := t.geometry()
	if t.vector() {
		return blocks(t.C) * v.C
	}
	if t.Layout.n16() {
		return blocks(t.batch) * v.N
	}
	return t.batch * v.N
}

// blocks returns the number of blocks of an image, or in layout N16, of 16 images.
func (t *Tensor) blocks() int {
	if t.Layout.n16() {
		return t.C
	}
	return blocks(t.C)
}

// blockStride returns the distance between blocks of a map of h x w, whose pixels take px float32s.
// Neighbouring rows and blocks share their borders.
func blockStride(h, w, px int, b Border) int {
	return apart((h + max(b[0], b[2])) * (w + max(b[1], b[3])) * px)
}

// apart lengthens a distance of n float32s if it is a multiple of 4 KiB. Addresses at such
// distances would compete for the same few lines of the L1 cache.
func apart(n int) int {
	if n%1024 == 0 {
		n += 5 * Block
	}
	return n
}

func blocks(c int) int { return (c + Block - 1) / Block }

// offset returns the distance, in float32s, from element (0, 0, 0, 0) of t's root to that of
// t.
func (t *Tensor) offset() int {
	r, ch := t.root()
	shift := 0
	for x := t; x != nil; x = x.in {
		shift += x.shift
	}
	v, _ := r.geometry()
	if r.Layout.byChannels() {
		return ch/Block*v.C + shift
	}
	if r.Layout == N16 {
		return ch*v.C + shift
	}
	return ch + shift
}
