package onnx

import (
	"fmt"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// table lists the functions that write the ops of the IR as ONNX nodes. They use neither
// auto_pad, since all shapes are known, nor ceil_mode, since runtimes disagree about it
// (ONNX Runtime computes some cases wrongly). Padding at the end has the same effect.
var table = ir.NewTable(
	// Layers.
	ir.For(conv),
	ir.For(dense),
	ir.For(matmul),
	ir.For(batchNorm),
	ir.For(lrn),
	ir.For(maxPool),
	ir.For(avgPool),
	ir.For(simple[ops.GlobalAvgPool]("GlobalAveragePool")),
	ir.For(maxout),
	ir.For(dropout),

	// Activations.
	ir.For(activation[ops.ReLU]),
	ir.For(activation[ops.Sigmoid]),
	ir.For(activation[ops.Tanh]),
	ir.For(activation[ops.Clip]),
	ir.For(activation[ops.SiLU]),
	ir.For(activation[ops.HardSwish]),
	ir.For(activation[ops.HardSigmoid]),
	ir.For(activation[ops.GELU]),
	ir.For(activation[ops.LeakyReLU]),
	ir.For(softmax),
	ir.For(logSoftmax),
	ir.For(quantize),

	// Elementwise.
	ir.For(add),
	ir.For(simple[ops.Sub]("Sub")),
	ir.For(simple[ops.Mul]("Mul")),
	ir.For(simple[ops.Div]("Div")),
	ir.For(simple[ops.Max]("Max")),
	ir.For(simple[ops.Sqrt]("Sqrt")),
	ir.For(scale),

	// All else.
	ir.For(writeNode),

	// Shapes.
	ir.For(concat),
	ir.For(slice),
	ir.For(split),
	ir.For(reduce),
	ir.For(pad),
	ir.For(transpose),
	ir.For(simple[ops.Flatten]("Flatten")), // axis=1 is ONNX's default
	ir.For(reshape),
)

// trainOnly reports whether an op is only for training (gradients, losses, optimizers). Such
// ops are not written: the training operators of ONNX are only a preview, and a model for
// inference does not need them.
func trainOnly(op ir.Op) bool {
	if _, loss := op.(ops.CrossEntropy); loss {
		return true
	}
	d := ir.DefOf(op)
	return d != nil && d.Grad
}

// simple writes an op as one ONNX operator with the same operands and without attributes.
func simple[T ir.Op](operator string) func(T, *ir.Node, *emitter) error {
	return func(_ T, n *ir.Node, e *emitter) error { return e.one(operator, n) }
}

func conv(op ops.Conv, n *ir.Node, e *emitter) error {
	k := n.In[1].Type.Shape[2:]
	attrs := []*onnxpb.AttributeProto{attrInts("kernel_shape", k...), strides(op.Stride), pads(op.Pad)}
	if op.Dilation != (ir.HW{1, 1}) {
		attrs = append(attrs, attrInts("dilations", op.Dilation[:]...))
	}
	if op.Groups != 1 {
		attrs = append(attrs, attrInt("group", op.Groups))
	}
	return e.activated("Conv", op.Act, n, attrs...)
}

func dense(op ops.Dense, n *ir.Node, e *emitter) error {
	return e.activated("Gemm", op.Act, n, attrInt("transB", 1))
}

// activated emits a node and its fused activation, which is a separate node in ONNX.
func (e *emitter) activated(operator string, act ops.Act, n *ir.Node, attrs ...*onnxpb.AttributeProto) error {
	if act == ops.ActNone {
		e.add(operator, e.layerIn(n), e.result(n.Out[0]), attrs...)
		return nil
	}
	linear := e.inner("linear", n.Out[0].Type)
	e.add(operator, e.layerIn(n), linear, attrs...)
	return e.activation(act.Op(), linear, n.Out[0])
}

// matmul writes a MatMul or, if an operand is transposed, a Gemm.
func matmul(op ops.MatMul, n *ir.Node, e *emitter) error {
	if !op.TransA && !op.TransB {
		return e.one("MatMul", n)
	}
	var attrs []*onnxpb.AttributeProto
	if op.TransA {
		attrs = append(attrs, attrInt("transA", 1))
	}
	if op.TransB {
		attrs = append(attrs, attrInt("transB", 1))
	}
	return e.one("Gemm", n, attrs...)
}

func batchNorm(op ops.BatchNorm, n *ir.Node, e *emitter) error {
	return e.one("BatchNormalization", n, attrFloat("epsilon", op.Eps), attrFloat("momentum", op.Momentum))
}

// lrn writes an LRN. Runtimes support only odd sizes, so an even size is written as a
// formula. The sum over neighbouring channels is a 1x1 convolution; its weights are a band
// matrix of alpha/size, its bias is k.
func lrn(op ops.LRN, n *ir.Node, e *emitter) error {
	if op.Size%2 == 1 {
		return e.one("LRN", n, attrInt("size", op.Size), attrFloat("alpha", op.Alpha), attrFloat("beta", op.Beta), attrFloat("bias", op.K))
	}
	t := n.Out[0].Type
	c := t.Shape[1]
	band, k := make([]float32, c*c), make([]float32, c)
	for o := range c {
		k[o] = float32(op.K)
		for i := max(0, o-(op.Size-1)/2); i < min(c, o+op.Size/2+1); i++ {
			band[o*c+i] = float32(op.Alpha / float64(op.Size))
		}
	}
	x := e.in(n)[0]
	square, sum, power := e.inner("square", t), e.inner("sum", t), e.inner("power", t)
	e.add("Mul", []string{x, x}, square)
	e.add("Conv", []string{square, e.floats("band", ir.Shape{c, c, 1, 1}, band...), e.floats("k", ir.Shape{c}, k...)}, sum, attrInts("kernel_shape", 1, 1))
	e.add("Pow", []string{sum, e.floats("beta", nil, float32(op.Beta))}, power)
	e.add("Div", []string{x, power}, e.result(n.Out[0]))
	return nil
}

// maxPool pads with minus infinity, so padding for ceil mode does not change the maximum.
func maxPool(op ops.MaxPool, n *ir.Node, e *emitter) error {
	p := endPads(op.Kernel, op.Stride, op.Pad, n)
	return e.one("MaxPool", n, attrInts("kernel_shape", op.Kernel[:]...), strides(op.Stride), pads(p))
}

// avgPool writes the extra elements of ceil mode as padding. Without include_pad, padding
// does not count in an average. With include_pad all padding would count, but the extra
// elements of ceil mode must not; ONNX cannot express that, so it is an error.
func avgPool(op ops.AvgPool, n *ir.Node, e *emitter) error {
	p := endPads(op.Kernel, op.Stride, op.Pad, n)
	include := op.IncludePad && op.Pad != (ir.Pads{})
	if include && p != op.Pad {
		return fmt.Errorf("avgpool with include_pad: the last window hangs %d rows and %d columns over the declared padding %v, "+
			"which ONNX runtimes compute differently: give that padding with pad=%v, or drop ceil or include_pad",
			p[2]-op.Pad[2], p[3]-op.Pad[3], op.Pad, p)
	}
	attrs := []*onnxpb.AttributeProto{attrInts("kernel_shape", op.Kernel[:]...), strides(op.Stride), pads(p)}
	if include {
		attrs = append(attrs, attrInt("count_include_pad", 1))
	}
	return e.one("AveragePool", n, attrs...)
}

// endPads returns the padding with which a pool that rounds sizes down has the height and
// width of the node's output. If rounding up added a window, the padding at the end grows
// by the part of the window that lies outside. That part is smaller than the kernel, since
// the window begins inside.
func endPads(kernel, stride ir.HW, pad ir.Pads, n *ir.Node) ir.Pads {
	in, out := n.In[0].Type.Shape[2:], n.Out[0].Type.Shape[2:]
	for a := range 2 {
		pad[2+a] = max(pad[2+a], (out[a]-1)*stride[a]+kernel[a]-in[a]-pad[a])
	}
	return pad
}

func strides(s ir.HW) *onnxpb.AttributeProto {
	if s == (ir.HW{1, 1}) {
		return nil
	}
	return attrInts("strides", s[:]...)
}

// pads makes the attribute pads. The order of ir.Pads is the order of ONNX: the begin of
// each axis, then the end of each.
func pads(p ir.Pads) *onnxpb.AttributeProto {
	if p == (ir.Pads{}) {
		return nil
	}
	return attrInts("pads", p[:]...)
}

// maxout writes a reshape that makes the pieces of a unit an axis, and a maximum over that
// axis.
func maxout(op ops.Maxout, n *ir.Node, e *emitter) error {
	x := n.In[0].Type
	pieces := slices.Concat(ir.Shape{x.Shape[0], x.Shape[1] / op.Pieces, op.Pieces}, x.Shape[2:])
	split := e.inner("pieces", ir.Type{DType: x.DType, Shape: pieces})
	e.add("Reshape", []string{e.in(n)[0], e.ints("shape", target(pieces)...)}, split)
	e.reduce("ReduceMax", split, e.result(n.Out[0]), false, 2)
	return nil
}

// dropout writes nothing, since a dropout does nothing in inference, unless
// Backend.Dropout is set.
func dropout(op ops.Dropout, n *ir.Node, e *emitter) error {
	if !e.b.Dropout {
		e.as[n.Out[0]] = e.as[n.In[0]]
		return nil
	}
	in := append(e.in(n), e.floats("ratio", nil, float32(op.P)))
	e.add("Dropout", in, e.result(n.Out[0]))
	return nil
}

func softmax(op ops.Softmax, n *ir.Node, e *emitter) error {
	return e.one("Softmax", n, attrInt("axis", op.Axis))
}

func logSoftmax(op ops.LogSoftmax, n *ir.Node, e *emitter) error {
	return e.one("LogSoftmax", n, attrInt("axis", op.Axis))
}

// add writes an Add for two operands, else a Sum.
func add(_ ops.Add, n *ir.Node, e *emitter) error {
	if len(n.In) == 2 {
		return e.one("Add", n)
	}
	return e.one("Sum", n)
}

func scale(op ops.Scale, n *ir.Node, e *emitter) error {
	in := append(e.in(n), e.floats("by", nil, float32(op.By)))
	e.add("Mul", in, e.result(n.Out[0]))
	return nil
}

func concat(op ops.Concat, n *ir.Node, e *emitter) error {
	return e.one("Concat", n, attrInt("axis", op.Axis))
}

func slice(op ops.Slice, n *ir.Node, e *emitter) error {
	in := append(e.in(n), e.ints("start", op.Start), e.ints("stop", op.Stop), e.ints("axis", op.Axis))
	e.add("Slice", in, e.result(n.Out[0]))
	return nil
}

func split(op ops.Split, n *ir.Node, e *emitter) error {
	sizes, err := op.Sizes.List()
	if err != nil {
		return err
	}
	in := append(e.in(n), e.ints("sizes", sizes...))
	x := e.add("Split", in, e.result(n.Out[0]), attrInt("axis", op.Axis))
	for _, v := range n.Out[1:] {
		x.Output = append(x.Output, e.result(v))
	}
	return nil
}

func reduce(op ops.Reduce, n *ir.Node, e *emitter) error {
	axes, err := op.Over(len(n.In[0].Type.Shape))
	if err != nil {
		return err
	}
	operator, ok := map[ops.ReduceKind]string{ops.ReduceSum: "ReduceSum", ops.ReduceMean: "ReduceMean", ops.ReduceMax: "ReduceMax"}[op.Kind]
	if !ok {
		return fmt.Errorf("the ONNX backend has no reduction %q", op.Kind)
	}
	if len(axes) == 0 { // of a scalar
		return e.one("Identity", n)
	}
	e.reduce(operator, e.in(n)[0], e.result(n.Out[0]), op.Keep, axes...)
	return nil
}

// reduce emits a reduction. The axes are an attribute in older opsets and an input in newer
// ones: from opset 13 for ReduceSum, from 18 for the others.
func (e *emitter) reduce(operator, in, out string, keep bool, axes ...int) {
	keepdims := attrInt("keepdims", 0)
	if keep {
		keepdims = attrInt("keepdims", 1)
	}
	if operator == "ReduceSum" || e.opset >= 18 {
		e.add(operator, []string{in, e.ints("axes", axes...)}, out, keepdims)
		return
	}
	e.add(operator, []string{in}, out, attrInts("axes", axes...), keepdims)
}

func pad(op ops.Pad, n *ir.Node, e *emitter) error {
	p := op.Pad
	in := append(e.in(n), e.ints("pads", 0, 0, p[0], p[1], 0, 0, p[2], p[3]), e.floats("value", nil, float32(op.Value)))
	e.add("Pad", in, e.result(n.Out[0]))
	return nil
}

func transpose(op ops.Transpose, n *ir.Node, e *emitter) error {
	perm, err := op.Perm.List()
	if err != nil {
		return err
	}
	return e.one("Transpose", n, attrInts("perm", perm...))
}

// reshape writes a Reshape. A reshape to a scalar would need an empty list of sizes, which
// many readers do not accept, so it is written as a Squeeze.
func reshape(_ ops.Reshape, n *ir.Node, e *emitter) error {
	if len(n.Out[0].Type.Shape) == 0 {
		return e.one("Squeeze", n)
	}
	in := append(e.in(n), e.ints("shape", target(n.Out[0].Type.Shape)...))
	e.add("Reshape", in, e.result(n.Out[0]))
	return nil
}

// target returns a shape as an operand of Reshape: -1 for the batch, which Reshape then
// computes from the other sizes.
func target(s ir.Shape) []int {
	t := slices.Clone(s)
	for i, d := range t {
		if d == ir.Batch {
			t[i] = -1
		}
	}
	return t
}
