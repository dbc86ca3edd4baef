package kernel

func init() { depthwiseBwdTiers[NEON] = depthwiseBwdNEON }
