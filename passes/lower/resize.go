package lower

import (
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// resize replaces a resizing by a product with a matrix along each axis. It is separable.
func resize(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	x := n.In[0]
	r, ok := ops.ResizingOf(op, []ir.Type{x.Type})
	if !ok {
		return nil
	}
	in := ir.HW{x.Type.Shape[2], x.Type.Shape[3]}
	out := r.Size(in)
	var maps [2]Mapping
	for a := range 2 {
		by := r.By[a]
		if r.By == ([2]float64{}) {
			by = float64(out[a]) / float64(in[a])
		}
		if in[a]*out[a] > MaxMapping {
			return nil
		}
		if out[a] == in[a] && by == 1 {
			continue
		}
		var err error
		if maps[a], err = resizing(r, in[a], out[a], float32(by)); err != nil {
			return nil
		}
	}
	for a, m := range maps {
		if m.Rows == nil {
			continue
		}
		if x = l.along(x, 2+a, m); x == nil {
			return nil
		}
	}
	if x == n.In[0] {
		return l.Do(ops.Scale{By: 1}, x)
	}
	return x
}

// resizing returns the weights along one axis.
func resizing(r ops.Resizing, in, out int, scale float32) (Mapping, error) {
	m := Mapping{In: in}
	at, weights, err := nodes.NodeResizeTaps(in, out, float64(scale), r.Coords, r.Mode, r.Nearest, r.Cubic)
	for o := range at {
		row := make([]Tap, len(at[o]))
		for i := range row {
			row[i] = Tap{at[o][i], weights[o][i]}
		}
		m.Rows = append(m.Rows, row)
	}
	return m, err
}

// pad replaces a padding of height and width by elements of the map.
func pad(l *lowering, n *ir.Node, op ops.Node) *ir.Value {
	x := n.In[0]
	p, mode, ok := ops.PaddingOf(op, []ir.Type{x.Type})
	if !ok || len(n.In) != 1 {
		return nil
	}
	for a := range 2 {
		d := x.Type.Shape[2+a]
		if p[a] == 0 && p[2+a] == 0 {
			continue
		}
		if d*(d+p[a]+p[2+a]) > MaxMapping {
			return nil
		}
		m := Mapping{In: d}
		for o := -p[a]; o < d+p[2+a]; o++ {
			m.Rows = append(m.Rows, []Tap{{Padded(mode, o, d), 1}})
		}
		if x = l.along(x, 2+a, m); x == nil {
			return nil
		}
	}
	return x
}

// Padded returns the element of an axis of d elements that a padding repeats at place i. mode is
// reflect, edge or wrap.
func Padded(mode string, i, d int) int {
	switch mode {
	case "reflect":
		if d == 1 {
			return 0
		}
		i = ((i % (2*d - 2)) + 2*d - 2) % (2*d - 2)
		return min(i, 2*d-2-i)
	case "edge":
		return max(0, min(i, d-1))
	}
	return (i%d + d) % d
}
