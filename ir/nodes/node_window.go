package nodes

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

func nodeAddWindows() {
	nodeOps["Conv"] = nodePlanConv
	nodeOps["ConvInteger"] = nodePlanConvInteger
	nodeOps["QLinearConv"] = nodePlanQLinearConv
	nodeOps["ConvTranspose"] = nodePlanConvTranspose
	for _, op := range []string{"MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"} {
		nodeOps[op] = nodePlanPool
	}
	nodeOps["MaxUnpool"] = nodePlanMaxUnpool
	nodeOps["Col2Im"] = nodePlanCol2Im
}

// nodeWindow is the geometry of a convolution or a pool with any number of axes of space.
type nodeWindow struct {
	in, out, kernel, stride, dilation, begin, end []int
	taps                                          int                // elements of the kernel
	table                                         func() []nodeIndex // makes places when they are first needed
	places                                        []nodeIndex        // of the elements of the kernel, times the dilation
}

// window reads the attributes of a window over an input; kernel may come from weights.
func (p *NodePlan) window(in, kernel []int) (w nodeWindow, err error) {
	n := len(in)
	if n < 1 || n > 3 {
		return w, fmt.Errorf("%d axes of space (want 1 to 3)", n)
	}
	w.in = in
	if w.kernel = kernel; kernel == nil {
		w.kernel, _ = p.ints("kernel_shape")
	}
	if len(w.kernel) != n {
		return w, fmt.Errorf("kernel_shape %v for %v", w.kernel, in)
	}
	w.stride, w.dilation = p.intsOr("strides", n, 1), p.intsOr("dilations", n, 1)
	pads := p.intsOr("pads", 2*n, 0)
	w.begin, w.end = slices.Clone(pads[:n]), slices.Clone(pads[n:])
	for _, list := range [][]int{w.kernel, w.stride, w.dilation} {
		for _, v := range list {
			if v < 1 || v > 1<<16 {
				return w, fmt.Errorf("%d in a kernel, strides or dilations", v)
			}
		}
	}
	for _, v := range pads {
		if v < 0 || v > 1<<16 {
			return w, fmt.Errorf("pads %v", pads)
		}
	}
	if nodeLen(w.kernel) > 1<<18 {
		return w, fmt.Errorf("kernel %v", w.kernel)
	}
	w.taps = nodeLen(w.kernel)
	w.table = sync.OnceValue(func() []nodeIndex {
		places := make([]nodeIndex, w.taps)
		for i := range places {
			places[i] = nodeSplit(i, w.kernel)
			for a := range n {
				places[i][a] *= w.dilation[a]
			}
		}
		return places
	})
	return w, nil
}

// ready returns the window with its places, for a run.
func (w nodeWindow) ready() nodeWindow {
	w.places = w.table()
	return w
}

// span is how many elements of an axis a window covers.
func (w *nodeWindow) span(a int) int { return (w.kernel[a]-1)*w.dilation[a] + 1 }

// slide sets the size of the output of a convolution or a pool.
func (w *nodeWindow) slide(auto string, ceil bool) error {
	w.out = make([]int, len(w.in))
	for a, n := range w.in {
		if auto == "SAME_UPPER" || auto == "SAME_LOWER" {
			w.out[a] = (n + w.stride[a] - 1) / w.stride[a]
			pad := max(0, (w.out[a]-1)*w.stride[a]+w.span(a)-n)
			w.begin[a] = pad / 2
			if auto == "SAME_LOWER" {
				w.begin[a] = pad - pad/2
			}
			w.end[a] = pad - w.begin[a]
			continue
		}
		room := n + w.begin[a] + w.end[a] - w.span(a)
		if room < 0 {
			return fmt.Errorf("a window of %d does not fit into %d", w.span(a), n+w.begin[a]+w.end[a])
		}
		w.out[a] = room/w.stride[a] + 1
		if ceil && room%w.stride[a] != 0 && w.out[a]*w.stride[a] < n+w.begin[a] {
			w.out[a]++
		}
	}
	return nil
}

func (p *NodePlan) auto() string {
	return p.text("auto_pad", "NOTSET", "", "VALID", "SAME_UPPER", "SAME_LOWER")
}

