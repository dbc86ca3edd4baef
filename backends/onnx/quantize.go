package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
	"github.com/incc-lang/incc/ir/tensor"
)

// A quantized network has the QDQ form in ONNX: every quantize of the IR is a QuantizeLinear and a
// DequantizeLinear, a weight is INT8 and a DequantizeLinear, and a bias of a layer whose input and
// weight are quantized is INT32 in steps of the product of their scales. Runtimes compute the
// operators between them on integers.

// elemOf is the element type of a quantize.
func elemOf(q ops.Quantize) onnxpb.TensorProto_DataType {
	if q.Signed {
		return onnxpb.TensorProto_INT8
	}
	return onnxpb.TensorProto_UINT8
}

// wholeParams finds the params that only quantize nodes with scales read, and the biases of layers
// that are quantized.
func (e *emitter) wholeParams() {
	e.whole = map[*ir.Value]bool{}
	users := e.g.Users()
	for _, n := range e.g.Nodes {
		if w, _, ok := ops.QuantizedWeight(n.Out[0]); ok && len(users[w]) == 1 {
			e.whole[w] = true
		}
		if b, _, _, ok := wholeBias(n); ok && len(users[b]) == 1 {
			e.whole[b] = true
		}
	}
}

// wholeBias returns the bias of a convolution or dense layer whose input and weight are quantized,
// and their scales.
func wholeBias(n *ir.Node) (bias *ir.Value, x float64, scale *ir.Value, ok bool) {
	switch n.Op.(type) {
	case ops.Conv, ops.Dense:
	default:
		return nil, 0, nil, false
	}
	if len(n.In) < 3 || n.In[2].Param == nil {
		return nil, 0, nil, false
	}
	q, ok := ops.Grid(n.In[0])
	_, scale, quantized := ops.QuantizedWeight(n.In[1])
	return n.In[2], q.Scale, scale, ok && quantized
}

func quantize(op ops.Quantize, n *ir.Node, e *emitter) error {
	if w, scale, ok := ops.QuantizedWeight(n.Out[0]); ok && e.whole[w] {
		return e.wholeWeight(op, n, w, scale)
	}
	t := n.Out[0].Type
	elem := elemOf(op)
	var attrs []*onnxpb.AttributeProto
	var scale, zero string
	if len(n.In) > 1 {
		attrs = append(attrs, attrInt("axis", 0))
		scale = e.as[n.In[1]]
		zero = e.wholes("zero", elem, []int64{int64(n.In[1].Type.Shape[0])}, make([]byte, n.In[1].Type.Shape[0]))
	} else {
		scale = e.floats("scale", nil, float32(op.Scale))
		zero = e.wholes("zero", elem, nil, []byte{byte(op.Zero)})
	}
	whole := e.inner("whole", t)
	e.out.ValueInfo[len(e.out.ValueInfo)-1].Type.GetTensorType().ElemType = int32(elem)
	e.add("QuantizeLinear", []string{e.as[n.In[0]], scale, zero}, whole, attrs...)
	e.add("DequantizeLinear", []string{whole, scale, zero}, e.result(n.Out[0]), attrs...)
	return nil
}

// wholes adds a constant of the element type for the current node.
func (e *emitter) wholes(what string, elem onnxpb.TensorProto_DataType, dims []int64, raw []byte) string {
	name := e.fresh(e.node.Out[0].Name + "/" + what)
	e.out.Initializer = append(e.out.Initializer, &onnxpb.TensorProto{Name: name, DataType: int32(elem), Dims: dims, RawData: raw})
	return name
}

func (e *emitter) wholeWeight(op ops.Quantize, n *ir.Node, w, scale *ir.Value) error {
	x, err := e.values(w)
	if err != nil {
		return err
	}
	s, err := e.values(scale)
	if err != nil {
		return err
	}
	raw := make([]byte, len(x))
	for i, v := range x {
		raw[i] = byte(op.Whole(v, s[i/(len(x)/len(s))]))
	}
	var dims []int64
	for _, d := range w.Type.Shape {
		dims = append(dims, int64(d))
	}
	elem := onnxpb.TensorProto_INT8
	whole := w.Name
	e.out.Initializer = append(e.out.Initializer, &onnxpb.TensorProto{Name: whole, DataType: int32(elem), Dims: dims, RawData: raw})
	zero := e.wholes("zero", elem, []int64{int64(len(s))}, make([]byte, len(s)))
	e.add("DequantizeLinear", []string{whole, e.as[scale], zero}, e.result(n.Out[0]), attrInt("axis", 0))
	return nil
}

