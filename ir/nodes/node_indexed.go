package nodes

import (
	"fmt"
	"math"
	"slices"
)

func nodeAddIndexed() {
	nodeOps["Gather"] = nodePlanGather
	nodeOps["GatherElements"] = nodePlanGatherElements
	nodeOps["GatherND"] = nodePlanGatherND
	nodeOps["ScatterElements"] = nodePlanScatterElements
	nodeOps["ScatterND"] = nodePlanScatterND
	nodeOps["OneHot"] = nodePlanOneHot
	nodeOps["ReverseSequence"] = nodePlanReverseSequence
	nodeOps["Compress"] = nodePlanCompress
}

// nodeOutside is the result of an index that is outside of its axis. The run ends with an error.
func nodeOutside(k NodeKind) float64 {
	if k == NodeFloat {
		return math.NaN()
	}
	return 0
}

// nodeWrap returns an index that counts from the end if it is negative; ok is false outside of
// the axis.
func nodeWrap(v float64, n int) (i int, ok bool) {
	if v < 0 {
		v += float64(n)
	}
	if !(v >= 0 && v < float64(n)) {
		return 0, false
	}
	return int(v), true
}

// indices returns an error unless operand i holds integers.
func (p *NodePlan) indices(i int) error {
	if !p.In[i].Kind.Integer() {
		return fmt.Errorf("the indices are %v (want integers)", p.In[i].Kind)
	}
	return nil
}

func nodePlanGather(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	if err := p.indices(1); err != nil {
		return err
	}
	shape := p.In[0].Shape
	axis, err := p.axisOf("axis", 0, len(shape))
	if err != nil {
		return err
	}
	outer, n, inner := nodeAround(shape, axis)
	count, k := p.In[1].Len(), p.In[0].Kind
	p.inside(1, n)
	p.result(k, slices.Concat(shape[:axis], p.In[1].Shape, shape[axis+1:])...)
	p.units, p.work = outer*count, inner
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			dst := y[0][u*inner : (u+1)*inner]
			i, ok := nodeWrap(x[1][u%count], n)
			if !ok {
				for j := range dst {
					dst[j] = nodeOutside(k)
				}
				continue
			}
			copy(dst, x[0][(u/count*n+i)*inner:])
		}
	}
	return nil
}

func nodePlanGatherElements(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	if err := p.indices(1); err != nil {
		return err
	}
	shape, idx, k := p.In[0].Shape, p.In[1].Shape, p.In[0].Kind
	axis, err := p.axisOf("axis", 0, len(shape))
	if err != nil {
		return err
	}
	if err := nodeWithin(idx, shape, axis); err != nil {
		return err
	}
	w := newNodeWalk(idx)
	w.step[0] = nodeSteps(shape)
	by := w.step[0][axis]
	w.step[0][axis] = 0
	p.result(k, idx...)
	p.inside(1, shape[axis])
	p.units, p.work = nodeLen(idx), 8
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w
		w.seek(lo)
		for i := lo; i < hi; i++ {
			if j, ok := nodeWrap(x[1][i], shape[axis]); ok {
				y[0][i] = x[0][w.at[0]+j*by]
			} else {
				y[0][i] = nodeOutside(k)
			}
			w.next()
		}
	}
	return nil
}

// nodeWithin returns an error unless an array of indices is no larger than another, but along an
// axis.
func nodeWithin(idx, shape []int, axis int) error {
	if len(idx) != len(shape) {
		return fmt.Errorf("indices %v for %v", idx, shape)
	}
	for a, d := range idx {
		if a != axis && d > shape[a] {
			return fmt.Errorf("indices %v for %v", idx, shape)
		}
	}
	return nil
}

// nodeND describes the indices of GatherND and ScatterND: tuples along the last axis.
type nodeND struct {
	tuples, depth, slice, batches int
	dims                          []int // that a tuple indexes
}

