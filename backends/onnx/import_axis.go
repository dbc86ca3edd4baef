package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
	"github.com/incc-lang/incc/passes/lower"
)

// This file imports operators that compute each element along one axis from a few elements
// along the same axis: resizing, padding, and selecting. Each is a product with a matrix.

func init() {
	importTable["Resize"] = importResize
	importTable["Pad"] = importPad
	importTable["Slice"] = importSlice
	importTable["Gather"] = importGather
}

// selection maps element o to element at[o].
func selection(in int, at []int) lower.Mapping {
	m := lower.Mapping{In: in}
	for _, i := range at {
		m.Rows = append(m.Rows, []lower.Tap{{At: i, Weight: 1}})
	}
	return m
}

var errMappings = fmt.Errorf("the matrices for padding and selecting take more than %d numbers", lower.MaxMappings)

// along applies a mapping to an axis of x, which must not be the batch.
func (im *importer) along(x *ir.Value, axis int, m lower.Mapping, what string) (*ir.Value, error) {
	if m.Size() <= lower.MaxMapping {
		if im.mapped += m.Size(); im.mapped > lower.MaxMappings {
			return nil, errMappings
		}
	}
	return lower.Along(im.b, x, axis, m, safeName(im.node.Output[0]+"/"+what))
}

// importMatMul imports the product of a value of more than two axes with a weight as a
// convolution along the last axis.
func importMatMul(im *importer, n *node) error {
	a, b := n.in[0].shape, n.in[1].shape
	data, ok := n.constFloats(1)
	if len(a) <= 2 || len(b) != 2 || !ok {
		return im.apply(ops.MatMul{}, 0, 1)
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	k, p := int(b[0].n), int(b[1].n)
	w := make([]float32, k*p)
	for i := range k {
		for j := range p {
			w[j*k+i] = data[i*p+j]
		}
	}
	v := im.b.Param(safeName(n.Input[1]), ir.Shape{p, k, 1, 1}, ir.Param{Kind: ir.Weight, LR: 1, Decay: 1})
	im.b.Graph().Data[v.Name] = tensor.Of(w, p, k, 1, 1)
	y, err := lower.Pointwise(im.b, x, len(a)-1, v)
	if err != nil {
		return err
	}
	return im.finish(y)
}

// take returns the elements of x along an axis that at names, as a slice if they are
// neighbours, as joined slices if they are few, else by a mapping.
func (im *importer) take(x *ir.Value, axis int, at []int, what string) (*ir.Value, error) {
	d := x.Type.Shape[axis]
	runs := 1
	for i := 1; i < len(at); i++ {
		if at[i] != at[i-1]+1 {
			runs++
		}
	}
	if runs == 1 && at[0] == 0 && len(at) == d {
		return x, nil
	}
	if runs > 16 && axis > 0 {
		return im.along(x, axis, selection(d, at), what)
	}
	if runs > maxPieces {
		return nil, fmt.Errorf("%d pieces of axis %d: that is too much", runs, axis)
	}
	var parts []*ir.Value
	for i := 0; i < len(at); {
		j := i + 1
		for j < len(at) && at[j] == at[j-1]+1 {
			j++
		}
		parts = append(parts, im.op(ops.Slice{Axis: axis, Start: at[i], Stop: at[j-1] + 1}, x))
		i = j
	}
	y := parts[0]
	if len(parts) > 1 {
		y = im.op(ops.Concat{Axis: axis}, parts...)
	}
	return y, im.b.Err()
}

func importGather(im *importer, n *node) error {
	if ok, err := im.gatherImages(n); ok || err != nil {
		return err
	}
	indices, ok := n.constInts(1)
	if !ok || len(indices) == 0 || len(indices) > maxInts {
		return fmt.Errorf("the indices must be constants, 1 to %d of them", maxInts)
	}
	out, err := im.typeOf(n.Output[0])
	if err != nil {
		return err
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	axis, err := normAxis(n.int("axis", 0), len(x.Type.Shape))
	if err != nil {
		return err
	}
	d := x.Type.Shape[axis]
	if d == ir.Batch {
		return errors.New("gathering from the batch is not supported")
	}
	if im.mapped > lower.MaxMappings {
		return errMappings
	}
	at := make([]int, len(indices))
	for i, j := range indices {
		if j < 0 {
			j += int64(d)
		}
		if j < 0 || j >= int64(d) {
			return fmt.Errorf("index %d is out of range for an axis of %d", indices[i], d)
		}
		at[i] = int(j)
	}
	y, err := im.take(x, axis, at, "select")
	if err != nil {
		return err
	}
	return im.finish(im.reshaped(y, out.Shape))
}

// reshaped returns v with a shape. It takes the place of a reshape that made v.
func (im *importer) reshaped(v *ir.Value, s ir.Shape) *ir.Value {
	return lower.Reshaped(im.b, v, s)
}

func importSlice(im *importer, n *node) error {
	starts, ok1 := n.constInts(1)
	ends, ok2 := n.constIntegers(2)
	axes, ok3 := n.constInts(3)
	steps, ok4 := n.constInts(4)
	if !ok1 || !ok2 || n.has(3) && !ok3 || n.has(4) && !ok4 {
		return errors.New("the bounds must be constants")
	}
	if len(ends) != len(starts) || n.has(3) && len(axes) != len(starts) || n.has(4) && len(steps) != len(starts) {
		return errors.New("starts, ends, axes and steps differ in length")
	}
	v, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	for i := range starts {
		a, step := int64(i), int64(1)
		if n.has(3) {
			a = axes[i]
		}
		if n.has(4) {
			step = steps[i]
		}
		axis, err := normAxis(a, len(n.in[0].shape))
		if err != nil {
			return err
		}
		d := n.in[0].shape[axis].n
		if d == 0 { // the whole batch is no slice
			if c, ok := ends[i].compare(sizeOf(n.in[0].shape[axis])); ok && c >= 0 && starts[i] == 0 && step == 1 {
				continue
			}
			return errors.New("slicing the batch is not supported")
		}
		if !ends[i].isNumber() {
			return errors.New("the bounds must be constants")
		}
		at := sliced(d, starts[i], ends[i].c, step)
		if len(at) == 0 {
			return fmt.Errorf("axis %d would be empty", axis)
		}
		if v, err = im.take(v, axis, at, "select"); err != nil {
			return err
		}
	}
	return im.finish(v)
}

// sliced returns the positions of an axis of size d that a slice takes.
func sliced(d, lo, hi, step int64) []int {
	if lo < 0 {
		lo = max(lo, -d) + d
	}
	if hi < 0 {
		hi = max(hi, -d-1) + d
	}
	var at []int
	if step > 0 {
		for i := lo; i < min(hi, d); i += min(step, d) {
			at = append(at, int(i))
		}
		return at
	}
	for i := min(lo, d-1); i > min(hi, d-1); i -= min(-step, d) {
		at = append(at, int(i))
	}
	return at
}

// importPad imports constant padding of height and width as a pad, and every other padding by
// mappings. A negative padding crops.
func importPad(im *importer, n *node) error {
	mode := "constant"
	if a := n.attr("mode"); a != nil {
		mode = string(a.S)
	}
	pads, ok := n.constInts(1)
	axes, okAxes := n.constInts(3)
	if !ok || n.has(3) && !okAxes {
		return errors.New("the padding must be constant")
	}
	value := 0.0
	if n.has(2) && mode == "constant" {
		if value, ok = im.scalar(2); !ok {
			return errors.New("the value must be constant")
		}
	}
	x, err := im.value(n.Input[0], ir.Weight)
	if err != nil {
		return err
	}
	s := x.Type.Shape
	if !n.has(3) {
		for i := range len(pads) / 2 {
			axes = append(axes, int64(i))
		}
	}
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("%d pads for %d axes", len(pads), len(axes))
	}
	lo, hi := make([]int, len(s)), make([]int, len(s))
	var padded []int
	for i, a := range axes {
		axis, err := normAxis(a, len(s))
		if err != nil {
			return err
		}
		lo[axis], hi[axis] = int(pads[i]), int(pads[len(axes)+i])
		if lo[axis] == 0 && hi[axis] == 0 {
			continue
		}
		if s[axis] == ir.Batch || axis == 0 {
			return fmt.Errorf("padding of axis %d is not supported", axis)
		}
		padded = append(padded, axis)
	}
	slices.Sort(padded)
	if slices.Contains(ops.PadModes, mode) && len(s) == 4 && !slices.Contains(padded, 1) && slices.Min(append(slices.Clone(lo), hi...)) >= 0 {
		return im.add(ops.Padding(ir.Pads{lo[2], lo[3], hi[2], hi[3]}, mode), x)
	}
	if y, ok := im.constantPad(x, mode, lo, hi, padded, value); ok {
		return im.finish(y)
	}
	for _, axis := range padded {
		m, err := padding(mode, s[axis], lo[axis], hi[axis], float32(value))
		if err != nil {
			return err
		}
		if x, err = im.along(x, axis, m, "pad"); err != nil {
			return err
		}
	}
	return im.finish(x)
}

// constantPad pads two axes with a constant, which become height and width by a transposition
// where they are others. It returns false if a pad cannot express the padding.
func (im *importer) constantPad(x *ir.Value, mode string, lo, hi, padded []int, value float64) (*ir.Value, bool) {
	if mode != "constant" || len(x.Type.Shape) != 4 || len(padded) > 2 || slices.Min(append(slices.Clone(lo), hi...)) < 0 {
		return nil, false
	}
	var perm []int
	for a := range 4 {
		if !slices.Contains(padded, a) {
			perm = append(perm, a)
		}
	}
	for a := 3; len(padded) < 2 && a > 0; a-- {
		if i := slices.Index(perm, a); !slices.Contains(padded, a) {
			perm = slices.Delete(perm, i, i+1)
			padded = append(padded, a)
		}
	}
	slices.Sort(padded)
	perm = append(perm, padded...)
	back := make([]int, 4)
	for i, p := range perm {
		back[p] = i
	}
	h, w := padded[0], padded[1]
	op := ops.Pad{Pad: ir.Pads{lo[h], lo[w], hi[h], hi[w]}, Value: shortest(float32(value))}
	if h == 2 && w == 3 {
		return im.op(op, x), true
	}
	y := im.op(op, im.op(ops.Transpose{Perm: ir.IntsOf(perm...)}, x))
	return im.op(ops.Transpose{Perm: ir.IntsOf(back...)}, y), true
}

// padding returns the mapping of a padding of an axis of size d.
func padding(mode string, d, lo, hi int, value float32) (lower.Mapping, error) {
	if lo < -maxDim || hi < -maxDim || lo > maxInts || hi > maxInts || d+lo+hi < 1 || d+lo+hi > maxInts {
		return lower.Mapping{}, fmt.Errorf("pads %d and %d of %d elements are not supported", lo, hi, d)
	}
	m := lower.Mapping{In: d}
	for o := -lo; o < d+hi; o++ {
		i := o
		switch mode {
		case "reflect", "edge", "wrap":
			i = lower.Padded(mode, o, d)
		case "constant":
			if i < 0 || i >= d {
				if m.Bias == nil && value != 0 {
					m.Bias = make([]float32, d+lo+hi)
				}
				if value != 0 {
					m.Bias[o+lo] = value
				}
				m.Rows = append(m.Rows, nil)
				continue
			}
		default:
			return m, fmt.Errorf("mode %q is not supported", mode)
		}
		m.Rows = append(m.Rows, []lower.Tap{{At: i, Weight: 1}})
	}
	return m, nil
}
