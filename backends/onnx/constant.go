package onnx

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/incc-lang/incc/backends/onnx/onnxpb"
)

// floats holds the elements of a FLOAT constant: a tensor of the file, which is decoded when
// it is needed, or computed elements.
type floats struct {
	tensor *onnxpb.TensorProto
	data   []float32
	wide   []float64 // the elements of a small constant that is DOUBLE in the file, see wide.go
}

// get returns the elements. weights are those of Model.Weights.
func (f *floats) get(weights map[string][]float32) ([]float32, error) {
	if f.data == nil && f.tensor != nil {
		if w, ok := weights[f.tensor.Name]; ok {
			return w, nil
		}
		var err error
		if f.data, err = Floats(f.tensor); err != nil {
			return nil, err
		}
	}
	return f.data, nil
}

// integer is an element of a constant of integers: the number k*sym + c, where sym is the
// name of a size that is known only when the model runs, at least 1. sym is "" if k is 0.
// The zero value with sym "?" is an integer about which nothing is known.
type integer struct {
	sym  string
	k, c int64
}

var anything = integer{sym: "?"}

func number(c int64) integer { return integer{c: c} }

// sizeOf returns the size of an axis as an integer.
func sizeOf(a axis) integer {
	switch {
	case a.none:
		return number(0)
	case a.n > 0:
		return number(a.n)
	case a.sym != "":
		return integer{sym: a.sym, k: 1}
	}
	return anything
}

// axis returns the integer as the size of an axis. The size is unknown if an axis cannot
// express it.
func (a integer) axis() axis {
	switch {
	case a.sym == "":
		return axis{n: max(0, a.c), none: a.c == 0}
	case a.k == 1 && a.c == 0:
		return axis{sym: a.sym}
	}
	return axis{}
}

// linear returns k*sym + c, or anything if a number is too large.
func linear(sym string, k, c int64) integer {
	const most = 1 << 62
	switch {
	case k > most || k < -most || c > most && c != math.MaxInt64 || c < -most && c != math.MinInt64:
		return anything
	case k == 0:
		return number(c)
	}
	return integer{sym, k, c}
}

func (a integer) isNumber() bool { return a.sym == "" }

// product64 returns a product, and false if it overflows.
func product64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	return a * b, hi == 0 && lo < 1<<62
}

func (a integer) plus(b integer) integer {
	sym := a.sym
	if sym == "" {
		sym = b.sym
	}
	switch {
	case a == anything || b == anything || a.sym != "" && b.sym != "" && a.sym != b.sym:
		return anything
	case sym == "":
		return number(a.c + b.c)
	}
	return linear(sym, a.k+b.k, a.c+b.c)
}

func (a integer) times(b integer) integer {
	if b.sym != "" {
		a, b = b, a
	}
	switch {
	case a == anything || b.sym != "":
		return anything
	case a.isNumber():
		return number(a.c * b.c)
	}
	k, ok1 := product64(a.k, b.c)
	c, ok2 := product64(a.c, b.c)
	if !ok1 || !ok2 {
		return anything
	}
	return linear(a.sym, k, c)
}

// over returns the quotient, rounded towards 0 as in C++.
func (a integer) over(b integer) integer {
	switch {
	case a == anything || b == anything || b == number(0):
		return anything
	case a.isNumber() && b.isNumber() && b.c != -1:
		return number(a.c / b.c)
	case b.isNumber() && a.k%b.c == 0 && a.c%b.c == 0 && b.c != -1:
		return linear(a.sym, a.k/b.c, a.c/b.c)
	case b.isNumber() && b.c == -1:
		return a.times(b)
	case a.sym == b.sym && a.c == 0 && b.c == 0 && a.k%b.k == 0 && b.k != -1:
		return number(a.k / b.k)
	}
	return anything
}

// mod returns the remainder, which has the sign of b.
func (a integer) mod(b integer) integer {
	switch {
	case a == anything || !b.isNumber() || b.c == 0 || b.c == -1:
		return anything
	case a.k%b.c == 0:
		r := a.c % b.c
		if r != 0 && (r < 0) != (b.c < 0) {
			r += b.c
		}
		return number(r)
	}
	return anything
}

// compare returns -1, 0 or 1, and false if the order depends on a symbol. A symbol is at
// least 1 and less than 2^31.
func (a integer) compare(b integer) (int, bool) {
	switch {
	case a == anything || b == anything || !a.isNumber() && !b.isNumber() && a.sym != b.sym:
		return 0, false
	case a.isNumber() && b.isNumber():
		return cmp.Compare(a.c, b.c), true
	}
	const far = 1 << 60 // such as 2^63-1, which stands for the end of an axis
	k, c := a.k-b.k, max(-far, min(a.c, far))-max(-far, min(b.c, far))
	switch {
	case k == 0:
		return cmp.Compare(c, 0), true
	case k > 0 && c > -k:
		return 1, true
	case k < 0 && c < -k:
		return -1, true
	case k > 0 && k < 1<<28 && c <= -far/2:
		return -1, true
	case k < 0 && k > -1<<28 && c >= far/2:
		return 1, true
	}
	return 0, false
}

func truth(b bool) integer {
	if b {
		return number(1)
	}
	return number(0)
}

// integral reports whether an element type is an integer or a bool of at most 64 bits.
func integral(t onnxpb.TensorProto_DataType) bool {
	switch t {
	case onnxpb.TensorProto_INT64, onnxpb.TensorProto_INT32, onnxpb.TensorProto_INT16, onnxpb.TensorProto_INT8, onnxpb.TensorProto_BOOL,
		onnxpb.TensorProto_UINT64, onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT16, onnxpb.TensorProto_UINT8:
		return true
	}
	return false
}

