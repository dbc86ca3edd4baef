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

func init() {
	narrow := int8DepthwiseTier256
	if hasAVXVNNI() {
		narrow = int8DepthwiseTierDots
	}
	int8DepthwiseTiers[AVX2], int8DepthwiseTiers[AVX512] = narrow, narrow
	if hasVNNI() {
		int8DepthwiseTiers[AVX512] = int8DepthwiseTier512
	}
}
