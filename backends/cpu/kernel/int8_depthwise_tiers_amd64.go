package kernel

// Of AVX-512 with VNNI, and of AVX2 with AVX-VNNI and without.
var (
	int8DepthwiseTier512 = int8DepthwiseTier{row: [2][2]func(*byte){
		{int8DepthwiseDots512k3s1, int8DepthwiseDots512k3s2}, {int8DepthwiseDots512k5s1, int8DepthwiseDots512k5s2}}}
	int8DepthwiseTierDots = int8DepthwiseTier{row: [2][2]func(*byte){
		{int8DepthwiseDots256k3s1, int8DepthwiseDots256k3s2}, {int8DepthwiseDots256k5s1, int8DepthwiseDots256k5s2}}}
	int8DepthwiseTier256 = int8DepthwiseTier{words: true, row: [2][2]func(*byte){
		{int8DepthwiseWords256k3s1, int8DepthwiseWords256k3s2}, {int8DepthwiseWords256k5s1, int8DepthwiseWords256k5s2}}}
)

// int8DepthwiseNarrow is the tier of AVX2 on a processor that has AVX-VNNI or not.
func int8DepthwiseNarrow(vnni bool) int8DepthwiseTier {
	if vnni {
		return int8DepthwiseTierDots
	}
	return int8DepthwiseTier256
}

// int8DepthwiseWide is that of AVX-512 on one that has VNNI for it or not, and then that of AVX2.
func int8DepthwiseWide(vnni, vnni256 bool) int8DepthwiseTier {
	if vnni {
		return int8DepthwiseTier512
	}
	return int8DepthwiseNarrow(vnni256)
}

func init() {
	int8DepthwiseTiers[AVX512] = int8DepthwiseWide(hasVNNI(), hasAVXVNNI())
	int8DepthwiseTiers[AVX2] = int8DepthwiseNarrow(hasAVXVNNI())
}
