package kernel

func init() { depthwiseTiers[NEON] = depthwiseNEON }
