package kernel

func init() {
	n16Tiers[NEON] = n16Tier{pixels: 4, lanes: 4,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16ConvNEONp1o1, n16ConvNEONp2o1, n16ConvNEONp3o1, n16ConvNEONp4o1},
			2: {nil, n16ConvNEONp1o2, n16ConvNEONp2o2, n16ConvNEONp3o2, n16ConvNEONp4o2},
			3: {nil, n16ConvNEONp1o3, n16ConvNEONp2o3, n16ConvNEONp3o3, n16ConvNEONp4o3},
			4: {nil, n16ConvNEONp1o4, n16ConvNEONp2o4, n16ConvNEONp3o4, n16ConvNEONp4o4},
		},
	}
	n16BwdTiers[NEON] = n16BwdTier{taps: 3, lanes: 4,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16BwdNEONp1o1, n16BwdNEONp2o1, n16BwdNEONp3o1},
			2: {nil, n16BwdNEONp1o2, n16BwdNEONp2o2, n16BwdNEONp3o2},
			3: {nil, n16BwdNEONp1o3, n16BwdNEONp2o3, n16BwdNEONp3o3},
			4: {nil, n16BwdNEONp1o4, n16BwdNEONp2o4, n16BwdNEONp3o4},
		},
	}
	n16GemmTiers[NEON] = n16GemmTier{blocks: 1,
		tile: [n16ProductRows + 1][5]func(*byte){
			1: {nil, n16GemmNEONp1o1},
			2: {nil, n16GemmNEONp1o2},
			3: {nil, n16GemmNEONp1o3},
			4: {nil, n16GemmNEONp1o4},
			5: {nil, n16GemmNEONp1o5},
			6: {nil, n16GemmNEONp1o6},
		},
	}
}
