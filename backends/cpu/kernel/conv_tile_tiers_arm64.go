package kernel

func init() {
	tileTiers[NEON] = tileTier{6, 1, 0, [2][15]func(*byte){
		{nil, tileNEONp1o1, tileNEONp2o1, tileNEONp3o1, tileNEONp4o1, tileNEONp5o1, tileNEONp6o1},
	}}
}
