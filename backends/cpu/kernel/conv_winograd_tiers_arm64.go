package kernel

func init() {
	winoTiers[NEON] = winoTier{winoInNEON, [2]winoOutFunc{winoOutNEONm2, winoOutNEONm4}, [2][15]func(*byte){
		{nil, winoProductNEONp1o1, winoProductNEONp2o1, winoProductNEONp3o1, winoProductNEONp4o1, winoProductNEONp5o1, winoProductNEONp6o1},
	}}
	wino1dTiers[NEON] = wino1dTier{wino1dInNEON, wino1dOutNEON}
	winoWeightsTiers[NEON] = winoWeightsTier{4, [2]func(src *float32, tap int, dst *float32, pos, n int, tmp *float32){winoWeightsNEONr3, winoWeightsNEONr5}}
}
