package kernel

// minStep is the least step of FakeQuantize (ops.MinStep).
const minStep = 1e-10

// FakeQuantize rounds to whole multiples, Low to High, of a step that a training changes (Esser 2020).
// NaN propagates.
//
// Operands: In[0] input, W[0] the step; Out[0] output, which may be the same place.
type FakeQuantize struct {
	C, H, W   int
	Low, High int
	In, Out   View
}

func (k FakeQuantize) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 2*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k FakeQuantize) Tasks(images int) int { return k.maps().tasks(images) }

// Run rounds some rows of a channel block.
func (k FakeQuantize) Run(_ *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	step := max(a.W[0][0], minStep)
	low, high := float32(k.Low), float32(k.High)
	rows, width := fuseRows(y0, y1, k.W, k.In, k.Out)
	for y := y0; y < y0+rows; y++ {
		dst := k.Out.row(&a.Out[0], image, block, y, width)
		for i, x := range k.In.row(&a.In[0], image, block, y, width) {
			dst[i] = min(max(roundedWhole(x/step), low), high) * step
		}
	}
}

// roundedWhole rounds to the nearest whole number, ties to even, what lies within 1<<22; all else
// becomes a number outside of it. NaN stays NaN.
func roundedWhole(x float32) float32 {
	const most = 1 << 22
	x = min(max(x, -most), most)
	const shift = 3 << 22 // numbers near it are whole
	return float32(x+shift) - shift
}

// FakeQuantizeBackward is the gradient of FakeQuantize, as if rounding were the identity (Esser 2020,
// equation 3). With v = x / step and q = v rounded:
//
//	dx  = dy where Low <= q <= High or NaN, otherwise 0
//	sum = dy * (q - v) there, otherwise dy times the limit
//
// Operands: In[0] dy (view DY), In[1] x (view X), W[0] the step; Out[0] dx (view DX), Out[1] the sums of
// each task, for a FakeQuantizeStep.
type FakeQuantizeBackward struct {
	C, H, W   int
	Low, High int
	DY, X, DX View
}

func (k FakeQuantizeBackward) maps() maps { return maps{k.C, k.H, rowsPerTask(k.H, 3*k.W)} }

// Tasks is images x ranges of rows x channel blocks.
func (k FakeQuantizeBackward) Tasks(images int) int { return k.maps().tasks(images) }

// Run computes some rows of a channel block. The sum runs in float64.
func (k FakeQuantizeBackward) Run(_ *Worker, task int, a *Args) {
	image, block, y0, y1 := k.maps().task(task)
	step := max(a.W[0][0], minStep)
	low, high := float32(k.Low), float32(k.High)
	sum := 0.0
	rows, width := fuseRows(y0, y1, k.W, k.DY, k.X, k.DX)
	for y := y0; y < y0+rows; y++ {
		dx, dy := k.DX.row(&a.Out[0], image, block, y, width), k.DY.row(&a.In[0], image, block, y, width)
		for i, x := range k.X.row(&a.In[1], image, block, y, width) {
			v := x / step
			q := roundedWhole(v)
			d := dy[i]
			switch {
			case q < low:
				sum += float64(float64(d) * float64(low))
				d = 0
			case q > high:
				sum += float64(float64(d) * float64(high))
				d = 0
			default:
				sum += float64(float64(d) * float64(q-v))
			}
			dx[i] = d
		}
	}
	a.Out[1].Mem[a.Out[1].Off+task] = float32(sum)
}

// FakeQuantizeStep is the gradient of the step: the sum of what the tasks of Of have left, times a
// factor, in float64 and in their order.
//
// Operands: In[0] the sums; Out[0] a block, of which the first element is the gradient.
type FakeQuantizeStep struct {
	Of     FakeQuantizeBackward
	Factor float64
}

// Tasks is 1.
func (k FakeQuantizeStep) Tasks(int) int { return 1 }

// Run adds up.
func (k FakeQuantizeStep) Run(_ *Worker, _ int, a *Args) {
	sum := 0.0
	for _, v := range a.In[0].Mem[a.In[0].Off:][:k.Of.Tasks(a.Images)] {
		sum += float64(v)
	}
	out := a.Out[0].Mem[a.Out[0].Off:][:Block]
	clear(out)
	out[0] = float32(sum * k.Factor)
}
