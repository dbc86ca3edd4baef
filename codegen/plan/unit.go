package plan

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// Unit is a node together with the nodes fused to it. It is lowered as a whole.
type Unit struct {
	Node  *ir.Node   // the main node
	Nodes []*ir.Node // Node and the fused ones, in topological order

	// Read lists the values that the unit reads, without params: the operands of Node in
	// order, then the residual.
	Read []*ir.Value
	// Wrote lists the values that the unit computes: the outputs of Node, or those of the
	// nodes that are fused to it.
	Wrote []*ir.Value
	// In and Out are the places of Read and Wrote. When the unit is lowered, only the
	// layouts of In are known. When its steps are emitted, everything is known.
	In, Out []*Tensor

	// Ops fused to a convolution or dense layer:
	//
	//	Wrote[i] = Acts[i](residual + Scale*(channels of Node's output))
	//
	// An elementwise op or batch normalization has only Acts, batch normalization in a training
	// step a residual, too.
	Acts     []ops.Act // activation of each output
	Ranges   []int     // first channel of each output
	Residual int       // index of the residual in Read, -1 for none
	Scale    float64
	// Shift is the param of an addition that is fused to the product of a map and a param, both
	// with one number for each channel: batch normalization that no convolution absorbs.
	Shift *ir.Value
	Flat  *ir.Node // the flatten before it: the unit reads the flatten's input instead

	// Resized holds the weights of a resizing of maps, of the rows and of the columns, nil for an
	// axis that is not resized. Node is the first of the transpositions and convolutions that it
	// was written as.
	Resized [2]*ir.Value
	Final   bool // Resized: Wrote[0] is an output of the graph, and nothing else reads it

	// Norm is a layer normalization over channels that the nodes make up. Node computes the mean.
	Norm *Norm

	// Before is a quantize of an input of the graph that is fused to the convolution that reads it:
	// the unit reads that input.
	Before *ir.Node
	// Pool is a max pool with 2 x 2 windows (see pairs) fused to the end of a
	// convolution. Wrote[0] is the pool's output; its input is not written.
	Pool *ir.Node
	// Quantize is a quantize of the result that is fused to a convolution, a dense layer or an
	// addition. Wrote[0] is its output; its input is not written.
	Quantize *ir.Node
	// The next three are for 2 x 2 max pools in a training step.
	Indices   bool // also write the indices, the position of each maximum, for the backward pass: the last of Wrote
	IndexReLU bool // the gradient that reads these indices is Masked
	Indexed   bool // Node is a max pool's gradient that reads indices

	// Ops fused to the gradient of a max pool, ReLU, convolution, dense layer or batch norm, or to
	// a sum of gradients, in a training step:
	Masked bool // the layer read the output of a ReLU, whose gradient is fused: Wrote[0] is the gradient before the ReLU (for a layer or a sum, that output is the last of Read)
	// NormAct is the activation behind a batch norm whose gradient
	// is fused to the gradient of the batch norm: Read[0] is the gradient behind the activation.
	// What the activation lets pass follows from the input of the batch norm.
	NormAct *ir.Node
	Summed  bool // Wrote[1] is the sum of Wrote[0] over images and pixels: the gradient of a bias

	choice Choice
}

// Name returns the name of the unit's first output.
func (u *Unit) Name() string { return u.Wrote[0].Name }

// Param returns operand i of the node if it is a param, otherwise nil.
func (u *Unit) Param(i int) *ir.Value {
	if i < len(u.Node.In) && u.Node.In[i] != nil && u.Node.In[i].Param != nil {
		return u.Node.In[i]
	}
	return nil
}

// Choice is how a unit is computed.
type Choice struct {
	Algo string // the algorithm in a word or two, for people: "direct", "winograd 4x4"
	// In and Out are the layouts that the kernel needs, one for each value of Read and of
	// Wrote.
	In  []Need
	Out []Need
	// InPlace holds, for each output, 1 + the index of the input that it may overwrite if
	// nothing reads that input later, or 0 for none. nil means 0 for all outputs.
	InPlace []int
	// Emit adds the steps. It is called when all views are known.
	Emit func(*Emitter) error

	// Join replaces Emit: the output is a concatenation of the inputs over channels.
	// Where possible, inputs are computed directly in their part of the output.
	Join bool
	// Into is for ops that change a param: output i is the new value of the param Into[i] and
	// is written over it. Into[i] is nil for other outputs. A unit with Last runs after all
	// units without it, because these may read the param that it changes.
	Into []*ir.Value
	Last bool

	// Apart says that the kernel cannot include Before, Pool or Quantize: the first of these is then
	// lowered separately.
	Apart bool

	// Views replaces Emit: output i is a view of input 0 from channel Views[i] on.
	Views []int
}

// Need is what a kernel requires of an operand.
type Need struct {
	Layout Layout
	Border Border // for inputs: the rows and columns around the map that the kernel reads
}

// WeightRef is an array of weights that a step needs.
type WeightRef struct {
	Params []*ir.Value
	At     *Tensor // its place: a param of a training step, or memory that an earlier step wrote
	How    string  // if At is nil, the executor's name for the packing; "" for no weight
	Arg    float64 // an argument of the packing
	Len    int     // number of float32s
}

// Emitter receives the steps of one unit.
type Emitter struct {
	*Unit
	p *planner
}

// Batch returns the largest number of images of a run.
func (e *Emitter) Batch() int { return e.p.opt.Batch }

// Temp returns temporary memory that only this unit uses, for c channels of h x w.
func (e *Emitter) Temp(name string, l Layout, c, h, w int) *Tensor {
	t := &Tensor{Name: e.Name() + "/" + name, Layout: l, C: c, H: h, W: w, batch: e.p.opt.Batch}
	if l == Packed {
		t.batch = 1
	}
	return t
}

// Param returns the place of a param of a training step.
func (e *Emitter) Param(v *ir.Value) *Tensor { return e.p.params[v] }

// Step adds a step. Operands that the kernel does not use are nil.
func (e *Emitter) Step(k Kernel, in, out []*Tensor, w ...WeightRef) {
	e.p.step(e.Unit, k, e.choice.Algo, in, out, w)
}
