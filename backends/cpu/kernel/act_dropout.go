package kernel

// Dropout drops elements at random and scales the others (Srivastava 2014, section
// 4 and 10); it is its own gradient. Element (n, c, y, x) is dropped where word c%4 of
// the Philox block with the key and the counter (y*W + x, c/4, n, step) is below
// Below = floor(p * 2^32), so a mask does not depend on threads or layout, and a
// resumed run draws the same.
//
// Operands: In[0] input (view In), In[1] the step, one integer (PutInt); Out[0]
// output (view Out), which may be the input's place.
type Dropout struct {
	C, H, W int
	Key     [2]uint32
	Below   uint32
	Scale   float32 // 1/(1-p)
	In, Out View
}

func (k Dropout) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 20*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k Dropout) Tasks(images int) int { return k.maps().tasks(images) }

// Run computes some rows of a channel block.
func (k Dropout) Run(w *Worker, task int, a *Args) {
	v := vecFor(w.ISA)
	image, block, y0, y1 := k.maps().task(task)
	step := uint32(Int(a.In[1].Mem, a.In[1].Off))
	rows, width := fuseRows(y0, y1, k.W, k.In, k.Out)
	for y := y0; y < y0+rows; y++ {
		dst, src := k.Out.row(&a.Out[0], image, block, y, width), k.In.row(&a.In[0], image, block, y, width)
		v.dropout(dst, src, k.Key[0], k.Key[1], uint32(y*k.W), uint32(block*Block/4), uint32(image), step, k.Below, k.Scale)
	}
}
