package onnx

import (
	"fmt"
	"slices"
)

// This file infers the types of operators that keep the elements and their order, and change the shape.

func inferSqueeze(n *node) ([]value, error) {
	x := n.in[0]
	axes, ok := n.constInts(1)
	if !x.ranked() || n.has(1) && !ok {
		return n.unknown(), nil
	}
	drop := map[int]bool{}
	for i, a := range x.shape {
		if !n.has(1) && !a.known() {
			return n.unknown(), nil
		}
		drop[i] = !n.has(1) && a.n == 1
	}
	for _, a := range axes {
		ax, err := normAxis(a, len(x.shape))
		if err != nil {
			return nil, err
		}
		if x.shape[ax].n != 1 && x.shape[ax].known() {
			return nil, fmt.Errorf("axis %d of %s is not 1", ax, shapeString(x.shape))
		}
		drop[ax] = true
	}
	out := []axis{}
	for i, a := range x.shape {
		if !drop[i] {
			out = append(out, a)
		}
	}
	return n.one(out), nil
}

func inferUnsqueeze(n *node) ([]value, error) {
	x := n.in[0]
	axes, ok := n.constInts(1)
	if !x.ranked() || !ok {
		return n.unknown(), nil
	}
	rank := len(x.shape) + len(axes)
	if rank > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", rank, maxRank)
	}
	out := make([]axis, rank)
	for _, a := range axes {
		ax, err := normAxis(a, rank)
		if err != nil {
			return nil, err
		}
		if out[ax].n == 1 {
			return nil, fmt.Errorf("axis %d is added twice", ax)
		}
		out[ax] = axis{n: 1}
	}
	rest := x.shape
	for i := range out {
		if out[i].n == 0 {
			out[i], rest = rest[0], rest[1:]
		}
	}
	return n.one(out), nil
}

// product returns the product of sizes: of the numbers, and the sorted symbols. ok is false
// if a size is unknown or the product exceeds maxElements.
func product(s []axis) (n int64, syms []string, ok bool) {
	n = 1
	for _, a := range s {
		switch {
		case a.n > 0:
			if n *= a.n; n > maxElements {
				return 0, nil, false
			}
		case a.sym != "":
			syms = append(syms, a.sym)
		default:
			return 0, nil, false
		}
	}
	slices.Sort(syms)
	return n, syms, true
}

func inferFlatten(n *node) ([]value, error) {
	x := n.in[0]
	if !x.ranked() {
		return []value{{elem: x.elem, shape: []axis{{}, {}}}}, nil
	}
	at := n.int("axis", 1)
	if at < 0 {
		at += int64(len(x.shape))
	}
	if at < 0 || at > int64(len(x.shape)) {
		return nil, fmt.Errorf("axis %d does not exist in a value of rank %d", n.int("axis", 1), len(x.shape))
	}
	join := func(s []axis) axis {
		n, syms, ok := product(s)
		switch {
		case ok && len(syms) == 0:
			return axis{n: n}
		case ok && n == 1 && len(syms) == 1:
			return axis{sym: syms[0]}
		}
		return axis{}
	}
	return n.one([]axis{join(x.shape[:at]), join(x.shape[at:])}), nil
}

func inferReshape(n *node) ([]value, error) {
	x := n.in[0]
	target, ok := n.constIntegers(1)
	if !ok {
		return n.unknown(), nil
	}
	if len(target) > maxRank {
		return nil, fmt.Errorf("%d axes (want at most %d)", len(target), maxRank)
	}
	out := make([]axis, len(target))
	open := -1
	for i, t := range target {
		switch {
		case t == number(-1) && open >= 0:
			return nil, fmt.Errorf("shape %s has more than one -1", integersString(target))
		case t == number(-1):
			open = i
		case t == number(0) && n.int("allowzero", 0) == 0:
			if x.ranked() && i >= len(x.shape) {
				return nil, fmt.Errorf("shape %s keeps axis %d of a value of rank %d", integersString(target), i, len(x.shape))
			}
			if x.ranked() {
				out[i] = x.shape[i]
			}
		case t.isNumber() && (t.c < 0 || t.c > maxDim):
			return nil, fmt.Errorf("shape %s: %d is not within 1..%d", integersString(target), t.c, maxDim)
		default:
			out[i] = t.axis()
		}
	}
	if !x.ranked() {
		return n.one(out), nil
	}
	have, haveSyms, ok1 := product(x.shape)
	rest := out
	if open >= 0 {
		rest = slices.Concat(out[:open], out[open+1:])
	}
	want, wantSyms, ok2 := product(rest)
	if !ok1 || !ok2 {
		return n.one(out), nil
	}
	mismatch := fmt.Errorf("%s does not reshape to %s", shapeString(x.shape), integersString(target))
	switch {
	case open < 0:
		if have != want || !slices.Equal(haveSyms, wantSyms) {
			return nil, mismatch
		}
	case slices.Equal(haveSyms, wantSyms):
		if have%want != 0 || have/want > maxDim {
			return nil, mismatch
		}
		out[open] = axis{n: have / want}
	case len(wantSyms) == 0 && len(haveSyms) == 1 && have == want:
		out[open] = axis{sym: haveSyms[0]}
	case len(wantSyms) == 0 && have%want == 0:
		// The size is a multiple of a symbol, which an axis cannot express.
	default:
		return nil, mismatch
	}
	return n.one(out), nil
}
