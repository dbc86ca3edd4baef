package kernel

func init() {
	matVecTiers[AVX512] = [3]func(*byte){matVec512w4, matVec512w8, matVec512w16}
	matVecTiers[AVX2] = [3]func(*byte){matVec256w4, matVec256w8, matVec256w16}
}
