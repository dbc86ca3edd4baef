package kernel

//go:generate go -C _asm/ops run . -out ../../ops_amd64.s -stubs ../../ops_amd64.go -pkg kernel

// vectorize puts the assembly into the table.
func vectorize() {
	z := &vecTable[AVX512]
	z.relu = opsReluAVX512
	z.exp = opsExpAVX512
	z.sigmoid = opsSigmoidAVX512
	z.tanh = opsTanhAVX512
	z.affine = opsAffineAVX512
	z.add = opsAddAVX512
	z.sub = opsSubAVX512
	z.subFrom = opsSubFromAVX512
	z.mul = opsMulAVX512
	z.max = opsMaxAVX512
	z.addScaled = opsAddScaledAVX512
	z.maxPool = opsMaxPoolAVX512
	z.sumPool = opsSumPoolAVX512
	z.maxPool3 = opsMaxPool3AVX512
	z.sumPool3 = opsSumPool3AVX512
	z.square = opsSquareAVX512
	z.lrn34 = opsLrn34AVX512
	z.lrnScale = opsLrnScaleAVX512
	z.maxOf = opsMaxOfAVX512
	z.sum = opsSumAVX512
	z.expSum = opsExpSumAVX512
	z.divBy = opsDivByAVX512

	y := &vecTable[AVX2]
	y.relu = opsReluAVX2
	y.exp = opsExpAVX2
	y.sigmoid = opsSigmoidAVX2
	y.tanh = opsTanhAVX2
	y.affine = opsAffineAVX2
	y.add = opsAddAVX2
	y.sub = opsSubAVX2
	y.subFrom = opsSubFromAVX2
	y.mul = opsMulAVX2
	y.max = opsMaxAVX2
	y.addScaled = opsAddScaledAVX2
	y.maxPool = opsMaxPoolAVX2
	y.sumPool = opsSumPoolAVX2
	y.maxPool3 = opsMaxPool3AVX2
	y.sumPool3 = opsSumPool3AVX2
	y.square = opsSquareAVX2
	y.lrn34 = opsLrn34AVX2
	y.lrnScale = opsLrnScaleAVX2
	y.maxOf = opsMaxOfAVX2
	y.sum = opsSumAVX2
	y.expSum = opsExpSumAVX2
	y.divBy = opsDivByAVX2
}

func pause() { opsPause() }
