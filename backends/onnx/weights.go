package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
	"github.com/incc-lang/incc/backends/safetensors"
	"github.com/incc-lang/incc/backends/weights/arrays"
)

// weightTypes are the element types of weights, with those of package arrays.
var weightTypes = map[onnxpb.TensorProto_DataType]safetensors.DType{
	onnxpb.TensorProto_FLOAT: safetensors.F32, onnxpb.TensorProto_DOUBLE: safetensors.F64,
	onnxpb.TensorProto_FLOAT16: safetensors.F16, onnxpb.TensorProto_BFLOAT16: safetensors.BF16,
}

// Weights returns the floating-point initializers of a model as arrays, in the order of the
// model. External data must have been loaded. It returns an error for an initializer that
// has no name, or not the elements that it declares.
func Weights(m *Model) ([]arrays.Array, error) {
	var list []arrays.Array
	for _, t := range m.Proto.GetGraph().GetInitializer() {
		dt := onnxpb.TensorProto_DataType(t.DataType)
		a := arrays.Array{Name: t.Name, DType: weightTypes[dt]}
		if a.DType == "" {
			continue // indices and shapes; no weights
		}
		for _, d := range t.Dims {
			a.Shape = append(a.Shape, int(d))
		}
		if _, err := arrays.Elements(a.Shape); err != nil {
			return nil, fmt.Errorf("initializer %q: %w", t.Name, err)
		}
		raw := t.RawData
		switch {
		case m.Weights[t.Name] != nil:
			raw = littleEndian(m.Weights[t.Name])
		case len(raw) == 0 && dt == onnxpb.TensorProto_FLOAT:
			raw = littleEndian(t.FloatData)
		case len(raw) == 0 && dt == onnxpb.TensorProto_DOUBLE:
			for _, x := range t.DoubleData {
				raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(x))
			}
		case len(raw) == 0:
			for _, x := range t.Int32Data {
				raw = binary.LittleEndian.AppendUint16(raw, uint16(x))
			}
		}
		if int64(len(raw)) != a.Bytes() {
			return nil, fmt.Errorf("initializer %q declares %d bytes but has %d", t.Name, a.Bytes(), len(raw))
		}
		a.Data = bytes.NewReader(raw)
		list = append(list, a)
	}
	return list, nil
}

func littleEndian(x []float32) []byte {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
