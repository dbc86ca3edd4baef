package kernel

func init() {
	depthwiseTiers[AVX512] = depthwise512
	depthwiseTiers[AVX2] = depthwise256
}
