package kernel

func init() { matVecTiers[NEON] = [3]func(*byte){matVecNEONw4, matVecNEONw8, matVecNEONw16} }
