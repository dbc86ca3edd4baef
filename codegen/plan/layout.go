package plan

import (
	"fmt"

	"github.com/incc-lang/incc/ir"
)

// Layout is the order in which a value's elements lie.
type Layout uint8

const (
	// Blocked is NCHW16c: 16 channels side by side, the last block filled up with
	// zeros. It is the layout of feature maps and of vectors (height and width 1).
	// A blocked buffer may have a border.
	Blocked Layout = iota
	// Planar is row-major without gaps: the layout of inputs and outputs.
	Planar
	// Framed is planar with a border of zeros.
	Framed
	// Packed is an array without a batch in the order of the kernel that reads it
	// as weights, C float32s long.
	Packed
	// Lanes is 16 images side by side, every channel a block of its own: for batches
	// of narrow networks, whose channels would not fill blocks. Vectors have height
	// and width 1. It may have a border. Lanes past the last image hold finite values.
	Lanes
	// Picks say which element of each 2 x 2 window (see pairs) a max pool took. The
	// pool's gradient reads them instead of the pool's input. They are bits, two
	// float32s for each window and block of 16 channels. No kernel copies them.
	Picks
	// LanePicks are the picks of a map in Lanes: two float32s for each window and
	// channel of 16 images.
	LanePicks
)

func (l Layout) String() string {
	return [...]string{"blocked", "planar", "framed", "packed", "lanes", "picks", "lane picks"}[l]
}

// GoString prints the name as a Go program writes it.
func (l Layout) GoString() string {
	return [...]string{"plan.Blocked", "plan.Planar", "plan.Framed", "plan.Packed", "plan.Lanes", "plan.Picks", "plan.LanePicks"}[l]
}

// Block is the number of channels side by side in a blocked layout, and of images
// in lanes.
const Block = 16

// picksLen is the number of float32s of the picks of a block of a window.
const picksLen = 2

// picks reports whether l is Picks or LanePicks.
func (l Layout) picks() bool { return l == Picks || l == LanePicks }

// lanes reports whether 16 images lie side by side.
func (l Layout) lanes() bool { return l == Lanes || l == LanePicks }

// blocky reports whether elements lie in blocks of 16, which may have a border.
func (l Layout) blocky() bool { return l == Blocked || l == Lanes }

// Border is rows and columns of zeros around each map: top, left, bottom, right.
type Border [4]int

func (b Border) max(c Border) Border {
	for i := range b {
		b[i] = max(b[i], c[i])
	}
	return b
}

// View says how a value lies in memory. Element (n, c, y, x) is
// n*N + (c/16)*C + y*H + x*16 + c%16 (planar: n*N + c*C + y*H + x)
// float32s after element (0, 0, 0, 0). In lanes it is
// (n/16)*N + c*C + y*H + x*16 + n%16. The picks of the block of window (y, x) are at
// y*H + x*2 behind the begin of the block.
type View struct{ N, C, H int }

// Tensor is a value in one layout: a place in a buffer once the plan is laid out.
type Tensor struct {
	Name    string
	Value   *ir.Value // nil for memory of a step's own
	Layout  Layout
	C, H, W int // of one image; vectors have height and width 1

	space Space
	index int // of the input or output

	in      *Tensor // the tensor whose storage it is a part of, nil for a root
	channel int     // its first channel in that storage (planar: its first element)
	shift   int     // float32s to add to that position
	inplace bool    // it overwrites in
	joined  bool    // it is an input of the join in

	// Of roots:
	batch    int // images that there is room for
	border   Border
	buf      *buffer
	paramOff int  // offset of a param in the memory of the params
	keep     bool // lives to the end of the run
}

