package kernel

// int8Tier512 is the tier of AVX-512: its own with VNNI, that of AVX2 without.
func int8Tier512(vnni bool) int8Tier {
	t := int8Tier{14, 2, [2][15]func(*byte){
		{nil, int8Tile512p1o1, int8Tile512p2o1, int8Tile512p3o1, int8Tile512p4o1, int8Tile512p5o1, int8Tile512p6o1, int8Tile512p7o1, int8Tile512p8o1, int8Tile512p9o1, int8Tile512p10o1, int8Tile512p11o1, int8Tile512p12o1, int8Tile512p13o1, int8Tile512p14o1},
		{nil, int8Tile512p1o2, int8Tile512p2o2, int8Tile512p3o2, int8Tile512p4o2, int8Tile512p5o2, int8Tile512p6o2, int8Tile512p7o2, int8Tile512p8o2, int8Tile512p9o2, int8Tile512p10o2, int8Tile512p11o2, int8Tile512p12o2, int8Tile512p13o2, int8Tile512p14o2},
	}}
	if !vnni {
		return int8Tier256
	}
	return t
}

var int8Tier256 = int8Tier{4, 1, [2][15]func(*byte){
	{nil, int8Tile256p1o1, int8Tile256p2o1, int8Tile256p3o1, int8Tile256p4o1},
}}

func init() {
	int8Tiers[AVX512] = int8Tier512(hasVNNI())
	int8Tiers[AVX2] = int8Tier256
	quantizeTiers[AVX512] = quantize512
	quantizeTiers[AVX2] = quantize256
	dequantizeTiers[AVX512] = dequantize512
	dequantizeTiers[AVX2] = dequantize256
	addInt8Tiers[AVX512] = addBytes512
	addInt8Tiers[AVX2] = addBytes256
	maxBytesTiers[AVX512] = maxBytesAVX
	maxBytesTiers[AVX2] = maxBytesAVX
}
