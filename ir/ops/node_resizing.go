package ops

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
)

// Resizing changes the height and width of maps: the operator Resize with its attributes in one
// form.
type Resizing struct {
	// By has the factors of height and width. If it is 0, the result has the size To, and the
	// factors follow from it.
	By [2]float64
	To ir.HW
	// Mode is nearest, linear or cubic.
	Mode string
	// Coords says where the elements of the result lie in x: half_pixel, align_corners,
	// asymmetric and so on, as in ONNX.
	Coords string
	// Nearest is how mode nearest rounds: round_prefer_floor, round_prefer_ceil, floor or ceil.
	Nearest string
	Cubic   float64 // the coefficient of mode cubic
}

// ResizeCoords and ResizeRounding list the values of Resizing.Coords and Resizing.Nearest.
var (
	ResizeCoords   = []string{"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric", "tf_half_pixel_for_nn"}
	ResizeRounding = []string{"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"}
)

// Node returns the operator.
func (r Resizing) Node() Node {
	a := nodes.NodeAttrs{"mode": r.Mode, "coordinate_transformation_mode": r.Coords}
	if r.Mode == "nearest" {
		a["nearest_mode"] = r.Nearest
	}
	if r.Mode == "cubic" {
		a["cubic_coeff_a"] = nodes.NodeFloats(r.Cubic)
	}
	if r.By != ([2]float64{}) {
		a["scales"] = nodes.NodeFloats(1, 1, r.By[0], r.By[1])
	} else {
		a["axes"], a["sizes"] = "2,3", nodes.NodeInts(r.To[:]...)
	}
	return Node{Type: "Resize", Attrs: a.String()}
}

// Size returns the height and width of the result for maps of height and width in.
func (r Resizing) Size(in ir.HW) ir.HW {
	if r.By == ([2]float64{}) {
		return r.To
	}
	return ir.HW{int(math.Floor(float64(in[0]) * r.By[0])), int(math.Floor(float64(in[1]) * r.By[1]))}
}

// Simplify returns a resizing of maps of height and width in that computes the same, in the words
// that a person would choose: a whole factor in place of a size, half_pixel in place of modes that
// are the same where a size is larger than 1.
func (r Resizing) Simplify(in ir.HW) Resizing {
	out := r.Size(in)
	if r.By == ([2]float64{}) && out[0]%in[0] == 0 && out[1]%in[1] == 0 {
		r.By = [2]float64{float64(out[0] / in[0]), float64(out[1] / in[1])}
		r.To = ir.HW{}
	}
	whole := r.By != ([2]float64{}) && r.By[0] == math.Trunc(r.By[0]) && r.By[1] == math.Trunc(r.By[1])
	switch {
	case r.Coords == "pytorch_half_pixel" && min(out[0], out[1]) > 1:
		r.Coords = "half_pixel"
	case r.Coords == "half_pixel_symmetric" && r.exact(in):
		r.Coords = "half_pixel"
	}
	// With a whole factor, these are all the same: every element becomes a block.
	if r.Mode == "nearest" && whole && (r.Coords == "half_pixel" && strings.HasPrefix(r.Nearest, "round") || r.Coords == "asymmetric" && r.Nearest == "floor") {
		r.Coords, r.Nearest = "asymmetric", "floor"
	}
	if r.Mode != "nearest" {
		r.Nearest = ""
	}
	if r.Mode != "cubic" {
		r.Cubic = 0
	}
	return r
}

// exact reports whether the factors give whole sizes.
func (r Resizing) exact(in ir.HW) bool {
	return r.By == ([2]float64{}) || float64(in[0])*r.By[0] == math.Trunc(float64(in[0])*r.By[0]) && float64(in[1])*r.By[1] == math.Trunc(float64(in[1])*r.By[1])
}

// ResizingOf reads a node with operands of some types; ok is false if it does more than to resize
// the height and width of maps of real numbers.
func ResizingOf(op Node, in []ir.Type) (r Resizing, ok bool) {
	if op.Type != "Resize" || op.Kinds != "" || len(in) != 1 || len(in[0].Shape) != 4 || strings.Contains(op.Attrs, "omit:") {
		return r, false
	}
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil {
		return r, false
	}
	a := attrReader{attrs, true}
	r = Resizing{Mode: a.word("mode", "nearest"), Coords: a.word("coordinate_transformation_mode", "half_pixel")}
	switch r.Mode {
	case "nearest":
		r.Nearest = a.word("nearest_mode", "round_prefer_floor")
	case "cubic":
		r.Cubic = a.float("cubic_coeff_a", -0.75)
	case "linear":
	default:
		return r, false
	}
	if a.ints("antialias", 1, 0)[0] != 0 || a.ints("exclude_outside", 1, 0)[0] != 0 || a.word("keep_aspect_ratio_policy", "stretch") != "stretch" || !slices.Contains(ResizeCoords, r.Coords) {
		return r, false
	}
	x := in[0].Shape
	axes := []int{0, 1, 2, 3}
	if a.given("axes") {
		axes = a.list("axes")
	}
	by, sizes := []float64(nil), []int(nil)
	if a.given("scales") {
		for _, w := range strings.Split(attrs["scales"], ",") {
			v, err := strconv.ParseFloat(w, 64)
			a.ok = a.ok && err == nil
			by = append(by, v)
		}
	} else if a.given("sizes") {
		sizes = a.list("sizes")
	}
	if !a.ok || len(by)+len(sizes) != len(axes) || len(axes) == 0 {
		return r, false
	}
	factor, to := [4]float64{1, 1, 1, 1}, [4]int{x[0], x[1], x[2], x[3]}
	for i, axis := range axes {
		if axis < 0 {
			axis += 4
		}
		if axis < 0 || axis > 3 {
			return r, false
		}
		if by != nil {
			factor[axis] = by[i]
		} else {
			to[axis] = sizes[i]
		}
	}
	if factor[0] != 1 || factor[1] != 1 || to[0] != x[0] || to[1] != x[1] {
		return r, false
	}
	if by != nil {
		r.By = [2]float64{factor[2], factor[3]}
	} else {
		r.To = ir.HW{to[2], to[3]}
	}
	size := r.Size(ir.HW{x[2], x[3]})
	return r, min(size[0], size[1]) > 0
}