// nd checks the indices, operand 1, for the first operand.
func (p *NodePlan) nd(batch int) (d nodeND, err error) {
	if err := p.indices(1); err != nil {
		return d, err
	}
	x, idx := p.In[0].Shape, p.In[1].Shape
	if len(idx) == 0 {
		return d, fmt.Errorf("indices %v for %v", idx, x)
	}
	d.depth = idx[len(idx)-1]
	if batch < 0 || batch >= len(idx) || batch+d.depth > len(x) || !slices.Equal(x[:batch], idx[:batch]) {
		return d, fmt.Errorf("indices %v for %v", idx, x)
	}
	d.tuples, d.batches = nodeLen(idx[:len(idx)-1]), nodeLen(x[:batch])
	d.dims, d.slice = x[batch:batch+d.depth], nodeLen(x[batch+d.depth:])
	return d, nil
}

// place returns where the slice of a tuple begins.
func (d nodeND) place(idx []float64, tuple int) (at int, ok bool) {
	at = tuple / (d.tuples / d.batches)
	for i, n := range d.dims {
		j, ok := nodeWrap(idx[tuple*d.depth+i], n)
		if !ok {
			return 0, false
		}
		at = at*n + j
	}
	return at * d.slice, true
}

// check returns an error if a tuple lies outside.
func (d nodeND) check(p *NodePlan, idx []float64) error {
	for i, v := range idx {
		if err := p.within(v, d.dims[i%d.depth], i); err != nil {
			return err
		}
	}
	return nil
}

func nodePlanGatherND(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	batch := p.int("batch_dims", 0)
	d, err := p.nd(batch)
	if err != nil {
		return err
	}
	k, idx := p.In[0].Kind, p.In[1].Shape
	p.result(k, slices.Concat(idx[:len(idx)-1], p.In[0].Shape[batch+d.depth:])...)
	p.units, p.work = d.tuples, d.slice
	p.check = func(x [][]float64) error { return d.check(p, x[1]) }
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			dst := y[0][u*d.slice : (u+1)*d.slice]
			if at, ok := d.place(x[1], u); ok {
				copy(dst, x[0][at:])
				continue
			}
			for j := range dst {
				dst[j] = nodeOutside(k)
			}
		}
	}
	return nil
}

// scattered returns how an element and an update combine.
func (p *NodePlan) scattered() func(old, x float64) float64 {
	k := p.In[0].Kind
	switch p.text("reduction", "none", "add", "mul", "max", "min") {
	case "add":
		return func(old, x float64) float64 { return p.round(k, old+x) }
	case "mul":
		return func(old, x float64) float64 { return p.round(k, old*x) }
	case "max":
		return nodeMax
	case "min":
		return func(old, x float64) float64 { return -nodeMax(-old, -x) }
	}
	return func(_, x float64) float64 { return x }
}

func nodePlanScatterElements(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	if err := p.indices(1); err != nil {
		return err
	}
	shape, idx := p.In[0].Shape, p.In[1].Shape
	axis, err := p.axisOf("axis", 0, len(shape))
	if err != nil {
		return err
	}
	if err := nodeWithin(idx, shape, axis); err != nil {
		return err
	}
	if !slices.Equal(idx, p.In[2].Shape) {
		return fmt.Errorf("updates %v for indices %v", p.In[2].Shape, idx)
	}
	w := newNodeWalk(idx)
	w.step[0] = nodeSteps(shape)
	by := w.step[0][axis]
	w.step[0][axis] = 0
	f := p.scattered()
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = 1, p.In[0].Len() // updates may meet
	p.inside(1, shape[axis])
	p.run = func(x, y [][]float64, _, _ int) {
		copy(y[0], x[0])
		w := w
		w.seek(0)
		for i, v := range x[1] {
			if j, ok := nodeWrap(v, shape[axis]); ok {
				at := &y[0][w.at[0]+j*by]
				*at = f(*at, x[2][i])
			}
			w.next()
		}
	}
	return nil
}

