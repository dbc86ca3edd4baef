package passes

import (
	"runtime"
	"slices"
	"sync"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/ref"
	"github.com/incc-lang/incc/ir/tensor"
)

// ConstFold evaluates the nodes that depend only on known values. It computes in float64,
// and rounds a result to float32 only if a node that is not folded reads it.
//
// Known values are constants and, for inference, every param that has data. If the
// weights have not been drawn yet, expressions over weights remain; draw the weights
// (ir.Materialize) and run the pass again. Data is released as soon as its last reader is
// folded, so the pass needs little more memory than one copy of the weights.
var ConstFold = Pass{
	Name:     "const-fold",
	Doc:      "evaluates what is computed from constants and weights that have data",
	Contract: Rounding,
	After: []Constraint{
		{"trim-padding", "const-fold should cut the weights that it trims"},
		{"sum-channels", "const-fold should evaluate the weights of its means"},
		{"fold-bn", "const-fold should round its new weights only once, at the end"},
		{"commute-avgpool", "const-fold should round its new weights only once, at the end"},
		{"fold-linear", "const-fold should round its new weights only once, at the end"},
		{"merge-siblings", "const-fold should round its new weights only once, at the end"},
	},
	Run: func(r *ir.Rewriter, o Options) error {
		f := &folder{r: r, train: o.Train, env: map[*ir.Value]*tensor.Tensor{}, readers: map[*ir.Value]int{}}
		return f.run()
	},
}

type folder struct {
	r     *ir.Rewriter
	train bool
	env   map[*ir.Value]*tensor.Tensor
	// readers counts the nodes that still read a known value. Values that must not be
	// released have a count that is one higher.
	readers map[*ir.Value]int
	// spare holds large buffers that are no longer in use. Reusing them avoids new
	// allocations, which the operating system must clear.
	spare [][]float64
}

// known reports whether the elements of a param are known and may be folded.
func (f *folder) known(v *ir.Value) bool {
	if v.Type.DType != ir.F32 {
		return false
	}
	if v.Param.Kind == ir.Constant {
		return true
	}
	return !f.train && f.r.Graph().Data[v.Name] != nil
}

