package kernel

// matVecFunc returns the microkernel for a strip of a number of output channels.
func matVecFunc(isa ISA, width int) func(*byte) {
	switch {
	case isa == AVX2 && width == Block:
		return matVec256w16
	case isa == AVX2 && width == 8:
		return matVec256w8
	case isa == AVX2:
		return matVec256w4
	case width == Block:
		return matVec512w16
	case width == 8:
		return matVec512w8
	}
	return matVec512w4
}
