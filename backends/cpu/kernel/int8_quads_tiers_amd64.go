package kernel

func init() {
	quantizeQuadsTiers[AVX512] = quantizeQuads512
	quantizeQuadsTiers[AVX2] = quantizeQuads256
}