func (f *folder) run() error {
	g := f.r.Graph()
	foldable := map[*ir.Value]bool{}
	var fold []*ir.Node
	for _, n := range g.Nodes {
		if f.foldable(n, foldable) {
			fold = append(fold, n)
			for _, v := range n.Out {
				foldable[v] = true
			}
		}
	}
	if len(fold) == 0 {
		return nil
	}
	// Evaluate only the foldable nodes that a boundary value depends on. A boundary is a
	// foldable value that a node that is not foldable reads, or that is a root or a part.
	boundary := map[*ir.Value]bool{}
	for _, n := range g.Nodes {
		if foldable[n.Out[0]] {
			continue
		}
		for _, v := range n.In {
			if foldable[v] {
				boundary[v] = true
			} else if v.Param != nil {
				f.readers[v]++
			}
		}
	}
	for _, v := range g.Roots() {
		boundary[v] = foldable[v]
		f.readers[v]++
	}
	for _, p := range g.Parts {
		boundary[p.Out] = boundary[p.Out] || foldable[p.Out]
	}
	for _, u := range g.Updates {
		f.readers[u.Param]++
	}
	needed := map[*ir.Node]bool{}
	for i := len(fold) - 1; i >= 0; i-- {
		n := fold[i]
		for _, v := range n.Out {
			needed[n] = needed[n] || boundary[v] || f.readers[v] > 0
		}
		if needed[n] {
			for _, v := range n.In {
				f.readers[v]++
			}
		}
	}
	for _, n := range fold {
		if needed[n] {
			if err := f.eval(n, boundary); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxGrowth and freeGrowth limit how much folding may enlarge the data. A node is folded
// if its result has at most freeGrowth elements, or at most maxGrowth times the elements
// of its operands.
//
// maxDrawn is the largest number of elements of an operand without data, which is filled for
// folding only: a model may declare a constant of any size.
const (
	maxGrowth  = 4
	freeGrowth = 1 << 20
	maxDrawn   = 1 << 24
)

func (f *folder) foldable(n *ir.Node, folded map[*ir.Value]bool) bool {
	if _, _, quantized := ops.QuantizedWeight(n.Out[0]); !pure(n) || quantized {
		return false // backends look for quantized weights
	}
	in, out := 0, 0
	for _, v := range n.In {
		if !folded[v] && (v.Param == nil || !f.known(v)) {
			return false
		}
		if v.Param != nil && f.r.Graph().Data[v.Name] == nil && v.Type.Shape.Size() > maxDrawn {
			return false
		}
		in += v.Type.Shape.Size()
	}
	for _, v := range n.Out {
		if v.Type.DType != ir.F32 || v.Type.Shape.Symbolic() {
			return false
		}
		out += v.Type.Shape.Size()
	}
	return out <= freeGrowth || out <= maxGrowth*in
}

func (f *folder) eval(n *ir.Node, boundary map[*ir.Value]bool) error {
	in := make([]*tensor.Tensor, len(n.In))
	for i, v := range n.In {
		if f.env[v] == nil {
			f.env[v] = f.param(v)
		}
		in[i] = f.env[v]
	}
	// own reports whether this node is the last reader of an operand, so that the result
	// may overwrite it.
	own := func(i int) bool {
		v := n.In[i]
		return f.readers[v] == 1 && !slices.Contains(n.In[i+1:], v) && !slices.Contains(n.In[:i], v)
	}
	out, ok := evalFast(n, in, own)
	if !ok {
		var err error
		if out, err = n.Op.Eval(in); err != nil {
			return err
		}
	}
	for i, v := range n.Out {
		if boundary[v] {
			f.put(n, v, out[i])
		}
		if f.readers[v] > 0 {
			f.env[v] = out[i]
		}
	}
	for _, v := range n.In {
		f.readers[v]--
		if f.readers[v] == 0 {
			f.letGo(f.env[v], out)
			delete(f.env, v)
			if v.Param != nil {
				delete(f.r.Graph().Data, v.Name)
			}
		}
	}
	for i, v := range n.Out {
		if f.readers[v] == 0 {
			f.letGo(out[i], nil)
		}
	}
	return nil
}

// param returns a copy of a param's elements in float64. The caller may overwrite it.
func (f *folder) param(v *ir.Value) *tensor.Tensor {
	d := f.r.Graph().Data[v.Name]
	if d == nil {
		return ref.Param(f.r.Graph(), v, 0)
	}
	var buf []float64
	for i, b := range f.spare {
		if cap(b) >= len(d.Data) && (buf == nil || cap(b) < cap(buf)) {
			buf = b
			f.spare = slices.Delete(f.spare, i, i+1)
			break
		}
	}
	if buf == nil {
		buf = make([]float64, len(d.Data))
	}
	x := tensor.Of(buf[:len(d.Data)], d.Shape...)
	inChunks(len(d.Data), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			x.Data[i] = float64(d.Data[i])
		}
	})
	return x
}

// letGo adds the memory of a tensor that is no longer read to the spare buffers, unless
// the tensor is one of the results out.
func (f *folder) letGo(x *tensor.Tensor, out []*tensor.Tensor) {
	const large, most = 1 << 15, 4
	if len(x.Data) < large || len(f.spare) == most || slices.Contains(out, x) {
		return
	}
	f.spare = append(f.spare, x.Data)
}

// put replaces v by a constant of the same name with the elements x.
func (f *folder) put(n *ir.Node, v *ir.Value, x *tensor.Tensor) {
	g := f.r.Graph()
	name := v.Name
	v.Name = f.r.Fresh(name + "/expression")
	c := &ir.Value{Name: name, Type: v.Type, Param: &ir.Param{Kind: ir.Constant, Pos: n.Pos}}
	g.Params = append(g.Params, c)
	g.Data[name] = round(x)
	f.r.Replace(v, c)
}

// evalFast multiplies weights by one factor for each filter, in place. This is most of
// the work when a network is folded. The result has the same bits as that of Eval. ok is
// false if n is not such a product.
func evalFast(n *ir.Node, in []*tensor.Tensor, own func(int) bool) ([]*tensor.Tensor, bool) {
	if _, ok := n.Op.(ops.Mul); !ok || len(in) != 2 {
		return nil, false
	}
	w, s := in[0], in[1]
	if !own(0) || len(w.Shape) != len(s.Shape) || len(w.Shape) == 0 || w.Shape[0] != s.Shape[0] || len(s.Data) != s.Shape[0] {
		return nil, false
	}
	row := len(w.Data) / len(s.Data)
	inChunks(len(w.Data), func(lo, hi int) {
		for i := lo; i < hi; {
			o := i / row
			end := min((o+1)*row, hi)
			x, f := w.Data[i:end], s.Data[o]
			for j := range x {
				x[j] *= f
			}
			i = end
		}
	})
	return []*tensor.Tensor{w}, true
}

// round is tensor.Round on several threads.
func round(x *tensor.Tensor) *tensor.F32 {
	y := tensor.Make[float32](x.Shape)
	inChunks(len(x.Data), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			y.Data[i] = float32(x.Data[i])
		}
	})
	return y
}

// inChunks calls f with disjoint ranges lo..hi-1 that cover 0..n-1. If n is large, it uses
// several threads.
func inChunks(n int, f func(lo, hi int)) {
	const least = 1 << 15
	parts := max(1, min(n/least, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { f(n*i/parts, n*(i+1)/parts) })
	}
	wg.Wait()
}
