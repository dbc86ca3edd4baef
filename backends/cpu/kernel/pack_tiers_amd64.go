package kernel

func init() {
	packScaleTiers[AVX512] = packScale512
	packScaleTiers[AVX2] = packScale256
	packWinoTiers[AVX512] = [2]func(src *float32, g *float64, dst *float32, pos, step, n int, tmp *float64){packWino512r3, packWino512r5}
	packWinoTiers[AVX2] = [2]func(src *float32, g *float64, dst *float32, pos, step, n int, tmp *float64){packWino256r3, packWino256r5}
	packWino1dTiers[AVX512] = packWino1d512
	packWino1dTiers[AVX2] = packWino1d256
}