// newTensor gives a value a place of its own in that layout.
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
	for i, d := range s {
		if d == ir.Batch && i > 0 {
			return nil, fmt.Errorf("%s has shape %v: the batch must be the first axis: %w", v.Name, s, ErrUnsupported)
		}
	}
	if len(s) > 0 {
		// A graph for a single image may say 1 where others say N.
		if s[0] != ir.Batch && s[0] != 1 {
			return nil, fmt.Errorf("%s has shape %v: the first axis must be the batch (N): %w", v.Name, s, ErrUnsupported)
		}
		s = s[1:]
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

// Shift returns t with its origin moved by a number of float32s.
func (t *Tensor) Shift(float32s int) *Tensor {
	s := t.Part(0, t.C)
	s.shift = float32s
	return s
}

// root returns the storage that t lies in and at which channel.
func (t *Tensor) root() (r *Tensor, channel int) {
	for t.in != nil {
		channel += t.channel
		t = t.in
	}
	return t, channel
}

// Lane returns the position within a block at which a blocked tensor begins. It is 0
// except for parts of a join that are copied to their place.
func (t *Tensor) Lane() int {
	_, c := t.root()
	if t.Layout != Blocked {
		return 0
	}
	return c % Block
}

// Ends reports whether t's last channel is the last channel of its root.
func (t *Tensor) Ends() bool {
	return t.in == nil || t.channel+t.C == t.in.C
}

// Part is c channels of t from channel on, as an operand of a step.
func (t *Tensor) Part(channel, c int) *Tensor {
	if !t.Layout.blocky() {
		channel *= t.H * t.W
	}
	return &Tensor{Name: t.Name, Value: t.Value, Layout: t.Layout, C: c, H: t.H, W: t.W, in: t, channel: channel}
}

// Size is the number of elements of one image, without padding.
func (t *Tensor) Size() int { return t.C * t.H * t.W }

// Border is the border of the buffer that t is a part of.
func (t *Tensor) Border() Border {
	r, _ := t.root()
	return r.border
}

// View is how t lies in its buffer.
func (t *Tensor) View() View {
	r, _ := t.root()
	v, _ := r.geometry()
	if t.Layout == Planar {
		v.C, v.H = t.H*t.W, t.W // a reshape has other rows than its root
	}
	return v
}

// geometry returns the view of a root, and how far element (0, 0, 0, 0) is from the
// begin of its memory (of the border above the first block).
//
// In vectors of several images, each block of 16 features holds all images side by
// side: a dense layer treats images as a convolution treats pixels.
func (t *Tensor) geometry() (v View, lead int) {
	b := t.border
	pitch := t.W + max(b[1], b[3])
	switch {
	case t.vector():
		v = View{N: Block, C: t.batch * Block, H: Block}
	case t.Layout.blocky():
		v.H = pitch * Block
		v.C = blockStride(t.H, t.W, b)
		v.N = t.blocks() * v.C
		if b == (Border{}) && t.batch > 1 {
			v.N = apart(v.N)
		}
		lead = (b[0]*pitch + b[1]) * Block
	case t.Layout.picks():
		v.H = t.W / 2 * picksLen
		v.C = t.H / 2 * v.H
		v.N = t.blocks() * v.C
	case t.Layout == Framed:
		v.H = pitch
		v.C = (t.H + max(b[0], b[2])) * pitch
		v.N = t.C * v.C
		lead = b[0]*pitch + b[1]
	default:
		v = View{N: t.C * t.H * t.W, C: t.H * t.W, H: t.W}
	}
	return v, lead
}

// vector reports whether the images of a root lie side by side.
func (t *Tensor) vector() bool {
	return t.Layout == Blocked && t.H*t.W == 1 && t.border == (Border{})
}

// length is how many float32s a root's images take, without the lead.
func (t *Tensor) length() int {
	v, _ := t.geometry()
	if t.vector() {
		return blocks(t.C) * v.C
	}
	if t.Layout.lanes() {
		return blocks(t.batch) * v.N
	}
	return t.batch * v.N
}

// blocks is the number of blocks of an image, or of 16 in lanes.
func (t *Tensor) blocks() int {
	if t.Layout.lanes() {
		return t.C
	}
	return blocks(t.C)
}

// blockStride is the distance between blocks of 16 channels. Borders of
// neighbours coincide.
func blockStride(h, w int, b Border) int {
	return apart((h + max(b[0], b[2])) * (w + max(b[1], b[3])) * Block)
}

// apart lengthens a distance that is a multiple of 4 KiB: addresses at such distances
// compete for the same few lines of the L1 cache.
func apart(n int) int {
	if n%1024 == 0 {
		n += 5 * Block
	}
	return n
}

func blocks(c int) int { return (c + Block - 1) / Block }

// offset is where t's first element lies relative to its root's.
func (t *Tensor) offset() int {
	r, ch := t.root()
	shift := 0
	for x := t; x != nil; x = x.in {
		shift += x.shift
	}
	v, _ := r.geometry()
	if r.Layout == Blocked {
		return ch/Block*v.C + shift
	}
	if r.Layout == Lanes {
		return ch*v.C + shift
	}
	return ch + shift
}
