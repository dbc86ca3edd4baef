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
	// Tasks is the number of independent pieces for that many images.
	Tasks(images int) int
}

// Cost is what a lowering predicts of a kernel.
type Cost struct {
	MACs    int64   // multiply-accumulates as the kernel's users count them
	Seconds float64 // on one thread
}

// Lowering says how nodes are computed.
type Lowering interface {
	// Lower chooses how to compute a unit. It is called in the order of the
	// graph; the layouts of u's inputs are known.
	Lower(u *Unit) (Choice, error)
	// Copy returns the kernel that copies src to dst, of the same channels,
	// height and width: from layout to layout, or from place to place. It
	// is nil where it cannot be done at once.
	Copy(src, dst *Tensor) Kernel
	// Gather returns the kernel that copies several parts to their places in a
	// join at once, nil where they are to be copied one by one.
	Gather(src, dst []*Tensor) Kernel
	// Cost predicts the time of a kernel for that many images.
	Cost(k Kernel, images int) Cost
	// Packing says how an array without a batch lies in a training step: a
	// weight, its gradient, a slot of the optimizer. Len is 0 where it cannot be.
	Packing(v *ir.Value) Packing
	// Mapped reports whether v, a gradient that is a vector and then reshaped to maps, is
	// to be written as those maps: its unit takes in the reshape, and what is fused to
	// gradients that are maps.
	Mapped(v *ir.Value) bool
}

// Packing is an order of the elements of a weight, that of the kernel that
// computes with it forwards; its gradient and the optimizer's slots share it.
type Packing struct {
	How string  // as in Weight
	Arg float64 // as in Weight
	By  Kernel  // whose order it is, if it is a kernel's
	Len int     // float32s
}

// Options of a plan.
type Options struct {
	Batch int  // the most images of a run
	Train bool // the graph is a training step: Updates are carried out
	// Keep names values that can be read after a run (Plan.Kept), such as those
	// of labelled parts.
	Keep []*ir.Value
	// OneByOne gives every step a fork and join of its own, even where it
	// could run beside another.
	OneByOne bool
}

// Plan is what a program does, as plain values.
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
	Changes  int  `json:",omitempty"` // of a training step: from here on steps change params, before it none does
	Solo     bool `json:",omitempty"` // its steps are too short to share: one thread carries it out
	Sections []Section
	Buffers  []Buffer
}

// Edge is an input or output of the program: row-major float32s of the caller's,
// Size for every image.
type Edge struct {
	Name  string
	Shape ir.Shape
	Size  int
	Fixed bool // without a batch: Size in all
}

// Kept is a value that stays in the arena after a run.
type Kept struct {
	Name  string // of the value
	Part  string // of the label that stands for it, if any
	Shape ir.Shape
	At    Operand // row-major, Size for each image
	Size  int
}

// Space is a memory that operands lie in.
type Space uint8

// The spaces. Nowhere is that of an operand that a step does not have.
const (
	Nowhere Space = iota
	Arena         // the session's
	Input         // the caller's input Index
	Output        // the caller's output Index
	Params        // what a training step changes: the session's Plan.State
)

// Operand is a place in memory: element (0, 0, 0, 0) of the view that the kernel
// has of it.
type Operand struct {
	Space Space
	Index int // of the input or output
	Off   int // in float32s
}

// Step is one kernel at work. Steps of the same Phase are independent of one
// another and may run as one list of tasks; phases follow one another.
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

// Weight is an array that a step reads: values of the graph, in an order of the
// step's kernel's own.
type Weight struct {
	Params []string // names of the values it is made from
	How    string   // the name of the packing
	Arg    float64  // a number that it needs
	Step   int      // whose kernel packs it
	Slot   int      // which of its weights it is
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

// Section is a run of steps that one labelled part of the spec asked for.
type Section struct {
	Name       string // the label, "" outside of any
	First, End int    // steps First..End-1
}

// Buffer is a piece of the arena with a lifetime, from its first write to its
// last read. No two buffers whose lifetimes meet overlap, except for borders,
// which are zero always.
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
