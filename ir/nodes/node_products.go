package nodes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func nodeAddProducts() {
	nodeOps["MatMul"] = nodePlanMatMul
	nodeOps["MatMulInteger"] = nodePlanMatMulInteger
	nodeOps["QLinearMatMul"] = nodePlanQLinearMatMul
	nodeOps["Gemm"] = nodePlanGemm
	nodeOps["Einsum"] = nodePlanEinsum
}

// nodeProduct is a product of matrices, perhaps of several pairs.
type nodeProduct struct {
	batch            nodeWalk // the pairs: operands 0 and 1 are where their matrices begin
	rows, k, cols    int
	ar, ak, bk, bc   int   // steps along the rows and columns of the matrices
	shape            []int // of the result
	aVector, bVector bool
}

// product describes the product of operands ai and bi as numpy.matmul has it.
func (p *NodePlan) product(ai, bi int) (m nodeProduct, err error) {
	a, b := p.In[ai].Shape, p.In[bi].Shape
	if len(a) == 0 || len(b) == 0 {
		return m, errors.New("an operand is a number")
	}
	if m.aVector = len(a) == 1; m.aVector {
		a = []int{1, a[0]}
	}
	if m.bVector = len(b) == 1; m.bVector {
		b = []int{b[0], 1}
	}
	ra, rb := len(a), len(b)
	m.rows, m.k, m.cols = a[ra-2], a[ra-1], b[rb-1]
	if b[rb-2] != m.k {
		return m, fmt.Errorf("%v times %v: the inner axes differ", p.In[ai].Shape, p.In[bi].Shape)
	}
	m.ar, m.ak, m.bk, m.bc = m.k, 1, m.cols, 1
	batch, err := nodeBroadcast(a[:ra-2], b[:rb-2])
	if err != nil {
		return m, err
	}
	if len(batch) > NodeMaxAxes-2 {
		return m, fmt.Errorf("%d axes", len(batch)+2)
	}
	m.batch = newNodeWalk(batch)
	for i, s := range [][]int{a, b} {
		size := s[len(s)-1] * s[len(s)-2]
		m.batch.step[i] = nodeStretch(s[:len(s)-2], batch)
		for j := range m.batch.step[i] {
			m.batch.step[i][j] *= size
		}
	}
	m.shape = slices.Clone(batch)
	if !m.aVector {
		m.shape = append(m.shape, m.rows)
	}
	if !m.bVector {
		m.shape = append(m.shape, m.cols)
	}
	return m, nil
}

// multiply sets run; a unit is a row of a result. end gets the sum of products and the row and
// the column of the result.
func (p *NodePlan) multiply(m nodeProduct, ai, bi int, end func(x [][]float64, sum float64, row, col int) float64, zero func(x [][]float64, row, col int) (a, b float64)) {
	p.units, p.work = nodeLen(m.batch.dims[:m.batch.rank])*m.rows, 2*m.k*m.cols
	if zero == nil {
		p.run = func(x, y [][]float64, lo, hi int) {
			m.blocks(x[ai], x[bi], y[0], lo, hi)
			for i, sum := range y[0][lo*m.cols : hi*m.cols] {
				y[0][lo*m.cols+i] = end(x, sum, (lo+i/m.cols)%m.rows, i%m.cols)
			}
		}
		return
	}
	p.run = func(x, y [][]float64, lo, hi int) {
		batch := m.batch
		for u := lo; u < hi; u++ {
			row := u % m.rows
			batch.seek(u / m.rows)
			a, b := x[ai][batch.at[0]+row*m.ar:], x[bi][batch.at[1]:]
			dst := y[0][u*m.cols : (u+1)*m.cols]
			for c := range dst {
				az, bz := zero(x, u, c)
				sum := 0.0
				for i := range m.k {
					sum += (a[i*m.ak] - az) * (b[i*m.bk+c*m.bc] - bz)
				}
				dst[c] = end(x, sum, u, c)
			}
		}
	}
}

