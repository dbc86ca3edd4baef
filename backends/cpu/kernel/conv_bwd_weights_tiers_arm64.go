package kernel

func init() {
	bwdWeightsTiers[NEON] = bwdWeightsTier{6, 1,
		[2][9]bwdWeightsFunc{{nil, bwdWeightsNEONp1o1, bwdWeightsNEONp2o1, bwdWeightsNEONp3o1, bwdWeightsNEONp4o1, bwdWeightsNEONp5o1, bwdWeightsNEONp6o1}},
		[2][9]bwdWeightsFunc{{4: bwdWeightsNEONp4o1far, 5: bwdWeightsNEONp5o1far, 6: bwdWeightsNEONp6o1far}},
	}
}
