package kernel

func init() {
	bwdRowsTiers[AVX512] = bwdRowsTier{8, 16, bwdRow512, bwdPlane512}
	bwdRowsTiers[AVX2] = bwdRowsTier{4, 8, bwdRow256, bwdPlane256}
}
