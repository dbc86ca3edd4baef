package safetensors

import "fmt"

// ScaleSuffix ends the name of the tensor with the scales of an I8 tensor that stands for
// float32s: element i of row r is the whole number times scale r, rounded to float32. A row is an
// index of the first axis; the scales are F32, one for each row.
const ScaleSuffix = ".scale"

// scales returns the scales of an I8 tensor.
func (t *Tensors) scales(info *TensorInfo) ([]float32, error) {
	by, ok := t.Info(info.Name + ScaleSuffix)
	if !ok || by.DType != F32 || len(info.Shape) == 0 || by.Elements() != info.Shape[0] {
		return nil, fmt.Errorf("safetensors: tensor %q holds %s, not floating-point numbers, and the file has no tensor %q with a float32 scale for each of its rows", info.Name, info.DType, info.Name+ScaleSuffix)
	}
	return t.Float32s(by.Name)
}

// widenScaled writes whole numbers times the scales of their rows; at is the number of the first
// element in its tensor.
func widenScaled(dst []float32, src []byte, scales []float32, row, at int) {
	for len(dst) > 0 {
		n := min(len(dst), row-at%row) // up to the end of the row
		scale := scales[at/row]
		for i, b := range src[:n] {
			dst[i] = float32(int8(b)) * scale
		}
		dst, src, at = dst[n:], src[n:], at+n
	}
}
