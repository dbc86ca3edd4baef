package ops

import "github.com/incc-lang/incc/ir"

// extent returns the output size of a convolution or pooling along one axis: the number
// of positions of a kernel of size k, dilation d and stride s on an axis of extent in
// with padding before and after. It is 0 or less if the kernel does not fit. With ceil,
// a last window that ends after the padded input counts too, unless it would start in
// the padding after the input, at in+before or later (as in Caffe and PyTorch).
func extent(in, k, s, d, before, after int, ceil bool) int {
	span := in + before + after - ((k-1)*d + 1)
	if !ceil {
		if span < 0 {
			return 0
		}
		return span/s + 1
	}
	if span < 0 {
		// Go's division rounds towards zero, so -((-a)/s) rounds a/s up for a < 0.
		return -(-span / s) + 1
	}
	out := (span+s-1)/s + 1
	if (out-1)*s >= in+before {
		out--
	}
	return out
}

// pool is the geometry that max and average pooling share.
type pool struct {
	kernel, stride ir.HW
	pad            ir.Pads
	ceil           bool
}

// infer checks constraints 2 to 4 of maxpool and avgpool. It returns the output's height
// and width.
func (p pool) infer(op string, x ir.Shape) (h, w int, err error) {
	if !bounded(1, p.kernel[0], p.kernel[1], p.stride[0], p.stride[1]) || !bounded(0, p.pad[:]...) {
		return 0, 0, poolViolation(op, 2, "kernel %v and stride %v must be at least 1, pad %v at least 0, all at most %d", p.kernel, p.stride, p.pad, ir.MaxDim)
	}
	if p.pad[0] >= p.kernel[0] || p.pad[2] >= p.kernel[0] || p.pad[1] >= p.kernel[1] || p.pad[3] >= p.kernel[1] {
		return 0, 0, poolViolation(op, 3, "pad %v is not smaller than the kernel %v, a window would see nothing but padding", p.pad, p.kernel).
			WithHelp("pad at most %d rows and %d columns", p.kernel[0]-1, p.kernel[1]-1)
	}
	h = extent(x[2], p.kernel[0], p.stride[0], 1, p.pad[0], p.pad[2], p.ceil)
	w = extent(x[3], p.kernel[1], p.stride[1], 1, p.pad[1], p.pad[3], p.ceil)
	if h < 1 || w < 1 {
		return 0, 0, poolViolation(op, 4, "kernel %v does not fit into the input of %dx%d with pad %v", p.kernel, x[2], x[3], p.pad).
			WithHelp("use a smaller kernel, more padding, or gap to pool the whole map")
	}
	return h, w, nil
}

func poolViolation(op string, num int, format string, args ...any) *ir.ConstraintError {
	return ir.Violation(op, num, 0, format, args...)
}

// window returns the window of output element (y, x) on an input of h x w: the rows
// y0..y1-1 and columns x0..x1-1 that lie in the input, and the number of elements of the
// window in the padded input.
func (p pool) window(y, x, h, w int) (y0, y1, x0, x1, padded int) {
	y0, y1 = y*p.stride[0]-p.pad[0], y*p.stride[0]-p.pad[0]+p.kernel[0]
	x0, x1 = x*p.stride[1]-p.pad[1], x*p.stride[1]-p.pad[1]+p.kernel[1]
	padded = (min(y1, h+p.pad[2]) - y0) * (min(x1, w+p.pad[3]) - x0)
	return max(y0, 0), min(y1, h), max(x0, 0), min(x1, w), padded
}

// around splits a shape at an axis. It returns the product of the extents before the
// axis, the axis's own extent, and the product of the extents after it.
func around(shape []int, axis int) (outer, n, inner int) {
	outer, inner = 1, 1
	for i, d := range shape {
		switch {
		case i < axis:
			outer *= d
		case i > axis:
			inner *= d
		}
	}
	return outer, shape[axis], inner
}
