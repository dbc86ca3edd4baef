package kernel

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/incc-lang/incc/ir/nodes"
)

// This file runs the operators of package nodes. Their operands are wide: row-major float64s,
// each in the place of two float32s.

// wide returns n float64s that begin at a place, which must be an even number of float32s from
// the begin of memory.
func wide(mem []float32, off, n int) []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(&mem[off : off+2*n][0])), n)
}

// Widen turns row-major float32s into float64s; Narrow is the way back. Both work on N elements
// for each image, or on N elements if Fixed.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Widen struct {
	N     int
	Fixed bool
	InN   int // from image to image in the input, in float32s
}

// Narrow rounds row-major float64s to float32.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Narrow struct {
	N     int
	Fixed bool
	OutN  int  // from image to image in the output, in float32s
	Ints  bool // the elements are integers: one that float32 cannot hold is an error
}

func wideTasks(images int, fixed bool) int {
	if fixed {
		return 1
	}
	return images
}

// Tasks is one for each image.
func (k Widen) Tasks(images int) int { return wideTasks(images, k.Fixed) }

// Run widens an image.
func (k Widen) Run(_ *Worker, task int, a *Args) {
	dst := wide(a.Out[0].Mem, a.Out[0].Off+2*task*k.N, k.N)
	for i, x := range a.In[0].Mem[a.In[0].Off+task*k.InN:][:k.N] {
		dst[i] = float64(x)
	}
}

// Tasks is one for each image.
func (k Narrow) Tasks(images int) int { return wideTasks(images, k.Fixed) }

// Run narrows an image.
func (k Narrow) Run(w *Worker, task int, a *Args) {
	dst := a.Out[0].Mem[a.Out[0].Off+task*k.OutN:][:k.N]
	for i, x := range wide(a.In[0].Mem, a.In[0].Off+2*task*k.N, k.N) {
		dst[i] = float32(x)
		if k.Ints && float64(dst[i]) != x {
			w.fail(a, fmt.Errorf("a result holds the integer %.0f: float32, in which results are given, does not hold it exactly", x))
		}
	}
}

// NodeOperand is an operand or a result of a Node.
type NodeOperand struct {
	Kind nodes.NodeKind // NodeNone for an operand that is left out
	Axes int            // how many of Dims count
	Dims [nodes.NodeMaxAxes]int
	// Weight says that it lies among the weights, W[0], At float64s from the begin. Else At is the
	// number of an operand in In or Out.
	Weight bool
	At     int
}

// nodeOperands is the largest number of operands of a Node.
const nodeOperands = 9

// Node computes an operator of package nodes. An axis of -1 is the batch.
//
// Operands: In and Out as the operands say, W[0] the weights, all of them wide.
type Node struct {
	Op, Attrs string
	In        [nodeOperands]NodeOperand
	Out       [4]NodeOperand
}

// bound returns the type of an operand for a number of images.
func (o NodeOperand) bound(images int) nodes.NodeType {
	t := nodes.NodeType{Kind: o.Kind, Shape: make([]int, o.Axes)}
	for i := range t.Shape {
		if t.Shape[i] = o.Dims[i]; t.Shape[i] < 0 {
			t.Shape[i] = images
		}
	}
	return t
}

// plan plans the operator. The planner has done it before with the same types, so that no error
// is possible.
func (k Node) plan(images int) *nodes.NodePlan {
	n := len(k.In)
	for n > 0 && k.In[n-1].Kind == nodes.NodeNone {
		n--
	}
	var in []nodes.NodeType
	for _, o := range k.In[:n] {
		in = append(in, o.bound(images))
	}
	p, err := nodes.PlanNode(k.Op, k.Attrs, in, false)
	if err != nil {
		panic("kernel: " + k.Op + ": " + err.Error())
	}
	return p
}

// Tasks is that of the operator.
func (k Node) Tasks(images int) int { return k.plan(images).Tasks() }

// Run plans the operator for one task. Prepare is for many.
func (k Node) Run(w *Worker, task int, a *Args) { k.run(k.plan(a.Images), w, task, a) }

// nodeArgs are the operands of the Node under way.
type nodeArgs struct {
	x [nodeOperands][]float64
	y [4][]float64
}

func (k *Node) run(p *nodes.NodePlan, w *Worker, task int, a *Args) {
	for i := range p.In {
		o := &k.In[i]
		switch {
		case o.Kind == nodes.NodeNone:
			w.node.x[i] = nil
		case o.Weight:
			w.node.x[i] = wide(a.W[0], 2*o.At, p.In[i].Len())
		default:
			b := &a.In[o.At]
			w.node.x[i] = wide(b.Mem, b.Off, p.In[i].Len())
		}
	}
	for i := range p.Out {
		b := &a.Out[i]
		w.node.y[i] = wide(b.Mem, b.Off, p.Out[i].Len())
	}
	if err := p.Run(task, w.node.x[:len(p.In)], w.node.y[:len(p.Out)]); err != nil {
		w.fail(a, err)
	}
}

// Preparer is a kernel that a program replaces by another one that does the same, once, when it
// is created.
type Preparer interface {
	Runner
	Prepare() Runner
}

// CanFail reports whether the operands may hold elements for which there is no result.
func (k Node) CanFail() bool { return k.plan(1).CanFail() }

// CanFail reports whether the results may hold integers that float32 does not hold.
func (k Narrow) CanFail() bool { return k.Ints }

// Prepare returns the node with its plans.
func (k Node) Prepare() Runner { return NodeOf(k) }

// PreparedNode is a Node that keeps what it has planned, by the number of images.
type PreparedNode struct {
	node  Node
	plans [preparedImages]atomic.Pointer[nodes.NodePlan]
	last  atomic.Pointer[preparedPlan] // for more images
}

const preparedImages = 17

type preparedPlan struct {
	images int
	plan   *nodes.NodePlan
}

// NodeOf returns a Node that keeps what it has planned.
func NodeOf(k Node) *PreparedNode { return &PreparedNode{node: k} }

// plan returns the plan for a number of images.
func (p *PreparedNode) plan(images int) *nodes.NodePlan {
	if images < preparedImages {
		x := p.plans[images].Load()
		if x == nil {
			x = p.node.plan(images)
			p.plans[images].Store(x)
		}
		return x
	}
	if x := p.last.Load(); x != nil && x.images == images {
		return x.plan
	}
	x := &preparedPlan{images, p.node.plan(images)}
	p.last.Store(x)
	return x.plan
}

// Tasks is that of the operator.
func (p *PreparedNode) Tasks(images int) int { return p.plan(images).Tasks() }

// Run computes a task.
func (p *PreparedNode) Run(w *Worker, task int, a *Args) {
	p.node.run(p.plan(a.Images), w, task, a)
}
