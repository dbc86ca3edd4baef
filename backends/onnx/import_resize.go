package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
	"github.com/incc-lang/incc/ir/ops"
)

// This file imports Resize.

// importResize imports a resizing of any axes but the batch as a node with the axes that change.
// The sizes of the other axes need not be known, as that of a symbolic batch.
func importResize(im *importer, n *node) error {
	scales, sizes, err := n.resizeFactors()
	if err != nil {
		return err
	}
	if sizes == nil {
		return errors.New("the scales or sizes must be constants")
	}
	attrs := nodes.NodeAttrs{}
	for _, a := range n.Attribute {
		if err := nodeAttr(attrs, n.OpType, a); err != nil {
			return err
		}
	}
	if p := attrs["keep_aspect_ratio_policy"]; p != "" && p != "stretch" {
		return fmt.Errorf("keep_aspect_ratio_policy=%s is not supported", p)
	}
	if attrs["coordinate_transformation_mode"] == "tf_crop_and_resize" {
		return errors.New("a region of interest is not supported")
	}
	for _, name := range []string{"keep_aspect_ratio_policy", "axes", "extrapolation_value"} {
		delete(attrs, name)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	list, given := n.constFloats(2)
	given = given && len(list) > 0
	var axes, to []int
	var by []float64
	for axis, size := range sizes {
		in := n.in[0].shape[axis]
		if size == in && scales[axis] == 1 {
			continue
		}
		if in.n == 0 || size.n == 0 {
			return fmt.Errorf("resizing axis %d, %v, to %v is not supported", axis, in, size)
		}
		axes, to, by = append(axes, axis), append(to, int(size.n)), append(by, shortest(float32(scales[axis])))
	}
	if len(axes) == 0 {
		return im.finish(x)
	}
	if rounds := attrs["nearest_mode"]; rounds == nearestSimple {
		return im.resizeSimply(x, attrs, axes, to, by, given)
	}
	return im.add(resizeNode(attrs, axes, to, by, given), x)
}

// resizeNode returns a node that resizes axes by factors, if they are given, else to sizes.
func resizeNode(attrs nodes.NodeAttrs, axes, to []int, by []float64, given bool) ops.Node {
	if attrs["axes"] = nodes.NodeInts(axes...); given {
		attrs["scales"] = nodes.NodeFloats(by...)
	} else {
		attrs["sizes"] = nodes.NodeInts(to...)
	}
	return ops.Node{Type: "Resize", Attrs: attrs.String()}
}

// resizeSimply resizes axis by axis: an axis that shrinks is rounded up, another one down.
func (im *importer) resizeSimply(x *ir.Value, attrs nodes.NodeAttrs, axes, to []int, by []float64, given bool) error {
	shrinks := func(f float64) bool { return f < 1 }
	for i := 0; i < len(axes); {
		j := i + 1
		for j < len(axes) && shrinks(by[j]) == shrinks(by[i]) {
			j++
		}
		if attrs["nearest_mode"] = "floor"; shrinks(by[i]) {
			attrs["nearest_mode"] = "ceil"
		}
		op := resizeNode(attrs, axes[i:j], to[i:j], by[i:j], given)
		if j == len(axes) {
			return im.add(op, x)
		}
		x = im.op(op, x)
		i = j
	}
	return im.b.Err()
}

// oldResize returns a resizing without the attribute axes, which opset 18 introduced: with a
// factor for each axis.
func oldResize(op ops.Node, x ir.Shape, out ir.Shape) (ops.Node, error) {
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil {
		return op, err
	}
	axes, err := ir.Ints(attrs["axes"]).List()
	if err != nil {
		return op, err
	}
	scales := slices.Repeat([]float64{1}, len(x))
	given := []float64(nil)
	if text := attrs["scales"]; text != "" {
		for _, w := range strings.Split(text, ",") {
			v, err := strconv.ParseFloat(w, 64)
			if err != nil {
				return op, fmt.Errorf("scales=%q", text)
			}
			given = append(given, v)
		}
	}
	for i, a := range axes {
		if a < 0 {
			a += len(x)
		}
		if a < 0 || a >= len(x) || given != nil && i >= len(given) {
			return op, fmt.Errorf("axes=%q of %v", attrs["axes"], x)
		}
		if given != nil {
			scales[a] = given[i]
			continue
		}
		f, ok := factorFor(x[a], out[a])
		if !ok {
			return op, fmt.Errorf("no factor takes an axis from %d to %d: write opset 18 (--opset)", x[a], out[a])
		}
		scales[a] = f
	}
	delete(attrs, "axes")
	delete(attrs, "sizes")
	attrs["scales"] = nodes.NodeFloats(scales...)
	return ops.Node{Type: op.Type, Attrs: attrs.String(), Kinds: op.Kinds}, nil
}

// factorFor returns a float32 with which an axis of in elements gets out elements, whether a reader
// multiplies in float32, as ONNX Runtime, or in float64, as onnx's own checker.
func factorFor(in, out int) (float64, bool) {
	f := float32(float64(out) / float64(in))
	for range 3 {
		if int(float32(in)*f) == out && int(float64(in)*float64(f)) == out {
			return float64(f), true
		}
		f = math.Nextafter32(f, float32(math.Inf(1)))
	}
	return 0, false
}
