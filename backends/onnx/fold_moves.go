package onnx

import "fmt"

// This file computes operators of constants that only move elements.

// foldMoves computes operators that only move elements. index returns, for each output, the
// position of each of its elements in the data inputs, joined in order.
func foldMoves(index func(*node, []value) ([][]int, error)) func(*folder, *node, []value) error {
	return func(_ *folder, n *node, outs []value) error {
		at, err := index(n, outs)
		if err != nil || at == nil {
			return err
		}
		sources := 1
		if n.OpType == "Concat" {
			sources = len(n.Input)
		}
		var ints []integer
		var fs reals
		wide := n.isWide()
		for i := range sources {
			if f, ok := n.reals(i); ok {
				for j := 0; wide && j < len(f.narrow); j++ {
					fs.wide = append(fs.wide, f.at(j))
				}
				fs.narrow = append(fs.narrow, f.narrow...)
			} else if s, ok := n.constIntegers(i); ok {
				ints = append(ints, s...)
			} else {
				return nil
			}
		}
		for o := range outs {
			if fs.narrow != nil || n.in[0].floats != nil {
				d := newReals(len(at[o]), wide)
				for i, j := range at[o] {
					d.set(i, fs.at(j))
				}
				outs[o].floats = d.floats()
				continue
			}
			d := make([]integer, len(at[o]))
			for i, j := range at[o] {
				d[i] = ints[j]
			}
			outs[o] = outs[o].withIntegers(d)
		}
		return nil
	}
}

// strided returns the positions that an array of the given sizes visits, where a step along
// axis i moves by strides[i].
func strided(dims, strides []int, from int) []int {
	size := 1
	for _, d := range dims {
		size *= d
	}
	at := make([]int, size)
	count := make([]int, len(dims))
	pos := from
	for i := range at {
		at[i] = pos
		for a := len(dims) - 1; a >= 0; a-- {
			pos += strides[a]
			if count[a]++; count[a] < dims[a] {
				break
			}
			pos -= strides[a] * dims[a]
			count[a] = 0
		}
	}
	return at
}

// rowMajor returns the distance of neighbours along each axis.
func rowMajor(dims []int) []int {
	s := make([]int, len(dims))
	step := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = step
		step *= dims[i]
	}
	return s
}

func gatherIndex(n *node, outs []value) ([][]int, error) {
	idx, ok := n.constInts(1)
	x := dimsOf(n.in[0].shape)
	axis, err := normAxis(n.int("axis", 0), len(x))
	if !ok || err != nil {
		return nil, err
	}
	inner, outer := 1, 1
	for _, d := range x[axis+1:] {
		inner *= d
	}
	for _, d := range x[:axis] {
		outer *= d
	}
	size, _ := countOf(outs[0].shape)
	at := make([]int, 0, size)
	for o := range outer {
		for _, j := range idx {
			if j < 0 {
				j += int64(x[axis])
			}
			if j < 0 || j >= int64(x[axis]) {
				return nil, fmt.Errorf("index %d is out of range for an axis of %d", j, x[axis])
			}
			for i := range inner {
				at = append(at, (o*x[axis]+int(j))*inner+i)
			}
		}
	}
	return [][]int{at}, nil
}

func concatIndex(n *node, outs []value) ([][]int, error) {
	axis, err := normAxis(n.int("axis", 0), len(outs[0].shape))
	if err != nil {
		return nil, err
	}
	outer := 1
	for _, a := range outs[0].shape[:axis] {
		outer *= int(a.n)
	}
	size, _ := countOf(outs[0].shape)
	at := make([]int, 0, size)
	for o := range outer {
		from := 0
		for _, v := range n.in {
			count, _ := countOf(v.shape)
			row := int(count) / max(1, outer)
			for i := range row {
				at = append(at, from+o*row+i)
			}
			from += int(count)
		}
	}
	return [][]int{at}, nil
}

func sliceIndex(n *node, outs []value) ([][]int, error) {
	starts, ok := n.constInts(1)
	axes, okAxes := n.constInts(3)
	steps, okSteps := n.constInts(4)
	if !ok || n.has(3) && !okAxes || n.has(4) && !okSteps {
		return nil, nil
	}
	x := dimsOf(n.in[0].shape)
	strides, from := rowMajor(x), 0
	for i, lo := range starts {
		a, step := int64(i), int64(1)
		if n.has(3) {
			a = axes[i]
		}
		if n.has(4) {
			step = steps[i]
		}
		axis, err := normAxis(a, len(x))
		if err != nil {
			return nil, err
		}
		d := int64(x[axis])
		if lo < 0 {
			lo = max(lo, -d) + d
		}
		lo = min(lo, d)
		if step < 0 {
			lo = min(lo, d-1)
		}
		from += int(lo) * strides[axis]
		if outs[0].shape[axis].n > 1 { // else the step is not used, and may be very large
			strides[axis] *= int(step)
		}
	}
	return [][]int{strided(dimsOf(outs[0].shape), strides, from)}, nil
}

func transposeIndex(n *node, outs []value) ([][]int, error) {
	x := dimsOf(n.in[0].shape)
	s := rowMajor(x)
	strides := make([]int, len(x))
	a := n.attr("perm")
	for i := range strides {
		if strides[i] = s[len(s)-1-i]; a != nil {
			strides[i] = s[a.Ints[i]]
		}
	}
	return [][]int{strided(dimsOf(outs[0].shape), strides, 0)}, nil
}

// broadcastStrides returns the strides with which an array visits the elements of one that
// is stretched to its shape.
func broadcastStrides(small, shape []int) []int {
	s, strides := rowMajor(small), make([]int, len(shape))
	for i, d := range small {
		if d != 1 {
			strides[len(shape)-len(small)+i] = s[i]
		}
	}
	return strides
}

func expandIndex(n *node, outs []value) ([][]int, error) {
	x, y := dimsOf(n.in[0].shape), dimsOf(outs[0].shape)
	return [][]int{strided(y, broadcastStrides(x, y), 0)}, nil
}

func tileIndex(n *node, outs []value) ([][]int, error) {
	x, y := dimsOf(n.in[0].shape), dimsOf(outs[0].shape)
	s := rowMajor(x)
	at := make([]int, len(strided(y, make([]int, len(y)), 0)))
	t := rowMajor(y)
	for i := range at {
		rest := i
		for a := range y {
			at[i] += rest / t[a] % x[a] * s[a]
			rest %= t[a]
		}
	}
	return [][]int{at}, nil
}

func splitIndex(n *node, outs []value) ([][]int, error) {
	x := dimsOf(n.in[0].shape)
	axis, err := normAxis(n.int("axis", 0), len(x))
	if err != nil {
		return nil, err
	}
	s, from := rowMajor(x), 0
	var at [][]int
	for _, o := range outs {
		at = append(at, strided(dimsOf(o.shape), s, from))
		from += int(o.shape[axis].n) * s[axis]
	}
	return at, nil
}