// source returns the place in the input that element k of the kernel covers for an output; ok is
// false in the padding.
func (w *nodeWindow) source(o nodeIndex, k int) (at int, ok bool) {
	for a, n := range w.in {
		i := o[a]*w.stride[a] - w.begin[a] + w.places[k][a]
		if i < 0 || i >= n {
			return 0, false
		}
		at = at*n + i
	}
	return at, true
}

// line sets dst to the sums of products of a convolution for the outputs from o on along the last
// axis. x has the channels that the filter f reads, one after another.
func (w *nodeWindow) line(o nodeIndex, x, f, dst []float64) {
	clear(dst)
	last, in := len(w.in)-1, nodeLen(w.in)
	n, stride := w.in[last], w.stride[last]
	for k := range w.taps {
		row, ok := w.rowOf(o, k)
		if !ok {
			continue
		}
		from := o[last]*stride - w.begin[last] + w.places[k][last] // of the first output
		lo, hi := 0, len(dst)
		if from < 0 {
			lo = (-from + stride - 1) / stride
		}
		if from >= n {
			continue
		}
		if hi = min(hi, (n-1-from)/stride+1); lo >= hi {
			continue
		}
		part, at := dst[lo:hi], row*n+from+lo*stride
		for c := 0; c*w.taps < len(f); c++ {
			v, src := f[c*w.taps+k], x[c*in+at:]
			if stride == 1 {
				src = src[:len(part)]
				for i := range part {
					part[i] += v * src[i]
				}
				continue
			}
			for i := range part {
				part[i] += v * src[i*stride]
			}
		}
	}
}

// rowOf is source for all axes but the last.
func (w *nodeWindow) rowOf(o nodeIndex, k int) (row int, ok bool) {
	for a, n := range w.in[:len(w.in)-1] {
		i := o[a]*w.stride[a] - w.begin[a] + w.places[k][a]
		if i < 0 || i >= n {
			return 0, false
		}
		row = row*n + i
	}
	return row, true
}

// filters checks the operands x and w of a convolution and returns its window.
func (p *NodePlan) filters(xi, wi int) (w nodeWindow, groups int, err error) {
	x, f := p.In[xi].Shape, p.In[wi].Shape
	groups = p.int("group", 1)
	if len(x) < 3 || len(f) != len(x) || groups < 1 || x[1] != f[1]*groups || f[0]%groups != 0 {
		return w, 0, fmt.Errorf("weights %v in %d groups for %v", f, groups, x)
	}
	if w, err = p.window(x[2:], f[2:]); err != nil {
		return w, 0, err
	}
	return w, groups, w.slide(p.auto(), false)
}

// convolve sets run: sums of products of x - xZero and w - wZero, which end turns into results.
func (p *NodePlan) convolve(w nodeWindow, groups, xi, wi int, zero func(x [][]float64, filter int) (xz, wz float64), end func(x [][]float64, sum float64, filter int) float64) {
	x, f := p.In[xi].Shape, p.In[wi].Shape
	pixels, in, m, ic := nodeLen(w.out), nodeLen(w.in), f[0], f[1]
	taps := w.taps
	p.units, p.work = x[0]*m*pixels, 4*taps*ic
	if zero == nil {
		p.run = func(arg, y [][]float64, lo, hi int) {
			w := w.ready()
			for lo < hi {
				filter, image := lo/pixels%m, lo/pixels/m
				o, last := nodeSplit(lo%pixels, w.out), len(w.out)-1
				dst := y[0][lo:min(hi, lo+w.out[last]-o[last])]
				w.line(o, arg[xi][(image*x[1]+filter/(m/groups)*ic)*in:], arg[wi][filter*ic*taps:][:ic*taps], dst)
				for i, sum := range dst {
					dst[i] = end(arg, sum, filter)
				}
				lo += len(dst)
			}
		}
		return
	}
	p.run = func(arg, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			filter, image := u/pixels%m, u/pixels/m
			o := nodeSplit(u%pixels, w.out)
			xz, wz := zero(arg, filter)
			src := arg[xi][(image*x[1]+filter/(m/groups)*ic)*in:]
			weights := arg[wi][filter*ic*taps:]
			sum := 0.0
			for k := range taps {
				at, ok := w.source(o, k)
				if !ok {
					continue
				}
				for c := range ic {
					sum += (src[c*in+at] - xz) * (weights[c*taps+k] - wz)
				}
			}
			y[0][u] = end(arg, sum, filter)
		}
	}
}

