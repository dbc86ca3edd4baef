package kernel

// Tiers of NEON: int8TierNEON for every processor, int8TierDots for those with dotprod, int8TierMixed
// for those with i8mm.
var (
	int8TierNEON = int8Tier{pixels: 4, blocks: 1, signed: true,
		tile: [2]int8Kernels{{nil, int8TileNEONp1o1, int8TileNEONp2o1}}}
	int8TierDots = int8Tier{pixels: 6, blocks: 1, signed: true,
		tile: [2]int8Kernels{{nil, int8DotsNEONp1o1, int8DotsNEONp2o1, int8DotsNEONp3o1, int8DotsNEONp4o1, int8DotsNEONp5o1, int8DotsNEONp6o1}}}
	int8TierMixed = int8Tier{pixels: 6, blocks: 1,
		tile: [2]int8Kernels{{nil, int8MixedNEONp1o1, int8MixedNEONp2o1, int8MixedNEONp3o1, int8MixedNEONp4o1, int8MixedNEONp5o1, int8MixedNEONp6o1}}}
)

// int8TierARM is the tier of a processor that has these instructions or not.
func int8TierARM(dotprod, i8mm bool) int8Tier {
	switch {
	case i8mm:
		return int8TierMixed
	case dotprod:
		return int8TierDots
	}
	return int8TierNEON
}

func init() {
	int8Tiers[NEON] = int8TierARM(dotInstructions())
	quantizeTiers[NEON] = quantizeNEON
	dequantizeTiers[NEON] = dequantizeNEON
	addInt8Tiers[NEON] = addBytesNEON
	maxBytesTiers[NEON] = maxBytesNEON
	maxRowsTiers[NEON] = maxRowsNEON
}
