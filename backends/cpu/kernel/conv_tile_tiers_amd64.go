package kernel

func init() {
	tileTiers[AVX512] = tileTier{14, 2, 0, [2][15]func(*byte){
		{nil, tile512p1o1, tile512p2o1, tile512p3o1, tile512p4o1, tile512p5o1, tile512p6o1, tile512p7o1, tile512p8o1, tile512p9o1, tile512p10o1, tile512p11o1, tile512p12o1, tile512p13o1, tile512p14o1},
		{nil, tile512p1o2, tile512p2o2, tile512p3o2, tile512p4o2, tile512p5o2, tile512p6o2, tile512p7o2, tile512p8o2, tile512p9o2, tile512p10o2, tile512p11o2, tile512p12o2, tile512p13o2, tile512p14o2},
	}}
	tileTiers[AVX2] = tileTier{6, 1, 384, [2][15]func(*byte){
		{nil, tile256p1o1, tile256p2o1, tile256p3o1, tile256p4o1, tile256p5o1, tile256p6o1},
	}}
}
