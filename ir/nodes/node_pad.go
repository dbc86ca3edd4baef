package nodes

import (
	"errors"
	"fmt"
	"slices"
)

func nodePlanPad(p *NodePlan) error {
	if err := p.need(1, 2); err != nil {
		return err
	}
	x := p.In[0].Shape
	axes := p.axesOf(len(x))
	pads, _ := p.ints("pads")
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
	}
	shape, own := slices.Clone(x), nodeSteps(x)
	var before nodeIndex
	for i, a := range axes {
		a, err := nodeAxis(a, len(x))
		if err != nil {
			return err
		}
		if pads[i] > 1<<24 || pads[len(axes)+i] > 1<<24 {
			return fmt.Errorf("pads %v", pads)
		}
		before[a] = pads[i]
		if shape[a] += pads[i] + pads[len(axes)+i]; shape[a] < 1 {
			return fmt.Errorf("nothing of axis %d remains", a)
		}
	}
	mode := p.text("mode", "constant", "reflect", "edge", "wrap")
	fill := p.float("value", 0)
	at := func(i nodeIndex) int {
		at := 0
		for a, d := range x {
			j := nodePadded(i[a]-before[a], d, mode)
			if j < 0 {
				return -1
			}
			at += j * own[a]
		}
		return at
	}
	p.moved(shape, fill, at)
	if p.has(1) {
		if p.In[1].Len() != 1 {
			return errors.New("the value must be one number")
		}
		p.run = func(x, y [][]float64, lo, hi int) {
			w := newNodeWalk(shape)
			w.seek(lo)
			for i := lo; i < hi; i++ {
				y[0][i] = x[1][0]
				if from := at(w.count); from >= 0 {
					y[0][i] = x[0][from]
				}
				w.next()
			}
		}
	}
	return nil
}

// nodePadded returns the element of an axis of n that padding repeats at place i, -1 for none.
func nodePadded(i, n int, mode string) int {
	if i >= 0 && i < n {
		return i
	}
	switch mode {
	case "edge":
		return min(max(i, 0), n-1)
	case "wrap":
		return (i%n + n) % n
	case "reflect":
		if n == 1 {
			return 0
		}
		i = (i%(2*n-2) + 2*n - 2) % (2*n - 2)
		return min(i, 2*n-2-i)
	}
	return -1
}

func nodePlanCenterCropPad(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	axes := p.axesOf(len(x))
	sizes := p.intsOr("shape", len(axes), 0)
	shape, own := slices.Clone(x), nodeSteps(x)
	var shift nodeIndex
	for i, a := range axes {
		a, err := nodeAxis(a, len(x))
		if err != nil {
			return err
		}
		if shape[a] = sizes[i]; sizes[i] < 1 {
			return fmt.Errorf("shape %v", sizes)
		}
		if d := sizes[i] - x[a]; d >= 0 {
			shift[a] = -(d / 2)
		} else {
			shift[a] = -d / 2
		}
	}
	p.moved(shape, 0, func(i nodeIndex) int {
		at := 0
		for a, d := range x {
			j := i[a] + shift[a]
			if j < 0 || j >= d {
				return -1
			}
			at += j * own[a]
		}
		return at
	})
	return nil
}
