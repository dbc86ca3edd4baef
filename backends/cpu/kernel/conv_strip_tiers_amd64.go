package kernel

func init() {
	stripTiers[AVX512] = stripTier{
		{
			{1: strip512w1s1p1, 4: strip512w1s1p4, 7: strip512w1s1p7, 14: strip512w1s1p14},
			{1: strip512w1s2p1, 4: strip512w1s2p4, 7: strip512w1s2p7, 14: strip512w1s2p14},
		},
		{
			{1: strip512w4s1p1, 4: strip512w4s1p4, 7: strip512w4s1p7, 14: strip512w4s1p14},
			{1: strip512w4s2p1, 4: strip512w4s2p4, 7: strip512w4s2p7, 14: strip512w4s2p14},
		},
		{
			{1: strip512w8s1p1, 4: strip512w8s1p4, 7: strip512w8s1p7, 14: strip512w8s1p14},
			{1: strip512w8s2p1, 4: strip512w8s2p4, 7: strip512w8s2p7, 14: strip512w8s2p14},
		},
	}
	stripTiers[AVX2] = stripTier{
		{
			{1: strip256w1s1p1, 4: strip256w1s1p4, 7: strip256w1s1p7},
			{1: strip256w1s2p1, 4: strip256w1s2p4, 7: strip256w1s2p7},
		},
		{
			{1: strip256w4s1p1, 4: strip256w4s1p4, 7: strip256w4s1p7},
			{1: strip256w4s2p1, 4: strip256w4s2p4, 7: strip256w4s2p7},
		},
		{
			{1: strip256w8s1p1, 4: strip256w8s1p4, 7: strip256w8s1p7},
			{1: strip256w8s2p1, 4: strip256w8s2p4, 7: strip256w8s2p7},
		},
	}
}
