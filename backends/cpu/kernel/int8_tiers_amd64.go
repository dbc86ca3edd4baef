package kernel

// int8Tier512 is the tier of AVX-512 with VNNI.
var int8Tier512 = int8Tier{pixels: 14, blocks: 2, tile: [2]int8Kernels{
	{nil, int8Tile512p1o1, int8Tile512p2o1, int8Tile512p3o1, int8Tile512p4o1, int8Tile512p5o1, int8Tile512p6o1, int8Tile512p7o1, int8Tile512p8o1, int8Tile512p9o1, int8Tile512p10o1, int8Tile512p11o1, int8Tile512p12o1, int8Tile512p13o1, int8Tile512p14o1},
	{nil, int8Tile512p1o2, int8Tile512p2o2, int8Tile512p3o2, int8Tile512p4o2, int8Tile512p5o2, int8Tile512p6o2, int8Tile512p7o2, int8Tile512p8o2, int8Tile512p9o2, int8Tile512p10o2, int8Tile512p11o2, int8Tile512p12o2, int8Tile512p13o2, int8Tile512p14o2},
}}

// int8Tier256 is the tier of AVX2, and int8TierDots that of AVX2 with AVX-VNNI.
var (
	int8Tier256 = int8Tier{pixels: 6, blocks: 1,
		tile:  [2]int8Kernels{{nil, int8Tile256p1o1, int8Tile256p2o1, int8Tile256p3o1, int8Tile256p4o1}},
		pairs: int8Kernels{nil, int8Pairs256p1o1, int8Pairs256p2o1, int8Pairs256p3o1, int8Pairs256p4o1, int8Pairs256p5o1, int8Pairs256p6o1},
		winograd: &int8WinogradTier{
			in:      [2]func(*byte){int8WinoIn256, int8Wino4In256},
			weights: [2]func(*byte){int8WinoWeights256, int8Wino4Weights256},
			out:     [2]func(*byte){int8WinoOut256, int8Wino4Out256},
			product: [7]func(*byte){nil, int8WinoProduct256p1, int8WinoProduct256p2, int8WinoProduct256p3, int8WinoProduct256p4, int8WinoProduct256p5, int8WinoProduct256p6}}}
	int8TierDots = int8Tier{pixels: 6, blocks: 1,
		tile: [2]int8Kernels{{nil, int8Dots256p1o1, int8Dots256p2o1, int8Dots256p3o1, int8Dots256p4o1, int8Dots256p5o1, int8Dots256p6o1}}}
)

// int8TierAVX2 is the tier of AVX2 on a processor that has AVX-VNNI or not.
func int8TierAVX2(vnni bool) int8Tier {
	if vnni {
		return int8TierDots
	}
	return int8Tier256
}

// int8TierAVX512 is that of AVX-512 on one that has VNNI for it or not, and then that of AVX2.
func int8TierAVX512(vnni, vnni256 bool) int8Tier {
	if vnni {
		return int8Tier512
	}
	return int8TierAVX2(vnni256)
}

func init() {
	int8Tiers[AVX512] = int8TierAVX512(hasVNNI(), hasAVXVNNI())
	int8Tiers[AVX2] = int8TierAVX2(hasAVXVNNI())
	quantizeTiers[AVX512] = quantize512
	quantizeTiers[AVX2] = quantize256
	dequantizeTiers[AVX512] = dequantize512
	dequantizeTiers[AVX2] = dequantize256
	addInt8Tiers[AVX512] = addBytes512
	addInt8Tiers[AVX2] = addBytes256
	maxBytesTiers[AVX512] = maxBytesAVX
	maxBytesTiers[AVX2] = maxBytesAVX
	maxRowsTiers[AVX512] = maxRowsAVX
	maxRowsTiers[AVX2] = maxRowsAVX
}
