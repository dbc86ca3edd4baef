package nodes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

func nodeAddResize() {
	nodeOps["Resize"] = nodePlanResize
	nodeOps["GridSample"] = nodePlanGridSample
	nodeOps["AffineGrid"] = nodePlanAffineGrid
	nodeOps["RoiAlign"] = nodePlanRoiAlign
}

// nodeTaps are the elements of an axis that a result is a weighted sum of. outside says that the
// result lies outside of the input, where it has a fixed value.
type nodeTaps struct {
	at      []int
	weight  []float64
	outside bool
}

// nodeResizer is how an axis is resized.
type nodeResizer struct {
	in, out            int
	scale              float64
	from, to           float64 // the region of interest
	coordinates        string
	mode, nearest      string
	cubic              float64
	antialias, clipped bool // clipped leaves out elements outside of the input
}

// source returns the place in the input of element i of the result. It is computed in float32, as
// ONNX Runtime does it: the nearest element of a place in the middle depends on it.
func (r *nodeResizer) source(i int) (x float64, outside bool) {
	o, scale, in := float32(i), float32(r.scale), float32(r.in)
	last, end := in-1, float32(r.out-1)
	half := (o+0.5)/scale - 0.5
	var at float32
	switch r.coordinates {
	case "align_corners":
		if r.out > 1 {
			at = o * last / end
		}
	case "asymmetric":
		at = o / scale
	case "tf_crop_and_resize":
		from, to := float32(r.from), float32(r.to)
		if at = 0.5 * (from + to) * last; r.out > 1 {
			at = from*last + o*(to-from)*last/end
		}
		return float64(at), at < 0 || at > last
	case "tf_half_pixel_for_nn":
		at = (o + 0.5) / scale
	case "pytorch_half_pixel":
		if r.out > 1 {
			at = half
		}
	case "half_pixel_symmetric":
		at = in/2*(1-float32(r.out)/(scale*in)) + half
	default:
		at = half
	}
	return float64(at), false
}

// NodeResizeTaps returns, for each element of an axis that is resized, which elements it is a weighted
// sum of, and their weights. The names are those of the attributes of Resize; an error says where
// runtimes disagree.
func NodeResizeTaps(in, out int, scale float64, coordinates, mode, nearest string, cubic float64) (at [][]int, weights [][]float64, err error) {
	r := nodeResizer{in: in, out: out, scale: scale, coordinates: coordinates, mode: mode, nearest: nearest, cubic: cubic}
	if err := r.ambiguous(); err != nil {
		return nil, nil, err
	}
	for i := range out {
		t := r.taps(i)
		at, weights = append(at, t.at), append(weights, t.weight)
	}
	return at, weights, nil
}

// nodeResizeTie reports whether rounding errors decide which element is the nearest to a place.
func nodeResizeTie(nearest string, x float64) bool {
	if nearest != "floor" && nearest != "ceil" {
		x += 0.5
	}
	return math.Abs(x-math.Round(x)) < 1e-5 && x != math.Round(x)
}

// ambiguous returns an error where ONNX Runtime and the definition of ONNX disagree: it depends
// on the mode whether a size that is no whole number is rounded.
func (r *nodeResizer) ambiguous() error {
	if r.mode == "nearest" && (r.coordinates == "half_pixel_symmetric" || r.coordinates == "tf_half_pixel_for_nn") {
		for i := range r.out {
			if x, _ := r.source(i); nodeResizeTie(r.nearest, x) {
				return fmt.Errorf("%s: element %d of the result lies between two elements of the input: runtimes round it differently", r.coordinates, i)
			}
		}
	}
	size := float64(float32(r.scale) * float32(r.in))
	if whole := r.coordinates != "align_corners" && r.coordinates != "tf_crop_and_resize"; whole || math.Abs(size-float64(r.out)) < 1e-6*size {
		return nil // a factor is rounded, so that the product of it may be next to a whole number
	}
	return fmt.Errorf("%s with a size of %g, which is not a whole number: runtimes disagree about what it means", r.coordinates, size)
}

// taps returns the elements and the weights of element i of the result.
func (r *nodeResizer) taps(i int) (t nodeTaps) {
	x, outside := r.source(i)
	if outside {
		return nodeTaps{outside: true}
	}
	base := math.Floor(x)
	ratio := x - base
	if ratio == 0 { // the element to the left counts as the nearer one
		base, ratio = base-1, 1
	}
	shrink := 1.0
	if r.antialias {
		shrink = min(r.scale, 1)
	}
	first := 0
	switch r.mode {
	case "linear":
		first = int(math.Floor(-1/shrink)) + 1
	case "cubic":
		first = int(math.Floor(-2/shrink)) + 1
	}
	sum := 0.0
	for j := first; j < 2-first; j++ {
		w := r.weight(float64(j)-ratio, ratio, j, shrink)
		at := int(base) + j
		if at < 0 || at >= r.in {
			if r.clipped {
				continue
			}
			at = min(max(at, 0), r.in-1)
		}
		sum += w
		if w != 0 {
			t.at, t.weight = append(t.at, at), append(t.weight, w)
		}
	}
	for j := range t.weight {
		t.weight[j] /= sum
	}
	return t
}

// weight returns the weight of an element at a distance.
func (r *nodeResizer) weight(distance, ratio float64, j int, shrink float64) float64 {
	switch r.mode {
	case "linear":
		return nodeClamp(1-math.Abs(distance*shrink), 0, 1)
	case "cubic":
		return nodeCubic(distance*shrink, r.cubic)
	}
	right := ratio > 0.5
	switch {
	case ratio == 1 || r.nearest == "ceil":
		right = true
	case r.nearest == "floor":
		right = false
	case r.nearest == "round_prefer_ceil":
		right = ratio >= 0.5
	}
	return nodeBit(right == (j == 1))
}

