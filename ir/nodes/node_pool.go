package nodes

import (
	"fmt"
	"math"
)

// nodePlanPool computes pools: windows that slide, or that cover all.
func nodePlanPool(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	if len(x) < 3 {
		return fmt.Errorf("%v has no axes of space", x)
	}
	var kernel []int
	op := p.Op
	if len(op) > 6 && op[:6] == "Global" {
		op, kernel = op[6:], x[2:]
	}
	w, err := p.window(x[2:], kernel)
	if err != nil {
		return err
	}
	if err := w.slide(p.auto(), p.int("ceil_mode", 0) != 0); err != nil {
		return err
	}
	p.result(p.In[0].Kind, append([]int{x[0], x[1]}, w.out...)...)
	pixels := nodeLen(w.out)
	p.units, p.work = x[0]*x[1]*pixels, 4*w.taps
	switch op {
	case "MaxPool":
		p.maxPool(w, pixels)
	case "AveragePool":
		p.averagePool(w, pixels)
	default:
		p.lpPool(w, pixels)
	}
	return nil
}

// maxPool has the places of the maxima as second result: by rows, or with storage_order 1 by
// columns.
func (p *NodePlan) maxPool(w nodeWindow, pixels int) {
	in, byColumns := nodeLen(w.in), p.int("storage_order", 0) != 0
	indices := p.int("outputs", 1) > 1
	if indices {
		p.result(NodeInt64, p.Out[0].Shape...)
	}
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			o := nodeSplit(u%pixels, w.out)
			base, best, most := u/pixels*in, -1, math.Inf(-1)
			for k := range w.taps {
				at, ok := w.source(o, k)
				if !ok {
					continue
				}
				if v := x[0][base+at]; best < 0 || v > most || v != v && most == most {
					best, most = at, v
				}
			}
			y[0][u] = most
			if !indices {
				continue
			}
			if byColumns && best >= 0 {
				i, column := nodeSplit(best, w.in), 0
				for a := len(w.in) - 1; a >= 0; a-- {
					column = column*w.in[a] + i[a]
				}
				best = column
			}
			y[1][u] = float64(base + best)
		}
	}
}

func (p *NodePlan) averagePool(w nodeWindow, pixels int) {
	in, include := nodeLen(w.in), p.int("count_include_pad", 0) != 0
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			o := nodeSplit(u%pixels, w.out)
			sum, count := 0.0, 0
			for k := range w.taps {
				if at, ok := w.source(o, k); ok {
					sum += x[0][u/pixels*in+at]
					count++
				} else if include && w.padded(o, k) {
					count++
				}
			}
			y[0][u] = p.f32(sum / float64(max(1, count)))
		}
	}
}

// padded reports whether element k of the window of an output lies in the input or its declared
// padding, not in what rounding up adds.
func (w *nodeWindow) padded(o nodeIndex, k int) bool {
	for a, n := range w.in {
		i := o[a]*w.stride[a] - w.begin[a] + w.places[k][a]
		if i >= n+w.end[a] {
			return false
		}
	}
	return true
}

func (p *NodePlan) lpPool(w nodeWindow, pixels int) {
	in, order := nodeLen(w.in), float64(p.int("p", 2))
	p.run = func(x, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			o := nodeSplit(u%pixels, w.out)
			sum := 0.0
			for k := range w.taps {
				if at, ok := w.source(o, k); ok {
					sum += math.Pow(math.Abs(x[0][u/pixels*in+at]), order)
				}
			}
			y[0][u] = p.f32(math.Pow(sum, 1/order))
		}
	}
}

// nodePlanMaxUnpool puts values at the places that a max pool gave. They refer to the shape that
// the pool had without output_shape.
func nodePlanMaxUnpool(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	x := p.In[0].Shape
	if len(x) < 3 || p.In[1].Len() != p.In[0].Len() {
		return fmt.Errorf("indices %v for %v", p.In[1].Shape, x)
	}
	w, err := p.window(x[2:], nil)
	if err != nil {
		return err
	}
	plain := []int{x[0], x[1]}
	for a, n := range w.in {
		plain = append(plain, (n-1)*w.stride[a]-w.begin[a]-w.end[a]+w.kernel[a])
	}
	shape, ok := p.ints("output_shape")
	if !ok {
		shape = plain
	}
	if len(shape) != len(x) {
		return fmt.Errorf("output_shape %v for %v", shape, x)
	}
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = 1, nodeLen(shape)
	steps, n := nodeSteps(shape), nodeLen(plain)
	p.inside(1, n)
	p.run = func(in, y [][]float64, _, _ int) {
		clear(y[0])
		for i, v := range in[0] {
			j, ok := nodeWrap(in[1][i], n)
			if !ok {
				continue
			}
			if at := nodeAt(nodeSplit(j, plain), steps, len(shape)); at < len(y[0]) {
				y[0][at] = v
			}
		}
	}
	return nil
}
