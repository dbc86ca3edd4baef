package kernel

import "math"

// MaxAxes is the number of axes, without the batch, of the plain arrays of
// Permute and Reduce.
const MaxAxes = 6

// Permute reorders the axes of plain arrays, one an image: axis i of the output
// is axis Perm[i] of the input. Arrays lie densely in the order of their axes;
// the array of image n begins at n*InN and n*OutN.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Permute struct {
	Axes      int          // how many of Dims and Perm count
	Dims      [MaxAxes]int // of the input
	Perm      [MaxAxes]int
	InN, OutN int
}

// layout is the extents of the output's axes and the input's step along each.
func (k Permute) layout() (dims, steps [MaxAxes]int) {
	var in [MaxAxes]int
	s := 1
	for i := k.Axes - 1; i >= 0; i-- {
		in[i] = s
		s *= k.Dims[i]
	}
	for i := range MaxAxes {
		dims[i] = 1
		if i < k.Axes {
			dims[i], steps[i] = k.Dims[k.Perm[i]], in[k.Perm[i]]
		}
	}
	return dims, steps
}

// Tasks is images x extent of the output's first axis.
func (k Permute) Tasks(images int) int {
	d, _ := k.layout()
	return images * d[0]
}

// Run writes what one index of the output's first axis holds.
func (k Permute) Run(w *Worker, task int, a *Args) {
	d, s := k.layout()
	image, i0 := task/d[0], task%d[0]
	src := a.In[0].Mem[a.In[0].Off+image*k.InN+i0*s[0]:]
	n := d[1] * d[2] * d[3] * d[4] * d[5]
	o := a.Out[0].Off + image*k.OutN + i0*n
	dst := a.Out[0].Mem[o : o+n]
	for i1 := range d[1] {
		for i2 := range d[2] {
			for i3 := range d[3] {
				for i4 := range d[4] {
					at := i1*s[1] + i2*s[2] + i3*s[3] + i4*s[4]
					for i5 := range d[5] {
						dst[i5] = src[at+i5*s[5]]
					}
					dst = dst[d[5]:]
				}
			}
		}
	}
}

// ReduceOp is what a Reduce makes of the elements along its axes.
type ReduceOp uint8

// The reductions. Sums are taken in float64 and rounded once. ReduceMax is NaN
// where an element is.
const (
	ReduceSum ReduceOp = iota
	ReduceMean
	ReduceMax
)

// GoString prints the name as a generated program writes it.
func (o ReduceOp) GoString() string {
	return [...]string{"kernel.ReduceSum", "kernel.ReduceMean", "kernel.ReduceMax"}[o]
}

// Reduce reduces plain arrays, one an image, along those axes that Over marks.
// What is left lies densely in the order of the axes; the array of image n begins
// at n*InN and n*OutN.
//
// Operands: In[0] input, Out[0] output, which may not share memory.
type Reduce struct {
	Op        ReduceOp
	Axes      int          // how many of Dims and Over count
	Dims      [MaxAxes]int // of the input
	Over      [MaxAxes]bool
	InN, OutN int
}

// sizes is the number of results an image, and of elements to each.
func (k Reduce) sizes() (results, each int) {
	results, each = 1, 1
	for i := range k.Axes {
		if k.Over[i] {
			each *= k.Dims[i]
		} else {
			results *= k.Dims[i]
		}
	}
	return results, each
}

// place is where index i of the axes that are reduced, or of the others, lies.
func (k Reduce) place(i int, over bool) int {
	at, step := 0, 1
	for axis := k.Axes - 1; axis >= 0; axis-- {
		d := k.Dims[axis]
		if k.Over[axis] == over {
			at += i % d * step
			i /= d
		}
		step *= d
	}
	return at
}

const reducePerTask = 64

// Tasks is images x groups of results.
func (k Reduce) Tasks(images int) int {
	n, _ := k.sizes()
	return images * ceilDiv(n, reducePerTask)
}

// Run makes a group of results.
func (k Reduce) Run(w *Worker, task int, a *Args) {
	n, each := k.sizes()
	groups := ceilDiv(n, reducePerTask)
	image, lo := task/groups, task%groups*reducePerTask
	in := a.In[0].Off + image*k.InN
	for r := lo; r < min(lo+reducePerTask, n); r++ {
		base := in + k.place(r, false)
		sum, most := 0.0, float32(math.Inf(-1))
		for e := range each {
			x := a.In[0].Mem[base+k.place(e, true)]
			if k.Op == ReduceMax {
				most = maxOf2(most, x)
			} else {
				sum += float64(x)
			}
		}
		out := &a.Out[0].Mem[a.Out[0].Off+image*k.OutN+r]
		switch k.Op {
		case ReduceSum:
			*out = float32(sum)
		case ReduceMean:
			*out = float32(sum / float64(each))
		case ReduceMax:
			*out = most
		}
	}
}
