package kernel

// Block is the number of channels that lie side by side in the NCHW16c layout.
// Every tier uses it, so that one plan, one arena and one packed copy of the
// weights serve all of them: AVX-512 reads a block as one register, AVX2 as
// two, portable Go as a loop of sixteen.
const Block = 16

// View says how an activation lies in its buffer. The slice that goes with it
// in Args begins at element (0, 0, 0, 0) of the image proper (inside the
// border, at the first channel of a concat's slice), and element (n, c, y, x)
// is
//
//	n*N + (c/16)*C + y*H + x*16 + c%16
//
// in float32s from there. Borders are physical: a consumer that pads reads
// zeros at negative y and x, so buffers are handed over as the whole arena and
// the offset of the first element (Buf).
type View struct {
	N int // from image to image
	C int // from block of 16 channels to the next
	H int // from row to row
}

// Buf is a place in memory: Mem[Off] is element (0, 0, 0, 0) of the view that
// the kernel names. Elements before Off exist where the view has a border.
type Buf struct {
	Mem []float32
	Off int
}

// Args is what one step of a plan hands to its kernel. It is passed by pointer
// and kept by the session, so that a run allocates nothing.
type Args struct {
	Images int    // images in this run, at most the planned batch
	In     [4]Buf // activations read; the kernel's comment names them
	Out    [2]Buf // activations written
	W      [4][]float32
}

// Worker is one thread of the pool as a kernel sees it.
type Worker struct {
	ID      int
	ISA     ISA
	Scratch []float32 // at least Scratcher.Scratch() long, 64-byte aligned
}

// Kernel is one piece of work of a plan: a comparable struct whose fields are
// all that was decided when planning (shapes, strides, tiles, epilogue) and
// which prints with %#v as the Go expression that makes it.
//
// Tasks are independent: no two of them write the same element, none reads what
// another writes, and the result of a task does not depend on the worker that
// runs it. So the bits are the same for any number of threads.
type Kernel interface {
	Tasks(images int) int
	Run(w *Worker, task int, a *Args)
}

// Scratcher is a Kernel that needs scratch memory, in float32s for each worker.
type Scratcher interface {
	Scratch() int
}

// Packer is a Kernel whose weights are stored in an order of its own.
type Packer interface {
	PackedLen() int             // float32s
	Pack(dst, weight []float32) // weight in OIHW (or the op's own order)
}
