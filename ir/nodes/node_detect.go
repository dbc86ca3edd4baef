package nodes

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// This file has the operators whose result has a size that depends on the elements of the
// operands. Only programs have them.

// nodeCall is a step of a program that runs.
type nodeCall struct {
	attrs NodeAttrs
	in    []NodeArray
	take  func(n int) error // counts elements before they are made
}

var nodeDynamic = map[string]func(c *nodeCall) ([]NodeArray, error){
	"Shape": nodeShape, "Size": nodeSize, "NonZero": nodeNonZero, "NonMaxSuppression": nodeNonMaxSuppression,
	"ConstantOfShape": nodeConstantOfShape, "Range": nodeRange,
}

// need returns an error unless there are low to high operands and the first low are given.
func (c *nodeCall) need(low, high int) error {
	p := NodePlan{}
	for _, a := range c.in {
		p.In = append(p.In, a.NodeType)
	}
	return p.need(low, high)
}

// has reports whether an operand is given.
func (c *nodeCall) has(i int) bool { return i < len(c.in) && c.in[i].Kind != NodeNone }

// number returns the only element of an operand, or def if it is left out.
func (c *nodeCall) number(i int, def float64) (float64, error) {
	if !c.has(i) {
		return def, nil
	}
	if len(c.in[i].Data) != 1 {
		return 0, fmt.Errorf("operand %d has %d elements (want one)", i+1, len(c.in[i].Data))
	}
	return c.in[i].Data[0], nil
}

// integers returns one array of integers.
func (c *nodeCall) integers(shape []int, data []float64) []NodeArray {
	return []NodeArray{{NodeType{NodeInt64, shape}, data}}
}

func nodeShape(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(1, 1); err != nil {
		return nil, err
	}
	shape := c.in[0].Shape
	p := NodePlan{attrs: c.attrs}
	clamp := func(i int) int {
		if i < 0 {
			i += len(shape)
		}
		return min(max(i, 0), len(shape))
	}
	lo, hi := clamp(p.int("start", 0)), clamp(p.int("end", len(shape)))
	if p.err != nil {
		return nil, p.err
	}
	var data []float64
	for _, d := range shape[lo:max(lo, hi)] {
		data = append(data, float64(d))
	}
	return c.integers([]int{len(data)}, data), nil
}

func nodeSize(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(1, 1); err != nil {
		return nil, err
	}
	return c.integers([]int{}, []float64{float64(c.in[0].Len())}), nil
}

// nodeNonZero returns the indices of the elements that are not 0: a row for each axis.
func nodeNonZero(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(1, 1); err != nil {
		return nil, err
	}
	x := c.in[0]
	rank, n := len(x.Shape), 0
	for _, v := range x.Data {
		if v != 0 {
			n++
		}
	}
	if err := c.take(n * rank); err != nil {
		return nil, err
	}
	data, at := make([]float64, n*rank), 0
	for i, v := range x.Data {
		if v == 0 {
			continue
		}
		index := nodeSplit(i, x.Shape)
		for a := range rank {
			data[a*n+at] = float64(index[a])
		}
		at++
	}
	return c.integers([]int{rank, n}, data), nil
}

func nodeConstantOfShape(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(1, 1); err != nil {
		return nil, err
	}
	p := NodePlan{attrs: c.attrs}
	kind, value := NodeFloat, p.float("value", 0)
	if to, ok := c.attrs["to"]; ok {
		kind = NodeKindOf(to)
	}
	if p.err != nil || kind == NodeNone {
		return nil, errors.New("the value has no kind")
	}
	if len(c.in[0].Data) > NodeMaxAxes {
		return nil, fmt.Errorf("a shape of %d axes", len(c.in[0].Data))
	}
	shape, n := []int{}, 1
	for _, v := range c.in[0].Data {
		if !(v >= 0 && v <= nodeProgramLen) {
			return nil, fmt.Errorf("an axis of %v elements", v)
		}
		shape = append(shape, int(v))
		if n *= int(v); n > nodeProgramLen {
			return nil, errNodeMemory
		}
	}
	if err := c.take(n); err != nil {
		return nil, err
	}
	return []NodeArray{{NodeType{kind, shape}, slices.Repeat([]float64{value}, n)}}, nil
}