func nodePlanConv(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	w, groups, err := p.filters(0, 1)
	if err != nil {
		return err
	}
	bias := p.has(2)
	if bias && p.In[2].Len() != p.In[1].Shape[0] {
		return fmt.Errorf("bias %v for weights %v", p.In[2].Shape, p.In[1].Shape)
	}
	p.result(p.In[0].Kind, append([]int{p.In[0].Shape[0], p.In[1].Shape[0]}, w.out...)...)
	p.convolve(w, groups, 0, 1, nil, func(x [][]float64, sum float64, filter int) float64 {
		if bias {
			sum += x[2][filter]
		}
		return p.f32(sum)
	})
	return nil
}

// nodePlanConvInteger has the zero points of x and of w, one or one for each filter, as operands.
func nodePlanConvInteger(p *NodePlan) error {
	if err := p.need(2, 4); err != nil {
		return err
	}
	w, groups, err := p.filters(0, 1)
	if err != nil {
		return err
	}
	xz, wz := p.has(2), p.has(3)
	m := p.In[1].Shape[0]
	if xz && p.In[2].Len() != 1 || wz && p.In[3].Len() != 1 && p.In[3].Len() != m {
		return errors.New("zero points of another number than scales can have")
	}
	p.result(NodeInt32, append([]int{p.In[0].Shape[0], m}, w.out...)...)
	p.convolve(w, groups, 0, 1, func(x [][]float64, filter int) (a, b float64) {
		if xz {
			a = x[2][0]
		}
		if wz {
			b = x[3][filter%len(x[3])]
		}
		return a, b
	}, func(_ [][]float64, sum float64, _ int) float64 { return p.round(NodeInt32, sum) })
	return nil
}

// nodePlanQLinearConv has the operands x, scale, zero, w, scale, zero, scale and zero of the
// result, bias.
func nodePlanQLinearConv(p *NodePlan) error {
	if err := p.need(8, 9); err != nil {
		return err
	}
	w, groups, err := p.filters(0, 3)
	if err != nil {
		return err
	}
	m := p.In[3].Shape[0]
	for _, i := range []int{1, 2, 6, 7} {
		if p.In[i].Len() != 1 {
			return fmt.Errorf("operand %d of shape %v (want one number)", i+1, p.In[i].Shape)
		}
	}
	for _, i := range []int{4, 5} {
		if n := p.In[i].Len(); n != 1 && n != m {
			return fmt.Errorf("operand %d of shape %v for %d filters", i+1, p.In[i].Shape, m)
		}
	}
	bias, k := p.has(8), p.In[7].Kind
	if bias && p.In[8].Len() != m {
		return fmt.Errorf("bias %v for %d filters", p.In[8].Shape, m)
	}
	p.result(k, append([]int{p.In[0].Shape[0], m}, w.out...)...)
	p.convolve(w, groups, 0, 3, func(x [][]float64, filter int) (a, b float64) {
		return x[2][0], x[5][filter%len(x[5])]
	}, func(x [][]float64, sum float64, filter int) float64 {
		if bias {
			sum += x[8][filter]
		}
		return nodeQuantize(sum*x[1][0]*x[4][filter%len(x[4])]/x[6][0], x[7][0], k)
	})
	return nil
}

