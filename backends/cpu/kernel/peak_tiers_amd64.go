package kernel

// peakLoop runs n iterations and returns how many operations that was.
func peakLoop(isa ISA, n int) float64 {
	switch isa {
	case AVX512:
		peak512(n)
		return float64(n) * 12 * 16 * 2
	case AVX2:
		peak256(n)
		return float64(n) * 12 * 8 * 2
	}
	return peakPortable(n)
}
