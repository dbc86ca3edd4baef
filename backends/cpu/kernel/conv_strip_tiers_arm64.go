package kernel

func init() {
	stripTiers[NEON] = stripTier{
		{
			{1: stripNEONw1s1p1, 4: stripNEONw1s1p4, 7: stripNEONw1s1p7},
			{1: stripNEONw1s2p1, 4: stripNEONw1s2p4, 7: stripNEONw1s2p7},
		},
		{
			{1: stripNEONw4s1p1, 4: stripNEONw4s1p4, 7: stripNEONw4s1p7},
			{1: stripNEONw4s2p1, 4: stripNEONw4s2p4, 7: stripNEONw4s2p7},
		},
		{
			{1: stripNEONw8s1p1, 4: stripNEONw8s1p4, 7: stripNEONw8s1p7},
			{1: stripNEONw8s2p1, 4: stripNEONw8s2p4, 7: stripNEONw8s2p7},
		},
	}
}
