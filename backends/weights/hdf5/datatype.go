package hdf5

import (
	"github.com/incc-lang/incc/backends/safetensors"
)

// Classes of datatypes (section IV.A.2.d).
const (
	classInteger  = 0
	classFloat    = 1
	classString   = 3
	classOpaque   = 5
	classEnum     = 8
	classVariable = 9
)

// datatype is the type of elements.
type datatype struct {
	class    int
	size     int
	big      bool              // big endian
	dtype    safetensors.DType // of numbers, "" for numbers that are not read
	variable bool              // a string of variable length
}

// datatype reads a datatype message.
func readDatatype(c *cursor) (datatype, error) {
	c.what = "datatype"
	head := c.byte()
	flags := c.uint(3)
	t := datatype{class: head & 15, size: c.u32()}
	switch t.class {
	case classInteger:
		t.big = flags&1 != 0
		offset, precision := c.u16(), c.u16()
		types := map[int]safetensors.DType{1: safetensors.U8, 2: safetensors.U16, 4: safetensors.U32, 8: safetensors.U64}
		if flags&8 != 0 {
			types = map[int]safetensors.DType{1: safetensors.I8, 2: safetensors.I16, 4: safetensors.I32, 8: safetensors.I64}
		}
		if offset == 0 && precision == 8*t.size {
			t.dtype = types[t.size]
		}
	case classFloat:
		t.big = flags&1 != 0
		sign := flags >> 8 & 255
		offset, precision := c.u16(), c.u16()
		exponent, exponentBits, mantissa, mantissaBits, bias := c.byte(), c.byte(), c.byte(), c.byte(), c.u32()
		// A float has its mantissa below, then the exponent, then the sign.
		if flags&0x40 == 0 && flags>>4&3 == 2 && offset == 0 && precision == 8*t.size && int(sign) == precision-1 &&
			mantissa == 0 && exponent == mantissaBits && exponent+exponentBits == int(sign) && bias == 1<<(max(exponentBits, 1)-1)-1 {
			t.dtype = map[int]safetensors.DType{5<<8 | 10: safetensors.F16, 8<<8 | 7: safetensors.BF16, 8<<8 | 23: safetensors.F32, 11<<8 | 52: safetensors.F64}[exponentBits<<8|mantissaBits]
		}
	case classVariable:
		t.variable = flags&15 == 1
	}
	return t, c.err()
}

// readDataspace reads a dataspace message: the shape of an array. ok is false for a space
// without elements ("null").
func readDataspace(c *cursor) (shape []uint64, ok bool, err error) {
	c.what = "dataspace"
	version, rank, flags := c.byte(), c.byte(), c.byte()
	switch version {
	case 1:
		c.bytes(5)
	case 2:
		if kind := c.byte(); kind == 2 {
			return nil, false, c.err()
		}
	default:
		return nil, false, c.fail("it is of version %d (want 1 or 2)", version)
	}
	_ = flags // largest lengths follow the lengths
	if rank > 32 {
		return nil, false, c.fail("it has %d axes (want at most 32)", rank)
	}
	shape = []uint64{}
	for range rank {
		shape = append(shape, c.uint(8))
	}
	return shape, true, c.err()
}
