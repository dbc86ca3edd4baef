package nodes

import (
	"errors"
	"fmt"
	"math"
)

func nodeAddQuantized() {
	nodeOps["QuantizeLinear"] = nodePlanQuantize
	nodeOps["DequantizeLinear"] = nodePlanDequantize
	nodeOps["DynamicQuantizeLinear"] = nodePlanDynamicQuantize
}

// nodeQuantize rounds to the nearest integer, ties to even, adds the zero point, and saturates.
func nodeQuantize(x, zero float64, k NodeKind) float64 {
	lo, hi := k.nodeRange()
	return nodeClamp(math.RoundToEven(x)+zero, lo, hi)
}

// nodeScale is how the scales of a quantization lie: one for all, one for each index of an axis,
// or one for each block along it.
type nodeScale struct{ n, inner, block, blocks int }

// scale checks the operand with scales and the one with zero points, which may be left out.
func (p *NodePlan) scale() (s nodeScale, err error) {
	x, shape := p.In[0].Shape, p.In[1].Shape
	if p.has(2) && p.In[2].Len() != p.In[1].Len() {
		return s, errors.New("scales and zero points have different shapes")
	}
	s = nodeScale{n: 1, inner: 1, block: 1, blocks: 1}
	if p.In[1].Len() == 1 && p.int("block_size", 0) == 0 {
		return s, nil
	}
	axis, err := p.axisOf("axis", 1, len(x))
	if err != nil {
		return s, err
	}
	_, s.n, s.inner = nodeAround(x, axis)
	if b := p.int("block_size", 0); b > 0 {
		s.block, s.blocks = b, (s.n+b-1)/b
		if len(shape) != len(x) || shape[axis] != s.blocks || p.In[1].Len()*s.n != p.In[0].Len()*s.blocks {
			return s, fmt.Errorf("scales %v for blocks of %d along axis %d of %v", shape, b, axis, x)
		}
		return s, nil
	}
	s.blocks = s.n
	if p.In[1].Len() != s.n {
		return s, fmt.Errorf("scales %v for axis %d of %v", shape, axis, x)
	}
	return s, nil
}

// of returns the number of the scale for element i.
func (s nodeScale) of(i int) int {
	switch {
	case s.n == 1 && s.blocks == 1:
		return 0
	case s.block == 1:
		return i / s.inner % s.n
	}
	return (i/s.inner/s.n*s.blocks+i/s.inner%s.n/s.block)*s.inner + i%s.inner
}

func nodePlanQuantize(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	s, err := p.scale()
	if err != nil {
		return err
	}
	k := NodeUint8
	if to, ok := p.attrs["to"]; ok {
		k = NodeKindOf(to)
	} else if p.has(2) {
		k = p.In[2].Kind
	}
	if !k.Integer() {
		return fmt.Errorf("numbers are quantized to %v", k)
	}
	zero := p.has(2)
	p.result(k, p.In[0].Shape...)
	p.units, p.work = p.In[0].Len(), 8
	p.run = func(x, y [][]float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			j, z := s.of(i), 0.0
			if zero {
				z = x[2][j]
			}
			y[0][i] = nodeQuantize(float64(float32(x[0][i])/float32(x[1][j])), z, k)
		}
	}
	return nil
}

func nodePlanDequantize(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	s, err := p.scale()
	if err != nil {
		return err
	}
	zero := p.has(2)
	p.result(NodeFloat, p.In[0].Shape...)
	p.units, p.work = p.In[0].Len(), 8
	p.run = func(x, y [][]float64, lo, hi int) {
		for i := lo; i < hi; i++ {
			j, z := s.of(i), 0.0
			if zero {
				z = x[2][j]
			}
			y[0][i] = p.f32((x[0][i] - z) * x[1][j])
		}
	}
	return nil
}

// nodePlanDynamicQuantize makes bytes, and the scale and the zero point that the range of the
// operand gives.
func nodePlanDynamicQuantize(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	p.result(NodeUint8, p.In[0].Shape...)
	p.result(NodeFloat)
	p.result(NodeUint8)
	p.units, p.work = 1, 8*p.In[0].Len()
	p.run = func(x, y [][]float64, _, _ int) {
		lo, hi := 0.0, 0.0
		for _, v := range x[0] {
			lo, hi = min(lo, v), max(hi, v)
		}
		scale := (float32(hi) - float32(lo)) / 255
		zero := 0.0
		if scale > 0 {
			zero = nodeClamp(math.RoundToEven(float64(-float32(lo)/scale)), 0, 255)
		}
		y[1][0], y[2][0] = float64(scale), zero
		for i, v := range x[0] {
			q := 0.0
			if scale > 0 {
				q = float64(float32(v) / scale)
			}
			y[0][i] = nodeQuantize(q, zero, NodeUint8)
		}
	}
	return nil
}
