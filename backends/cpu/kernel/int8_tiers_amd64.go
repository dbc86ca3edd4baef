package kernel

import "os"

// int8Tier512 is the tier of AVX-512 with VNNI.
var int8Tier512 = int8Tier{pixels: 14, blocks: 2, tile: [2]int8Kernels{
	{nil, int8Tile512p1o1, int8Tile512p2o1, int8Tile512p3o1, int8Tile512p4o1, int8Tile512p5o1, int8Tile512p6o1, int8Tile512p7o1, int8Tile512p8o1, int8Tile512p9o1, int8Tile512p10o1, int8Tile512p11o1, int8Tile512p12o1, int8Tile512p13o1, int8Tile512p14o1},
	{nil, int8Tile512p1o2, int8Tile512p2o2, int8Tile512p3o2, int8Tile512p4o2, int8Tile512p5o2, int8Tile512p6o2, int8Tile512p7o2, int8Tile512p8o2, int8Tile512p9o2, int8Tile512p10o2, int8Tile512p11o2, int8Tile512p12o2, int8Tile512p13o2, int8Tile512p14o2},
}}

// int8Tier256 is the tier of AVX2, and int8TierDots that of AVX2 with AVX-VNNI.
var (
	int8Tier256 = int8Tier{pixels: 6, blocks: 1,
		tile:  [2]int8Kernels{{nil, int8Tile256p1o1, int8Tile256p2o1, int8Tile256p3o1, int8Tile256p4o1}},
		pairs: int8Kernels{nil, int8Pairs256p1o1, int8Pairs256p2o1, int8Pairs256p3o1, int8Pairs256p4o1, int8Pairs256p5o1, int8Pairs256p6o1}}
	int8TierDots = int8Tier{pixels: 6, blocks: 1,
		tile: [2]int8Kernels{{nil, int8Dots256p1o1, int8Dots256p2o1, int8Dots256p3o1, int8Dots256p4o1, int8Dots256p5o1, int8Dots256p6o1}}}
)

// noVNNI is the value of the environment variable INCC_VNNI with which AVX2 and AVX-512 compute as on
// a processor without VNNI, for tests and comparisons.
const noVNNI = "off"

// int8TiersWith are the tiers of AVX2 and AVX-512 on a processor that has AVX-VNNI and AVX-512 VNNI,
// or not.
func int8TiersWith(vnni256, vnni512 bool) (avx2, avx512 int8Tier) {
	avx2, avx512 = int8Tier256, int8Tier512
	if vnni256 {
		avx2 = int8TierDots
	}
	if !vnni512 {
		avx512 = avx2
	}
	return avx2, avx512
}

func init() {
	ask := os.Getenv("INCC_VNNI") != noVNNI
	int8Tiers[AVX2], int8Tiers[AVX512] = int8TiersWith(ask && hasAVXVNNI(), ask && hasVNNI())
	quantizeTiers[AVX512] = quantize512
	quantizeTiers[AVX2] = quantize256
	dequantizeTiers[AVX512] = dequantize512
	dequantizeTiers[AVX2] = dequantize256
	addInt8Tiers[AVX512] = addBytes512
	addInt8Tiers[AVX2] = addBytes256
	maxBytesTiers[AVX512] = maxBytesAVX
	maxBytesTiers[AVX2] = maxBytesAVX
}