// nodePlanConvTranspose computes every output from the inputs whose windows cover it.
func nodePlanConvTranspose(p *NodePlan) error {
	if err := p.need(2, 3); err != nil {
		return err
	}
	x, f, groups := p.In[0].Shape, p.In[1].Shape, p.int("group", 1)
	if len(x) < 3 || len(f) != len(x) || groups < 1 || x[1] != f[0] || x[1]%groups != 0 {
		return fmt.Errorf("weights %v in %d groups for %v", f, groups, x)
	}
	w, err := p.window(x[2:], f[2:])
	if err != nil {
		return err
	}
	if err := p.transposedSize(&w); err != nil {
		return err
	}
	m, bias := f[1]*groups, p.has(2)
	if bias && p.In[2].Len() != m {
		return fmt.Errorf("bias %v for %d filters", p.In[2].Shape, m)
	}
	p.result(p.In[0].Kind, append([]int{x[0], m}, w.out...)...)
	pixels, in, taps, ic := nodeLen(w.out), nodeLen(w.in), w.taps, x[1]/groups
	p.units, p.work = x[0]*m*pixels, 4*taps*ic
	p.run = func(arg, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			filter, image := u/pixels%m, u/pixels/m
			o, group := nodeSplit(u%pixels, w.out), filter/f[1]
			src := arg[0][(image*x[1]+group*ic)*in:]
			weights := arg[1][(group*ic*f[1]+filter%f[1])*taps:]
			sum := 0.0
			for k := range taps {
				at, ok := w.back(o, k)
				if !ok {
					continue
				}
				for c := range ic {
					sum += src[c*in+at] * weights[c*f[1]*taps+k]
				}
			}
			if bias {
				sum += arg[2][filter]
			}
			y[0][u] = p.f32(sum)
		}
	}
	return nil
}

// back returns the input whose window has element k of the kernel at an output; ok is false if
// there is none.
func (w *nodeWindow) back(o nodeIndex, k int) (at int, ok bool) {
	for a, n := range w.in {
		i := o[a] + w.begin[a] - w.places[k][a]
		if i < 0 || i%w.stride[a] != 0 || i/w.stride[a] >= n {
			return 0, false
		}
		at = at*n + i/w.stride[a]
	}
	return at, true
}

// transposedSize sets the size of the output and the padding of a transposed convolution.
func (p *NodePlan) transposedSize(w *nodeWindow) error {
	n := len(w.in)
	more := p.intsOr("output_padding", n, 0)
	want, given := p.ints("output_shape")
	if given && len(want) == n+2 { // some exporters write batch and channels, too
		want = want[2:]
	}
	if given && len(want) != n {
		return fmt.Errorf("output_shape %v for %v", want, w.in)
	}
	auto := p.auto()
	w.out = make([]int, n)
	for a, in := range w.in {
		full := w.stride[a]*(in-1) + more[a] + w.span(a)
		switch {
		case given:
			w.out[a] = want[a]
		case auto == "SAME_UPPER" || auto == "SAME_LOWER":
			w.out[a] = in * w.stride[a]
		default:
			w.out[a] = full - w.begin[a] - w.end[a]
			continue
		}
		pad := max(0, full-w.out[a])
		if w.begin[a] = pad / 2; auto == "SAME_LOWER" {
			w.begin[a] = pad - pad/2
		}
	}
	return nil
}

// nodePlanCol2Im adds up columns of blocks where the blocks lie in an image.
func nodePlanCol2Im(p *NodePlan) error {
	if err := p.need(1, 1); err != nil {
		return err
	}
	x := p.In[0].Shape
	image, _ := p.ints("image_shape")
	block, _ := p.ints("block_shape")
	if len(x) != 3 || len(block) < 1 || len(image) != len(block) || nodeLen(block) < 1 || x[1]%nodeLen(block) != 0 {
		return fmt.Errorf("blocks %v of an image %v for %v", block, image, x)
	}
	w, err := p.window(image, block)
	if err != nil {
		return err
	}
	if err := w.slide("", false); err != nil {
		return err
	}
	if nodeLen(w.out) != x[2] {
		return fmt.Errorf("%d blocks, but the image has room for %v", x[2], w.out)
	}
	taps, columns, in := w.taps, x[2], nodeLen(image)
	channels := x[1] / taps
	p.result(p.In[0].Kind, append([]int{x[0], channels}, image...)...)
	p.units, p.work = x[0]*channels, taps*columns
	p.run = func(arg, y [][]float64, lo, hi int) {
		w := w.ready()
		for u := lo; u < hi; u++ {
			dst := y[0][u*in : (u+1)*in]
			clear(dst)
			for k := range taps {
				for l := range columns {
					if at, ok := w.source(nodeSplit(l, w.out), k); ok {
						dst[at] += arg[0][(u*taps+k)*columns+l]
					}
				}
			}
			for i, v := range dst {
				dst[i] = p.f32(v)
			}
		}
	}
	return nil
}
