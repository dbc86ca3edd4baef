package kernel

func init() {
	n16Tiers[AVX512] = n16Tier{pixels: 6, lanes: 16,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16Conv512p1o1, n16Conv512p2o1, n16Conv512p3o1, n16Conv512p4o1, n16Conv512p5o1, n16Conv512p6o1},
			2: {nil, n16Conv512p1o2, n16Conv512p2o2, n16Conv512p3o2, n16Conv512p4o2, n16Conv512p5o2, n16Conv512p6o2},
			3: {nil, n16Conv512p1o3, n16Conv512p2o3, n16Conv512p3o3, n16Conv512p4o3, n16Conv512p5o3, n16Conv512p6o3},
			4: {nil, n16Conv512p1o4, n16Conv512p2o4, n16Conv512p3o4, n16Conv512p4o4, n16Conv512p5o4, n16Conv512p6o4},
		},
	}
	n16Tiers[AVX2] = n16Tier{pixels: 3, lanes: 8,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16Conv256p1o1, n16Conv256p2o1, n16Conv256p3o1},
			2: {nil, n16Conv256p1o2, n16Conv256p2o2, n16Conv256p3o2},
			3: {nil, n16Conv256p1o3, n16Conv256p2o3, n16Conv256p3o3},
			4: {nil, n16Conv256p1o4, n16Conv256p2o4, n16Conv256p3o4},
		},
	}
	n16BwdTiers[AVX512] = n16BwdTier{taps: 6, lanes: 16,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16Bwd512p1o1, n16Bwd512p2o1, n16Bwd512p3o1, n16Bwd512p4o1, n16Bwd512p5o1, n16Bwd512p6o1},
			2: {nil, n16Bwd512p1o2, n16Bwd512p2o2, n16Bwd512p3o2, n16Bwd512p4o2, n16Bwd512p5o2, n16Bwd512p6o2},
			3: {nil, n16Bwd512p1o3, n16Bwd512p2o3, n16Bwd512p3o3, n16Bwd512p4o3, n16Bwd512p5o3, n16Bwd512p6o3},
			4: {nil, n16Bwd512p1o4, n16Bwd512p2o4, n16Bwd512p3o4, n16Bwd512p4o4, n16Bwd512p5o4, n16Bwd512p6o4},
		},
	}
	n16BwdTiers[AVX2] = n16BwdTier{taps: 3, lanes: 8,
		tile: [n16Channels + 1][7]func(*byte){
			1: {nil, n16Bwd256p1o1, n16Bwd256p2o1, n16Bwd256p3o1},
			2: {nil, n16Bwd256p1o2, n16Bwd256p2o2, n16Bwd256p3o2},
			3: {nil, n16Bwd256p1o3, n16Bwd256p2o3, n16Bwd256p3o3},
			4: {nil, n16Bwd256p1o4, n16Bwd256p2o4, n16Bwd256p3o4},
		},
	}
	n16GemmTiers[AVX512] = n16GemmTier{blocks: 4,
		tile: [n16ProductRows + 1][5]func(*byte){
			1: {nil, n16Gemm512p1o1, n16Gemm512p2o1, n16Gemm512p3o1, n16Gemm512p4o1},
			2: {nil, n16Gemm512p1o2, n16Gemm512p2o2, n16Gemm512p3o2, n16Gemm512p4o2},
			3: {nil, n16Gemm512p1o3, n16Gemm512p2o3, n16Gemm512p3o3, n16Gemm512p4o3},
			4: {nil, n16Gemm512p1o4, n16Gemm512p2o4, n16Gemm512p3o4, n16Gemm512p4o4},
			5: {nil, n16Gemm512p1o5, n16Gemm512p2o5, n16Gemm512p3o5, n16Gemm512p4o5},
			6: {nil, n16Gemm512p1o6, n16Gemm512p2o6, n16Gemm512p3o6, n16Gemm512p4o6},
		},
	}
	n16GemmTiers[AVX2] = n16GemmTier{blocks: 1,
		tile: [n16ProductRows + 1][5]func(*byte){
			1: {nil, n16Gemm256p1o1},
			2: {nil, n16Gemm256p1o2},
			3: {nil, n16Gemm256p1o3},
			4: {nil, n16Gemm256p1o4},
			5: {nil, n16Gemm256p1o5},
			6: {nil, n16Gemm256p1o6},
		},
	}
}
