package kernel

// vectorize puts the assembly into the table.
func vectorize() {
	vectorizeAVX512(&vecTable[AVX512])
	vectorizeAVX2(&vecTable[AVX2])
}

func vectorizeAVX512(z *vecOps) {
	z.relu = opsRelu512
	z.exp = opsExp512
	z.sigmoid = opsSigmoid512
	z.tanh = opsTanh512
	z.gelu = opsGelu512
	z.normalTail = opsNormalTail512
	z.affine = opsAffine512
	z.add = opsAdd512
	z.sub = opsSub512
	z.subFrom = opsSubFrom512
	z.mul = opsMul512
	z.div = opsDiv512
	z.max = opsMax512
	z.min = opsMin512
	z.addScaled = opsAddScaled512
	z.maxPool = opsMaxPool512
	z.sumPool = opsSumPool512
	z.maxPool2 = opsMaxPool2512
	z.maxPoolIndices2 = opsMaxPoolIndices2512
	z.maxPoolReluIndices2 = opsMaxPoolReluIndices2512
	z.maxPool3 = opsMaxPool3512
	z.sumPool3 = opsSumPool3512
	z.square = opsSquare512
	z.lrn34 = opsLrn34512
	z.lrnScale = opsLrnScale512
	z.maxOf = opsMaxOf512
	z.sum = opsSum512
	z.expSum = opsExpSum512
	z.divBy = opsDivBy512
	z.maxout = opsMaxout512
	z.maxoutBackward = opsMaxoutBackward512
	z.transpose = transposeAVX2
	z.reluBackward = opsReluBackward512
	z.reluBackwardSum = opsReluBackwardSum512
	z.sigmoidBackward = opsSigmoidBackward512
	z.tanhBackward = opsTanhBackward512
	z.maxPoolBackward = opsMaxPoolBackward512
	z.maxPoolBackward2 = opsMaxPoolBackward2512
	z.maxPoolReluBackward2 = opsMaxPoolReluBackward2512
	z.maxPoolIndexedBackward2 = opsMaxPoolIndexedBackward2512
	z.maxPoolSpread = opsMaxPoolSpread512
	z.maxPoolSpread3 = opsMaxPoolSpread3512
	z.spreadAdd = opsSpreadAdd512
	z.sumRow = opsSumRow512
	z.devRow = opsDevRow512
	z.dotRow = opsDotRow512
	z.batchNormBackward = opsBatchNormBackward512
	z.lrnTerms34 = opsLrnTerms34512
	z.lrnBackward = opsLrnBackward512
	z.dropout = opsDropout512
	z.sumSquares = opsSumSquares512
	z.sgd = opsSgd512
	z.nesterov = opsNesterov512
	z.rmsprop = opsRmsprop512
	z.rmspropTorch = opsRmspropTorch512
	z.adam = opsAdam512
	z.toward = opsToward512
}

func vectorizeAVX2(y *vecOps) {
	y.relu = opsRelu256
	y.exp = opsExp256
	y.sigmoid = opsSigmoid256
	y.tanh = opsTanh256
	y.gelu = opsGelu256
	y.normalTail = opsNormalTail256
	y.affine = opsAffine256
	y.add = opsAdd256
	y.sub = opsSub256
	y.subFrom = opsSubFrom256
	y.mul = opsMul256
	y.div = opsDiv256
	y.max = opsMax256
	y.min = opsMin256
	y.addScaled = opsAddScaled256
	y.maxPool = opsMaxPool256
	y.sumPool = opsSumPool256
	y.maxPool2 = opsMaxPool2256
	y.maxPoolIndices2 = opsMaxPoolIndices2256
	y.maxPoolReluIndices2 = opsMaxPoolReluIndices2256
	y.maxPool3 = opsMaxPool3256
	y.sumPool3 = opsSumPool3256
	y.square = opsSquare256
	y.lrn34 = opsLrn34256
	y.lrnScale = opsLrnScale256
	y.maxOf = opsMaxOf256
	y.sum = opsSum256
	y.expSum = opsExpSum256
	y.divBy = opsDivBy256
	y.maxout = opsMaxout256
	y.maxoutBackward = opsMaxoutBackward256
	y.transpose = transposeAVX2
	y.reluBackward = opsReluBackward256
	y.reluBackwardSum = opsReluBackwardSum256
	y.sigmoidBackward = opsSigmoidBackward256
	y.tanhBackward = opsTanhBackward256
	y.maxPoolBackward = opsMaxPoolBackward256
	y.maxPoolBackward2 = opsMaxPoolBackward2256
	y.maxPoolReluBackward2 = opsMaxPoolReluBackward2256
	y.maxPoolIndexedBackward2 = opsMaxPoolIndexedBackward2256
	y.maxPoolSpread = opsMaxPoolSpread256
	y.maxPoolSpread3 = opsMaxPoolSpread3256
	y.spreadAdd = opsSpreadAdd256
	y.sumRow = opsSumRow256
	y.devRow = opsDevRow256
	y.dotRow = opsDotRow256
	y.batchNormBackward = opsBatchNormBackward256
	y.lrnTerms34 = opsLrnTerms34256
	y.lrnBackward = opsLrnBackward256
	y.dropout = opsDropout256
	y.sumSquares = opsSumSquares256
	y.sgd = opsSgd256
	y.nesterov = opsNesterov256
	y.rmsprop = opsRmsprop256
	y.rmspropTorch = opsRmspropTorch256
	y.adam = opsAdam256
	y.toward = opsToward256
}
