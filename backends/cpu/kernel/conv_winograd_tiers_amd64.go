package kernel

func init() {
	winoTiers[AVX512] = winoTier{winoIn512, [2]winoOutFunc{winoOut512m2, winoOut512m4}, [2][15]func(*byte){
		{nil, winoProduct512p1o1, winoProduct512p2o1, winoProduct512p3o1, winoProduct512p4o1, winoProduct512p5o1, winoProduct512p6o1, winoProduct512p7o1, winoProduct512p8o1, winoProduct512p9o1, winoProduct512p10o1, winoProduct512p11o1, winoProduct512p12o1, winoProduct512p13o1, winoProduct512p14o1},
		{nil, winoProduct512p1o2, winoProduct512p2o2, winoProduct512p3o2, winoProduct512p4o2, winoProduct512p5o2, winoProduct512p6o2, winoProduct512p7o2, winoProduct512p8o2, winoProduct512p9o2, winoProduct512p10o2, winoProduct512p11o2, winoProduct512p12o2, winoProduct512p13o2, winoProduct512p14o2},
	}}
	winoTiers[AVX2] = winoTier{winoIn256, [2]winoOutFunc{winoOut256m2, winoOut256m4}, [2][15]func(*byte){
		{nil, winoProduct256p1o1, winoProduct256p2o1, winoProduct256p3o1, winoProduct256p4o1, winoProduct256p5o1, winoProduct256p6o1},
	}}
	wino1dTiers[AVX512] = wino1dTier{wino1dIn512, wino1dOut512}
	wino1dTiers[AVX2] = wino1dTier{wino1dIn256, wino1dOut256}
	winoWeightsTiers[AVX512] = winoWeightsTier{16, [2]func(src *float32, tap int, dst *float32, pos, n int, tmp *float32){winoWeights512r3, winoWeights512r5}}
	winoWeightsTiers[AVX2] = winoWeightsTier{8, [2]func(src *float32, tap int, dst *float32, pos, n int, tmp *float32){winoWeights256r3, winoWeights256r5}}
}
