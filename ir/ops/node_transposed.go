package ops

import (
	"slices"
	"strconv"

	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/nodes"
)

// Transposed is a transposed convolution of maps x[N,C,H,W] with weights [C,M/groups,KH,KW]: the
// operator ConvTranspose with its attributes in one form. It is the gradient of a convolution of
// a map that is larger by the stride.
type Transposed struct {
	Stride, Dilation, Out ir.HW // Out is the output padding: rows and columns added below and right
	Pad                   ir.Pads
	Groups                int
}

// Node returns the operator.
func (t Transposed) Node() Node {
	a := nodes.NodeAttrs{}
	set := func(name string, usual int, values ...int) {
		if slices.ContainsFunc(values, func(v int) bool { return v != usual }) {
			a[name] = nodes.NodeInts(values...)
		}
	}
	set("strides", 1, t.Stride[:]...)
	set("dilations", 1, t.Dilation[:]...)
	set("output_padding", 0, t.Out[:]...)
	set("pads", 0, t.Pad[:]...)
	set("group", 1, t.Groups)
	return Node{Type: "ConvTranspose", Attrs: a.String()}
}

// Size returns the height and width of the result for maps and a kernel; they are below 1 where
// the padding leaves nothing.
func (t Transposed) Size(in, kernel ir.HW) (out ir.HW) {
	for a := range 2 {
		out[a] = t.Stride[a]*(in[a]-1) + t.Out[a] + t.Dilation[a]*(kernel[a]-1) + 1 - t.Pad[a] - t.Pad[2+a]
	}
	return out
}

// TransposedOf reads a node with operands of some types; ok is false if it is no transposed
// convolution of real numbers over two axes.
func TransposedOf(op Node, in []ir.Type) (t Transposed, ok bool) {
	if op.Type != "ConvTranspose" || op.Kinds != "" || len(in) < 2 || len(in[0].Shape) != 4 || len(in[1].Shape) != 4 {
		return t, false
	}
	attrs, err := nodes.ParseNodeAttrs(op.Attrs)
	if err != nil {
		return t, false
	}
	r := attrReader{attrs, true}
	t = Transposed{Stride: r.pair("strides", 1), Dilation: r.pair("dilations", 1), Out: r.pair("output_padding", 0), Pad: ir.Pads(r.ints("pads", 4, 0)), Groups: r.ints("group", 1, 1)[0]}
	auto := attrs["auto_pad"]
	x, k := in[0].Shape, in[1].Shape
	kernel := ir.HW{k[2], k[3]}
	given := r.given("output_shape")
	switch {
	case given || auto == "SAME_UPPER" || auto == "SAME_LOWER":
		want := ir.HW{x[2] * t.Stride[0], x[3] * t.Stride[1]}
		if given {
			list := r.list("output_shape")
			if len(list) < 2 {
				return t, false
			}
			want = ir.HW(list[len(list)-2:])
		}
		t = t.fit(ir.HW{x[2], x[3]}, kernel, want, auto == "SAME_LOWER")
	case auto == "VALID":
		t.Pad = ir.Pads{}
	case auto != "" && auto != "NOTSET":
		return t, false
	}
	size := t.Size(ir.HW{x[2], x[3]}, kernel)
	return t, r.ok && t.Groups > 0 && k[0] == x[1] && x[1]%t.Groups == 0 && min(size[0], size[1]) > 0 &&
		min(t.Stride[0], t.Stride[1], t.Dilation[0], t.Dilation[1]) > 0 && slices.Min(append(t.Pad[:], t.Out[:]...)) >= 0
}

// attrReader reads the attributes of a node; ok is false after an attribute of another form.
type attrReader struct {
	attrs nodes.NodeAttrs
	ok    bool
}

func (r *attrReader) given(name string) bool { return r.attrs[name] != "" }

func (r *attrReader) list(name string) []int {
	list, err := ir.Ints(r.attrs[name]).List()
	r.ok = r.ok && err == nil
	return list
}

// ints returns n numbers, each with a default.
func (r *attrReader) ints(name string, n, usual int) []int {
	if !r.given(name) {
		return slices.Repeat([]int{usual}, n)
	}
	list := r.list(name)
	if len(list) != n {
		r.ok = false
		return slices.Repeat([]int{usual}, n)
	}
	return list
}

func (r *attrReader) pair(name string, usual int) ir.HW { return ir.HW(r.ints(name, 2, usual)) }

func (r *attrReader) word(name, usual string) string {
	if !r.given(name) {
		return usual
	}
	return r.attrs[name]
}

func (r *attrReader) float(name string, usual float64) float64 {
	if !r.given(name) {
		return usual
	}
	v, err := strconv.ParseFloat(r.attrs[name], 64)
	r.ok = r.ok && err == nil
	return v
}

// Same returns t with the padding and output padding for which the result is larger than maps of
// height and width in by the stride. lower puts the odd row and column of padding above and left.
func (t Transposed) Same(in, kernel ir.HW, lower bool) Transposed {
	return t.fit(in, kernel, ir.HW{in[0] * t.Stride[0], in[1] * t.Stride[1]}, lower)
}

// fit returns t with the padding and output padding for which the result has a size.
func (t Transposed) fit(in, kernel, want ir.HW, lower bool) Transposed {
	t.Pad = ir.Pads{}
	full := t.Size(in, kernel)
	for a := range 2 {
		total := max(0, full[a]-want[a])
		less := total / 2
		if lower {
			less = total - total/2
		}
		t.Pad[a], t.Pad[2+a] = less, total-less
		t.Out[a] += max(0, want[a]-full[a])
	}
	return t
}