func nodeCubic(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x <= 1:
		return (a+2)*x*x*x - (a+3)*x*x + 1
	case x < 2:
		return a*x*x*x - 5*a*x*x + 8*a*x - 4*a
	}
	return 0
}

// nodePlanResize takes scales or sizes, the axes that they are for, and the region of interest as
// attributes.
func nodePlanResize(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	axes := p.axesOf(len(x))
	for i, a := range axes {
		var err error
		if axes[i], err = nodeAxis(a, len(x)); err != nil {
			return err
		}
	}
	scales, sizes, err := p.resized(x, axes)
	if err != nil {
		return err
	}
	roi, _ := p.floats("roi")
	coordinates := p.text("coordinate_transformation_mode", "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn")
	if coordinates == "tf_crop_and_resize" && len(roi) != 2*len(axes) {
		return errors.New("tf_crop_and_resize needs a region of interest")
	}
	shape := slices.Clone(x)
	resizers := make([]*nodeResizer, len(x))
	total := 0
	for i, a := range axes {
		r := nodeResizer{in: x[a], out: sizes[i], scale: scales[i], coordinates: coordinates,
			mode: p.text("mode", "nearest", "linear", "cubic"), nearest: p.text("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
			cubic: p.float("cubic_coeff_a", -0.75), antialias: p.int("antialias", 0) != 0, clipped: p.int("exclude_outside", 0) != 0}
		if len(roi) == 2*len(axes) {
			r.from, r.to = roi[i], roi[len(axes)+i]
		}
		if shape[a] = sizes[i]; sizes[i] == x[a] && scales[i] == 1 && coordinates != "tf_crop_and_resize" {
			continue
		}
		if total += sizes[i]; sizes[i] < 1 || total > 1<<17 {
			return fmt.Errorf("sizes %v", sizes)
		}
		if err := r.ambiguous(); err != nil { // looks at every element: the size is checked before
			return err
		}
		resizers[a] = &r
	}
	table := sync.OnceValue(func() [][]nodeTaps { return nodeAllTaps(resizers) })
	fill, k, own := p.float("extrapolation_value", 0), p.In[0].Kind, nodeSteps(x)
	p.result(k, shape...)
	p.units, p.work = nodeLen(shape), 32
	p.run = func(in, y [][]float64, lo, hi int) {
		taps := table()
		w := newNodeWalk(shape)
		w.seek(lo)
		for u := lo; u < hi; u++ {
			v, inside := nodeInterpolate(in[0], taps, own, w.count, len(shape))
			if !inside {
				v = fill
			}
			if k.Integer() {
				lo, hi := k.nodeRange()
				v = nodeClamp(math.RoundToEven(v), lo, hi)
			}
			y[0][u] = p.round(k, v)
			w.next()
		}
	}
	return nil
}

// nodeAllTaps returns the taps of the axes that are resized.
func nodeAllTaps(resizers []*nodeResizer) [][]nodeTaps {
	taps := make([][]nodeTaps, len(resizers))
	for a, r := range resizers {
		for o := 0; r != nil && o < r.out; o++ {
			taps[a] = append(taps[a], r.taps(o))
		}
	}
	return taps
}

// resized returns the scale and the size of each axis.
func (p *NodePlan) resized(x, axes []int) (scales []float64, sizes []int, err error) {
	scales, given := p.floats("scales")
	if given && len(scales) > 0 {
		if len(scales) != len(axes) {
			return nil, nil, fmt.Errorf("%d scales for %d axes", len(scales), len(axes))
		}
		for i, s := range scales {
			if !(s > 0 && s < 1<<20) {
				return nil, nil, fmt.Errorf("scale %v", s)
			}
			sizes = append(sizes, int(math.Floor(float64(x[axes[i]])*s)))
		}
		return scales, sizes, nil
	}
	sizes, _ = p.ints("sizes")
	if len(sizes) != len(axes) {
		return nil, nil, fmt.Errorf("%d sizes for %d axes", len(sizes), len(axes))
	}
	scales = make([]float64, len(sizes))
	least, most := math.Inf(1), 0.0
	for i, n := range sizes {
		scales[i] = float64(n) / float64(x[axes[i]])
		least, most = min(least, scales[i]), max(most, scales[i])
	}
	policy := p.text("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
	if policy == "stretch" {
		return scales, sizes, nil
	}
	s := least
	if policy == "not_smaller" {
		s = most
	}
	sizes = slices.Clone(sizes)
	for i := range sizes {
		scales[i], sizes[i] = s, int(math.Floor(s*float64(x[axes[i]])+0.5))
	}
	return scales, sizes, nil
}

// nodeInterpolate returns the weighted sum of the elements that the taps of an index name; an
// axis without taps is not resized.
func nodeInterpolate(x []float64, taps [][]nodeTaps, steps, i nodeIndex, rank int) (sum float64, inside bool) {
	base := 0
	var axes [NodeMaxAxes]int
	n := 0
	for a := range rank {
		switch {
		case taps[a] == nil:
			base += i[a] * steps[a]
		case taps[a][i[a]].outside:
			return 0, false
		default:
			axes[n] = a
			n++
		}
	}
	var count nodeIndex
	for {
		at, w := base, 1.0
		for j := range n {
			t := &taps[axes[j]][i[axes[j]]]
			at += t.at[count[j]] * steps[axes[j]]
			w *= t.weight[count[j]]
		}
		sum += w * x[at]
		j := n - 1
		for ; j >= 0; j-- {
			if count[j]++; count[j] < len(taps[axes[j]][i[axes[j]]].at) {
				break
			}
			count[j] = 0
		}
		if j < 0 {
			return sum, true
		}
	}
}
