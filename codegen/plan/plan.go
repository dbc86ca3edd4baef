// Package plan turns a graph into a schedule: a list of steps over one block of memory
// (the arena). Each step is a kernel, the buffers it reads and writes, and its weights.
//
// The caller's Lowering decides which kernel computes an op; plan decides where every value lies (layout, border,
// slice of a concat, storage taken over in place), what runs together, when
// each buffer lives, and at which offset. A Plan is made of plain values: the
// executor runs it, a generator prints it.
//
// A plan is a pure function of the graph, the options and the lowering: it
// reads no clock, no processor, no environment, and walks no map.
package plan

import (
	"errors"

	"github.com/incc-lang/incc/ir"
)

// ErrUnsupported is wrapped by errors that say that a graph cannot be planned:
// an op without a lowering, a shape without a layout.
var ErrUnsupported = errors.New("cannot be planned")

// Kernel is one piece of work. It is a comparable value that prints with %#v as
// the Go expression that makes it.
type Kernel interface {
	// Tasks returns the number of independent pieces that the work on images
	// splits into.
	Tasks(images int) int
}

// Cost is a lowering's prediction for one kernel.
type Cost struct {
	MACs    int64   // multiply-accumulates of the op, however the kernel computes it
	Seconds float64 // on one thread
}

// Lowering says how nodes are computed.
type Lowering interface {
	// Lower chooses how to compute a unit. It is called in the order of the
	// graph; the layouts of u's inputs are known.
	Lower(u *Unit) (Choice, error)
	// Copy returns the kernel that copies src to dst. Both have the same
	// channels, height and width; layouts and places may differ. Copy returns
	// nil if no single kernel can do it.
	Copy(src, dst *Tensor) Kernel
	// Gather returns the kernel that copies several parts to their places in a
	// join at once, nil where they are to be copied one by one.
	Gather(src, dst []*Tensor) Kernel
	// Cost predicts the time of a kernel for a number of images.
	Cost(k Kernel, images int) Cost
	// Packing returns the element order of an array without a batch in a training
	// step: a weight, its gradient, or a slot of the optimizer. Len is 0 if the
	// array has no such order.
	Packing(v *ir.Value) Packing
	// Mapped reports whether v, a flattened gradient, is to be written directly in
	// feature-map layout. Its unit then includes the reshape and can fuse whatever
	// the gradient of a feature map can fuse.
	Mapped(v *ir.Value) bool
}

// Packing is the order in which a weight's elements are stored. The kernel of the
// forward pass chooses it; the gradient and the optimizer's slots use the same order.
type Packing struct {
	How string  // as in Weight
	Arg float64 // as in Weight
	By  Kernel  // the kernel that chose the order, nil if none did
	Len int     // float32s
}

// Options of a plan.
type Options struct {
	Batch int  // the most images of a run
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
}

// Edge is an input or output of the program: row-major float32s in the caller's
// memory, Size of them for each image.
type Edge struct {
	Name  string
	Shape ir.Shape
	Size  int
	Fixed bool // has no batch axis: Size is the total
}

// Kept is a value that stays in the arena after a run.
type Kept struct {
	Name  string // of the value
	Part  string // the label of the spec whose result it is, if any
	Shape ir.Shape
	At    Operand // row-major, Size for each image
	Size  int
}

// Space names one of the memories that operands lie in.
type Space uint8

// The spaces. An operand that a step does not use is in Nowhere.
const (
	Nowhere Space = iota
	Arena         // the session's
	Input         // the caller's input Index
	Output        // the caller's output Index
	Params        // the session's memory for Plan.State, which a training step changes
)

// Operand is a place in memory: the address of element (0, 0, 0, 0) in the kernel's
// view.
type Operand struct {
	Space Space
	Index int // of the input or output
	Off   int // in float32s
}

// Step is one call of a kernel. Steps of the same Phase are independent and may run
// in parallel; phases run one after another.
type Step struct {
	Name   string // of the value that it computes
	Algo   string // how, in a word or two
	Do     Kernel
	Phase  int
	In     [4]Operand
	Out    [4]Operand
	W      [4]int     // index into Plan.Weights + 1, 0 for none
	WAt    [4]Operand // weights of a training step: WLen float32s in the arena or among the params
	WLen   [4]int
	Reads  []int // buffers
	Writes []int
	From   []string // the nodes that it computes, by the name of their first output
	Shape  ir.Shape // of the first output
	Cost   Cost     // for a full batch
}

// Weight is an array that a step reads: params of the graph, packed in the order
// that the step's kernel needs.
type Weight struct {
	Params []string // names of the values it is made from
	How    string   // the name of the packing
	Arg    float64  // an argument of the packing
	Step   int      // the step whose kernel packs it
	Slot   int      // its index among that step's weights
	Off    int      // in the packed weights, a multiple of 16
	Len    int      // float32s
}

// State is a param of a training step: it persists from run to run and is changed
// in place.
type State struct {
	Name  string
	Shape ir.Shape
	Packing
	Off int // in the memory of the params, a multiple of 16
}

// Section is the steps that compute one labelled part of the spec.
type Section struct {
	Name       string // the label, "" outside of any
	First, End int    // steps First..End-1
}

// Buffer is a piece of the arena with a lifetime, from its first write to its
// last read. Buffers that live at the same time do not overlap, except in their
// borders, which are always zero.
type Buffer struct {
	Name        string // of the value, or of the first of several
	Layout      Layout
	C, H, W     int
	Border      Border
	View        View
	Off, Len    int // extent in the arena, without borders shared with others
	At          int // element (0, 0, 0, 0)
	First, Last int // phases
	Frame       int // 1 + index of the class of bordered buffers it lies among, 0 for none
}

// Arena lengths and offsets are multiples of Align float32s: a cache line.
const Align = 16
