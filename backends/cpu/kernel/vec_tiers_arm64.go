package kernel

// vectorize puts the assembly into the table. What reads float32s by index stays plain Go: NEON
// has no such load.
func vectorize() { vectorizeNEON(&vecTable[NEON]) }

func vectorizeNEON(y *vecOps) {
	y.relu = opsReluNEON
	y.exp = opsExpNEON
	y.sigmoid = opsSigmoidNEON
	y.tanh = opsTanhNEON
	y.gelu = opsGeluNEON
	y.normalTail = opsNormalTailNEON
	y.affine = opsAffineNEON
	y.add = opsAddNEON
	y.sub = opsSubNEON
	y.subFrom = opsSubFromNEON
	y.mul = opsMulNEON
	y.div = opsDivNEON
	y.max = opsMaxNEON
	y.min = opsMinNEON
	y.addScaled = opsAddScaledNEON
	y.maxPool = opsMaxPoolNEON
	y.sumPool = opsSumPoolNEON
	y.maxPool2 = opsMaxPool2NEON
	y.maxPoolIndices2 = opsMaxPoolIndices2NEON
	y.maxPoolReluIndices2 = opsMaxPoolReluIndices2NEON
	y.maxPool3 = opsMaxPool3NEON
	y.sumPool3 = opsSumPool3NEON
	y.square = opsSquareNEON
	y.lrn34 = opsLrn34NEON
	y.lrnScale = opsLrnScaleNEON
	y.maxOf = opsMaxOfNEON
	y.sum = opsSumNEON
	y.expSum = opsExpSumNEON
	y.divBy = opsDivByNEON
	y.reluBackward = opsReluBackwardNEON
	y.reluBackwardSum = opsReluBackwardSumNEON
	y.sigmoidBackward = opsSigmoidBackwardNEON
	y.tanhBackward = opsTanhBackwardNEON
	y.maxPoolBackward = opsMaxPoolBackwardNEON
	y.maxPoolBackward2 = opsMaxPoolBackward2NEON
	y.maxPoolReluBackward2 = opsMaxPoolReluBackward2NEON
	y.maxPoolIndexedBackward2 = opsMaxPoolIndexedBackward2NEON
	y.maxPoolSpread = opsMaxPoolSpreadNEON
	y.maxPoolSpread3 = opsMaxPoolSpread3NEON
	y.spreadAdd = opsSpreadAddNEON
	y.sumRow = opsSumRowNEON
	y.devRow = opsDevRowNEON
	y.dotRow = opsDotRowNEON
	y.batchNormBackward = opsBatchNormBackwardNEON
	y.maskedDotRow = opsMaskedDotRowNEON
	y.maskedNormBackward = opsMaskedNormBackwardNEON
	y.lrnTerms34 = opsLrnTerms34NEON
	y.lrnBackward = opsLrnBackwardNEON
	y.dropout = opsDropoutNEON
	y.sumSquares = opsSumSquaresNEON
	y.sgd = opsSgdNEON
	y.nesterov = opsNesterovNEON
	y.rmsprop = opsRmspropNEON
	y.rmspropTorch = opsRmspropTorchNEON
	y.adam = opsAdamNEON
	y.toward = opsTowardNEON
}
