package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// Limits of shapes and tensors in a file: rank, size of an axis, number of elements. The IR
// has the same limits.
const (
	maxRank     = 8
	maxDim      = 1 << 24
	maxElements = 1 << 31
)

// Decode decodes a model from untrusted bytes. It never panics, and it needs memory in
// proportion to the file: it scans the encoding before it decodes. It checks the decoded
// model: ranks of at most 8, axes of 0 to 2^24, at most 2^31 elements, and no tensor that
// declares more elements than it has data. It does not check whether the model is valid;
// Verify does. It does not read external data; LoadExternal does.
func Decode(b []byte) (*onnxpb.ModelProto, error) {
	if len(b) == 0 {
		return nil, errors.New("the file is empty, not an ONNX model")
	}
	if err := scan(b); err != nil {
		return nil, fmt.Errorf("not a usable ONNX model: %w", err)
	}
	m := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	// Many short byte sequences are protobuf messages. A model must have an IR version
	// and a graph.
	if m.IrVersion < 1 || m.Graph == nil {
		return nil, errors.New("not an ONNX model: it has no ir_version or no graph")
	}
	if err := boundGraph(m.Graph, "graph"); err != nil {
		return nil, fmt.Errorf("not a usable ONNX model: %w", err)
	}
	for i, f := range m.Functions {
		where := fmt.Sprintf("functions[%d]", i)
		if err := boundNodes(f.Node, where); err != nil {
			return nil, fmt.Errorf("not a usable ONNX model: %w", err)
		}
		if err := boundValues(f.ValueInfo, where+".value_info"); err != nil {
			return nil, fmt.Errorf("not a usable ONNX model: %w", err)
		}
	}
	return m, nil
}

// boundGraph checks every tensor and shape of a graph and its subgraphs. It is recursive;
// scan has limited how deep graphs nest.
func boundGraph(g *onnxpb.GraphProto, where string) error {
	for i, t := range g.Initializer {
		if err := boundTensor(t); err != nil {
			return fmt.Errorf("%s.initializer[%d] %q: %w", where, i, t.Name, err)
		}
	}
	for i, t := range g.SparseInitializer {
		if err := boundSparse(t); err != nil {
			return fmt.Errorf("%s.sparse_initializer[%d]: %w", where, i, err)
		}
	}
	for _, vs := range []struct {
		name string
		list []*onnxpb.ValueInfoProto
	}{{"input", g.Input}, {"output", g.Output}, {"value_info", g.ValueInfo}} {
		if err := boundValues(vs.list, where+"."+vs.name); err != nil {
			return err
		}
	}
	return boundNodes(g.Node, where)
}

