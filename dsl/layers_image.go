package dsl

import (
	"math"
	"slices"

	"github.com/incc-lang/incc/ir"
	irops "github.com/incc-lang/incc/ir/ops"
)

// imageForms returns the forms of layers that change the size of maps.
func imageForms() []*form {
	return []*form{
		{
			name: "conv_transpose", doc: "Transposed convolution, followed by bias, batch normalization and activation: every input is multiplied by the kernel and added to the output at a distance of the stride, so that maps grow (Zeiler 2010). The height is (in - 1) * stride + kernel - pad + output_pad; pad=same makes it in * stride.",
			pos: []slot{{"kernel", kKernel, "", "height x width, with the stride after a /"}, {"filters", kCount, "", "number of output channels"}},
			keys: slices.Concat([]slot{
				{"pad", kPad, "0", "rows and columns that are cut off around the output"},
				{"output_pad", kPads, "0", "rows and columns that are added below and right of the output"},
				{"dilation", kPair, "1x1", "distance between the elements of the kernel"},
				{"groups", kGroups, "1", "number of groups of channels, which are convolved separately; depthwise for a group for each input channel"},
				sBias}, sBN, []slot{sAct, sInit}, sRates),
			build: (*builder).convTranspose,
		},
		{
			name: "resize", doc: "Changes height and width: by a factor, to a size, or to the size of an earlier part. Give one of by, to and like.",
			keys: []slot{
				{"by", kFactor, "", "factor of height and width"},
				{"to", kPair, "", "height and width of the output"},
				{"like", kPart, "", "label of a part whose output has that height and width"},
				{"mode", word("nearest", "bilinear", "bicubic"), "nearest", "nearest takes one element; bilinear and bicubic take the mean of 2x2 and 4x4, weighted by distance"},
				{"coords", word(irops.ResizeCoords...), "", "where the outputs lie in the input, as ONNX calls it; default asymmetric for nearest, else half_pixel"},
				{"round", word(irops.ResizeRounding...), "floor", "how mode=nearest rounds a place"},
				{"cubic", kNumber, "-0.75", "coefficient of mode=bicubic"},
			},
			build: (*builder).resize,
		},
		{
			name: "pixel_shuffle", doc: "Moves channels into blocks of b x b pixels: an input of b*b*C channels becomes C channels of b times the height and width (Shi 2016).",
			pos:   []slot{{"b", kCount, "", "height and width of a block"}},
			keys:  []slot{{"order", word("crd", "dcr"), "crd", "crd: the pixels of a block are neighbouring channels, as in PyTorch; dcr: the channels of a pixel are, as in TensorFlow"}},
			build: (*builder).pixelShuffle,
		},
		{
			name: "pad", doc: "Adds rows and columns around feature maps: of a given number, or of elements of the map.",
			keys: []slot{
				{"pad", kPad, "0", "rows and columns to add"},
				{"mode", word(append([]string{"constant"}, irops.PadModes...)...), "constant", "constant: the number value; reflect: the map mirrored at its edge, without the edge itself; edge: the nearest element; wrap: the opposite side"},
				{"value", kNumber, "0", "number for mode=constant"},
			},
			build: (*builder).pad,
		},
	}
}

// convTranspose builds a transposed convolution. Its weights have the input channels first.
func (b *builder) convTranspose(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	k, okK := a.vals["kernel"].(kernel)
	n, okN := a.vals["filters"].(int)
	if !a.ok || !okK || !okN || x == nil || !b.wantMap(cx, c, x) {
		return nil
	}
	in := x.Type.Shape
	t := irops.Transposed{Stride: k.stride, Dilation: arg[ir.HW](a, "dilation"), Out: arg[ir.HW](a, "output_pad"), Groups: arg[int](a, "groups")}
	if t.Groups == 0 {
		t.Groups = in[1] // depthwise
	}
	if in[1]%t.Groups != 0 || n%t.Groups != 0 {
		what, count := "the input has", in[1]
		if in[1]%t.Groups == 0 {
			what, count = "the conv_transpose makes", n
		}
		d := b.err(cx, "E0306", a.where("groups", c), "%d groups do not divide the channels: %s %d", t.Groups, what, count).
			WithHelp("make it a multiple of %d", t.Groups)
		b.from(d, x, cx, "its input, %s, comes from here", image(x))
		b.uses(d, cx)
		return nil
	}
	for axis := range 2 {
		if most := max(t.Stride[axis], t.Dilation[axis]) - 1; t.Out[axis] > most {
			b.err(cx, "E0405", a.where("output_pad", c), "output_pad of conv_transpose must be below the stride, or below the dilation, not %v", t.Out).
				WithHelp("with the stride %v it is at most %d", t.Stride, most)
			return nil
		}
	}
	p := arg[padding](a, "pad")
	if t.Pad = p.pads; p.same {
		t = t.Same(ir.HW{in[2], in[3]}, k.size, p.lower)
	}
	if s := t.Size(ir.HW{in[2], in[3]}, k.size); min(s[0], s[1]) < 1 {
		d := b.err(cx, "E0305", c.Span(), "pad %v leaves nothing of the output of %v", t.Pad, c.Name.Name).WithLabel("reads %s", image(x))
		b.from(d, x, cx, "its input, %s, comes from here", image(x))
		d.WithHelp("pad cuts rows and columns off: pad less")
		b.uses(d, cx)
		return nil
	}
	name := cx.scope.fresh("conv_transpose_" + k.size.String() + cx.suffix)
	l := b.layer(c, a, cx, name)
	w := l.weight(ir.Shape{in[1], n / t.Groups, k.size[0], k.size[1]})
	if w == nil {
		return nil
	}
	return l.finish(b.add(cx, c, name, t.Node(), l.operands(x, w, n)...), 1)
}

