package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// This file infers the types of operators that move elements.

func inferConcat(n *node) ([]value, error) {
	first := n.in[0]
	for i, v := range n.in {
		if v.elem != first.elem {
			return nil, fmt.Errorf("input %d is %v, but the first is %v", i, v.elem, first.elem)
		}
		if !v.ranked() {
			return n.unknown(), nil
		}
		if len(v.shape) != len(first.shape) {
			return nil, fmt.Errorf("input %d is %s, but the first is %s: the ranks differ", i, shapeString(v.shape), shapeString(first.shape))
		}
	}
	ax, err := normAxis(n.int("axis", 0), len(first.shape))
	if err != nil {
		return nil, err
	}
	out := slices.Clone(first.shape)
	for i, v := range n.in[1:] {
		for j := range out {
			switch {
			case j == ax && v.shape[j].none:
			case j == ax && out[j].none:
				out[j] = v.shape[j]
			case j == ax && (out[j].n == 0 || v.shape[j].n == 0):
				out[j] = axis{}
			case j == ax:
				out[j].n += v.shape[j].n
			case !out[j].fits(v.shape[j]):
				return nil, fmt.Errorf("input %d is %s, but the first is %s: they differ in an axis other than %d", i+1, shapeString(v.shape), shapeString(first.shape), ax)
			case !out[j].known():
				out[j] = v.shape[j]
			}
		}
	}
	if out[ax].n > maxDim {
		return nil, fmt.Errorf("axis %d becomes %d (at most %d)", ax, out[ax].n, maxDim)
	}
	return n.one(out), nil
}

func inferSlice(n *node) ([]value, error) {
	x := n.in[0]
	starts, ok1 := n.constInts(1)
	ends, ok2 := n.constInts(2)
	if !x.ranked() || !ok1 || !ok2 || n.has(3) && n.in[3].ints == nil || n.has(4) && n.in[4].ints == nil {
		return n.unknown(), nil
	}
	axes, _ := n.constInts(3)
	if !n.has(3) {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	steps, _ := n.constInts(4)
	if !n.has(4) {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		return nil, fmt.Errorf("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	out := slices.Clone(x.shape)
	seen := map[int]bool{}
	for i, a := range axes {
		ax, err := normAxis(a, len(out))
		if err != nil {
			return nil, err
		}
		if seen[ax] {
			return nil, fmt.Errorf("axis %d is sliced twice", ax)
		}
		seen[ax] = true
		if steps[i] == 0 {
			return nil, errors.New("a step is 0")
		}
		d := out[ax].n
		if d == 0 {
			if starts[i] != 0 || ends[i] < math.MaxInt32 || steps[i] != 1 {
				out[ax] = axis{}
			}
			continue
		}
		lo, hi := starts[i], ends[i]
		if lo < 0 {
			lo = max(lo, -d) + d
		}
		if hi < 0 {
			hi = max(hi, -d-1) + d
		}
		if steps[i] > 0 {
			lo, hi = min(lo, d), min(max(hi, 0), d)
			out[ax].n = ceilDiv(hi-lo, steps[i])
		} else {
			lo, hi = min(lo, d-1), min(hi, d-1)
			if steps[i] == math.MinInt64 {
				return nil, errors.New("a step is -2^63")
			}
			out[ax].n = ceilDiv(lo-hi, -steps[i])
		}
		out[ax].none = out[ax].n == 0
	}
	return n.one(out), nil
}

func ceilDiv(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a-1)/b + 1
}

func inferSplit(n *node) ([]value, error) {
	x := n.in[0]
	outs := make([]value, len(n.Output))
	for i := range outs {
		outs[i].elem = x.elem
	}
	num := n.attr("num_outputs")
	if num != nil && n.has(1) {
		return nil, errors.New("num_outputs and split are both given")
	}
	if num != nil && num.I != int64(len(n.Output)) {
		return nil, fmt.Errorf("num_outputs=%d with %d outputs", num.I, len(n.Output))
	}
	if !x.ranked() {
		return outs, nil
	}
	ax, err := normAxis(n.int("axis", 0), len(x.shape))
	if err != nil {
		return nil, err
	}
	sizes, known := n.constInts(1)
	total := x.shape[ax].n
	switch {
	case known && total > 0:
		left := total
		for _, s := range sizes {
			if s < 1 || s > left {
				return nil, fmt.Errorf("sizes %v do not fit an axis of %d", sizes, total)
			}
			left -= s
		}
		if left != 0 {
			return nil, fmt.Errorf("the sum of the sizes %v is %d less than the axis of %d", sizes, left, total)
		}
		if len(sizes) != len(n.Output) {
			return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), len(n.Output))
		}
	case known && len(sizes) != len(n.Output):
		return nil, fmt.Errorf("%d sizes for %d outputs", len(sizes), len(n.Output))
	case !n.has(1) && total > 0:
		k := int64(len(n.Output))
		if num == nil && total%k != 0 {
			return nil, fmt.Errorf("%d does not split into %d equal parts", total, k)
		}
		part := (total + k - 1) / k
		last := total - part*(k-1)
		if last < 1 {
			return nil, fmt.Errorf("%d does not split into %d parts of %d", total, k, part)
		}
		sizes = append(slices.Repeat([]int64{part}, int(k-1)), last)
		known = true
	}
	for i := range outs {
		outs[i].shape = slices.Clone(x.shape)
		outs[i].shape[ax] = axis{}
		if known && sizes[i] > 0 {
			outs[i].shape[ax].n = sizes[i]
		}
	}
	return outs, nil
}

