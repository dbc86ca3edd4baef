package kernel

func init() { bwdRowsTiers[NEON] = bwdRowsTier{8, 4, bwdRowNEON, bwdPlaneNEON} }
