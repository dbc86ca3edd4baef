package kernel

//go:generate go -C _asm/ops run . -out ../../ops_amd64.s -stubs ../../ops_amd64.go -pkg kernel

func init() {
	vecTable[AVX512] = vecOps{
		relu: opsReluAVX512, exp: opsExpAVX512, sigmoid: opsSigmoidAVX512, tanh: opsTanhAVX512, affine: opsAffineAVX512,
		add: opsAddAVX512, sub: opsSubAVX512, subFrom: opsSubFromAVX512, mul: opsMulAVX512, max: opsMaxAVX512,
		addScaled: opsAddScaledAVX512,
		maxPool:   opsMaxPoolAVX512, sumPool: opsSumPoolAVX512, maxPool3: opsMaxPool3AVX512, sumPool3: opsSumPool3AVX512,
		square: opsSquareAVX512, lrn34: opsLrn34AVX512, lrnScale: opsLrnScaleAVX512,
		maxOf: opsMaxOfAVX512, sum: opsSumAVX512, expSum: opsExpSumAVX512, divBy: opsDivByAVX512,
	}
	vecTable[AVX2] = vecOps{
		relu: opsReluAVX2, exp: opsExpAVX2, sigmoid: opsSigmoidAVX2, tanh: opsTanhAVX2, affine: opsAffineAVX2,
		add: opsAddAVX2, sub: opsSubAVX2, subFrom: opsSubFromAVX2, mul: opsMulAVX2, max: opsMaxAVX2,
		addScaled: opsAddScaledAVX2,
		maxPool:   opsMaxPoolAVX2, sumPool: opsSumPoolAVX2, maxPool3: opsMaxPool3AVX2, sumPool3: opsSumPool3AVX2,
		square: opsSquareAVX2, lrn34: opsLrn34AVX2, lrnScale: opsLrnScaleAVX2,
		maxOf: opsMaxOfAVX2, sum: opsSumAVX2, expSum: opsExpSumAVX2, divBy: opsDivByAVX2,
	}
}

func pause() { opsPause() }
