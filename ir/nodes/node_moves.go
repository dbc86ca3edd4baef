package nodes

import (
	"errors"
	"fmt"
	"slices"
)

func nodeAddMoves() {
	for _, op := range []string{"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout"} {
		nodeOps[op] = nodePlanReshape
	}
	nodeOps["Transpose"] = nodePlanTranspose
	nodeOps["Slice"] = nodePlanSlice
	nodeOps["Expand"] = nodePlanExpand
	nodeOps["Tile"] = nodePlanTile
	nodeOps["Pad"] = nodePlanPad
	nodeOps["Concat"] = nodePlanConcat
	nodeOps["Split"] = nodePlanSplit
	nodeOps["DepthToSpace"] = nodePlanDepthToSpace
	nodeOps["SpaceToDepth"] = nodePlanSpaceToDepth
	nodeOps["Trilu"] = nodePlanTrilu
	nodeOps["CenterCropPad"] = nodePlanCenterCropPad
	nodeOps["EyeLike"] = nodePlanEyeLike
}

// moved sets run: element i of the result is the element of the first operand at a place that at
// returns, or fill where that is negative.
func (p *NodePlan) moved(shape []int, fill float64, at func(i nodeIndex) int) {
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = nodeLen(shape), 16
	p.run = func(x, y [][]float64, lo, hi int) {
		w := newNodeWalk(shape)
		w.seek(lo)
		for i := lo; i < hi; i++ {
			if j := at(w.count); j >= 0 {
				y[0][i] = x[0][j]
			} else {
				y[0][i] = fill
			}
			w.next()
		}
	}
}

// strided sets run: the result visits the first operand from a place on with its own steps.
func (p *NodePlan) strided(shape []int, from int, steps nodeIndex) {
	p.result(p.In[0].Kind, shape...)
	w := newNodeWalk(shape)
	w.step[0] = steps
	p.units, p.work = nodeLen(shape), 4
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w
		w.seek(lo)
		for i := lo; i < hi; i++ {
			y[0][i] = x[0][from+w.at[0]]
			w.next()
		}
	}
}

func nodePlanReshape(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	shape, err := p.reshaped(p.In[0].Shape)
	if err != nil {
		return err
	}
	p.result(p.In[0].Kind, shape...)
	p.units = p.In[0].Len()
	mask := p.Op == "Dropout" && p.int("outputs", 1) > 1
	if mask {
		p.result(NodeBool, shape...)
	}
	p.run = func(x, y [][]float64, lo, hi int) {
		copy(y[0][lo:hi], x[0][lo:hi])
		for i := lo; mask && i < hi; i++ {
			y[1][i] = 1
		}
	}
	return nil
}

func (p *NodePlan) reshaped(x []int) ([]int, error) {
	switch p.Op {
	case "Reshape":
		list, _ := p.ints("shape")
		return nodeReshape(x, list, p.int("allowzero", 0) != 0)
	case "Flatten":
		axis := p.int("axis", 1)
		if axis < 0 {
			axis += len(x)
		}
		if axis < 0 || axis > len(x) {
			return nil, fmt.Errorf("axis %d of %v", axis, x)
		}
		return []int{nodeLen(x[:axis]), nodeLen(x[axis:])}, nil
	case "Squeeze":
		axes, given := p.ints("axes")
		drop := make([]bool, len(x))
		for _, a := range axes {
			a, err := nodeAxis(a, len(x))
			if err != nil {
				return nil, err
			}
			if x[a] != 1 {
				return nil, fmt.Errorf("axis %d of %v is not 1", a, x)
			}
			drop[a] = true
		}
		var out []int
		for i, d := range x {
			if !drop[i] && (given || d != 1) {
				out = append(out, d)
			}
		}
		return out, nil
	case "Unsqueeze":
		axes, _ := p.ints("axes")
		rank := len(x) + len(axes)
		out := make([]int, rank)
		for _, a := range axes {
			a, err := nodeAxis(a, rank)
			if err != nil {
				return nil, err
			}
			if out[a] != 0 {
				return nil, fmt.Errorf("axis %d is given twice", a)
			}
			out[a] = 1
		}
		for i := range out {
			if out[i] == 0 {
				out[i], x = x[0], x[1:]
			}
		}
		return out, nil
	}
	return x, nil
}

