package decompile

import (
	"math"
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/recipe"
	"github.com/incc-lang/incc/ir/tensor"
)

// Picture is preprocessing: channel c of the new input is Scale[c] times channel From[c] of
// the old input, plus Shift[c].
type Picture struct {
	From         []int
	Scale, Shift []float64

	last bool // the channels are behind height and width, while the graph is searched
}

// Prepare returns the input of the spec for an input of the old graph, of shape [N,C,H,W]:
// the input itself, if the spec did not take over preprocessing.
func (s *Spec) Prepare(x *tensor.F32) *tensor.F32 {
	p := s.Picture
	if p == nil {
		return x
	}
	area := x.Shape[2] * x.Shape[3]
	y := tensor.Of(make([]float32, len(x.Data)), x.Shape...)
	for i := range y.Data {
		c := i / area % len(p.From)
		from := i + (p.From[c]-c)*area
		y.Data[i] = float32(p.Scale[c]*float64(x.Data[from]) + p.Shift[c])
	}
	return y
}

// mostChannels is how many channels a picture has at most.
const mostChannels = 16

// takePicture removes the preprocessing at the beginning of a graph and puts it into the
// input of the recipe. It returns nil, and changes nothing, if there is none, or if the keys
// of an input statement cannot say it.
func takePicture(g *ir.Graph) *Picture {
	if g.Recipe == nil || g.Recipe.Input == nil || len(g.Inputs) != 1 || len(g.Inputs[0].Type.Shape) != 4 || g.Inputs[0].Type.Shape[1] > mostChannels {
		return nil
	}
	last, p := lastPicture(g)
	if p == nil {
		return nil
	}
	in := inputAfter(g.Recipe.Input, p)
	if in == nil {
		return nil
	}
	r := *g.Recipe
	r.Input = in
	g.Recipe = &r
	old := g.Inputs[0]
	x := &ir.Value{Name: old.Name, Type: last.Type}
	rw := ir.Rewrite(g, "decompile")
	rw.Replace(last, x)
	g.Inputs[0] = x
	rw.Sweep()
	return p
}

// lastPicture returns the last value that is nothing but the input with scaled, shifted and
// reordered channels, if everything else is computed from it.
func lastPicture(g *ir.Graph) (*ir.Value, *Picture) {
	in := g.Inputs[0]
	start := &Picture{}
	for c := range in.Type.Shape[1] {
		start.From, start.Scale, start.Shift = append(start.From, c), append(start.Scale, 1), append(start.Shift, 0)
	}
	of := map[*ir.Value]*Picture{in: start}
	var read []*ir.Value // pictures that other nodes read
	for _, n := range g.Nodes {
		if p := pictureOf(g, n, of); p != nil {
			of[n.Out[0]] = p
			continue
		}
		for _, v := range n.In {
			if of[v] != nil && !slices.Contains(read, v) {
				read = append(read, v)
			}
		}
	}
	if len(read) != 1 || read[0] == in || of[read[0]].last || !read[0].Type.Equal(in.Type) || slices.ContainsFunc(g.Outputs, func(v *ir.Value) bool { return of[v] != nil }) {
		return nil, nil
	}
	return read[0], of[read[0]]
}

// pictureOf returns the picture that a node makes of others, nil if it makes none.
func pictureOf(g *ir.Graph, n *ir.Node, of map[*ir.Value]*Picture) *Picture {
	var list []*Picture
	for _, v := range n.In {
		if v.Param == nil {
			if of[v] == nil {
				return nil
			}
			list = append(list, of[v])
		}
	}
	if len(list) == 0 {
		return nil
	}
	p := &Picture{slices.Clone(list[0].From), slices.Clone(list[0].Scale), slices.Clone(list[0].Shift), list[0].last}
	channels := 1
	if p.last {
		channels = 3
	}
	switch op := n.Op.(type) {
	case ops.Transpose:
		want := ir.Ints("0,2,3,1")
		if p.last {
			want = "0,3,1,2"
		}
		if op.Perm != want {
			return nil
		}
		p.last = !p.last
		return p
	case ops.Slice:
		if op.Axis != channels || op.Stop > len(p.From) {
			return nil
		}
		return &Picture{p.From[op.Start:op.Stop], p.Scale[op.Start:op.Stop], p.Shift[op.Start:op.Stop], p.last}
	case ops.Concat:
		if op.Axis != channels {
			return nil
		}
		for _, q := range list[1:] {
			if q.last != p.last {
				return nil
			}
			p.From, p.Scale, p.Shift = append(p.From, q.From...), append(p.Scale, q.Scale...), append(p.Shift, q.Shift...)
		}
		return p
	case ops.Scale:
		for c := range p.From {
			p.Scale[c] *= op.By
			p.Shift[c] *= op.By
		}
		return p
	}
	return p.combine(g, n, len(list))
}

