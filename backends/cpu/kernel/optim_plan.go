package kernel

// Cost is that of the update.
func (k SGD) Cost(int) Cost { return perElement(k.N, 5, 5, optimizerNS) }

// Cost is that of the update.
func (k RMSProp) Cost(int) Cost { return perElement(k.N, 9, 7, 2*optimizerNS) }

// Cost is that of the update.
func (k Adam) Cost(int) Cost { return perElement(k.N, 12, 7, 3*optimizerNS) }

// Cost is that of the update.
func (k Average) Cost(int) Cost { return perElement(k.N, 3, 3, optimizerNS) }

// Cost is that of the rate.
func (k AverageRate) Cost(int) Cost { return perElement(1, 4, 2, expNS) }

// Cost is that of the sum.
func (k Penalty) Cost(int) Cost { return perElement(k.N, 2, 1, optimizerNS) }

// Cost is that of the sum.
func (k SquareSums) Cost(int) Cost { return perElement(k.N, 2, 1, moveNS) }

// Cost is that of the norm.
func (k NormOfSums) Cost(int) Cost { return perElement(k.N, 1, 1, sumNS) }

// Cost is that of the op.
func (k ClipNorm) Cost(int) Cost { return perElement(k.N, 1, 2, moveNS) }

// Cost is that of the op.
func (k ClipValue) Cost(int) Cost { return perElement(k.N, 2, 2, expNS) }

// Cost is that of the op.
func (k MaxNormPacked) Cost(int) Cost { return perElement(k.Blocks*k.K*Block, 3, 2, 2) }
