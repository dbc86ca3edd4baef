package onnx

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
)

// This file imports Resize.

// importResize imports a resizing of any axes but the batch. It is separable, so that each
// axis has a mapping of its own.
func importResize(im *importer, n *node) error {
	text := func(name, def string) string {
		if a := n.attr(name); a != nil {
			return string(a.S)
		}
		return def
	}
	r := resizing{mode: text("mode", "nearest"), coordinates: text("coordinate_transformation_mode", "half_pixel"),
		nearest: text("nearest_mode", "round_prefer_floor"), a: n.float("cubic_coeff_a", -0.75), exclude: n.int("exclude_outside", 0) != 0}
	scales, sizes, err := n.resizeFactors()
	if err != nil {
		return err
	}
	if sizes == nil {
		return errors.New("the scales or sizes must be constants")
	}
	if p := text("keep_aspect_ratio_policy", "stretch"); p != "stretch" {
		return fmt.Errorf("keep_aspect_ratio_policy=%s is not supported", p)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	for axis, size := range sizes {
		in := n.in[0].shape[axis]
		if size == in && scales[axis] == 1 {
			continue
		}
		if in.n == 0 || size.n == 0 {
			return fmt.Errorf("resizing axis %d, %v, to %v is not supported", axis, in, size)
		}
		if n.int("antialias", 0) != 0 && scales[axis] < 1 {
			return errors.New("antialias=1 is not supported where a size shrinks")
		}
		if in.n*size.n > maxMapping {
			return fmt.Errorf("resizing axis %d from %v to %v: that is too large", axis, in, size)
		}
		if exact := float64(float32(in.n) * float32(scales[axis])); r.coordinates == "align_corners" && exact != float64(size.n) {
			return fmt.Errorf("align_corners with a size of %g, which is not a whole number: runtimes disagree about what it means", exact)
		}
		m, err := r.mapping(int(in.n), int(size.n), float32(scales[axis]))
		if err != nil {
			return err
		}
		if x, err = im.along(x, axis, m, "resize"); err != nil {
			return err
		}
	}
	return im.finish(x)
}

// resizing holds the attributes of a Resize.
type resizing struct {
	mode, coordinates, nearest string
	a                          float64 // coefficient of cubic interpolation
	exclude                    bool
}

// mapping returns the weights along one axis. Coordinates are computed in float32, as in ONNX
// Runtime.
func (r resizing) mapping(in, out int, scale float32) (mapping, error) {
	m := mapping{in: in}
	if r.nearest == nearestSimple {
		if r.nearest = "floor"; scale < 1 {
			r.nearest = "ceil"
		}
	}
	for o := range out {
		var at float32
		half := (float32(o)+0.5)/scale - 0.5
		switch r.coordinates {
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
			return m, fmt.Errorf("coordinate_transformation_mode %q is not supported", r.coordinates)
		}
		if symmetric := r.coordinates == "half_pixel_symmetric" || r.coordinates == "tf_half_pixel_for_nn"; symmetric && r.mode == "nearest" && nodes.NodeResizeTie(r.nearest, float64(at)) {
			return m, fmt.Errorf("%s: element %d of the result lies between two elements of the input: runtimes round it differently", r.coordinates, o)
		}
		row, err := r.row(float64(at), in)
		if err != nil {
			return m, err
		}
		m.rows = append(m.rows, row)
	}
	return m, nil
}

// row returns the weights of an element at a coordinate of the input.
func (r resizing) row(at float64, in int) ([]tap, error) {
	inside := func(i int) int { return max(0, min(i, in-1)) }
	switch r.mode {
	case "nearest":
		switch r.nearest {
		case "round_prefer_floor":
			at = math.Ceil(at - 0.5)
		case "round_prefer_ceil":
			at = math.Floor(at + 0.5)
		case "floor":
			at = math.Floor(at)
		case "ceil":
			at = math.Ceil(at)
		default:
			return nil, fmt.Errorf("nearest_mode %q is not supported", r.nearest)
		}
		return []tap{{inside(int(at)), 1}}, nil
	case "linear":
		i := int(math.Floor(at))
		f := at - math.Floor(at)
		return []tap{{inside(i), 1 - f}, {inside(i + 1), f}}, nil
	case "cubic":
		i := int(math.Floor(at))
		f := at - math.Floor(at)
		a := r.a
		near := func(t float64) float64 { return ((a+2)*t-(a+3))*t*t + 1 }
		far := func(t float64) float64 { return ((a*t-5*a)*t+8*a)*t - 4*a }
		row := []tap{{i - 1, far(1 + f)}, {i, near(f)}, {i + 1, near(1 - f)}, {i + 2, far(2 - f)}}
		sum := 0.0
		for j := range row {
			if r.exclude && inside(row[j].at) != row[j].at {
				row[j].weight = 0
			}
			sum += row[j].weight
			row[j].at = inside(row[j].at)
		}
		if r.exclude {
			for j := range row {
				row[j].weight /= sum
			}
		}
		return row, nil
	}
	return nil, fmt.Errorf("mode %q is not supported (want %s)", r.mode, strings.Join([]string{"nearest", "linear", "cubic"}, ", "))
}
