package nodes

import (
	"fmt"
	"math"
)

// nodeFold is a reduction: it begins with start, takes element after element, and ends with the
// number of elements.
type nodeFold struct {
	start float64
	take  func(sum, x float64) float64
	end   func(sum float64, n int) float64 // nil for the sum itself
}

var nodeFolds = map[string]nodeFold{
	"ReduceSum":       {0, func(s, x float64) float64 { return s + x }, nil},
	"ReduceMean":      {0, func(s, x float64) float64 { return s + x }, func(s float64, n int) float64 { return s / float64(n) }},
	"ReduceProd":      {1, func(s, x float64) float64 { return s * x }, nil},
	"ReduceMax":       {math.Inf(-1), nodeMax, nil},
	"ReduceMin":       {math.Inf(1), func(s, x float64) float64 { return -nodeMax(-s, -x) }, nil},
	"ReduceL1":        {0, func(s, x float64) float64 { return s + math.Abs(x) }, nil},
	"ReduceL2":        {0, func(s, x float64) float64 { return s + x*x }, func(s float64, _ int) float64 { return math.Sqrt(s) }},
	"ReduceSumSquare": {0, func(s, x float64) float64 { return s + x*x }, nil},
	"ReduceLogSum":    {0, func(s, x float64) float64 { return s + x }, func(s float64, _ int) float64 { return math.Log(s) }},
}

func nodeAddReductions() {
	for op := range nodeFolds {
		nodeOps[op] = nodePlanReduce
	}
	nodeOps["ReduceLogSumExp"] = nodePlanReduce
	nodeOps["ArgMax"] = nodePlanArg
	nodeOps["ArgMin"] = nodePlanArg
	nodeOps["CumSum"] = nodePlanCumulative
	nodeOps["CumProd"] = nodePlanCumulative
	nodeOps["Softmax"] = nodePlanSoftmax
	nodeOps["LogSoftmax"] = nodePlanSoftmax
	nodeOps["Hardmax"] = nodePlanSoftmax
	nodeOps["TopK"] = nodePlanTopK
}

// nodeLines divides an array into its kept axes, in the order of the results, and those that are
// reduced: two walks, whose operand 0 is the array.
func nodeLines(shape []int, over []bool) (kept, gone nodeWalk, results, each int) {
	steps := nodeSteps(shape)
	results, each = 1, 1
	for i, d := range shape {
		w, n := &kept, &results
		if over[i] {
			w, n = &gone, &each
		}
		w.dims[w.rank], w.step[0][w.rank] = d, steps[i]
		w.rank++
		*n *= d
	}
	return kept, gone, results, each
}

// reduced returns the axes that are reduced, and the shape of the result.
func (p *NodePlan) reduced() (over []bool, shape []int, err error) {
	x := p.In[0].Shape
	over = make([]bool, len(x))
	axes, _ := p.ints("axes")
	if len(axes) == 0 && p.int("noop_with_empty_axes", 0) == 0 {
		for i := range over {
			over[i] = true
		}
	}
	for _, a := range axes {
		if a, err = nodeAxis(a, len(x)); err != nil {
			return nil, nil, err
		}
		over[a] = true
	}
	for i, d := range x {
		switch {
		case !over[i]:
			shape = append(shape, d)
		case p.int("keepdims", 1) != 0:
			shape = append(shape, 1)
		}
	}
	return over, shape, nil
}

func nodePlanReduce(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	over, shape, err := p.reduced()
	if err != nil {
		return err
	}
	k := p.In[0].Kind
	kept, gone, n, each := nodeLines(p.In[0].Shape, over)
	p.result(k, shape...)
	p.units, p.work = n, 4*each
	fold, ok := nodeFolds[p.Op]
	p.run = func(x, y [][]float64, lo, hi int) {
		kept := kept
		kept.seek(lo)
		for i := lo; i < hi; i++ {
			line := x[0][kept.at[0]:]
			gone := gone
			gone.seek(0)
			if !ok {
				y[0][i] = p.round(k, nodeLogSumExp(line, gone, each))
				kept.next()
				continue
			}
			sum := fold.start
			for range each {
				sum = fold.take(sum, line[gone.at[0]])
				gone.next()
			}
			if fold.end != nil {
				sum = fold.end(sum, each)
			}
			y[0][i] = p.round(k, sum)
			kept.next()
		}
	}
	return nil
}

func nodeLogSumExp(x []float64, w nodeWalk, n int) float64 {
	most := math.Inf(-1)
	first := w
	for range n {
		most = nodeMax(most, x[w.at[0]])
		w.next()
	}
	if math.IsInf(most, 0) {
		return most
	}
	sum := 0.0
	for range n {
		sum += math.Exp(x[first.at[0]] - most)
		first.next()
	}
	return most + math.Log(sum)
}

