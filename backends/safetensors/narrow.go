package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Narrowed is float32s in fewer bits, as a tensor of a file holds them.
type Narrowed struct {
	Bytes  []byte
	Scales []float32 // of I8: one for each row, for the tensor whose name ends in ScaleSuffix
	// Wide is what a reader makes of it.
	Wide []float32
}

// ErrTooLarge is the error of NarrowTo for numbers that a type does not hold.
var ErrTooLarge = errors.New("too large")

// NarrowTo rounds finite float32s to F16, BF16 or I8, ties to even. rows is the extent of the
// first axis. The scale of a row of I8 is its largest absolute value / 127. A number that is too
// large for F16 is an error, and so is an infinity or NaN.
func NarrowTo(d DType, v []float32, rows int) (*Narrowed, error) {
	n := &Narrowed{Wide: make([]float32, len(v))}
	for i, x := range v {
		if x-x != 0 {
			return nil, fmt.Errorf("element %d is %v", i, x)
		}
	}
	switch d {
	case F16, BF16:
		for i, x := range v {
			h := toBF16(x)
			if d == F16 {
				h = toF16(x)
			}
			n.Bytes = binary.LittleEndian.AppendUint16(n.Bytes, h)
			if d == F16 {
				n.Wide[i] = fromF16(h)
			} else {
				n.Wide[i] = math.Float32frombits(uint32(h) << 16)
			}
			if y := n.Wide[i]; y-y != 0 {
				return nil, fmt.Errorf("element %d is %v, %w for %s", i, x, ErrTooLarge, d)
			}
		}
	case I8:
		row := len(v) / max(1, rows)
		n.Bytes = make([]byte, len(v))
		for r := range rows {
			x := v[r*row : (r+1)*row]
			most := float32(0)
			for _, y := range x {
				most = max(most, y, -y)
			}
			scale := most / 127
			if scale == 0 {
				scale = 1
			}
			n.Scales = append(n.Scales, scale)
			for i, y := range x {
				q := math.RoundToEven(float64(y) / float64(scale))
				n.Bytes[r*row+i] = byte(int8(min(max(q, -127), 127)))
			}
		}
		widenScaled(n.Wide, n.Bytes, n.Scales, max(1, row), 0)
	default:
		return nil, fmt.Errorf("float32s cannot be stored as %s", d)
	}
	return n, nil
}

// toF16 rounds to IEEE 754 half precision, ties to even; what is too large becomes infinite.
func toF16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	a := math.Float64frombits(math.Float64bits(float64(x)) &^ (1 << 63))
	switch {
	case a >= 65520: // halfway to the number after the largest, which is even
		return sign | 0x7c00
	case a < 0x1p-14: // a multiple of 2^-24; 2^-14 itself has the bits that follow
		return sign | uint16(math.RoundToEven(a*0x1p24))
	}
	e := int(b>>23&255) - 112
	m := b & 0x7fffff
	h := uint32(e)<<10 | m>>13
	if rest := m & 0x1fff; rest > 0x1000 || rest == 0x1000 && h&1 == 1 {
		h++ // may carry into the exponent
	}
	return sign | uint16(h)
}

// toBF16 rounds to the upper 16 bits, ties to even.
func toBF16(x float32) uint16 {
	b := math.Float32bits(x)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