func nodeReshape(x, list []int, allowZero bool) ([]int, error) {
	out, open := slices.Clone(list), -1
	known := 1
	for i, d := range out {
		if d == 0 && !allowZero {
			if i >= len(x) {
				return nil, fmt.Errorf("shape %v takes over axis %d, which %v does not have", list, i, x)
			}
			out[i] = x[i]
		}
		if d == -1 {
			if open >= 0 {
				return nil, fmt.Errorf("shape %v has -1 twice", list)
			}
			open = i
			continue
		}
		if d < -1 {
			return nil, fmt.Errorf("shape %v", list)
		}
		known *= out[i]
	}
	n := nodeLen(x)
	if open >= 0 && known > 0 {
		out[open] = n / known
		known *= out[open]
	}
	if known != n {
		return nil, fmt.Errorf("%v cannot be reshaped to %v", x, list)
	}
	return out, nil
}

func nodePlanTranspose(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	perm, ok := p.ints("perm")
	if !ok {
		for i := range x {
			perm = append(perm, len(x)-1-i)
		}
	}
	return p.transposed(x, perm)
}

// transposed lays the first operand out as an array of a shape, and reorders its axes.
func (p *NodePlan) transposed(x, perm []int) error {
	seen := make([]bool, len(x))
	own := nodeSteps(x)
	var steps nodeIndex
	shape := make([]int, len(x))
	if len(perm) != len(x) {
		return fmt.Errorf("perm %v for %v", perm, x)
	}
	for i, a := range perm {
		if a < 0 || a >= len(x) || seen[a] {
			return fmt.Errorf("perm %v for %v", perm, x)
		}
		seen[a] = true
		shape[i], steps[i] = x[a], own[a]
	}
	p.strided(shape, 0, steps)
	return nil
}

func nodePlanSlice(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	starts, _ := p.ints("starts")
	ends := p.intsOr("ends", len(starts), 0)
	steps := p.intsOr("steps", len(starts), 1)
	axes := p.axesOf(len(starts))
	if len(axes) != len(starts) {
		return fmt.Errorf("%d axes and %d starts", len(axes), len(starts))
	}
	shape, own, from := slices.Clone(x), nodeSteps(x), 0
	for i, a := range axes {
		a, err := nodeAxis(a, len(x))
		if err != nil {
			return err
		}
		d, step := x[a], steps[i]
		if step == 0 {
			return errors.New("a step is 0")
		}
		lo, hi := starts[i], ends[i]
		if lo < 0 {
			lo += d
		}
		if hi < 0 && hi >= -d {
			hi += d
		}
		n := 0
		if step > 0 {
			lo, hi = min(max(lo, 0), d), min(max(hi, 0), d)
			n = (hi - lo + step - 1) / step
		} else {
			lo, hi = min(max(lo, -1), d-1), min(max(hi, -1), d-1)
			n = (lo - hi - step - 1) / -step
		}
		if n < 1 && p.empty {
			n = 0
		} else if n < 1 {
			return fmt.Errorf("nothing of axis %d remains", a)
		}
		from += lo * own[a]
		if shape[a] = n; n > 1 {
			own[a] *= step
		}
	}
	p.strided(shape, from, own)
	return nil
}

func nodePlanExpand(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	list, _ := p.ints("shape")
	shape, err := nodeBroadcast(p.In[0].Shape, list)
	if err != nil {
		return err
	}
	p.strided(shape, 0, nodeStretch(p.In[0].Shape, shape))
	return nil
}

func nodePlanTile(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	repeats := p.intsOr("repeats", len(x), 1)
	shape, own := slices.Clone(x), nodeSteps(x)
	for i, r := range repeats {
		if r < 0 || r == 0 && !p.empty || r > 1<<24 {
			return fmt.Errorf("%d repeats", r)
		}
		shape[i] *= r
	}
	p.moved(shape, 0, func(i nodeIndex) int {
		at := 0
		for a, d := range x {
			at += i[a] % d * own[a]
		}
		return at
	})
	return nil
}

func nodePlanConcat(p *NodePlan) error {
	if err := p.need(1, len(p.In)); err != nil {
		return err
	}
	first := p.In[0].Shape
	axis, err := p.axisOf("axis", 0, len(first))
	if err != nil {
		return err
	}
	shape, widths := slices.Clone(first), make([]int, len(p.In))
	shape[axis] = 0
	inner := nodeLen(first[axis+1:])
	for i, t := range p.In {
		if t.Kind != p.In[0].Kind || len(t.Shape) != len(first) {
			return fmt.Errorf("operands %v %v and %v %v", p.In[0].Kind, first, t.Kind, t.Shape)
		}
		for a, d := range t.Shape {
			if a != axis && d != first[a] {
				return fmt.Errorf("operands %v and %v", first, t.Shape)
			}
		}
		shape[axis] += t.Shape[axis]
		widths[i] = t.Shape[axis] * inner
	}
	p.result(p.In[0].Kind, shape...)
	row := shape[axis] * inner
	p.units, p.work = nodeLen(first[:axis]), row
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			dst := y[0][u*row:]
			for i, n := range widths {
				dst = dst[copy(dst, x[i][u*n:(u+1)*n]):]
			}
		}
	}
	return nil
}

