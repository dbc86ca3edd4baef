package lower

import (
	"fmt"
	"math"

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

// resizing returns the weights along one axis. Coordinates are computed in float32, as in ONNX
// Runtime.
func resizing(r ops.Resizing, in, out int, scale float32) (Mapping, error) {
	m := Mapping{In: in}
	if exact := float64(float32(in) * scale); r.Coords == "align_corners" && exact != float64(out) {
		return m, fmt.Errorf("align_corners with a size of %g, which is not a whole number: runtimes disagree about what it means", exact)
	}
	for o := range out {
		var at float32
		half := (float32(o)+0.5)/scale - 0.5
		switch r.Coords {
		case "half_pixel":
			at = half
		case "half_pixel_symmetric":
			center := float32(in) / 2
			at = center*(1-float32(out)/(scale*float32(in))) + half
		case "pytorch_half_pixel":
			if out > 1 {
				at = half
			}
		case "align_corners":
			if out > 1 {
				at = float32(o) * float32(in-1) / float32(out-1)
			}
		case "asymmetric":
			at = float32(o) / scale
		case "tf_half_pixel_for_nn":
			at = (float32(o) + 0.5) / scale
		default:
			return m, fmt.Errorf("coordinates %q are not supported", r.Coords)
		}
		if symmetric := r.Coords == "half_pixel_symmetric" || r.Coords == "tf_half_pixel_for_nn"; symmetric && r.Mode == "nearest" && nodes.NodeResizeTie(r.Nearest, float64(at)) {
			return m, fmt.Errorf("%s: element %d of the result lies between two elements of the input: runtimes round it differently", r.Coords, o)
		}
		m.Rows = append(m.Rows, resizingRow(r, float64(at), in))
	}
	return m, nil
}

// resizingRow returns the weights of an element at a coordinate of the input.
func resizingRow(r ops.Resizing, at float64, in int) []Tap {
	inside := func(i int) int { return max(0, min(i, in-1)) }
	i := int(math.Floor(at))
	f := at - math.Floor(at)
	switch r.Mode {
	case "nearest":
		switch r.Nearest {
		case "round_prefer_floor":
			at = math.Ceil(at - 0.5)
		case "round_prefer_ceil":
			at = math.Floor(at + 0.5)
		case "floor":
			at = math.Floor(at)
		case "ceil":
			at = math.Ceil(at)
		}
		return []Tap{{inside(int(at)), 1}}
	case "linear":
		return []Tap{{inside(i), 1 - f}, {inside(i + 1), f}}
	}
	a := r.Cubic
	near := func(t float64) float64 { return ((a+2)*t-(a+3))*t*t + 1 }
	far := func(t float64) float64 { return ((a*t-5*a)*t+8*a)*t - 4*a }
	return []Tap{{inside(i - 1), far(1 + f)}, {inside(i), near(f)}, {inside(i + 1), near(1 - f)}, {inside(i + 2), far(2 - f)}}
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
