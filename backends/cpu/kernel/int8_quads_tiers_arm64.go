package kernel

func init() { quantizeQuadsTiers[NEON] = quantizeQuadsNEON }