func nodePlanScatterND(p *NodePlan) error {
	if err := p.need(3, 3); err != nil {
		return err
	}
	d, err := p.nd(0)
	if err != nil {
		return err
	}
	if p.In[2].Len() != d.tuples*d.slice {
		return fmt.Errorf("updates %v for indices %v of %v", p.In[2].Shape, p.In[1].Shape, p.In[0].Shape)
	}
	f := p.scattered()
	p.check = func(x [][]float64) error { return d.check(p, x[1]) }
	p.result(p.In[0].Kind, p.In[0].Shape...)
	p.units, p.work = 1, p.In[0].Len()
	p.run = func(x, y [][]float64, _, _ int) {
		copy(y[0], x[0])
		for t := range d.tuples {
			at, ok := d.place(x[1], t)
			if !ok {
				continue
			}
			for i := range d.slice {
				y[0][at+i] = f(y[0][at+i], x[2][t*d.slice+i])
			}
		}
	}
	return nil
}

// nodePlanOneHot has the depth as an attribute; the operands are the indices and the two values.
func nodePlanOneHot(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	depth := p.int("depth", 0)
	idx := p.In[0].Shape
	axis, err := p.axisOf("axis", -1, len(idx)+1)
	if err != nil {
		return err
	}
	if depth < 1 || depth > 1<<24 || p.In[1].Len() != 2 {
		return fmt.Errorf("depth %d, values %v", depth, p.In[1].Shape)
	}
	inner := nodeLen(idx[axis:])
	p.result(p.In[1].Kind, slices.Concat(idx[:axis], []int{depth}, idx[axis:])...)
	p.units = p.In[0].Len() * depth
	p.run = func(x, y [][]float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			c := i / inner % depth
			j, ok := nodeWrap(x[0][i/(inner*depth)*inner+i%inner], depth)
			y[0][i] = x[1][int(nodeBit(ok && j == c))]
		}
	}
	return nil
}

func nodePlanReverseSequence(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	x := p.In[0].Shape
	b, t := p.int("batch_axis", 1), p.int("time_axis", 0)
	if len(x) < 2 || b < 0 || b > 1 || t != 1-b || p.In[1].Len() != x[b] {
		return fmt.Errorf("axes %d and %d of %v, lengths %v", b, t, x, p.In[1].Shape)
	}
	own := nodeSteps(x)
	rank := len(x)
	p.result(p.In[0].Kind, x...)
	p.units, p.work = p.In[0].Len(), 8
	p.check = func(in [][]float64) error {
		for at, n := range in[1] {
			if !(n >= 0 && n <= float64(x[t])) {
				return fmt.Errorf("ReverseSequence: length %v, element %d of the lengths, is not within 0..%d", n, at, x[t])
			}
		}
		return nil
	}
	p.run = func(in, y [][]float64, lo, hi int) {
		w := newNodeWalk(x)
		w.seek(lo)
		for u := lo; u < hi; u++ {
			i := w.count
			if n := int(in[1][i[b]]); i[t] < n && n <= x[t] {
				i[t] = n - 1 - i[t]
			}
			y[0][u] = in[0][nodeAt(i, own, rank)]
			w.next()
		}
	}
	return nil
}

// nodePlanCompress takes the condition as an attribute, since it decides the shape.
func nodePlanCompress(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	shape, cond := p.In[0].Shape, []int(nil)
	cond, _ = p.ints("condition")
	axis := -1
	if _, ok := p.attrs["axis"]; ok {
		var err error
		if axis, err = p.axisOf("axis", 0, len(shape)); err != nil {
			return err
		}
	}
	if axis < 0 {
		shape, axis = []int{nodeLen(shape)}, 0
	}
	var keep []int
	for i, c := range cond {
		if c != 0 && i < shape[axis] {
			keep = append(keep, i)
		}
	}
	if len(keep) == 0 && !p.empty {
		return fmt.Errorf("nothing remains")
	}
	own := nodeSteps(shape)
	rank := len(shape)
	out := slices.Clone(shape)
	out[axis] = len(keep)
	p.moved(out, 0, func(i nodeIndex) int {
		i[axis] = keep[i[axis]]
		return nodeAt(i, own, rank)
	})
	return nil
}