func nodePlanMatMul(p *NodePlan) error {
	if err := p.need(2, 2); err != nil {
		return err
	}
	m, err := p.product(0, 1)
	if err != nil {
		return err
	}
	k := p.In[0].Kind
	p.result(k, m.shape...)
	p.multiply(m, 0, 1, func(_ [][]float64, sum float64, _, _ int) float64 { return p.round(k, sum) }, nil)
	return nil
}

// perLine checks scales or zero points of one number, or one for each row or column of the
// results.
func (p *NodePlan) perLine(i, lines int) error {
	if p.has(i) && p.In[i].Len() != 1 && p.In[i].Len() != lines {
		return fmt.Errorf("operand %d of shape %v (want one number or %d)", i+1, p.In[i].Shape, lines)
	}
	return nil
}

func nodePlanMatMulInteger(p *NodePlan) error {
	if err := p.need(2, 4); err != nil {
		return err
	}
	m, err := p.product(0, 1)
	if err != nil {
		return err
	}
	rows := nodeLen(m.batch.dims[:m.batch.rank]) * m.rows
	if err := errors.Join(p.perLine(2, rows), p.perLine(3, m.cols)); err != nil {
		return err
	}
	az, bz := p.has(2), p.has(3)
	p.result(NodeInt32, m.shape...)
	p.multiply(m, 0, 1, func(_ [][]float64, sum float64, _, _ int) float64 { return p.round(NodeInt32, sum) },
		func(x [][]float64, row, col int) (a, b float64) {
			if az {
				a = x[2][row%len(x[2])]
			}
			if bz {
				b = x[3][col%len(x[3])]
			}
			return a, b
		})
	return nil
}

// nodePlanQLinearMatMul has the operands a, scale, zero, b, scale, zero, scale and zero of the
// result.
func nodePlanQLinearMatMul(p *NodePlan) error {
	if err := p.need(8, 8); err != nil {
		return err
	}
	m, err := p.product(0, 3)
	if err != nil {
		return err
	}
	for _, i := range []int{1, 2, 4, 5, 6, 7} {
		if p.In[i].Len() != 1 {
			return fmt.Errorf("operand %d of shape %v (want one number)", i+1, p.In[i].Shape)
		}
	}
	k := p.In[7].Kind
	p.result(k, m.shape...)
	p.multiply(m, 0, 3, func(x [][]float64, sum float64, _, _ int) float64 {
		return nodeQuantize(sum*x[1][0]*x[4][0]/x[6][0], x[7][0], k)
	}, func(x [][]float64, _, _ int) (a, b float64) { return x[2][0], x[5][0] })
	return nil
}

func nodePlanGemm(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	a, b, k := p.In[0].Shape, p.In[1].Shape, p.In[0].Kind
	if len(a) != 2 || len(b) != 2 {
		return fmt.Errorf("%v times %v", a, b)
	}
	m := nodeProduct{rows: a[0], k: a[1], cols: b[1], ar: a[1], ak: 1, bk: b[1], bc: 1}
	if p.int("transA", 0) != 0 {
		m.rows, m.k, m.ar, m.ak = a[1], a[0], 1, a[1]
	}
	inner := b[0]
	if p.int("transB", 0) != 0 {
		inner, m.cols, m.bk, m.bc = b[1], b[0], 1, b[1]
	}
	if inner != m.k {
		return fmt.Errorf("%v times %v: the inner axes differ", a, b)
	}
	alpha, beta, c := p.float("alpha", 1), p.float("beta", 1), p.has(2)
	out := []int{m.rows, m.cols}
	var steps nodeIndex
	if c {
		s, err := nodeBroadcast(p.In[2].Shape, out)
		if err != nil || !slices.Equal(s, out) {
			return fmt.Errorf("%v added to %v", p.In[2].Shape, out)
		}
		steps = nodeStretch(p.In[2].Shape, out)
	}
	p.result(k, out...)
	p.multiply(m, 0, 1, func(x [][]float64, sum float64, row, col int) float64 {
		sum *= alpha
		if c {
			sum += beta * x[2][row*steps[0]+col*steps[1]]
		}
		return p.round(k, sum)
	}, nil)
	return nil
}