// layerIn is in for a convolution or dense layer. Its bias, if that is written as whole numbers,
// becomes a DequantizeLinear.
func (e *emitter) layerIn(n *ir.Node) []string {
	l := e.in(n)
	b, x, scale, ok := wholeBias(n)
	if !ok || !e.whole[b] {
		return l
	}
	values, err := e.values(b)
	by, err2 := e.values(scale)
	if err != nil || err2 != nil {
		return l // wholeWeight returns the error
	}
	scales := make([]float32, len(by))
	var raw []byte
	for i, s := range by {
		scales[i] = float32(x) * s
		raw = binary.LittleEndian.AppendUint32(raw, uint32(WholeBias(values[i], scales[i])))
	}
	dims := []int64{int64(len(by))}
	whole := b.Name
	e.out.Initializer = append(e.out.Initializer, &onnxpb.TensorProto{Name: whole, DataType: int32(onnxpb.TensorProto_INT32), Dims: dims, RawData: raw})
	real := e.inner("bias", b.Type)
	e.add("DequantizeLinear", []string{whole, e.floats("bias/scale", ir.Shape{len(by)}, scales...)}, real, attrInt("axis", 0))
	l[2] = real
	return l
}

// WholeBias returns a bias in steps of a scale, rounded to the nearest, ties to even, as 32 bits
// hold it.
func WholeBias(b, scale float32) int32 {
	v := math.RoundToEven(float64(b) / float64(scale))
	return int32(min(max(v, math.MinInt32), math.MaxInt32))
}

func init() {
	importTable["QuantizeLinear"] = importQuantize
	importTable["DequantizeLinear"] = importDequantize
}

// quantizes reports whether a node is one of those that become a quantize: a QuantizeLinear that
// only DequantizeLinears with its scale and zero point read, one of these, or a DequantizeLinear of
// a constant. Others become nodes.
func (im *importer) quantizes(n *node) bool {
	switch n.OpType {
	case "QuantizeLinear":
		if im.readers == nil {
			im.readers = map[string][]*onnxpb.NodeProto{}
			for _, m := range im.nodes {
				for _, name := range m.Input {
					im.readers[name] = append(im.readers[name], m)
				}
			}
			for _, o := range im.m.Proto.Graph.Output {
				im.readers[o.Name] = append(im.readers[o.Name], &onnxpb.NodeProto{})
			}
		}
		for _, m := range im.readers[n.Output[0]] {
			if m.OpType != "DequantizeLinear" || len(m.Input) != len(n.Input) || m.Input[0] != n.Output[0] || !slices.EqualFunc(m.Input[1:], n.Input[1:], im.equal) {
				return false
			}
		}
		return true
	case "DequantizeLinear":
		x := im.values[n.Input[0]]
		if x == nil {
			return im.initializer(n.Input[0]) != nil
		}
		return x.Type.DType == ir.F32
	}
	return false
}

// equal reports whether two values are the same, or constants with the same elements.
func (im *importer) equal(a, b string) bool {
	x, y := im.known[a], im.known[b]
	switch {
	case a == b:
		return true
	case x.elem != y.elem || len(x.shape) != len(y.shape):
		return false
	case x.ints != nil && y.ints != nil:
		return slices.Equal(x.ints, y.ints)
	case x.floats != nil && y.floats != nil:
		p, err := x.floats.get(im.m.Weights)
		q, err2 := y.floats.get(im.m.Weights)
		return err == nil && err2 == nil && slices.Equal(p, q)
	}
	return false
}

// initializer returns the initializer with a name, nil if there is none.
func (im *importer) initializer(name string) *onnxpb.TensorProto {
	if im.initializers == nil {
		im.initializers = map[string]*onnxpb.TensorProto{}
		for _, t := range im.m.Proto.Graph.Initializer {
			im.initializers[t.Name] = t
		}
	}
	return im.initializers[name]
}

// importQuantize imports a QuantizeLinear as a quantize: the value of the IR has the numbers that
// the DequantizeLinear behind it returns.
func importQuantize(im *importer, n *node) error {
	elem := im.known[n.Output[0]].elem
	if n.byRows(elem) {
		return im.apply(ops.Quantize{Scale: 1, Signed: true}, 0, 1)
	}
	q, err := n.grid(elem)
	if err != nil {
		return err
	}
	return im.apply(q, 0)
}

// byRows reports whether a node has a scale for each index of the first axis, of INT8 without zero
// points.
func (n *node) byRows(elem onnxpb.TensorProto_DataType) bool {
	if len(n.in[1].shape) != 1 || elem != onnxpb.TensorProto_INT8 || n.int("axis", 1) != 0 || n.int("block_size", 0) != 0 {
		return false
	}
	zero, ok := n.constInts(2)
	return !n.has(2) || ok && !slices.ContainsFunc(zero, func(z int64) bool { return z != 0 })
}

// grid returns scale and zero point of a node, each a constant with one element.
func (n *node) grid(elem onnxpb.TensorProto_DataType) (ops.Quantize, error) {
	var q ops.Quantize
	switch elem {
	case onnxpb.TensorProto_UINT8:
	case onnxpb.TensorProto_INT8:
		q.Signed = true
	default:
		return q, fmt.Errorf("it computes %v, only UINT8 and INT8 are supported", elem)
	}
	scale, ok := n.constFloats(1)
	if !ok || len(scale) != 1 {
		return q, errors.New("its scale is no constant with one element, which only weights may have more of")
	}
	q.Scale = float64(scale[0])
	if n.has(2) {
		zero, ok := n.constInts(2)
		if !ok || len(zero) != 1 {
			return q, errors.New("its zero point is no constant with one element")
		}
		q.Zero = int(zero[0])
	}
	return q, nil
}

