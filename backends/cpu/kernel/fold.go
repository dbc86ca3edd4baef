package kernel

import "math"

// Fold is an array of weights while it is computed from others, such as those of a
// convolution that takes in the batch norm behind it: row-major float64s, rounded
// once, at the end. A generated program folds what its network's passes would
// fold, so that a file of weights as they were trained can be loaded. The order
// of operations is that of the compiler's constant folding, and so are the bits.
//
// Methods return new arrays, but for Reshape; shapes that do not fit are the
// generator's fault. Nothing is inlined: a package of hundreds of layers calls
// these thousands of times, for which the compiler would take twice as long.
type Fold struct {
	Shape []int
	Data  []float64
}

// FoldOf widens weights of a shape.
//
//go:noinline
func FoldOf(x []float32, shape ...int) Fold {
	f := newFold(shape)
	for i, v := range x {
		f.Data[i] = float64(v)
	}
	return f
}

// FoldFill is an array of one number.
//
//go:noinline
func FoldFill(x float32, shape ...int) Fold {
	f := newFold(shape)
	for i := range f.Data {
		f.Data[i] = float64(x)
	}
	return f
}

//go:noinline
func newFold(shape []int) Fold {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return Fold{append([]int(nil), shape...), make([]float64, n)}
}

// Round is the array as weights.
//
//go:noinline
func (f Fold) Round() []float32 {
	x := make([]float32, len(f.Data))
	for i, v := range f.Data {
		x[i] = float32(v)
	}
	return x
}

// Reshape is the same elements in another shape.
//
//go:noinline
func (f Fold) Reshape(shape ...int) Fold { return Fold{shape, f.Data} }

// Sqrt of each element.
//
//go:noinline
func (f Fold) Sqrt() Fold {
	y := newFold(f.Shape)
	for i, v := range f.Data {
		y.Data[i] = math.Sqrt(v)
	}
	return y
}

// Scale is x times each element.
//
//go:noinline
func (f Fold) Scale(x float64) Fold {
	y := newFold(f.Shape)
	for i, v := range f.Data {
		y.Data[i] = v * x
	}
	return y
}

// Add, Sub, Mul and Div are elementwise; axes of 1 and missing ones in front are
// stretched.
//
//go:noinline
func (f Fold) Add(g Fold) Fold { return f.each(g, func(a, b float64) float64 { return a + b }) }

// Sub is described at Add.
//
//go:noinline
func (f Fold) Sub(g Fold) Fold { return f.each(g, func(a, b float64) float64 { return a - b }) }

// Mul is described at Add.
//
//go:noinline
func (f Fold) Mul(g Fold) Fold { return f.each(g, func(a, b float64) float64 { return a * b }) }

// Div is described at Add.
//
//go:noinline
func (f Fold) Div(g Fold) Fold { return f.each(g, func(a, b float64) float64 { return a / b }) }

func (f Fold) each(g Fold, op func(a, b float64) float64) Fold {
	rank := max(len(f.Shape), len(g.Shape))
	shape := make([]int, rank)
	for i := range shape {
		shape[i] = max(axisFromRight(f.Shape, rank-i), axisFromRight(g.Shape, rank-i))
	}
	y := newFold(shape)
	fs, gs := foldStrides(f.Shape, shape), foldStrides(g.Shape, shape)
	at := make([]int, rank)
	fi, gi := 0, 0
	for i := range y.Data {
		y.Data[i] = op(f.Data[fi], g.Data[gi])
		for a := rank - 1; a >= 0; a-- {
			at[a]++
			fi, gi = fi+fs[a], gi+gs[a]
			if at[a] < shape[a] {
				break
			}
			fi, gi = fi-fs[a]*shape[a], gi-gs[a]*shape[a]
			at[a] = 0
		}
	}
	return y
}

// axisFromRight is the extent of an axis counted from the right, the last one
// being 1; what is missing is 1.
func axisFromRight(shape []int, n int) int {
	if n > len(shape) {
		return 1
	}
	return shape[len(shape)-n]
}

// foldStrides are the strides of an array of a shape within one that it is
// stretched to.
func foldStrides(small, shape []int) []int {
	s := make([]int, len(shape))
	step := 1
	for i := len(small) - 1; i >= 0; i-- {
		if small[i] != 1 {
			s[i+len(shape)-len(small)] = step
		}
		step *= small[i]
	}
	return s
}

// FoldConcat joins arrays along an axis.
func FoldConcat(axis int, parts ...Fold) Fold {
	shape := append([]int(nil), parts[0].Shape...)
	for _, p := range parts[1:] {
		shape[axis] += p.Shape[axis]
	}
	y := Fold{Shape: shape}
	outer := 1
	for _, d := range shape[:axis] {
		outer *= d
	}
	for o := range outer {
		for _, p := range parts {
			n := len(p.Data) / outer
			y.Data = append(y.Data, p.Data[o*n:(o+1)*n]...)
		}
	}
	return y
}

// Slice is start..stop-1 of an axis.
func (f Fold) Slice(axis, start, stop int) Fold {
	shape := append([]int(nil), f.Shape...)
	shape[axis] = stop - start
	y := Fold{Shape: shape}
	outer, inner := 1, 1
	for i, d := range f.Shape {
		switch {
		case i < axis:
			outer *= d
		case i > axis:
			inner *= d
		}
	}
	for o := range outer {
		row := f.Data[o*f.Shape[axis]*inner:]
		y.Data = append(y.Data, row[start*inner:stop*inner]...)
	}
	return y
}

// Transpose puts axis perm[i] in the place of axis i.
func (f Fold) Transpose(perm ...int) Fold {
	steps, shape, from := foldStrides(f.Shape, f.Shape), make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		shape[i], from[i] = f.Shape[p], steps[p]
	}
	y := newFold(shape)
	for i := range y.Data {
		at, rest := 0, i
		for a := len(shape) - 1; a >= 0; a-- {
			at += rest % shape[a] * from[a]
			rest /= shape[a]
		}
		y.Data[i] = f.Data[at]
	}
	return y
}

// Pad puts rows and columns of a number around the last two of four axes.
func (f Fold) Pad(x float32, top, left, bottom, right int) Fold {
	h, w := f.Shape[2], f.Shape[3]
	y := FoldFill(x, f.Shape[0], f.Shape[1], top+h+bottom, left+w+right)
	for i := range f.Shape[0] * f.Shape[1] * h {
		row := i/h*y.Shape[2] + top + i%h
		copy(y.Data[row*y.Shape[3]+left:], f.Data[i*w:(i+1)*w])
	}
	return y
}

// MatMul is the product of matrices f[M,K] and g[K,P].
func (f Fold) MatMul(g Fold) Fold {
	m, k, p := f.Shape[0], f.Shape[1], g.Shape[1]
	y := newFold([]int{m, p})
	for i := range m {
		for j := range p {
			sum := 0.0
			for l := range k {
				sum += float64(f.Data[i*k+l] * g.Data[l*p+j])
			}
			y.Data[i*p+j] = sum
		}
	}
	return y
}

// Sum adds up along axes, in the order of the elements; shape is what remains.
func (f Fold) Sum(shape []int, axes ...int) Fold {
	kept := append([]int(nil), f.Shape...)
	for _, a := range axes {
		kept[a] = 1
	}
	y := newFold(shape)
	to := foldStrides(kept, f.Shape)
	for i, v := range f.Data {
		at, rest := 0, i
		for a := len(f.Shape) - 1; a >= 0; a-- {
			at += rest % f.Shape[a] * to[a]
			rest /= f.Shape[a]
		}
		y.Data[at] += v
	}
	return y
}