// resize builds a resizing.
func (b *builder) resize(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	if !a.ok {
		return nil
	}
	given := 0
	for _, key := range []string{"by", "to", "like"} {
		if a.has(key) {
			given++
		}
	}
	if given != 1 {
		b.err(cx, "E0402", c.Span(), "resize needs exactly one of by, to and like, not %d", given).
			WithHelp("for example: resize by=2, resize to=56x56, or resize like=stem")
		return nil
	}
	r := irops.Resizing{By: arg[[2]float64](a, "by"), To: arg[ir.HW](a, "to"), Nearest: arg[string](a, "round"), Coords: arg[string](a, "coords"), Cubic: arg[float64](a, "cubic")}
	r.Mode = map[string]string{"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[arg[string](a, "mode")]
	if a.has("like") {
		like := b.part(arg[string](a, "like"), a.where("like", c), cx)
		if like == nil {
			return nil
		}
		s := like.Type.Shape
		if len(s) != 4 {
			d := b.err(cx, "E0304", a.where("like", c), "the part %s has no height and width: it is %s", arg[string](a, "like"), image(like))
			b.from(d, like, cx, "it comes from here")
			return nil
		}
		r.To = ir.HW{s[2], s[3]}
	}
	if x == nil || !b.wantMap(cx, c, x) {
		return nil
	}
	if r.Coords == "" {
		if r.Coords = "half_pixel"; r.Mode == "nearest" {
			r.Coords = "asymmetric"
		}
	}
	in := ir.HW{x.Type.Shape[2], x.Type.Shape[3]}
	s := r.Size(in)
	if min(s[0], s[1]) < 1 || max(s[0], s[1]) > ir.MaxDim {
		d := b.err(cx, "E0308", c.Span(), "resize makes %dx%d of %dx%d", s[0], s[1], in[0], in[1]).WithHelp("height and width must be from 1 to %d", ir.MaxDim)
		b.uses(d, cx)
		return nil
	}
	for axis, by := range r.By {
		// ONNX Runtime multiplies in float32, onnx's checker in float64.
		f := float32(by)
		if small, large := int(float64(in[axis])*float64(f)), int(float32(in[axis])*f); by != 0 && (small != s[axis] || large != s[axis]) {
			d := b.err(cx, "E0308", c.Span(), "by=%g makes %d or %d of %d: programs that read the network round this product differently", by, min(small, large, s[axis]), max(small, large, s[axis]), in[axis]).
				WithHelp("name the size: to=%dx%d", int(math.Round(float64(in[0])*r.By[0])), int(math.Round(float64(in[1])*r.By[1])))
			b.uses(d, cx)
			return nil
		}
	}
	return b.add(cx, c, cx.scope.fresh("resize"+cx.suffix), r.Simplify(in).Node(), x)
}

func (b *builder) pixelShuffle(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	n, ok := a.vals["b"].(int)
	if !a.ok || !ok || x == nil || !b.wantMap(cx, c, x) {
		return nil
	}
	if s := x.Type.Shape; s[1]%(n*n) != 0 {
		d := b.err(cx, "E0308", c.Span(), "%d channels do not fill blocks of %dx%d pixels", s[1], n, n).WithLabel("reads %s", image(x))
		b.from(d, x, cx, "its input, %s, comes from here", image(x))
		d.WithHelp("give the layer before it a multiple of %d channels", n*n)
		b.uses(d, cx)
		return nil
	}
	return b.add(cx, c, cx.scope.fresh("pixel_shuffle"+cx.suffix), irops.Shuffle(n, arg[string](a, "order") == "crd"), x)
}

func (b *builder) pad(c *Call, a *bound, cx context, x *ir.Value) *ir.Value {
	p, mode := arg[padding](a, "pad"), arg[string](a, "mode")
	if !a.ok || x == nil || !b.wantMap(cx, c, x) {
		return nil
	}
	if p.same {
		b.err(cx, "E0405", a.where("pad", c), "pad of pad cannot be same: the op has no kernel")
		return nil
	}
	var op ir.Op = irops.Pad{Pad: p.pads, Value: arg[float64](a, "value")}
	if mode != "constant" {
		for axis := range 2 {
			if size := x.Type.Shape[2+axis]; mode == "reflect" && max(p.pads[axis], p.pads[2+axis]) >= size {
				d := b.err(cx, "E0308", c.Span(), "mode=reflect repeats at most %d rows or columns of a map of %dx%d, not %v", size-1, x.Type.Shape[2], x.Type.Shape[3], p.pads)
				d.WithHelp("pad less, or use mode=edge")
				b.uses(d, cx)
				return nil
			}
		}
		op = irops.Padding(p.pads, mode)
	}
	return b.add(cx, c, cx.scope.fresh("pad"+cx.suffix), op, x)
}