// importDequantize imports a DequantizeLinear: of a constant, as a weight; of the result of a
// QuantizeLinear, also by way of pools and joins, as that.
func importDequantize(im *importer, n *node) error {
	if x := im.values[n.Input[0]]; x != nil {
		if n.byRows(n.in[0].elem) && x.Def != nil && len(x.Def.In) == 2 {
			if _, ok := x.Def.Op.(ops.Quantize); ok && x.Def.In[1] == im.values[n.Input[1]] {
				im.values[n.Output[0]] = x
				return nil
			}
		}
		q, err := n.grid(n.in[0].elem)
		if err != nil {
			return err
		}
		if have, ok := ops.Grid(x); !ok || have != q {
			return errors.New("its scale and zero point are not those of the QuantizeLinear before it")
		}
		im.values[n.Output[0]] = x
		return nil
	}
	if t := im.initializer(n.Input[0]); t != nil {
		return im.wholeConstant(n, t)
	}
	return fmt.Errorf("%q is neither a constant nor the result of a QuantizeLinear", n.Input[0])
}

// wholeConstant imports a DequantizeLinear of an initializer.
func (im *importer) wholeConstant(n *node, t *onnxpb.TensorProto) error {
	q, err := wholeNumbers(t)
	if err != nil {
		return err
	}
	scale, ok := n.constFloats(1)
	if !ok || len(scale) == 0 {
		return errors.New("its scale is not constant")
	}
	shape := ir.Shape{}
	for _, d := range t.Dims {
		shape = append(shape, int(d))
	}
	if err := shape.Check(); err != nil {
		return err
	}
	axis := 0
	if len(scale) > 1 {
		if axis, err = normAxis(n.int("axis", 1), len(shape)); err != nil {
			return err
		}
		if shape[axis] != len(scale) {
			return fmt.Errorf("%d scales for axis %d of %v", len(scale), axis, shape)
		}
	}
	zero := make([]int64, len(scale))
	if n.has(2) {
		z, ok := n.constInts(2)
		if !ok || len(z) != len(scale) {
			return fmt.Errorf("its zero point is not constant or has not %d elements", len(scale))
		}
		zero = z
	}
	if b := n.int("block_size", 0); b != 0 {
		return errors.New("block_size is not supported")
	}
	x := tensor.Make[float32](shape)
	inner := 1
	for _, d := range shape[min(axis+1, len(shape)):] {
		inner *= d
	}
	symmetric := onnxpb.TensorProto_DataType(t.DataType) == onnxpb.TensorProto_INT8
	for i, v := range q {
		c := i / inner % len(scale)
		symmetric = symmetric && zero[c] == 0
		x.Data[i] = float32(v-zero[c]) * scale[c]
	}
	name := safeName(n.Input[0])
	p := ir.Param{Kind: ir.Weight, LR: 1}
	if len(shape) > 1 {
		p.Decay = 1
	}
	v := im.b.Param(name, shape, p)
	im.b.Graph().Data[v.Name] = x
	if !symmetric || len(shape) < 2 || axis != 0 {
		return im.finish(v)
	}
	scales := make([]float32, shape[0])
	for i := range scales {
		scales[i] = scale[i%len(scale)]
	}
	s := im.b.Const(safeName(n.Input[0]+"/scale"), tensor.Of(scales, len(scales)))
	return im.add(ops.Quantize{Scale: 1, Signed: true}, v, s)
}

// wholeNumbers returns the elements of a tensor of INT8, UINT8 or INT32.
func wholeNumbers(t *onnxpb.TensorProto) ([]int64, error) {
	n, err := elements(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return nil, fmt.Errorf("tensor %q: its external data is not loaded", t.Name)
	}
	size := int64(1)
	dt := onnxpb.TensorProto_DataType(t.DataType)
	switch dt {
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT8:
	case onnxpb.TensorProto_INT32:
		size = 4
	default:
		return nil, fmt.Errorf("tensor %q holds %v (want INT8, UINT8 or INT32)", t.Name, dt)
	}
	if len(t.RawData) == 0 && int64(len(t.Int32Data)) == n {
		v := make([]int64, n)
		for i, x := range t.Int32Data {
			v[i] = int64(x)
		}
		return v, nil
	}
	if int64(len(t.RawData)) != n*size {
		return nil, fmt.Errorf("tensor %q declares %d elements but has %d bytes", t.Name, n, len(t.RawData))
	}
	v := make([]int64, n)
	for i := range v {
		switch dt {
		case onnxpb.TensorProto_INT8:
			v[i] = int64(int8(t.RawData[i]))
		case onnxpb.TensorProto_UINT8:
			v[i] = int64(t.RawData[i])
		default:
			v[i] = int64(int32(binary.LittleEndian.Uint32(t.RawData[4*i:])))
		}
	}
	return v, nil
}
