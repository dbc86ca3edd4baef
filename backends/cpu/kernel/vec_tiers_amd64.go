package kernel

// vectorize puts the assembly into the table.
func vectorize() {
	vectorizeAVX512(&vecTable[AVX512])
	vectorizeAVX2(&vecTable[AVX2])
}

func vectorizeAVX512(z *vecOps) {
	z.relu = opsReluAVX512
	z.exp = opsExpAVX512
	z.sigmoid = opsSigmoidAVX512
	z.tanh = opsTanhAVX512
	z.affine = opsAffineAVX512
	z.add = opsAddAVX512
	z.sub = opsSubAVX512
	z.subFrom = opsSubFromAVX512
	z.mul = opsMulAVX512
	z.div = opsDivAVX512
	z.max = opsMaxAVX512
	z.min = opsMinAVX512
	z.addScaled = opsAddScaledAVX512
	z.maxPool = opsMaxPoolAVX512
	z.sumPool = opsSumPoolAVX512
	z.maxPool2 = opsMaxPool2AVX512
	z.maxPoolIndices2 = opsMaxPoolIndices2AVX512
	z.maxPoolReluIndices2 = opsMaxPoolReluIndices2AVX512
	z.maxPool3 = opsMaxPool3AVX512
	z.sumPool3 = opsSumPool3AVX512
	z.square = opsSquareAVX512
	z.lrn34 = opsLrn34AVX512
	z.lrnScale = opsLrnScaleAVX512
	z.maxOf = opsMaxOfAVX512
	z.sum = opsSumAVX512
	z.expSum = opsExpSumAVX512
	z.divBy = opsDivByAVX512
	z.maxout = opsMaxoutAVX512
	z.maxoutBackward = opsMaxoutBackwardAVX512
	z.transpose = transposeAVX2
	z.reluBackward = opsReluBackwardAVX512
	z.reluBackwardSum = opsReluBackwardSumAVX512
	z.sigmoidBackward = opsSigmoidBackwardAVX512
	z.tanhBackward = opsTanhBackwardAVX512
	z.maxPoolBackward = opsMaxPoolBackwardAVX512
	z.maxPoolBackward2 = opsMaxPoolBackward2AVX512
	z.maxPoolReluBackward2 = opsMaxPoolReluBackward2AVX512
	z.maxPoolIndexedBackward2 = opsMaxPoolIndexedBackward2AVX512
	z.maxPoolSpread = opsMaxPoolSpreadAVX512
	z.maxPoolSpread3 = opsMaxPoolSpread3AVX512
	z.spreadAdd = opsSpreadAddAVX512
	z.sumRow = opsSumRowAVX512
	z.devRow = opsDevRowAVX512
	z.dotRow = opsDotRowAVX512
	z.batchNormBackward = opsBatchNormBackwardAVX512
	z.lrnTerms34 = opsLrnTerms34AVX512
	z.lrnBackward = opsLrnBackwardAVX512
	z.dropout = opsDropoutAVX512
	z.sumSquares = opsSumSquaresAVX512
	z.sgd = opsSgdAVX512
	z.nesterov = opsNesterovAVX512
	z.rmsprop = opsRmspropAVX512
	z.rmspropTorch = opsRmspropTorchAVX512
	z.adam = opsAdamAVX512
	z.toward = opsTowardAVX512
}

func vectorizeAVX2(y *vecOps) {
	y.relu = opsReluAVX2
	y.exp = opsExpAVX2
	y.sigmoid = opsSigmoidAVX2
	y.tanh = opsTanhAVX2
	y.affine = opsAffineAVX2
	y.add = opsAddAVX2
	y.sub = opsSubAVX2
	y.subFrom = opsSubFromAVX2
	y.mul = opsMulAVX2
	y.div = opsDivAVX2
	y.max = opsMaxAVX2
	y.min = opsMinAVX2
	y.addScaled = opsAddScaledAVX2
	y.maxPool = opsMaxPoolAVX2
	y.sumPool = opsSumPoolAVX2
	y.maxPool2 = opsMaxPool2AVX2
	y.maxPoolIndices2 = opsMaxPoolIndices2AVX2
	y.maxPoolReluIndices2 = opsMaxPoolReluIndices2AVX2
	y.maxPool3 = opsMaxPool3AVX2
	y.sumPool3 = opsSumPool3AVX2
	y.square = opsSquareAVX2
	y.lrn34 = opsLrn34AVX2
	y.lrnScale = opsLrnScaleAVX2
	y.maxOf = opsMaxOfAVX2
	y.sum = opsSumAVX2
	y.expSum = opsExpSumAVX2
	y.divBy = opsDivByAVX2
	y.maxout = opsMaxoutAVX2
	y.maxoutBackward = opsMaxoutBackwardAVX2
	y.transpose = transposeAVX2
	y.reluBackward = opsReluBackwardAVX2
	y.reluBackwardSum = opsReluBackwardSumAVX2
	y.sigmoidBackward = opsSigmoidBackwardAVX2
	y.tanhBackward = opsTanhBackwardAVX2
	y.maxPoolBackward = opsMaxPoolBackwardAVX2
	y.maxPoolBackward2 = opsMaxPoolBackward2AVX2
	y.maxPoolReluBackward2 = opsMaxPoolReluBackward2AVX2
	y.maxPoolIndexedBackward2 = opsMaxPoolIndexedBackward2AVX2
	y.maxPoolSpread = opsMaxPoolSpreadAVX2
	y.maxPoolSpread3 = opsMaxPoolSpread3AVX2
	y.spreadAdd = opsSpreadAddAVX2
	y.sumRow = opsSumRowAVX2
	y.devRow = opsDevRowAVX2
	y.dotRow = opsDotRowAVX2
	y.batchNormBackward = opsBatchNormBackwardAVX2
	y.lrnTerms34 = opsLrnTerms34AVX2
	y.lrnBackward = opsLrnBackwardAVX2
	y.dropout = opsDropoutAVX2
	y.sumSquares = opsSumSquaresAVX2
	y.sgd = opsSgdAVX2
	y.nesterov = opsNesterovAVX2
	y.rmsprop = opsRmspropAVX2
	y.rmspropTorch = opsRmspropTorchAVX2
	y.adam = opsAdamAVX2
	y.toward = opsTowardAVX2
}