func boundNodes(nodes []*onnxpb.NodeProto, where string) error {
	for i, n := range nodes {
		for _, a := range n.Attribute {
			where := fmt.Sprintf("%s.node[%d].%s", where, i, a.Name)
			tensors := a.Tensors
			if a.T != nil {
				tensors = append(tensors[:len(tensors):len(tensors)], a.T)
			}
			for _, t := range tensors {
				if err := boundTensor(t); err != nil {
					return fmt.Errorf("%s: %w", where, err)
				}
			}
			sparse := a.SparseTensors
			if a.SparseTensor != nil {
				sparse = append(sparse[:len(sparse):len(sparse)], a.SparseTensor)
			}
			for _, t := range sparse {
				if err := boundSparse(t); err != nil {
					return fmt.Errorf("%s: %w", where, err)
				}
			}
			graphs := a.Graphs
			if a.G != nil {
				graphs = append(graphs[:len(graphs):len(graphs)], a.G)
			}
			for _, g := range graphs {
				if err := boundGraph(g, where); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func boundValues(vs []*onnxpb.ValueInfoProto, where string) error {
	for i, v := range vs {
		s := v.GetType().GetTensorType().GetShape()
		if len(s.GetDim()) > maxRank {
			return fmt.Errorf("%s[%d] %q: %d axes (want at most %d)", where, i, v.Name, len(s.GetDim()), maxRank)
		}
		elements := int64(1)
		for a, d := range s.GetDim() {
			x, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue)
			if !ok || x.DimValue <= 0 { // many exporters write 0 or -1 for a size that they do not know
				continue
			}
			if err := boundDim(a, x.DimValue, &elements); err != nil {
				return fmt.Errorf("%s[%d] %q: %w", where, i, v.Name, err)
			}
		}
	}
	return nil
}

// boundDim checks the size of an axis and multiplies elements by it. Both factors are below
// 2^32, so the product cannot overflow.
func boundDim(axis int, d int64, elements *int64) error {
	if d < 0 || d > maxDim {
		return fmt.Errorf("axis %d is %d, not within 0..%d", axis, d, maxDim)
	}
	if *elements *= d; *elements > maxElements {
		return fmt.Errorf("more than %d elements", int64(maxElements))
	}
	return nil
}

// elements returns the number of elements of a shape. It returns an error if the shape
// exceeds a limit.
func elements(dims []int64) (int64, error) {
	if len(dims) > maxRank {
		return 0, fmt.Errorf("%d axes (want at most %d)", len(dims), maxRank)
	}
	n := int64(1)
	for a, d := range dims {
		if err := boundDim(a, d, &n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func boundSparse(t *onnxpb.SparseTensorProto) error {
	if _, err := elements(t.Dims); err != nil {
		return err
	}
	for _, d := range []*onnxpb.TensorProto{t.Values, t.Indices} {
		if d == nil {
			return errors.New("a sparse tensor without values or indices")
		}
		if err := boundTensor(d); err != nil {
			return err
		}
	}
	return nil
}

// boundTensor checks that a tensor has data for all elements that it declares. Memory that
// is allocated by its shape is then proportional to the file.
func boundTensor(t *onnxpb.TensorProto) error {
	n, err := elements(t.Dims)
	if err != nil {
		return err
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return nil
	}
	have, err := present(t)
	if err != nil {
		return err
	}
	if have < n {
		return fmt.Errorf("declares %d elements but has %d", n, have)
	}
	return nil
}

// bitsOf maps a data type to the number of bits of an element in raw_data. Strings are not
// in it.
var bitsOf = map[onnxpb.TensorProto_DataType]int64{
	onnxpb.TensorProto_FLOAT: 32, onnxpb.TensorProto_UINT8: 8, onnxpb.TensorProto_INT8: 8, onnxpb.TensorProto_UINT16: 16,
	onnxpb.TensorProto_INT16: 16, onnxpb.TensorProto_INT32: 32, onnxpb.TensorProto_INT64: 64, onnxpb.TensorProto_BOOL: 8,
	onnxpb.TensorProto_FLOAT16: 16, onnxpb.TensorProto_DOUBLE: 64, onnxpb.TensorProto_UINT32: 32, onnxpb.TensorProto_UINT64: 64,
	onnxpb.TensorProto_COMPLEX64: 64, onnxpb.TensorProto_COMPLEX128: 128, onnxpb.TensorProto_BFLOAT16: 16,
	onnxpb.TensorProto_FLOAT8E4M3FN: 8, onnxpb.TensorProto_FLOAT8E4M3FNUZ: 8, onnxpb.TensorProto_FLOAT8E5M2: 8,
	onnxpb.TensorProto_FLOAT8E5M2FNUZ: 8, onnxpb.TensorProto_UINT4: 4, onnxpb.TensorProto_INT4: 4,
	onnxpb.TensorProto_FLOAT4E2M1: 4, onnxpb.TensorProto_FLOAT8E8M0: 8, onnxpb.TensorProto_UINT2: 2, onnxpb.TensorProto_INT2: 2,
}

// present returns the number of elements that a tensor has in raw_data or in the field for
// its type.
func present(t *onnxpb.TensorProto) (int64, error) {
	dt := onnxpb.TensorProto_DataType(t.DataType)
	if dt == onnxpb.TensorProto_STRING {
		return int64(len(t.StringData)), nil
	}
	bits, ok := bitsOf[dt]
	if !ok {
		return 0, fmt.Errorf("unknown ONNX data type %d", t.DataType)
	}
	if len(t.RawData) > 0 {
		return 8 * int64(len(t.RawData)) / bits, nil
	}
	switch dt {
	case onnxpb.TensorProto_FLOAT:
		return int64(len(t.FloatData)), nil
	case onnxpb.TensorProto_COMPLEX64:
		return int64(len(t.FloatData)) / 2, nil
	case onnxpb.TensorProto_DOUBLE:
		return int64(len(t.DoubleData)), nil
	case onnxpb.TensorProto_COMPLEX128:
		return int64(len(t.DoubleData)) / 2, nil
	case onnxpb.TensorProto_INT64:
		return int64(len(t.Int64Data)), nil
	case onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		return int64(len(t.Uint64Data)), nil
	case onnxpb.TensorProto_UINT4, onnxpb.TensorProto_INT4, onnxpb.TensorProto_FLOAT4E2M1, onnxpb.TensorProto_UINT2, onnxpb.TensorProto_INT2:
		return int64(len(t.Int32Data)) * (8 / bits), nil
	}
	return int64(len(t.Int32Data)), nil
}

// Floats returns the elements of a FLOAT tensor. Its data must be in the message: external
// data must have been loaded by LoadExternal.
func Floats(t *onnxpb.TensorProto) ([]float32, error) {
	if onnxpb.TensorProto_DataType(t.DataType) != onnxpb.TensorProto_FLOAT {
		return nil, fmt.Errorf("tensor %q is %v, not FLOAT", t.Name, onnxpb.TensorProto_DataType(t.DataType))
	}
	n, err := elements(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if len(t.RawData) == 0 {
		if int64(len(t.FloatData)) != n {
			return nil, fmt.Errorf("tensor %q declares %d elements but has %d", t.Name, n, len(t.FloatData))
		}
		return t.FloatData, nil
	}
	if int64(len(t.RawData)) != 4*n {
		return nil, fmt.Errorf("tensor %q declares %d elements but has %d bytes", t.Name, n, len(t.RawData))
	}
	f := make([]float32, n)
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.RawData[4*i:]))
	}
	return f, nil
}

// Int64s returns the elements of an INT64 tensor, as Floats does for FLOAT.
func Int64s(t *onnxpb.TensorProto) ([]int64, error) {
	if onnxpb.TensorProto_DataType(t.DataType) != onnxpb.TensorProto_INT64 {
		return nil, fmt.Errorf("tensor %q is %v, not INT64", t.Name, onnxpb.TensorProto_DataType(t.DataType))
	}
	n, err := elements(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	v := t.Int64Data
	if len(t.RawData) > 0 {
		v = make([]int64, len(t.RawData)/8)
		for i := range v {
			v[i] = int64(binary.LittleEndian.Uint64(t.RawData[8*i:]))
		}
	}
	if int64(len(v)) != n {
		return nil, fmt.Errorf("tensor %q declares %d elements but has %d", t.Name, n, len(v))
	}
	return v, nil
}