func nodePlanSplit(p *NodePlan) error {
	shape, axis, err := p.oneAxis(0)
	if err != nil {
		return err
	}
	sizes, _ := p.ints("split")
	outer, n, inner := nodeAround(shape, axis)
	sum := 0
	for _, s := range sizes {
		if s < 1 {
			return fmt.Errorf("sizes %v", sizes)
		}
		sum += s
		out := slices.Clone(shape)
		out[axis] = s
		p.result(p.In[0].Kind, out...)
	}
	if sum != n || len(sizes) > 4 {
		return fmt.Errorf("sizes %v for an axis of %d", sizes, n)
	}
	p.units, p.work = outer, n*inner
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			src := x[0][u*n*inner:]
			for i, s := range sizes {
				src = src[copy(y[i][u*s*inner:(u+1)*s*inner], src):]
			}
		}
	}
	return nil
}

// nodePlanDepthToSpace reads channels as blocks of pixels: first the block, then the channel
// (DCR), or the other way (CRD).
func nodePlanDepthToSpace(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x, b := p.In[0].Shape, p.int("blocksize", 0)
	if len(x) != 4 || b < 1 || b > 1<<12 || x[1]%(b*b) != 0 {
		return fmt.Errorf("blocks of %d for %v", b, x)
	}
	c := x[1] / (b * b)
	split, perm := []int{x[0], b, b, c, x[2], x[3]}, []int{0, 3, 4, 1, 5, 2}
	if p.text("mode", "DCR", "CRD") == "CRD" {
		split, perm = []int{x[0], c, b, b, x[2], x[3]}, []int{0, 1, 4, 2, 5, 3}
	}
	if err := p.transposed(split, perm); err != nil {
		return err
	}
	p.Out[0].Shape = []int{x[0], c, x[2] * b, x[3] * b}
	return nil
}

func nodePlanSpaceToDepth(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x, b := p.In[0].Shape, p.int("blocksize", 0)
	if len(x) != 4 || b < 1 || x[2]%b != 0 || x[3]%b != 0 {
		return fmt.Errorf("blocks of %d for %v", b, x)
	}
	h, w := x[2]/b, x[3]/b
	perm := []int{0, 3, 5, 1, 2, 4}
	if p.text("mode", "DCR", "CRD") == "CRD" {
		perm = []int{0, 1, 3, 5, 2, 4}
	}
	if err := p.transposed([]int{x[0], x[1], h, b, w, b}, perm); err != nil {
		return err
	}
	p.Out[0].Shape = []int{x[0], x[1] * b * b, h, w}
	return nil
}

func nodePlanTrilu(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	if len(x) < 2 {
		return fmt.Errorf("%v is no matrix", x)
	}
	k, upper, own := p.int("k", 0), p.int("upper", 1) != 0, nodeSteps(x)
	r := len(x)
	p.moved(x, 0, func(i nodeIndex) int {
		if d := i[r-1] - i[r-2] - k; upper && d < 0 || !upper && d > 0 {
			return -1
		}
		return nodeAt(i, own, r)
	})
	return nil
}

// nodeAt returns the place of an element.
func nodeAt(i, steps nodeIndex, rank int) int {
	at := 0
	for a := range rank {
		at += i[a] * steps[a]
	}
	return at
}

func nodePlanEyeLike(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	if len(x) != 2 {
		return fmt.Errorf("%v is no matrix", x)
	}
	k, kind := p.int("k", 0), p.In[0].Kind
	if to, ok := p.attrs["to"]; ok {
		if kind = NodeKindOf(to); kind == NodeNone {
			return fmt.Errorf("kind %q", to)
		}
	}
	p.result(kind, x...)
	p.units = p.In[0].Len()
	p.run = func(_, y [][]float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			y[0][i] = nodeBit(i%x[1]-i/x[1] == k)
		}
	}
	return nil
}
