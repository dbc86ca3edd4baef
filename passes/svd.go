package passes

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"sync"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lowrank"
)

// factorizeSVD factorizes layers with trained weights (Jaderberg 2014, section 2.2, scheme
// 2; Zhang 2016). It writes the weights W[o,c,i,j] of a layer as a matrix M with rows (c,i)
// and columns (j,o), and approximates M by a product A B of rank r. A holds the filters of
// an n x 1 convolution with r outputs, B those of a 1 x n convolution after it. There is
// nothing between the two; the layer's bias, batch norm and activation remain after the
// second. At full rank the network computes the same function as before.
//
// The best A B of rank r in the least squares sense is M V V', where the columns of V are
// the first r right singular vectors (Eckart 1936), that is, eigenvectors of M'M. Squaring
// M makes small singular values less exact, but at full rank only the orthonormality of V
// matters.
func factorizeSVD(d *redesigner) error {
	r := d.r
	bound := -1.0
	if s := d.o.Arg("max-error"); s != "" {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || !(x >= 0 && x < 1) {
			return fmt.Errorf("max-error=%s: want a number of at least 0 and below 1", s)
		}
		bound = x
	}
	candidates := 0
	var jobs []*svdJob
	for _, n := range r.Graph().Nodes {
		l, ok := convLayer(r, n)
		if !ok || l.kernel()[0] == 1 || l.kernel()[1] == 1 || !d.wants(l.kernel()) {
			continue
		}
		candidates++
		if r.Graph().Data[l.weight.Name] != nil {
			jobs = append(jobs, &svdJob{layer: l})
		}
	}
	if candidates > 0 && len(jobs) == 0 {
		return errors.New("factorize=svd needs trained weights: give them with --weights, or use factorize=retrain")
	}
	// Decompose the layers on several threads, then replace them in order.
	var wg sync.WaitGroup
	next := make(chan *svdJob)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for j := range next {
				j.approximate(d, bound)
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
	for _, j := range jobs {
		if j.err != nil {
			return fmt.Errorf("%s: %w", j.layer.n.Out[0].Name, j.err)
		}
		d.o.log(j.decision)
		if j.decision.Done {
			d.applyLinear(j.layer, j.plan, j.a, j.b)
		}
	}
	return nil
}

// svdJob is the work for one layer: the decision about it, and the filters a and b of the
// two convolutions.
type svdJob struct {
	layer    layer
	plan     plan
	decision Decision
	a, b     *tensor.F32
	err      error
}

// approximate sets the job's decision, filters and err. bound is the argument max-error, -1
// if it was not given. It does not change the graph.
func (j *svdJob) approximate(d *redesigner, bound float64) {
	l := j.layer
	full := min(l.weight.Type.Shape[1]*l.kernel()[0], l.kernel()[1]*l.outs())
	rank := full
	if d.mid != "full" && bound < 0 {
		rank = min(d.width(l), full)
	}
	var pays bool
	var why string
	j.plan, pays, why = pair(l, rank)
	j.plan.linear = true
	if reason := d.refuse(l); reason != "" || (bound < 0 && !pays && !d.force) {
		j.decision = d.decide(l, j.plan, reason, pays, why)
		return
	}
	w := d.r.Graph().Data[l.weight.Name]
	m, err := DecomposePair(w)
	if err != nil {
		j.err = err
		return
	}
	if bound >= 0 {
		j.plan, pays, why = pair(l, m.Rank(bound))
		j.plan.linear = true
	}
	j.a, j.b = Pair(w, m, j.plan.mid)
	j.decision = d.decide(l, j.plan, "", pays, why)
	j.decision.Error = relativeError(w, j.a, j.b)
}

// applyLinear replaces the layer's convolution by two, with the weights a and b.
func (d *redesigner) applyLinear(l layer, p plan, a, b *tensor.F32) {
	r := d.r
	r.For(l.n)
	old := layerName(l.linear)
	firstName := r.Fresh(renamed(old, l.kernel(), p.first.kernel))
	secondName := r.Fresh(renamed(old, l.kernel(), p.second.kernel))
	p.first.conv.Act = ops.ActNone
	weight := func(name string, x *tensor.F32) *ir.Value {
		q := *l.weight.Param
		v := r.Param(name+"/weight", append(ir.Shape{}, x.Shape...), q)
		r.Graph().Data[v.Name] = x
		return v
	}
	y := add(r, firstName+"/conv", p.first.conv, l.n.In[0], weight(firstName, a))
	y.Name = firstName
	in := []*ir.Value{y, weight(secondName, b)}
	if l.bias != nil {
		in = append(in, l.bias)
		d.rename(l.bias, old, secondName)
	}
	y = add(r, secondName+"/conv", p.second.conv, in...)
	y.Name = secondName
	if l.bn != nil {
		d.rename(l.bn.Out[0], old, secondName)
		for _, v := range l.bn.In[1:] {
			d.rename(v, old, secondName)
		}
	}
	r.Replace(l.n.Out[0], y)
}

// filters are the weights [O,C,KH,KW] of a convolution as a matrix with rows (c,i) and columns
// (j,o).
func filters(w *tensor.F32) lowrank.Matrix {
	o, c, kh, kw := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]
	m := lowrank.Matrix{Rows: c * kh, Cols: kw * o, Data: make([]float64, len(w.Data))}
	at := 0
	for f := range o {
		for ci := range m.Rows {
			for j := range kw {
				m.Data[ci*m.Cols+j*o+f] = float64(w.Data[at])
				at++
			}
		}
	}
	return m
}

// Pair returns the filters of a KH x 1 convolution with r outputs and of a 1 x KW convolution
// after it that together are the best approximation of filters w [O,C,KH,KW]. d is the
// decomposition of the matrix of DecomposePair.
func Pair(w *tensor.F32, d *lowrank.Decomposition, r int) (a, b *tensor.F32) {
	o, c, kh, kw := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]
	a = tensor.Make[float32]([]int{r, c, kh, 1})
	b = tensor.Make[float32]([]int{o, r, 1, kw})
	d.Factors(r, func(k int, left, right []float64) {
		for i, x := range left {
			a.Data[k*c*kh+i] = float32(x)
		}
		for j := range kw {
			for f := range o {
				b.Data[(f*r+k)*kw+j] = float32(right[j*o+f])
			}
		}
	})
	return a, b
}

// DecomposePair decomposes filters [O,C,KH,KW] for Pair.
func DecomposePair(w *tensor.F32) (*lowrank.Decomposition, error) { return filters(w).Decompose() }

// relativeError returns |W - AB| / |W| in the Frobenius norm, for the weights after rounding
// to float32.
func relativeError(w, a, b *tensor.F32) float64 {
	o, c, kh, kw := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]
	r := a.Shape[0]
	diff, norm := 0.0, 0.0
	sum := make([]float64, c*kh*kw)
	for f := range o {
		clear(sum)
		for k := range r {
			for j := range kw {
				x := float64(b.Data[(f*r+k)*kw+j])
				for i, y := range a.Data[k*c*kh : (k+1)*c*kh] {
					sum[i*kw+j] += x * float64(y)
				}
			}
		}
		for i, y := range w.Data[f*c*kh*kw : (f+1)*c*kh*kw] {
			e := float64(y) - sum[i]
			diff += e * e
			norm += float64(y) * float64(y)
		}
	}
	if norm == 0 {
		return 0
	}
	return math.Sqrt(diff / norm)
}
