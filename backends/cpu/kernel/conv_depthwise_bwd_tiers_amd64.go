package kernel

func init() {
	depthwiseBwdTiers[AVX512] = depthwiseBwd512
	depthwiseBwdTiers[AVX2] = depthwiseBwd256
}