// nodePlanEinsum sums products over all letters that the result does not have. An ellipsis stands
// for the axes that have no letter.
func nodePlanEinsum(p *NodePlan) error {
	if err := p.need(1, 3); err != nil {
		return err
	}
	terms, out, err := p.einsum()
	if err != nil {
		return err
	}
	sizes := map[rune]int{}
	for i, t := range terms {
		if len(t) != len(p.In[i].Shape) {
			return fmt.Errorf("equation has %d axes for %v", len(t), p.In[i].Shape)
		}
		for a, r := range t {
			d := p.In[i].Shape[a]
			if old := sizes[r]; old != 0 && old != 1 && d != 1 && d != old {
				return fmt.Errorf("axis %c is %d and %d", r, old, d)
			}
			sizes[r] = max(sizes[r], d)
		}
	}
	order := slices.Clone(out)
	var rest []rune
	for _, t := range terms {
		for _, r := range t {
			if !slices.Contains(order, r) {
				order, rest = append(order, r), append(rest, r)
			}
		}
	}
	dims := func(rs []rune) (d []int) {
		for _, r := range rs {
			d = append(d, sizes[r])
		}
		return d
	}
	if len(out) > NodeMaxAxes || len(rest) > NodeMaxAxes {
		return fmt.Errorf("%d axes", len(order))
	}
	outer, inner := newNodeWalk(dims(out)), newNodeWalk(dims(rest))
	for i, t := range terms {
		own := nodeSteps(p.In[i].Shape)
		for a, r := range t {
			if p.In[i].Shape[a] == 1 {
				continue
			}
			if j := slices.Index(out, r); j >= 0 {
				outer.step[i][j] += own[a]
			} else {
				inner.step[i][slices.Index(rest, r)] += own[a]
			}
		}
	}
	n, each, k, count := nodeLen(dims(out)), nodeLen(dims(rest)), p.In[0].Kind, len(terms)
	p.result(k, dims(out)...)
	p.units, p.work = n, 4*each
	p.run = func(x, y [][]float64, lo, hi int) {
		outer := outer
		outer.seek(lo)
		for u := lo; u < hi; u++ {
			inner := inner
			inner.seek(0)
			sum := 0.0
			for range each {
				v := 1.0
				for o := range count {
					v *= x[o][outer.at[o]+inner.at[o]]
				}
				sum += v
				inner.next()
			}
			y[0][u] = p.round(k, sum)
			outer.next()
		}
	}
	return nil
}

// einsum returns the letters of the operands and of the result; axes of an ellipsis are digits.
func (p *NodePlan) einsum() (terms [][]rune, out []rune, err error) {
	left, right, explicit := strings.Cut(strings.ReplaceAll(p.attrs["equation"], " ", ""), "->")
	words := strings.Split(left, ",")
	if len(words) != len(p.In) {
		return nil, nil, fmt.Errorf("equation %q for %d operands", p.attrs["equation"], len(p.In))
	}
	dots := 0
	for i, w := range words {
		if strings.Contains(w, "...") {
			dots = max(dots, len(p.In[i].Shape)-len(w)+3)
		}
	}
	letters := func(w string, n int) []rune {
		d := ""
		for i := dots - n; i < dots; i++ {
			d += string(rune('0' + max(i, 0)))
		}
		return []rune(strings.Replace(w, "...", d, 1))
	}
	count := map[rune]int{}
	for i, w := range words {
		t := letters(w, max(0, len(p.In[i].Shape)-len(w)+3))
		for _, r := range t {
			count[r]++
		}
		terms = append(terms, t)
	}
	if explicit {
		return terms, letters(right, dots), nil
	}
	for i := range dots {
		out = append(out, rune('0'+i))
	}
	for r := 'A'; r <= 'z'; r++ {
		if count[r] == 1 {
			out = append(out, r)
		}
	}
	return terms, out, nil
}
