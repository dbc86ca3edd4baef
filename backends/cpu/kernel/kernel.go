// Package kernel holds the kernels of a compiled network, the detection of the instruction set,
// and the packing of weights. It uses only the standard library and the other packages of the
// run time: threads, memory, scalar, random and safetensors. Generated packages have a copy of
// what they need of these and of package epochs. README.md describes the layouts, the families
// of kernels, and how to add one.
//
// A kernel is a comparable struct (Runner). The planner sets all of its fields. A program
// packs its weights and computes its offset tables once (Packer, Tabler). A run then
// allocates nothing, and the only choice that depends on the machine is the tier: the
// instruction set that a kernel uses (ISA).
//
// Two terms recur. A block is 16 channels of a pixel, side by side in memory (NCHW16c).
// N16 is the layout NCHW16n, in which 16 images instead of 16 channels lie side by side;
// kernels whose names begin with N16 compute on it.
package kernel

import "github.com/incc-lang/incc/backends/cpu/threads"

// Block is the number of channels that lie side by side in the NCHW16c layout.
// Every tier uses it, so that one plan, one arena and one packed copy of the
// weights serve all of them: AVX-512 reads a block as one register, AVX2 as
// two, portable Go as a loop of sixteen.
const Block = 16

// Blocks is the number of channel blocks that hold c channels.
func Blocks(c int) int { return (c + Block - 1) / Block }

// View says how an activation lies in its buffer. Element (n, c, y, x) of the
// image proper (borders have negative y and x, or y and x past the end) is
//
//	n*N + (c/16)*C + y*H + x*16 + c%16
//
// float32s after element (0, 0, 0, 0), which Buf.Off names: for a slice of a
// concat it is the first element of the slice's first channel. Lanes of the last
// block past the number of channels hold zeros: every kernel keeps them so and
// may rely on it.
//
// Borders are real memory: a kernel that pads reads zeros from them. The session zeroes
// them once, and kernels that write the buffer do not touch them. The right border of
// one row may also be the left border of the next, if it is wide enough for both.
//
// Where a kernel says that an operand is planar, it is NCHW instead: element
// (n, c, y, x) is n*N + c*C + y*H + x.
type View struct {
	N int // from image to image
	C int // from block of 16 channels to the next (planar: from channel to channel)
	H int // from row to row
}

// Buf is a place in memory: Mem[Off] is element (0, 0, 0, 0) of the view that
// the kernel names. Elements before Off exist where the view has a border, so
// Mem is the whole arena (or the caller's whole slice).
type Buf struct {
	Mem []float32
	Off int
}

// Args is what one step of a plan hands to its kernel. It is passed by pointer
// and kept by the session, so that a run allocates nothing. The comment of a
// kernel says which of the fields it uses, and for what.
type Args struct {
	Images int          // images in this run, at most the planned batch
	Step   int          // the number of the step, for errors
	In     [4]Buf       // activations read
	Out    [4]Buf       // activations written
	W      [4][]float32 // weights; W[0] as Packer.Pack wrote it, W[1] the bias
	Table  []int        // what Tabler.Table returned; shared by all sessions
}

// Worker is one thread of the pool as a kernel sees it.
type Worker struct {
	ID      int
	ISA     ISA
	Scratch []float32 // at least Scratcher.Scratch() long, 64-byte aligned

	tile         tile // parameters of the assembly call under way
	vector       matVecStrip
	strip        strip // of pixels
	int8Tile     int8Tile
	int8Bias     [Block]int32 // of a tile whose tier is signed
	int8Winograd int8Winograd
	addStrip     addStrip
	int8Row      int8DepthwiseRow
	lane         n16Tile
	n16Backward  n16BackwardTile
	n16Gemm      n16GemmTile
	lanes        n16Run // the task under way whose lanes are images
	sum          [Block]float32
	act          actTemps
	wino         winoRun // the Winograd task under way
	product      winoProduct
	sums         winoSums
	winoBwd      winoBwdRun
	winoBwdLists winoBwdLists
	grad         bwdWeightsTile
	node         nodeArgs
	err          error // the first of the run under way (fail)
	failed       int   // the step that it is of

	team   *Team // that it is of (team.go)
	thread *threads.Thread
	job    [1]Job  // of Do
	jobs   jobList // of DoAll
}

// Runner is a kernel as a run sees it: a comparable struct whose fields are all that was
// decided when planning (shapes, strides, tiles, epilogue) and which prints with %#v as the
// Go expression that makes it. Every Runner of this package is a Kernel, which states its
// cost as well, in a file that only the planner needs.
//
// Tasks are independent: no two of them write the same element, none reads what
// another writes, and the result of a task does not depend on the worker that
// runs it. So the bits are the same for any number of threads.
type Runner interface {
	Tasks(images int) int
	Run(w *Worker, task int, a *Args)
}

// Scratcher is a kernel that needs scratch memory, in float32s for each worker.
type Scratcher interface {
	Scratch() int
}

// Packer is a kernel whose weights are stored in an order of its own. The order
// is the same for every ISA: one packed copy serves all of them.
type Packer interface {
	PackedLen() int             // float32s
	Pack(dst, weight []float32) // weight in OIHW (or the op's own order); dst is written completely
}

// Tabler is a kernel that walks a table of offsets. A program asks for it once,
// when it is created, and hands it over in Args.Table.
type Tabler interface {
	Table(isa ISA) []int
}

// Act is an activation function in a kernel's epilogue.
type Act uint8

// The activations, as package ops defines them. All let NaN pass. ActHardSigmoid is that with
// alpha 1/6 and beta 1/2, except in Activation and ActBackward, which have parameters.
// ActClip and ActLeakyReLU occur in these two only, ActSqrt in Activation only.
//
// ActReLUBackward is for gradients: 0 where the output of a ReLU is neither above 0 nor NaN,
// as ActBackward has it. Conv, Winograd and N16Conv know it, whose output is then the
// gradient in front of that ReLU.
const (
	ActNone Act = iota
	ActReLU
	ActSigmoid
	ActTanh
	ActReLU6
	ActSiLU
	ActHardSwish
	ActHardSigmoid
	ActGELU
	ActGELUTanh
	ActClip
	ActLeakyReLU
	ActReLUBackward
	ActSqrt
)

// GoString prints the name as a generated program writes it.
func (a Act) GoString() string {
	return [...]string{"kernel.ActNone", "kernel.ActReLU", "kernel.ActSigmoid", "kernel.ActTanh", "kernel.ActReLU6", "kernel.ActSiLU", "kernel.ActHardSwish",
		"kernel.ActHardSigmoid", "kernel.ActGELU", "kernel.ActGELUTanh", "kernel.ActClip", "kernel.ActLeakyReLU", "kernel.ActReLUBackward", "kernel.ActSqrt"}[a]
}

func (a Act) String() string {
	return [...]string{"none", "relu", "sigmoid", "tanh", "relu6", "silu", "hardswish", "hardsigmoid", "gelu", "gelu by tanh", "clip", "leaky relu", "relu gradient", "sqrt"}[a]
}
