// Package plan turns a graph into a schedule: a list of steps over one block of memory
// (the arena). Each step is a kernel, the buffers it reads and writes, and its weights.
//
// The caller's Lowering decides which kernel computes an op. Package plan decides the layout
// and the border of every value, which values share memory (operands of a concat, results
// that overwrite an operand), which steps may run in parallel, and when each buffer is in
// use and at which offset. A Plan consists of plain values: the executor runs it, and
// package gosrc prints it as Go.
//
// A plan depends only on the graph, the options and the lowering. It does not depend on the
// time, the processor, the environment or the order of a map.
package plan

import (
	"errors"

	"github.com/incc-lang/incc/ir"
)

// ErrUnsupported is wrapped by errors about graphs that cannot be planned, because an op has
// no lowering or a shape has no layout.
var ErrUnsupported = errors.New("not supported")

// Kernel is the code of a step with its constant arguments. It is a comparable value. %#v
// prints it as a Go expression.
type Kernel interface {
	// Tasks returns the number of independent tasks into which the kernel divides its work
	// on a number of images.
	Tasks(images int) int
}

// Failer is a kernel that may meet numbers for which it has no result, such as an index outside
// of its axis.
type Failer interface{ CanFail() bool }

// Cost is a lowering's prediction for one kernel.
type Cost struct {
	MACs    int64   // multiply-accumulates by the op's definition; the kernel may need fewer
	Seconds float64 // time on one thread
}

// Lowering chooses how nodes are computed.
type Lowering interface {
	// Lower chooses how to compute a unit. It is called in the order of the
	// graph; the layouts of u's inputs are known.
	Lower(u *Unit) (Choice, error)
	// Copy returns the kernel that copies src to dst. Both have the same
	// channels, height and width; layouts and places may differ. Copy returns
	// nil if no single kernel can do it.
	Copy(src, dst *Tensor) Kernel
	// Gather returns one kernel that copies several operands to their places in the output
	// of a join. It returns nil if they must be copied one by one.
	Gather(src, dst []*Tensor) Kernel
	// Cost predicts the time of a kernel for a number of images.
	Cost(k Kernel, images int) Cost
	// Packing returns the element order of an array without a batch in a training
	// step: a weight, its gradient, or a slot of the optimizer. Len is 0 if the
	// array has no such order.
	Packing(v *ir.Value) Packing
	// Mapped reports whether v, the gradient of a flattened map, should be written directly
	// in the layout of the map. Its unit then includes the reshape, and can fuse the same
	// nodes as the gradient of a map.
	Mapped(v *ir.Value) bool
}

// Packing is the order in which a weight's elements are stored in a training step. The kernel
// of the forward pass chooses it. The gradient and the optimizer's slots have the same
// order.
type Packing struct {
	How string  // as in Weight
	Arg float64 // as in Weight
	By  Kernel  // the kernel that chose the order, nil if none did
	Len int     // number of float32s
}

// Options of a plan.
type Options struct {
	Batch int  // the largest number of images of a run
	Train bool // the graph is a training step, and the plan includes its Updates
	// Keep names values that can be read after a run (Plan.Kept), such as those
	// of labelled parts.
	Keep []*ir.Value
	// OneByOne gives every step a phase of its own, even if it could run in
	// parallel with another step.
	OneByOne bool
}

// Plan is a schedule: inputs and outputs, memory, weights and steps.
type Plan struct {
	Name     string
	Batch    int
	Train    bool
	Arena    int // length of the arena, in float32s
	Inputs   []Edge
	Outputs  []Edge
	Kept     []Kept
	State    []State // of a training step: weights, statistics, slots
	StateLen int     // length of their memory, in float32s
	Weights  []Weight
	Packed   int // length of the packed weights, in float32s
	Steps    []Step
	Changes  int  `json:",omitempty"` // of a training step: index of the first step that changes params
	Solo     bool `json:",omitempty"` // steps are too short to split: one thread runs the whole plan
	Sections []Section
	Buffers  []Buffer
	// Graph is set by executors that rewrite a graph before they plan it: Weights and State name
	// values of this graph, or of the planned one where it is nil.
	Graph *ir.Graph `json:"-"`
}

// Edge is an input or output of the plan: row-major float32s in the caller's memory, Size of
// them for each image.
type Edge struct {
	Name  string
	Shape ir.Shape
	Size  int
	Fixed bool // it has no batch axis, and Size is the total number of float32s
}

// Kept is a value that can be read from the arena after a run.
type Kept struct {
	Name  string // of the value
	Part  string // the label of the part of the spec whose result it is, if any
	Shape ir.Shape
	At    Operand // its place; the elements are row-major
	Size  int     // number of float32s for each image
}

// Space names one of the blocks of memory that operands lie in.
type Space uint8

// The spaces.
const (
	Nowhere Space = iota // for an operand that the step does not have
	Arena                // the session's arena
	Input                // the caller's memory for input number Index
	Output               // the caller's memory for output number Index
	Params               // the session's memory for Plan.State, which a training step changes
)

// Operand is a place in memory: that of element (0, 0, 0, 0) of a value (see View).
type Operand struct {
	Space Space
	Index int // index of the input or output
	Off   int // offset from the begin of the space, in float32s
}

// Step is one call of a kernel. Steps of the same Phase are independent and may run
// in parallel; phases run one after another.
type Step struct {
	Name   string // name of the value that it computes
	Algo   string // the algorithm, in a word or two
	Do     Kernel
	Phase  int
	In     [4]Operand
	Out    [4]Operand
	W      [4]int     // its weights: index into Plan.Weights + 1, 0 for none
	WAt    [4]Operand // its weights in a training step, in the arena or among the params
	WLen   [4]int     // number of float32s at WAt
	Reads  []int      // indices into Plan.Buffers
	Writes []int      // likewise
	From   []string   // the nodes that it computes, by the name of their first output
	Shape  ir.Shape   // shape of the first output
	Cost   Cost       // predicted cost for a full batch
}

// Weight is an array that a step reads: params of the graph in the order (packing) that the
// step's kernel needs.
type Weight struct {
	Params []string // names of the values that it is made from
	How    string   // the name of the packing
	Arg    float64  // an argument of the packing
	Step   int      // index of the step whose kernel defines the packing
	Slot   int      // its index among that step's weights
	Off    int      // offset in the packed weights in float32s, a multiple of 16
	Len    int      // number of float32s
}

// State is a param of a training step. It remains in memory from one run to the next, and is
// changed in place.
type State struct {
	Name  string
	Shape ir.Shape
	Packing
	Off int // offset in the memory of the params in float32s, a multiple of 16
}

// Section is a range of steps that compute one labelled part of the spec.
type Section struct {
	Name       string // the label, "" for steps without one
	First, End int    // steps First..End-1
}

// Buffer is a range of the arena with a lifetime, from its first write to its last read.
// Buffers that live at the same time do not overlap, except in their borders, which are
// always zero.
type Buffer struct {
	Name        string // name of the value, or of the first of several
	Layout      Layout
	C, H, W     int
	Border      Border
	View        View
	Off, Len    int // offset and length in float32s, without borders shared with others
	At          int // offset of element (0, 0, 0, 0)
	First, Last int // first and last phase of its lifetime
	Frame       int // 1 + index of its class of buffers with equal borders, which share memory; 0 for none
}

// Align is the number of float32s in a cache line. The length of the arena and the offsets of
// buffers are multiples of it.
const Align = 16
