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

// layout is the extents of the output's axes and the input's step along each. Axes that are
// neighbours on both sides count as one, and the last ones come last: the first have the
// extent 1, if there are fewer.
func (k Permute) layout() (dims, steps [MaxAxes]int) {
	var in [MaxAxes]int
	s := 1
	for i := k.Axes - 1; i >= 0; i-- {
		in[i] = s
		s *= k.Dims[i]
	}
	at := MaxAxes
	for i := k.Axes - 1; i >= 0; i-- {
		d, step := k.Dims[k.Perm[i]], in[k.Perm[i]]
		switch {
		case d == 1:
		case at < MaxAxes && step == dims[at]*steps[at]:
			dims[at] *= d
		default:
			at--
			dims[at], steps[at] = d, step
		}
	}
	for i := range at {
		dims[i] = 1
	}
	return dims, steps
}

// permuteSide is the side of the squares in which permutePlane goes.
const permuteSide = 16

// outer is the output's first axis that is longer than 1, the axis 0 if all elements lie in
// order, and how many of its indices a task has.
func (k Permute) outer(dims [MaxAxes]int) (axis, each int) {
	for i, d := range dims[:MaxAxes-1] {
		if d > 1 && i == MaxAxes-2 {
			return i, permuteSide
		}
		if d > 1 {
			return i, 1
		}
	}
	return 0, 1
}

// Tasks is images x ranges of the output's first axis.
func (k Permute) Tasks(images int) int {
	d, _ := k.layout()
	axis, each := k.outer(d)
	return images * ceilDiv(d[axis], each)
}

// Run writes what some indices of the output's first axis hold.
func (k Permute) Run(w *Worker, task int, a *Args) {
	d, s := k.layout()
	axis, each := k.outer(d)
	ranges := ceilDiv(d[axis], each)
	image, lo := task/ranges, task%ranges*each
	count := min(each, d[axis]-lo)
	d[axis] = 1
	n := d[0] * d[1] * d[2] * d[3] * d[4] * d[5]
	d[axis] = count
	src := a.In[0].Mem[a.In[0].Off+image*k.InN+lo*s[axis]:]
	o := a.Out[0].Off + image*k.OutN + lo*n
	dst := a.Out[0].Mem[o : o+count*n]
	for i1 := range d[1] {
		for i2 := range d[2] {
			for i3 := range d[3] {
				at := i1*s[1] + i2*s[2] + i3*s[3]
				permutePlane(dst, src[at:], d[4], d[5], s[4], s[5])
				dst = dst[d[4]*d[5]:]
			}
		}
	}
}

// permutePlane writes rows x cols elements in order; s4 and s5 are the steps of the input along
// rows and columns. Where the input is in order along the rows, it goes in squares, so that
// each of its cache lines is read once.
func permutePlane(dst, src []float32, rows, cols, s4, s5 int) {
	const side = permuteSide
	switch {
	case s5 == 1:
		for y := range rows {
			copy(dst[y*cols:(y+1)*cols], src[y*s4:y*s4+cols])
		}
	case s4 == 1:
		for x0 := 0; x0 < cols; x0 += side {
			for y0 := 0; y0 < rows; y0 += side {
				for x := x0; x < min(x0+side, cols); x++ {
					from := src[x*s5+y0 : x*s5+min(y0+side, rows)]
					for y, v := range from {
						dst[(y0+y)*cols+x] = v
					}
				}
			}
		}
	default:
		for y := range rows {
			row, at := dst[y*cols:(y+1)*cols], y*s4
			for x := range row {
				row[x] = src[at+x*s5]
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
	hi := min(lo+reducePerTask, n)
	src := a.In[0].Mem[a.In[0].Off+image*k.InN:]
	dst := a.Out[0].Mem[a.Out[0].Off+image*k.OutN:][lo:hi]
	// Results whose elements lie side by side are made together.
	for len(dst) > 0 {
		first := k.place(lo, false)
		m := 1
		for m < len(dst) && k.place(lo+m, false) == first+m {
			m++
		}
		k.reduce(dst[:m], src[first:], each)
		dst, lo = dst[m:], lo+m
	}
}

// reduce makes up to reducePerTask results whose elements lie side by side.
func (k Reduce) reduce(dst, src []float32, each int) {
	if k.Op == ReduceMax {
		for i := range dst {
			dst[i] = float32(math.Inf(-1))
		}
		for e := range each {
			for i, x := range src[k.place(e, true):][:len(dst)] {
				dst[i] = maxOf2(dst[i], x)
			}
		}
		return
	}
	var room [reducePerTask]float64
	sums := room[:len(dst)]
	for e := range each {
		for i, x := range src[k.place(e, true):][:len(sums)] {
			sums[i] += float64(x)
		}
	}
	for i, sum := range sums {
		if k.Op == ReduceMean {
			sum /= float64(each)
		}
		dst[i] = float32(sum)
	}
}