func nodePlanArg(p *NodePlan) error {
	shape, axis, err := p.oneAxis(0)
	if err != nil {
		return err
	}
	outer, n, inner := nodeAround(shape, axis)
	out := append([]int{}, shape[:axis]...)
	if p.int("keepdims", 1) != 0 {
		out = append(out, 1)
	}
	last, least := p.int("select_last_index", 0) != 0, p.Op == "ArgMin"
	p.result(NodeInt64, append(out, shape[axis+1:]...)...)
	p.units, p.work = outer*inner, 2*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			at := u/inner*n*inner + u%inner
			best := 0
			for i := 1; i < n; i++ {
				v, b := x[0][at+i*inner], x[0][at+best*inner]
				if least {
					v, b = -v, -b
				}
				if v > b || v != v && b == b || last && v == b {
					best = i
				}
			}
			y[0][u] = float64(best)
		}
	}
	return nil
}

func nodePlanCumulative(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	shape, k := p.In[0].Shape, p.In[0].Kind
	axis, err := p.axisOf("axis", 0, len(shape))
	if err != nil {
		return err
	}
	outer, n, inner := nodeAround(shape, axis)
	exclusive, reverse, prod := p.int("exclusive", 0) != 0, p.int("reverse", 0) != 0, p.Op == "CumProd"
	p.result(k, shape...)
	p.units, p.work = outer*inner, 4*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			at := u/inner*n*inner + u%inner
			sum := 0.0
			if prod {
				sum = 1
			}
			for i := range n {
				if reverse {
					i = n - 1 - i
				}
				before, v := sum, x[0][at+i*inner]
				if prod {
					sum *= v
				} else {
					sum += v
				}
				if exclusive {
					y[0][at+i*inner] = p.round(k, before)
				} else {
					y[0][at+i*inner] = p.round(k, sum)
				}
			}
		}
	}
	return nil
}

func nodePlanSoftmax(p *NodePlan) error {
	shape, axis, err := p.oneAxis(-1)
	if err != nil {
		return err
	}
	outer, n, inner := nodeAround(shape, axis)
	op := p.Op
	p.result(p.In[0].Kind, shape...)
	p.units, p.work = outer*inner, 16*n
	p.run = func(x, y [][]float64, lo, hi int) {
		for u := lo; u < hi; u++ {
			at := u/inner*n*inner + u%inner
			best := 0
			for i := range n {
				if x[0][at+i*inner] > x[0][at+best*inner] {
					best = i
				}
			}
			most, sum := x[0][at+best*inner], 0.0
			for i := range n {
				sum += math.Exp(x[0][at+i*inner] - most)
			}
			for i := range n {
				j := at + i*inner
				switch op {
				case "Hardmax":
					y[0][j] = nodeBit(i == best)
				case "Softmax":
					y[0][j] = p.f32(math.Exp(x[0][j]-most) / sum)
				default:
					y[0][j] = p.f32(x[0][j] - most - math.Log(sum))
				}
			}
		}
	}
	return nil
}

// nodePlanTopK keeps the k best elements of each line in order. Of equal elements the first
// comes first.
func nodePlanTopK(p *NodePlan) error {
	shape, axis, err := p.oneAxis(-1)
	if err != nil {
		return err
	}
	k := p.int("k", 0)
	outer, n, inner := nodeAround(shape, axis)
	if k < 0 || k == 0 && !p.empty || k > n {
		return fmt.Errorf("k is %d for an axis of %d", k, n)
	}
	largest := p.int("largest", 1) != 0
	out := append([]int{}, shape...)
	out[axis] = k
	p.result(p.In[0].Kind, out...)
	p.result(NodeInt64, out...)
	p.units, p.work = outer*inner, 8*n
	p.run = func(x, y [][]float64, lo, hi int) {
		better := func(a, b float64) bool {
			if largest {
				return a > b || a != a && b == b
			}
			return a < b || b != b && a == a
		}
		for u := lo; u < hi; u++ {
			from, to := u/inner*n*inner+u%inner, u/inner*k*inner+u%inner
			for i := range n {
				v := x[0][from+i*inner]
				j := min(i, k)
				for j > 0 && better(v, y[0][to+(j-1)*inner]) {
					if j < k {
						y[0][to+j*inner], y[1][to+j*inner] = y[0][to+(j-1)*inner], y[1][to+(j-1)*inner]
					}
					j--
				}
				if j < k {
					y[0][to+j*inner], y[1][to+j*inner] = v, float64(i)
				}
			}
		}
	}
	return nil
}
