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
	z.div = opsDivAVX512
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
	z.reluGrad = opsReluGradAVX512
	z.sigmoidGrad = opsSigmoidGradAVX512
	z.tanhGrad = opsTanhGradAVX512
	z.maxPoolGrad = opsMaxPoolGradAVX512
	z.spreadAdd = opsSpreadAddAVX512
	z.sumRow = opsSumRowAVX512
	z.devRow = opsDevRowAVX512
	z.dotRow = opsDotRowAVX512
	z.bnGrad = opsBnGradAVX512
	z.lrnTerms34 = opsLrnTerms34AVX512
	z.lrnGrad = opsLrnGradAVX512
	z.dropout = opsDropoutAVX512
	z.sumSquares = opsSumSquaresAVX512
	z.sgd = opsSgdAVX512
	z.nesterov = opsNesterovAVX512
	z.rmsprop = opsRmspropAVX512
	z.adam = opsAdamAVX512
	z.toward = opsTowardAVX512

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
	y.div = opsDivAVX2
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
	y.reluGrad = opsReluGradAVX2
	y.sigmoidGrad = opsSigmoidGradAVX2
	y.tanhGrad = opsTanhGradAVX2
	y.maxPoolGrad = opsMaxPoolGradAVX2
	y.spreadAdd = opsSpreadAddAVX2
	y.sumRow = opsSumRowAVX2
	y.devRow = opsDevRowAVX2
	y.dotRow = opsDotRowAVX2
	y.bnGrad = opsBnGradAVX2
	y.lrnTerms34 = opsLrnTerms34AVX2
	y.lrnGrad = opsLrnGradAVX2
	y.dropout = opsDropoutAVX2
	y.sumSquares = opsSumSquaresAVX2
	y.sgd = opsSgdAVX2
	y.nesterov = opsNesterovAVX2
	y.rmsprop = opsRmspropAVX2
	y.adam = opsAdamAVX2
	y.toward = opsTowardAVX2
}

func pause() { opsPause() }
