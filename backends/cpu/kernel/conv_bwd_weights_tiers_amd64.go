package kernel

func init() {
	bwdWeightsTiers[AVX512] = bwdWeightsTier{8, 2,
		[2][9]bwdWeightsFunc{{nil, bwdWeights512p1o1, bwdWeights512p2o1, bwdWeights512p3o1, bwdWeights512p4o1, bwdWeights512p5o1, bwdWeights512p6o1, bwdWeights512p7o1, bwdWeights512p8o1}, {nil, bwdWeights512p1o2, bwdWeights512p2o2, bwdWeights512p3o2, bwdWeights512p4o2, bwdWeights512p5o2, bwdWeights512p6o2, bwdWeights512p7o2, bwdWeights512p8o2}},
		[2][9]bwdWeightsFunc{{8: bwdWeights512p8o1far}, {8: bwdWeights512p8o2far}},
	}
	bwdWeightsTiers[AVX2] = bwdWeightsTier{6, 1,
		[2][9]bwdWeightsFunc{{nil, bwdWeights256p1o1, bwdWeights256p2o1, bwdWeights256p3o1, bwdWeights256p4o1, bwdWeights256p5o1, bwdWeights256p6o1}},
		[2][9]bwdWeightsFunc{{4: bwdWeights256p4o1far, 5: bwdWeights256p5o1far, 6: bwdWeights256p6o1far}},
	}
}