// combine applies the constant operand of a node to a picture.
func (p *Picture) combine(g *ir.Graph, n *ir.Node, pictures int) *Picture {
	if len(n.In) != 2 || pictures != 1 {
		return nil
	}
	first := n.In[0].Param != nil // the constant is the first operand
	v := n.In[1]
	if first {
		v = n.In[0]
	}
	k := perChannel(g, v, len(p.From), p.last)
	if k == nil {
		return nil
	}
	for c := range p.From {
		a, b := 1.0, 0.0 // the node computes a * x + b
		switch n.Op.(type) {
		case ops.Mul:
			a = k[c]
		case ops.Add:
			b = k[c]
		case ops.Sub:
			if a, b = 1, -k[c]; first {
				a, b = -1, k[c]
			}
		case ops.Div:
			if a = 1 / k[c]; first {
				return nil
			}
		default:
			return nil
		}
		p.Scale[c], p.Shift[c] = a*p.Scale[c], a*p.Shift[c]+b
	}
	return p
}

// perChannel returns the elements of a constant for each of c channels, nil if it is not
// constant over height and width. last says that the channels are behind these.
func perChannel(g *ir.Graph, v *ir.Value, c int, last bool) []float64 {
	s := v.Type.Shape
	if s.Size() > c {
		return nil
	}
	d := elements(g, v)
	switch n := len(s); {
	case d == nil:
		return nil
	case len(d.Data) == 1:
		k := make([]float64, c)
		for i := range k {
			k[i] = float64(d.Data[0])
		}
		return k
	case len(d.Data) != c || last && s[n-1] != c || !last && (n < 3 || s[n-1] != 1 || s[n-2] != 1 || s[n-3] != c):
		return nil
	}
	k := make([]float64, c)
	for i := range k {
		k[i] = float64(d.Data[i])
	}
	return k
}

// inputAfter returns the input of a recipe that does a picture's preprocessing, too; nil if
// no input statement says that.
func inputAfter(in *recipe.Input, p *Picture) *recipe.Input {
	n := len(p.From)
	r := *in
	flipped := n == 3 && slices.Equal(p.From, []int{2, 1, 0})
	for c, f := range p.From {
		if f != c && !flipped || !(p.Scale[c] > 0) {
			return nil
		}
	}
	if flipped {
		switch in.Order {
		case "rgb", "":
			r.Order = "bgr"
		case "bgr":
			r.Order = "rgb"
		default:
			return nil
		}
	}
	at := func(list []float64, c int, usual float64) float64 {
		switch len(list) {
		case 0:
			return usual
		case 1:
			return list[0]
		}
		return list[c]
	}
	r.Mean, r.Std = nil, nil
	alike := true
	for c, f := range p.From {
		mean, std := at(in.Mean, f, 0), at(in.Std, f, 1)
		r.Mean = append(r.Mean, mean-p.Shift[c]*std/p.Scale[c])
		r.Std = append(r.Std, std/p.Scale[c])
		alike = alike && near(r.Mean[c], r.Mean[0]) && near(r.Std[c], r.Std[0])
	}
	if alike {
		m, s := r.Mean[0], r.Std[0]
		r.Lo, r.Hi, r.Mean, r.Std = rounded((r.Lo-m)/s), rounded((r.Hi-m)/s), nil, nil
	}
	for c := range r.Mean {
		r.Mean[c], r.Std[c] = rounded(r.Mean[c]), rounded(r.Std[c])
	}
	return &r
}

// near reports whether two numbers are equal up to the rounding of float32.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b), 0.01) }

// rounded rounds a number to what float32 can tell, so that 0.45799998 is 0.458.
func rounded(x float64) float64 {
	if math.Abs(x) < 1e-6 {
		return 0
	}
	for digits := 1; digits < 9; digits++ {
		y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
		if err == nil && math.Abs(y-x) <= 2e-7*math.Abs(x) {
			return y
		}
	}
	return x
}
