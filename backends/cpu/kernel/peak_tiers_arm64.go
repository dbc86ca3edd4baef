package kernel

func init() { peakTiers[NEON] = peakTier{peakNEON, 16 * 4 * 2} }