func inferPad(n *node) ([]value, error) {
	x := n.in[0]
	mode := "constant"
	if a := n.attr("mode"); a != nil {
		mode = string(a.S)
	}
	if !slices.Contains([]string{"constant", "reflect", "edge", "wrap"}, mode) {
		return nil, fmt.Errorf("mode=%q", mode)
	}
	pads, ok := n.constInts(1)
	if !x.ranked() || !ok || n.has(3) && n.in[3].ints == nil {
		return n.unknown(), nil
	}
	axes, _ := n.constInts(3)
	if !n.has(3) {
		for i := range x.shape {
			axes = append(axes, int64(i))
		}
	}
	if len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("%d pads for %d axes (want two for each axis)", len(pads), len(axes))
	}
	out := slices.Clone(x.shape)
	for i, a := range axes {
		ax, err := normAxis(a, len(out))
		if err != nil {
			return nil, err
		}
		lo, hi := pads[i], pads[len(axes)+i]
		if lo < -maxDim || lo > maxDim || hi < -maxDim || hi > maxDim {
			return nil, fmt.Errorf("pads %d and %d along axis %d", lo, hi, ax)
		}
		switch d := out[ax].n; {
		case lo == 0 && hi == 0:
		case d == 0:
			out[ax] = axis{}
		case d+lo+hi < 1:
			return nil, fmt.Errorf("axis %d would be empty: its size is %d, its pads are %d and %d", ax, d, lo, hi)
		default:
			out[ax] = axis{n: d + lo + hi}
		}
	}
	return n.one(out), nil
}

func inferDepthToSpace(n *node) ([]value, error) {
	if a := n.attr("mode"); a != nil && string(a.S) != "DCR" && string(a.S) != "CRD" {
		return nil, fmt.Errorf("mode=%q is none of DCR, CRD", a.S)
	}
	return n.blocks(func(c, h, w, b int64) (int64, int64, int64, bool) { return c / (b * b), h * b, w * b, c%(b*b) == 0 })
}

func inferSpaceToDepth(n *node) ([]value, error) {
	if a := n.attr("mode"); a != nil && string(a.S) != "DCR" && string(a.S) != "CRD" {
		return nil, fmt.Errorf("mode=%q is none of DCR, CRD", a.S)
	}
	return n.blocks(func(c, h, w, b int64) (int64, int64, int64, bool) {
		return c * b * b, h / b, w / b, h%b == 0 && w%b == 0
	})
}

// blocks infers the shape of DepthToSpace and SpaceToDepth. f returns the new channels,
// height and width for a block size, and false if that does not divide them.
func (n *node) blocks(f func(c, h, w, b int64) (int64, int64, int64, bool)) ([]value, error) {
	x, b := n.in[0], n.int("blocksize", 0)
	if b < 1 || b > 1<<10 {
		return nil, fmt.Errorf("blocksize=%d", b)
	}
	if !x.ranked() {
		return n.unknown(), nil
	}
	if len(x.shape) != 4 {
		return nil, fmt.Errorf("input %s does not have channels, height and width", shapeString(x.shape))
	}
	for _, a := range x.shape[1:] {
		if a.n == 0 {
			return n.unknown(), nil
		}
	}
	c, h, w, ok := f(x.shape[1].n, x.shape[2].n, x.shape[3].n, b)
	if !ok || max(c, h, w) > maxDim {
		return nil, fmt.Errorf("blocksize=%d does not divide %s", b, shapeString(x.shape))
	}
	return n.one(append([]axis{x.shape[0]}, numbers(c, h, w)...)), nil
}

func inferGather(n *node) ([]value, error) {
	x, at := n.in[0], n.in[1]
	if !x.ranked() || !at.ranked() {
		return n.unknown(), nil
	}
	ax, err := normAxis(n.int("axis", 0), len(x.shape))
	if err != nil {
		return nil, err
	}
	if r := len(x.shape) - 1 + len(at.shape); r > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", r, maxRank)
	}
	return n.one(append([]axis{}, slices.Concat(x.shape[:ax], at.shape, x.shape[ax+1:])...)), nil
}

func inferTile(n *node) ([]value, error) {
	x := n.in[0]
	repeats, ok := n.constInts(1)
	if !x.ranked() || !ok {
		return n.unknown(), nil
	}
	if len(repeats) != len(x.shape) {
		return nil, fmt.Errorf("%d repeats do not fit %s", len(repeats), shapeString(x.shape))
	}
	out := slices.Clone(x.shape)
	for i, r := range repeats {
		switch {
		case r < 1 || r > maxDim || out[i].n > maxDim/r:
			return nil, fmt.Errorf("%d repeats of axis %d, %v", r, i, out[i])
		case out[i].n > 0:
			out[i].n *= r
		case r > 1:
			out[i] = axis{}
		}
	}
	if _, _, ok := product(out); !ok && !slices.ContainsFunc(out, func(a axis) bool { return !a.known() }) {
		return nil, fmt.Errorf("the result, %s, is too large", shapeString(out))
	}
	return n.one(out), nil
}

func inferTranspose(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return n.unknown(), nil
	}
	var perm []int64
	if a := n.attr("perm"); a != nil {
		perm = a.Ints
	} else {
		for i := range x.shape {
			perm = append(perm, int64(len(x.shape)-1-i))
		}
	}
	if len(perm) != len(x.shape) {
		return nil, fmt.Errorf("perm=%v does not fit rank %d", perm, len(x.shape))
	}
	out := make([]axis, len(perm))
	seen := map[int64]bool{}
	for i, p := range perm {
		if p < 0 || p >= int64(len(perm)) || seen[p] {
			return nil, fmt.Errorf("perm=%v is not a permutation", perm)
		}
		seen[p] = true
		out[i] = x.shape[p]
	}
	return n.one(out), nil
}
