package kernel

func init() {
	peakTiers[AVX512] = peakTier{peak512, 12 * 16 * 2}
	peakTiers[AVX2] = peakTier{peak256, 12 * 8 * 2}
}
