package kernel

func init() {
	winoBwdTiers[NEON] = winoBwdTier{
		lanes: 4, blocks: 1,
		x: [winoPairs]func(src *float32, row int, dst *float32, pos, n, step int){winoBwdXNEONp0, winoBwdXNEONp1, winoBwdXNEONp2},
		dy: [2][winoPairs]func(src *float32, row int, dst *float32, pos, n int){
			{winoBwdDYNEONm2p0, winoBwdDYNEONm2p1, winoBwdDYNEONm2p2}, {winoBwdDYNEONm4p0, winoBwdDYNEONm4p1, winoBwdDYNEONm4p2}},
		out: [2]func(src *float32, pos int, dst *float32, tap, n int, tmp *float32){winoBwdOutNEONr3, winoBwdOutNEONr5},
		sum: [2]func(*byte){winoBwdSumNEONo1},
	}
}