// isFloat reports whether an element type is a real number that becomes FLOAT at import.
func isFloat(t onnxpb.TensorProto_DataType) bool {
	switch t {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_DOUBLE:
		return true
	}
	return false
}

// maxInts is the largest number of elements of a tensor of integers, other than INT64, whose
// elements are decoded.
const maxInts = 1 << 16

// integers returns the elements of a tensor of integers or bools.
func integers(t *onnxpb.TensorProto) ([]int64, error) { return integersUpTo(t, maxInts) }

// integersUpTo is integers for tensors of at most some elements.
func integersUpTo(t *onnxpb.TensorProto, most int64) ([]int64, error) {
	dt := onnxpb.TensorProto_DataType(t.DataType)
	if dt == onnxpb.TensorProto_INT64 {
		v, err := Int64s(t)
		if v == nil && err == nil {
			v = []int64{}
		}
		return v, err
	}
	n, err := elements(t.Dims)
	if err != nil {
		return nil, err
	}
	if !integral(dt) || n > most {
		return nil, fmt.Errorf("tensor %q: %d elements of %v", t.Name, n, dt)
	}
	v := make([]int64, 0, n)
	switch raw := t.RawData; {
	case len(raw) > 0:
		if int64(len(raw))*8 != n*bitsOf[dt] {
			return nil, fmt.Errorf("tensor %q declares %d elements but has %d bytes", t.Name, n, len(raw))
		}
		for i := range int(n) {
			switch dt {
			case onnxpb.TensorProto_INT8:
				v = append(v, int64(int8(raw[i])))
			case onnxpb.TensorProto_UINT8, onnxpb.TensorProto_BOOL:
				v = append(v, int64(raw[i]))
			case onnxpb.TensorProto_INT16:
				v = append(v, int64(int16(binary.LittleEndian.Uint16(raw[2*i:]))))
			case onnxpb.TensorProto_UINT16:
				v = append(v, int64(binary.LittleEndian.Uint16(raw[2*i:])))
			case onnxpb.TensorProto_INT32:
				v = append(v, int64(int32(binary.LittleEndian.Uint32(raw[4*i:]))))
			case onnxpb.TensorProto_UINT32:
				v = append(v, int64(binary.LittleEndian.Uint32(raw[4*i:])))
			default:
				v = append(v, int64(binary.LittleEndian.Uint64(raw[8*i:])))
			}
		}
	case dt == onnxpb.TensorProto_UINT32 || dt == onnxpb.TensorProto_UINT64:
		for _, x := range t.Uint64Data {
			v = append(v, int64(x))
		}
	default:
		for _, x := range t.Int32Data {
			v = append(v, int64(x))
		}
	}
	if int64(len(v)) != n {
		return nil, fmt.Errorf("tensor %q declares %d elements but has %d", t.Name, n, len(v))
	}
	return v, nil
}

// asFloat returns a tensor of FLOAT16, BFLOAT16 or DOUBLE as a tensor of FLOAT. Numbers
// beyond the range of FLOAT become infinite.
func asFloat(t *onnxpb.TensorProto) (*onnxpb.TensorProto, error) {
	n, err := elements(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if t.DataLocation == onnxpb.TensorProto_EXTERNAL {
		return nil, fmt.Errorf("tensor %q: its external data is not loaded", t.Name)
	}
	dt, raw := onnxpb.TensorProto_DataType(t.DataType), t.RawData
	have, err := present(t)
	if err != nil || have != n || len(raw) > 0 && int64(len(raw))*8 != n*bitsOf[dt] {
		return nil, fmt.Errorf("tensor %q declares %d elements but has %d", t.Name, n, have)
	}
	f := make([]float32, n)
	for i := range f {
		switch {
		case dt == onnxpb.TensorProto_DOUBLE && len(raw) > 0:
			f[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:])))
		case dt == onnxpb.TensorProto_DOUBLE:
			f[i] = float32(t.DoubleData[i])
		default:
			var h uint16
			if len(raw) > 0 {
				h = binary.LittleEndian.Uint16(raw[2*i:])
			} else {
				h = uint16(t.Int32Data[i])
			}
			if dt == onnxpb.TensorProto_BFLOAT16 {
				f[i] = math.Float32frombits(uint32(h) << 16)
			} else {
				f[i] = halfToFloat(h)
			}
		}
	}
	return &onnxpb.TensorProto{Name: t.Name, Dims: t.Dims, DataType: int32(onnxpb.TensorProto_FLOAT), FloatData: f, DoubleData: wideData(t), DocString: docOfWide(t)}, nil
}

// floatTensor returns a tensor of real numbers as a tensor of FLOAT, see asFloat, and any other
// tensor as it is.
func floatTensor(t *onnxpb.TensorProto) (*onnxpb.TensorProto, error) {
	if dt := onnxpb.TensorProto_DataType(t.DataType); isFloat(dt) && dt != onnxpb.TensorProto_FLOAT {
		return asFloat(t)
	}
	return t, nil
}

// halfToFloat returns the value of an IEEE 754 binary16 number.
func halfToFloat(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, int(h>>10&31), uint32(h&1023)
	switch exp {
	case 0:
		f := float32(frac) / (1 << 24)
		if sign != 0 {
			f = -f
		}
		return f
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | uint32(exp-15+127)<<23 | frac<<13)
}
