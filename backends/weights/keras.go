package weights

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
	"github.com/incc-lang/incc/ir"
	"github.com/incc-lang/incc/ir/ops"
)

// This file turns the arrays of TensorFlow and Keras around: their axes are height, width,
// channels in, channels out.

// lastName returns the last part of the name of a tensor: kernel of conv2d/kernel:0.
func lastName(name string) string {
	name = strings.TrimSuffix(name, ":0")
	return name[strings.LastIndexAny(name, "/.")+1:]
}

// kerasOrders returns the orders in which the axes of a kernel of Keras may be those of
// incc, none for other arrays: height x width x in x out become out x in x height x width, in
// x out become out x in, and the height x width x in x multiplier of a depthwise convolution
// become in x multiplier x height x width. Keras 3 calls the kernel of the last one as those
// of others.
func kerasOrders(a arrays.Array) [][]int {
	whole, depthwise := []int{3, 2, 0, 1}, []int{2, 3, 0, 1}
	switch name := lastName(a.Name); {
	case len(a.Shape) == 2 && (name == "kernel" || name == "weights"):
		return [][]int{{1, 0}}
	case len(a.Shape) != 4:
	case name == "depthwise_kernel", name == "depthwise_weights":
		return [][]int{depthwise}
	case name == "kernel" && a.Shape[3] == 1 && a.Shape[2] > 1:
		return [][]int{whole, depthwise}
	case name == "kernel", name == "weights", name == "pointwise_kernel", name == "pointwise_weights":
		return [][]int{whole}
	}
	return nil
}

// kerasShapes returns the shapes that an array may have in incc.
func kerasShapes(a arrays.Array) (list [][]int) {
	for _, order := range kerasOrders(a) {
		list = append(list, turned(a, order).Shape)
	}
	if list == nil {
		list = [][]int{a.Shape}
	}
	return list
}

// turned returns an array in another order of axes. The channels and the multiplier of a
// depthwise convolution become one axis: channel by channel.
func turned(a arrays.Array, order []int) arrays.Array {
	b := transposed(a, order)
	if len(order) == 4 && order[0] == 2 {
		b.Shape = []int{b.Shape[0] * b.Shape[1], 1, b.Shape[2], b.Shape[3]}
	}
	return b
}

// shaped returns an array with the shape that the network has for it, if the array is the
// same but for axes of 1 or, of Keras, for the order of the axes. chw is the map that the
// dense layer of a weight flattens, nil for others: Keras flattens height x width x channels.
func shaped(a arrays.Array, want, chw ir.Shape) arrays.Array {
	if chw != nil && len(want) == 2 && slices.Equal(a.Shape, append([]int{want[0]}, chw...)) {
		a.Shape = want // a convolution over the whole map, as timm has it in VGG
		return a
	}
	orders := kerasOrders(a)
	for _, order := range orders {
		b := turned(a, order)
		if len(order) == 2 && chw != nil && a.Shape[0] == chw.Size() {
			a.Shape = []int{chw[1], chw[2], chw[0], a.Shape[1]}
			b = transposed(a, []int{3, 2, 0, 1})
			b.Shape = []int{a.Shape[3], chw.Size()}
		}
		if sameButOnes(b.Shape, want) || len(orders) == 1 {
			a = b
			break
		}
	}
	if sameButOnes(a.Shape, want) {
		a.Shape = want
	}
	return a
}

// mapsBefore returns, by the weight of a dense layer, the shape of the map that the layer
// flattens, without the batch. Vectors are left out, and maps of one pixel.
func mapsBefore(g *ir.Graph) map[string]ir.Shape {
	found := map[string]ir.Shape{}
	for _, n := range g.Nodes {
		if _, ok := n.Op.(ops.Dense); !ok || len(n.In) < 2 {
			continue
		}
		x := n.In[0]
		for x.Def != nil && len(x.Def.In) > 0 {
			in := x.Def.In[0]
			if _, ok := x.Def.Op.(ops.Flatten); ok {
				if s := in.Type.Shape; len(s) == 4 && s[2]*s[3] > 1 {
					found[n.In[1].Name] = s[1:]
				}
				break
			}
			if !in.Type.Shape.Equal(x.Type.Shape) {
				break
			}
			x = in
		}
	}
	return found
}

// constant returns an array of equal elements.
func constant(name string, shape ir.Shape, x float32) arrays.Array {
	b := binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))
	return arrays.Array{Name: name, DType: safetensors.F32, Shape: shape, Data: bytes.NewReader(bytes.Repeat(b, shape.Size()))}
}

// transposed returns an array with its axes in another order: axis i is axis order[i] of a.
func transposed(a arrays.Array, order []int) arrays.Array {
	stride, step := make([]int64, len(a.Shape)), int64(1)
	for i, d := range slices.Backward(a.Shape) {
		stride[i] = step
		step *= int64(d)
	}
	var shape []int
	var to []int64
	for _, i := range order {
		shape, to = append(shape, a.Shape[i]), append(to, stride[i])
	}
	b := a
	b.Shape = shape
	b.Data = arrays.Strided(a.Data, a.Bytes(), a.DType.Size(), 0, shape, to)
	return b
}