func nodeRange(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(3, 3); err != nil {
		return nil, err
	}
	var at [3]float64
	for i := range at {
		var err error
		if at[i], err = c.number(i, 0); err != nil {
			return nil, err
		}
	}
	n := math.Ceil((at[1] - at[0]) / at[2])
	if n != n || n > nodeProgramLen {
		return nil, fmt.Errorf("from %v to %v in steps of %v", at[0], at[1], at[2])
	}
	n = max(n, 0)
	if err := c.take(int(n)); err != nil {
		return nil, err
	}
	data := make([]float64, int(n))
	for i := range data {
		data[i] = c.in[0].Kind.Round(at[0] + float64(i)*at[2])
	}
	return []NodeArray{{NodeType{c.in[0].Kind, []int{len(data)}}, data}}, nil
}

// nodeBox is a box of a NonMaxSuppression, in float32 as ONNX Runtime has it.
type nodeBox struct{ y1, x1, y2, x2 float32 }

// nodeBoxOf reads a box: two opposite corners y, x, or the middle x, y with width and height.
func nodeBoxOf(b []float64, center bool) nodeBox {
	v := [4]float32{float32(b[0]), float32(b[1]), float32(b[2]), float32(b[3])}
	if center {
		w, h := v[2]/2, v[3]/2
		return nodeBox{v[1] - h, v[0] - w, v[1] + h, v[0] + w}
	}
	return nodeBox{min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])}
}

func (b nodeBox) area() float32 { return float32(b.y2-b.y1) * float32(b.x2-b.x1) }

// covers reports whether the intersection of two boxes is more than a part of their union.
func (b nodeBox) covers(c nodeBox, part float32) bool {
	h, w := min(b.y2, c.y2)-max(b.y1, c.y1), min(b.x2, c.x2)-max(b.x1, c.x1)
	if h <= 0 || w <= 0 {
		return false
	}
	both := float32(h * w)
	a1, a2 := b.area(), c.area()
	union := float32(a1+a2) - both
	if a1 <= 0 || a2 <= 0 || union <= 0 {
		return false
	}
	return both/union > part
}

// nodeNonMaxSuppression has the operands boxes (images, boxes, 4), scores (images, classes, boxes),
// the largest number of boxes of a class, and the thresholds of overlap and score. The result has
// a row for each box that remains: image, class, box.
func nodeNonMaxSuppression(c *nodeCall) ([]NodeArray, error) {
	if err := c.need(2, 5); err != nil {
		return nil, err
	}
	b, s := c.in[0].Shape, c.in[1].Shape
	if len(b) != 3 || len(s) != 3 || b[2] != 4 || b[0] != s[0] || b[1] != s[2] {
		return nil, fmt.Errorf("boxes %v and scores %v", b, s)
	}
	most, err1 := c.number(2, 0)
	overlap, err2 := c.number(3, 0)
	least, err3 := c.number(4, 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	p := NodePlan{attrs: c.attrs}
	center := p.int("center_point_box", 0) != 0
	limit := int(nodeClamp(most, 0, float64(b[1])))
	var rows []float64
	for image := range s[0] {
		boxes := make([]nodeBox, b[1])
		for i := range boxes {
			boxes[i] = nodeBoxOf(c.in[0].Data[(image*b[1]+i)*4:], center)
		}
		for class := range s[1] {
			scores := c.in[1].Data[(image*s[1]+class)*s[2]:][:s[2]]
			var order []int
			for i, v := range scores {
				if !c.has(4) || float32(v) > float32(least) {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
			var kept []int
			for _, i := range order {
				if len(kept) == limit {
					break
				}
				if !slices.ContainsFunc(kept, func(k int) bool { return boxes[i].covers(boxes[k], float32(overlap)) }) {
					kept = append(kept, i)
				}
			}
			if err := c.take(3 * len(kept)); err != nil {
				return nil, err
			}
			for _, i := range kept {
				rows = append(rows, float64(image), float64(class), float64(i))
			}
		}
	}
	return c.integers([]int{len(rows) / 3, 3}, rows), nil
}
