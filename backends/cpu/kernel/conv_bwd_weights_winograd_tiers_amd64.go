package kernel

func init() {
	winoBwdTiers[AVX512] = winoBwdTier{
		lanes: 16, blocks: 2,
		x: [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoBwdX512p0, winoBwdX512p1, winoBwdX512p2},
		dy: [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
			{winoBwdDY512m2p0, winoBwdDY512m2p1, winoBwdDY512m2p2}, {winoBwdDY512m4p0, winoBwdDY512m4p1, winoBwdDY512m4p2}},
		out: [2]func(src *float32, pos int, dst *float32, tap, n int, tmp *float32){winoBwdOut512r3, winoBwdOut512r5},
		sum: [2]func(*byte){winoBwdSum512o1, winoBwdSum512o2},
	}
	winoBwdTiers[AVX2] = winoBwdTier{
		lanes: 8, blocks: 1,
		x: [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoBwdX256p0, winoBwdX256p1, winoBwdX256p2},
		dy: [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
			{winoBwdDY256m2p0, winoBwdDY256m2p1, winoBwdDY256m2p2}, {winoBwdDY256m4p0, winoBwdDY256m4p1, winoBwdDY256m4p2}},
		out: [2]func(src *float32, pos int, dst *float32, tap, n int, tmp *float32){winoBwdOut256r3, winoBwdOut256r5},
		sum: [2]func(*byte){winoBwdSum256o1},
	}
}
